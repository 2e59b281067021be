/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix-unit instruction of family `mma`: one warp multiplies a tile of MMA_M x
 * MMA_K by one of MMA_K x MMA_N. Read by C and OpenCL C. */
#ifndef WEFT_MATRIX_UNIT_H
#define WEFT_MATRIX_UNIT_H

#define WARP  32
#define MMA_M 16
#define MMA_N 8
#define MMA_K 8

/* Values of MMA_PATH. */
#define MMA_PATH_EMULATED 0 /* lanes exchange operands through local memory */
#define MMA_PATH_PTX      1 /* mma.sync.aligned.m16n8k8, inline PTX of NVIDIA */

/* Local memory of the emulation, for each warp; padding of a row of a staged tile. */
#define MMA_TILE_FLOATS (MMA_M * MMA_K + MMA_K * MMA_N)
#define MMA_LDS_PAD     8

/* Error of a product as three tf32 products, in roundings of float32. */
#define MMA_ROUNDINGS 12

#endif
