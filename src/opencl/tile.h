/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the `tile` family share: products through local memory
 * (conv_tile.c). */
#ifndef WEFT_OPENCL_TILE_H
#define WEFT_OPENCL_TILE_H

#include "product.h"

/* Of a product: m x n of the result for a work-group, `depth` of the sum at a time,
 * rows x columns of the result for a work-item. */
#define TILE_TUNABLES                                                               \
    {                                                                               \
        {"m", 5, {16, 32, 64, 96, 128}}, {"n", 5, {16, 32, 64, 96, 128}},           \
            {"depth", 3, {8, 16, 32}}, {"rows", 2, {4, 8}}, {"columns", 2, {4, 8}}, \
            {"buffers", 2, {1, 2}}, {"splits", 7, {1, 2, 4, 8, 16, 32, 64}},        \
    }

/* The tile with the least time. */
void tile_choose(const struct ocl_device *device, const struct product *p, int *values);
bool tile_allows(const struct ocl_device *device, const struct product *p,
                 const int *values);
struct ocl_grid tile_grid(const int *values);

/* conv_winograd_tile.c: tiles of 2x2, 3x3 and 4x4. */
extern const struct ocl_algorithm tile_winograd_forward[3], tile_winograd_data[3];

#endif
