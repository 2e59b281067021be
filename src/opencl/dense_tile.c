/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers of the `tile` family: convolutions of pictures of one pixel. What a window
 * would cost is constant in the kernel and folds away. */
#include "tile.h"

enum weft_status ocl_tile_dense_forward(struct weft_list *list,
                                        const struct weft_dense_args *args)
{
    struct weft_conv_args conv = weft_dense_as_conv(args);
    return ocl_family_tile.conv_forward(list, &conv);
}

enum weft_status ocl_tile_dense_backward_data(struct weft_list *list,
                                              const struct weft_dense_args *args)
{
    struct weft_conv_args conv = weft_dense_as_conv(args);
    return ocl_family_tile.conv_backward_data(list, &conv);
}

enum weft_status ocl_tile_dense_backward_weights(struct weft_list *list,
                                                 const struct weft_dense_args *args)
{
    struct weft_conv_args conv = weft_dense_as_conv(args);
    return ocl_family_tile.conv_backward_weights(list, &conv);
}
