/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers of the `tile` family, for its row in conv_tile.c. */
#ifndef WEFT_TILE_H
#define WEFT_TILE_H

#include "ocl.h"

enum weft_status ocl_tile_dense_forward(struct weft_list *list,
                                        const struct weft_dense_args *args);
enum weft_status ocl_tile_dense_backward_data(struct weft_list *list,
                                              const struct weft_dense_args *args);
enum weft_status ocl_tile_dense_backward_weights(struct weft_list *list,
                                                 const struct weft_dense_args *args);

#endif
