/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the `tile` family share: products through local memory
 * (conv_tile.c). */
#ifndef WEFT_OPENCL_CONV_TILE_H
#define WEFT_OPENCL_CONV_TILE_H

#include "opencl/conv/implicit_gemm.h"

/* Of a product: m x n of the result for a work-group, `depth` of the sum at a time,
 * rows x columns of the result for a work-item. */
#define TILE_TUNABLES                                                         \
    {                                                                         \
        {"mwg", 5, {16, 32, 64, 96, 128}}, {"nwg", 5, {16, 32, 64, 96, 128}}, \
            {"kwg", 3, {8, 16, 32}}, {"mwi", 2, {4, 8}}, {"nwi", 2, {4, 8}},  \
            {"buffers", 2, {1, 2}}, {"split-k", 7, {1, 2, 4, 8, 16, 32, 64}}, \
    }

/* The tile with the least time. */
void tile_select_config(const struct ocl_device *device, const struct ocl_gemm *p,
                        int *values);
bool tile_validate_config(const struct ocl_device *device, const struct ocl_gemm *p,
                          const int *values);
struct ocl_gemm_tiling tile_gemm_tiling(const int *values);

/* conv_winograd_tile.c: tiles of 2x2, 3x3 and 4x4. */
extern const struct ocl_algorithm tile_winograd_forward[3], tile_winograd_bwd_data[3];

#endif
