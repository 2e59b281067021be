/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a 3x3 convolution, stride 1, by Winograd's algorithm,
 * family `vec`.
 *
 *     winograd_bwd_weights_gemm    sums over tiles of (A dz A^T) * (B^T x B), a matrix
 *                                  [c][k] for each transform element; bias gradient
 *     winograd_bwd_weights_reduce  dw = G^T (these sums) G
 *
 * dz is dy, or behind a max pool dy at the taps in argmax. A work-item of
 * winograd_bwd_weights_gemm takes `split` tiles of OUTPUT_TILE x OUTPUT_TILE pixels,
 * TILES at a time, all input channels and K_BLOCK output channels: it transforms them
 * into planes in the workspace, one for each transform element, which fit the
 * second-level cache, and accumulates their products in planes of sums, in register
 * tiles of TILE rows x NV vectors. Global size (blocks of K_BLOCK output channels,
 * splits). */
#include "lib/common.h"
#include "lib/epilogue_options.h"
#include "lib/pool_shape.h"
#include "lib/conv_shape.h"
#include "lib/winograd.h"
#include "shared/workspace_layout.h"

#ifndef TILES
#define TILES 12
#endif
/* Register tile of the GEMM: TILE input channels x NV vectors of output channels. */
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
/* A multiple of NV * VW. */
#ifndef K_BLOCK
#define K_BLOCK (NV * VW)
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

enum {
    BLOCK = NV * VW,
    C_TILED = (C + TILE - 1) / TILE * TILE,
    C_PADDED = (C_TILED + VW - 1) / VW * VW,
    V_STRIDE = WINOGRAD_PLANE(TILES, C_PADDED),
    DZ_STRIDE = WINOGRAD_PLANE(TILES, K_BLOCK),
    WORKSPACE_FLOATS = TRANSFORM_ELEMENTS * (V_STRIDE + DZ_STRIDE),
    K_BLOCKS = (K + K_BLOCK - 1) / K_BLOCK,
    ACC_STRIDE = WINOGRAD_PLANE(C_TILED, K_BLOCK),
    ACC_FLOATS = TRANSFORM_ELEMENTS * ACC_STRIDE + K_BLOCK, /* bias last */
    TILES_Y = (OUT_H + OUTPUT_TILE - 1) / OUTPUT_TILE,
    TILES_X = (OUT_W + OUTPUT_TILE - 1) / OUTPUT_TILE
};

#define TRANSFORM_SPACE __global
#include "lib/winograd_gradient.h"

static inline void clear(__global float *p, int count)
{
    for (int i = 0; i < count; i += VW)
        VSTORE((floatv)(0.0f), p + i);
}

/* Transforms `count` channels of a tile's gradient into the planes `to`, and adds their
 * sums to `bias`. */
static inline void transform_gradients(__global float *to, __global float *bias,
                                       __global const stored_other *dy,
                                       __global const uchar *argmax,
                                       struct winograd_tile t, int count)
{
    for (int k = 0; k < count; k += VW) {
        const floatv sum = transform_gradient_tile(to + k, dy + k, argmax + k, t);
        if (BIAS)
            VSTORE(VLOAD(bias + k) + sum, bias + k);
    }
}

/* Adds the products of `tiles` tiles to TILE rows of a plane of sums. */
static inline void accumulate_gemm(__global float *sums, __global const float *x,
                                   __global const float *dz, int tiles)
{
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] = VLOAD(sums + i * K_BLOCK + v * VW);
#pragma unroll UNROLL
    for (int t = 0; t < tiles; t++) {
        floatv d[NV];
#pragma unroll
        for (int v = 0; v < NV; v++)
            d[v] = VLOAD(dz + t * K_BLOCK + v * VW);
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
                acc[i][v] = MAD((floatv)(x[t * C_PADDED + i]), d[v], acc[i][v]);
    }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            VSTORE(acc[i][v], sums + i * K_BLOCK + v * VW);
}

__kernel void winograd_bwd_weights_gemm(VIEW(const stored_x, x),
                                        VIEW(const stored_other, dy),
                                        VIEW(const uchar, argmax), VIEW(float, sums),
                                        VIEW(float, workspace), int tiles, int split)
{
    const int item = get_global_id(1) * K_BLOCKS + get_global_id(0);
    const int channel = get_global_id(0) * K_BLOCK,
              count = min((int)K_BLOCK, K - channel);
    const int begin = get_global_id(1) * split, end = min(begin + split, tiles);
    __global float *const xs = workspace + workspace_at + (size_t)item * WORKSPACE_FLOATS;
    __global float *const dzs = xs + TRANSFORM_ELEMENTS * V_STRIDE;
    sums += sums_at + (size_t)item * ACC_FLOATS;
    clear(sums, ACC_FLOATS);
    clear(xs, WORKSPACE_FLOATS);
    for (int t = begin; t < end; t += TILES) {
        const int some = min((int)TILES, end - t);
        for (int i = 0; i < some; i++) {
            const struct winograd_tile tile = tile_at(t + i);
            transform_input_channels(xs + i * C_PADDED, x + x_at, argmax, tile);
            transform_gradients(
                dzs + i * K_BLOCK, sums + TRANSFORM_ELEMENTS * ACC_STRIDE,
                dy + dy_at + channel, argmax + argmax_at + channel, tile, count);
        }
        for (int element = 0; element < TRANSFORM_ELEMENTS; element++)
            for (int k = 0; k < count; k += BLOCK)
                for (int c = 0; c < C_TILED; c += TILE)
                    accumulate_gemm(sums + element * ACC_STRIDE + c * K_BLOCK + k,
                                    xs + element * V_STRIDE + c,
                                    dzs + element * DZ_STRIDE + k, some);
    }
}

/* Sum over all splits, in order. */
static inline floatv sum_splits(__global const float *sums, int splits)
{
    floatv sum = VLOAD(sums);
    for (int split = 1; split < splits; split++)
        sum += VLOAD(sums + (size_t)split * (K_BLOCKS * ACC_FLOATS));
    return sum;
}

/* A work-item computes the filters of an input channel and K_BLOCK output channels, for
 * the last input channel also the bias. Global size (blocks of K_BLOCK output channels,
 * C). */
__kernel void winograd_bwd_weights_reduce(VIEW(const float, sums), VIEW(float, dw),
                                          VIEW(float, dbias), int splits)
{
    const int c = get_global_id(1), channel = get_global_id(0) * K_BLOCK;
    const int count = min((int)K_BLOCK, K - channel);
    sums += sums_at + (size_t)get_global_id(0) * ACC_FLOATS;
    for (int k = 0; k < count; k += VW) {
        floatv part[3][INPUT_TILE];
        for (int j = 0; j < INPUT_TILE; j++) {
            floatv u[INPUT_TILE];
#pragma unroll
            for (int i = 0; i < INPUT_TILE; i++)
                u[i] = sum_splits(
                    sums + (i * INPUT_TILE + j) * ACC_STRIDE + c * K_BLOCK + k, splits);
            transform_column(part, j, u);
        }
        store_filter(part, dw + dw_at + (size_t)c * K + channel + k, count - k);
        if (BIAS && c == C - 1)
            store_part(sum_splits(sums + TRANSFORM_ELEMENTS * ACC_STRIDE + k, splits),
                       dbias + dbias_at + channel + k, count - k);
    }
}
