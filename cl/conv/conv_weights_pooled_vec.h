/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a convolution with few weights behind a max pool whose
 * windows do not overlap (stride equals window, no padding), family `vec`: dz of a
 * window is made in registers.
 *
 *     dw[ky,kx,c,k] = sum over n, y, x of dz[n,y,x,k]
 *                     x[n, y STRIDE_Y + ky DILATION_Y, x STRIDE_X + kx DILATION_X, c]
 *     dbias[k] = sum over n, y, x of dz[n,y,x,k],  dz: dy at the taps in argmax
 *
 * x is padded already, NV is 1. The partial sums of `images_per_split` images go to
 * partials. Global size (blocks / BLOCKS_PER_ITEM rounded up, splits). */
#ifndef WEFT_CONV_WEIGHTS_POOLED_VEC_H
#define WEFT_CONV_WEIGHTS_POOLED_VEC_H

#include "lib/split_batch_reduction.h"

#if DEPTHWISE
#define INPUT(p) VLOAD_X(p)
#else
#define INPUT(p) ((floatv)(LOAD_X(p)))
#endif

/* Offset in x of the first input of weight `tap`, numbered (ky, kx, c). */
static inline int first_at(int tap)
{
    const int position = tap / C_PER_GROUP;
    return (position / S * DILATION_Y * W + MOD(position, S) * DILATION_X) * C +
           MOD(tap, C_PER_GROUP);
}

static inline void add_pooled_tile(floatv acc[TILE], __global const stored_x *x,
                                   const floatv d[POOL_R * POOL_S], int tap)
{
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int pixel = 0; pixel < POOL_R * POOL_S; pixel++) {
            const int at =
                (pixel / POOL_S * STRIDE_Y * W + pixel % POOL_S * STRIDE_X) * C;
            acc[i] =
                MAD(INPUT(x + at + first_at(min(tap + i, TAPS - 1))), d[pixel], acc[i]);
        }
}

/* Adds the contribution of one image to TILE weights of a partial, and for tap 0 to the
 * bias. */
static inline void add_image(__global float *partial, __global const stored_x *x,
                             __global const stored_other *dy,
                             __global const uchar *argmax, int tap)
{
    floatv acc[TILE], sum = (floatv)(0.0f);
#pragma unroll
    for (int i = 0; i < TILE; i++)
        acc[i] = VLOAD(partial + (tap + i) * BLOCK);
    for (int py = 0; py < POOL_OUT_H; py++)
        for (int px = 0; px < POOL_OUT_W; px++) {
            const size_t window = (size_t)(py * POOL_OUT_W + px) * K;
            const intv argmax_tap = load_argmax(argmax + window);
            const floatv g = VLOAD_OTHER(dy + window);
            floatv d[POOL_R * POOL_S];
#pragma unroll
            for (int i = 0; i < POOL_R * POOL_S; i++)
                d[i] = SELECT(argmax_tap == (intv)(i), g, (floatv)(0.0f));
            sum += g;
            add_pooled_tile(acc,
                            x + (py * POOL_R * STRIDE_Y * W + px * POOL_S * STRIDE_X) * C,
                            d, tap);
        }
#pragma unroll
    for (int i = 0; i < TILE; i++)
        VSTORE(acc[i], partial + (tap + i) * BLOCK);
    if (tap == 0)
        add_bias(partial, &sum);
}

__kernel void conv_bwd_weights_pooled(VIEW(const stored_x, x),
                                      VIEW(const stored_other, dy),
                                      VIEW(const uchar, argmax), VIEW(float, partials),
                                      int images, int images_per_split)
{
    const struct work_range t =
        begin_work_range(partials + partials_at, images, images_per_split);
    for (int n = t.begin; n < t.end; n++)
        for (int index = t.first; index < t.last; index++) {
            const struct batch_block block = block_at(index);
            const size_t at = (size_t)n * (POOL_OUT_H * POOL_OUT_W * K) + block.out;
#pragma unroll
            for (int tap = 0; tap < TAPS; tap += TILE)
                add_image(t.partials + index * PARTIAL,
                          x + x_at + (size_t)n * (H * W * C) + block.in, dy + dy_at + at,
                          argmax + argmax_at + at, tap);
        }
}

#endif
