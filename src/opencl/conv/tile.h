/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the `tile` family: GEMM through local memory (conv_tile.c). */
#ifndef WEFT_OPENCL_CONV_TILE_H
#define WEFT_OPENCL_CONV_TILE_H

#include "opencl/conv/implicit_gemm.h"

/* mwg x nwg of the result for a work-group, kwg of the depth at a time, mwi x nwi of the
 * result for a work-item; buffers: staged tiles of each operand. */
extern const struct ocl_tunable tile_tunables[];

/* Selects the tile with the least estimated time. */
void tile_select_config(const struct ocl_device *device, const struct ocl_gemm *p,
                        int *values);
int tile_split_k(const struct ocl_device *device, const struct ocl_gemm *p);
bool tile_validate_config(const struct ocl_device *device, const struct ocl_gemm *p,
                          const int *values);
struct ocl_gemm_tiling tile_gemm_tiling(const int *values);

/* conv_winograd_tile.c: tiles of 2x2, 3x3 and 4x4. */
extern const struct ocl_algorithm tile_winograd_forward[3], tile_winograd_bwd_data[3],
    tile_winograd_bwd_weights[3];

#endif
