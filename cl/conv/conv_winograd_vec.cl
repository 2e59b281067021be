/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolution, stride 1, by Winograd's algorithm, family `vec`.
 *
 *     winograd_transform_weights  u = G w G^T, [block][element][c][BLOCK]
 *     winograd_conv               y, or with FUSED_POOL y and argmax, from x and u
 *
 * A work-item of winograd_conv computes TILES tiles of OUTPUT_TILE x OUTPUT_TILE pixels:
 * it transforms their inputs, all channels, then for each block of output channels
 * multiplies TRANSFORM_ELEMENTS small matrices and transforms the products back.
 * Transformed inputs and products are planes in private arrays of about 100 KB, which
 * fit a CPU's second-level cache. Pixels outside the image are not read. Global size
 * (blocks / BLOCKS_PER_ITEM, tiles / TILES), rounded up. */
#include "lib/common.h"
#include "lib/pool_shape.h"
#include "lib/conv_shape.h"
#include "lib/winograd.h"
#include "shared/workspace_layout.h"

#ifndef TILES
#define TILES 6
#endif
#ifndef BLOCKS_PER_ITEM
#define BLOCKS_PER_ITEM 1
#endif
/* Register tile of the GEMM: TILE tiles x NV vectors. TILE divides TILES. */
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

enum {
    BLOCK = NV * VW,
    BLOCKS = (K + BLOCK - 1) / BLOCK,
    C_PADDED = (C + VW - 1) / VW * VW,
    U_STRIDE = WINOGRAD_PLANE(C, BLOCK),
    V_STRIDE = WINOGRAD_PLANE(TILES, C_PADDED),
    M_STRIDE = WINOGRAD_PLANE(TILES, BLOCK)
};

#include "lib/winograd_conv.h"

/* A work-item transforms the filters of an input channel and a block. Global size (C,
 * BLOCKS). */
__kernel void winograd_transform_weights(VIEW(const stored_w, w), VIEW(float, u))
{
    const int in = get_global_id(0), block = get_global_id(1);
    u += u_at + (size_t)block * (TRANSFORM_ELEMENTS * U_STRIDE) + in * BLOCK;
    for (int v = 0; v < BLOCK; v += VW)
        transform_filter_tile(u + v, w + w_at, in, block * BLOCK + v);
}

/* TILE rows of the GEMM of one transform element. */
static inline void multiply(float *m, const float *v, __global const float *u)
{
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int k = 0; k < NV; k++)
            acc[i][k] = (floatv)(0.0f);
#pragma unroll UNROLL
    for (int c = 0; c < C; c++) {
        floatv b[NV];
#pragma unroll
        for (int k = 0; k < NV; k++)
            b[k] = VLOAD(u + c * BLOCK + k * VW);
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int k = 0; k < NV; k++)
                acc[i][k] = MAD((floatv)(v[i * C_PADDED + c]), b[k], acc[i][k]);
    }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int k = 0; k < NV; k++)
            VSTORE(acc[i][k], m + i * BLOCK + k * VW);
}

/* `from`: argmax of POOL_SCATTER; `argmax`: output of FUSED_POOL. */
__kernel void winograd_conv(VIEW(const stored_x, x), VIEW(const uchar, from),
                            VIEW(const float, u), VIEW(const float, bias),
                            VIEW(const stored_act_grad, act_grad), VIEW(stored_y, y),
                            VIEW(uchar, argmax), int tiles, float2 act_params)
{
    float v[TRANSFORM_ELEMENTS * V_STRIDE] __attribute__((aligned(64)));
    float m[TRANSFORM_ELEMENTS * M_STRIDE] __attribute__((aligned(64)));
    const int first = get_global_id(1) * TILES, count = min((int)TILES, tiles - first);
    const int begin = get_global_id(0) * BLOCKS_PER_ITEM,
              end = min(begin + BLOCKS_PER_ITEM, (int)BLOCKS);
    for (int i = 0; i < TILES; i++)
        transform_input_channels(v + i * C_PADDED, x + x_at, from + from_at,
                                 tile_at(first + min(i, count - 1)));
    u += u_at + (size_t)begin * (TRANSFORM_ELEMENTS * U_STRIDE);
    for (int block = begin; block < end; block++) {
        for (int element = 0; element < TRANSFORM_ELEMENTS; element++, u += U_STRIDE)
            for (int i = 0; i < TILES; i += TILE)
                multiply(m + element * M_STRIDE + i * BLOCK,
                         v + element * V_STRIDE + i * C_PADDED, u);
        for (int k = 0; k < BLOCK; k += VW) {
            const int channel = block * BLOCK + k;
            if (channel >= K)
                break;
            const struct output o = {y + y_at + channel,
                                     argmax + argmax_at + channel,
                                     act_grad + act_grad_at + channel,
                                     K - channel,
                                     BIAS ? VLOAD(bias + bias_at + channel)
                                          : (floatv)(0.0f),
                                     act_params};
            for (int i = 0; i < count; i++) {
                floatv part[OUTPUT_TILE][INPUT_TILE];
                transform_columns(part, m + i * BLOCK + k);
                store_tile(&o, part, tile_at(first + i));
            }
        }
    }
}
