/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers of the `tile` family: convolutions of pictures of one pixel. What a window
 * would cost is constant in the kernel and folds away. */
#include "tile.h"

static struct weft_conv_args as_conv(const struct weft_dense_args *args)
{
    const struct weft_dense *d = &args->dense;
    return (struct weft_conv_args){
        .conv = {.n = d->n,
                 .h = 1,
                 .w = 1,
                 .c = d->in,
                 .k = d->out,
                 .r = 1,
                 .s = 1,
                 .stride_y = 1,
                 .stride_x = 1,
                 .dilation_y = 1,
                 .dilation_x = 1,
                 .groups = 1,
                 .out_h = 1,
                 .out_w = 1},
        .activation = args->activation,
        .x = args->x,
        .w = args->w,
        .bias = args->bias,
        .y = args->y,
        .dy = args->dy,
        .dw = args->dw,
        .dbias = args->dbias,
        .dx = args->dx,
        .gate = args->gate,
    };
}

enum weft_status ocl_tile_dense_forward(struct weft_list *list,
                                        const struct weft_dense_args *args)
{
    struct weft_conv_args conv = as_conv(args);
    return ocl_family_tile.conv_forward(list, &conv);
}

enum weft_status ocl_tile_dense_backward_data(struct weft_list *list,
                                              const struct weft_dense_args *args)
{
    struct weft_conv_args conv = as_conv(args);
    return ocl_family_tile.conv_backward_data(list, &conv);
}

enum weft_status ocl_tile_dense_backward_weights(struct weft_list *list,
                                                 const struct weft_dense_args *args)
{
    struct weft_conv_args conv = as_conv(args);
    return ocl_family_tile.conv_backward_weights(list, &conv);
}
