/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers as convolutions. */
#include "cpu/cpu.h"

enum weft_status cpu_dense_forward(struct weft_command_list *list,
                                   const struct weft_dense_args *args)
{
    struct weft_conv_args conv = weft_dense_as_conv(args);
    return cpu_conv_forward(list, &conv);
}

enum weft_status cpu_dense_backward_data(struct weft_command_list *list,
                                         const struct weft_dense_args *args)
{
    struct weft_conv_args conv = weft_dense_as_conv(args);
    return cpu_conv_backward_data(list, &conv);
}

enum weft_status cpu_dense_backward_weights(struct weft_command_list *list,
                                            const struct weft_dense_args *args)
{
    struct weft_conv_args conv = weft_dense_as_conv(args);
    return cpu_conv_backward_weights(list, &conv);
}
