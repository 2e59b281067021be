/* SPDX-License-Identifier: Apache-2.0 */
/* A dense layer is a convolution of pictures of one place, with a window of one place. */
#include "cpu.h"

static struct weft_conv_args as_conv(const struct weft_dense_args *a)
{
    return (struct weft_conv_args){
        .conv = {.n = a->dense.n,
                 .h = 1,
                 .w = 1,
                 .c = a->dense.in,
                 .k = a->dense.out,
                 .r = 1,
                 .s = 1,
                 .stride_y = 1,
                 .stride_x = 1,
                 .dilation_y = 1,
                 .dilation_x = 1,
                 .groups = 1,
                 .out_h = 1,
                 .out_w = 1},
        .activation = a->activation,
        .x = a->x,
        .w = a->w,
        .bias = a->bias,
        .y = a->y,
        .dy = a->dy,
        .dw = a->dw,
        .dbias = a->dbias,
        .dx = a->dx,
        .gate = a->gate,
    };
}

enum weft_status cpu_dense_forward(struct weft_list *list,
                                   const struct weft_dense_args *args)
{
    struct weft_conv_args conv = as_conv(args);
    return cpu_conv_forward(list, &conv);
}

enum weft_status cpu_dense_backward_data(struct weft_list *list,
                                         const struct weft_dense_args *args)
{
    struct weft_conv_args conv = as_conv(args);
    return cpu_conv_backward_data(list, &conv);
}

enum weft_status cpu_dense_backward_weights(struct weft_list *list,
                                            const struct weft_dense_args *args)
{
    struct weft_conv_args conv = as_conv(args);
    return cpu_conv_backward_weights(list, &conv);
}
