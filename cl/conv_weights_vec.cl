/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient of a convolution's weights and bias, family `vec`.
 *
 *     dw[ky,kx,c,k] = sum over n, y, x of dz[n,y,x,k]
 *                     x[n, y STRIDE_Y + ky DILATION_Y, x STRIDE_X + kx DILATION_X, c]
 *     dbias[k] = sum over n, y, x of dz[n,y,x,k]
 *
 * The input is padded already. dz is dy, or where a pool follows dy at the places that
 * argmax names. Two ways to the same partial sums of `split` pictures each, in planes
 * [split][block of channels][ROWS weights, then bias][BLOCK]; conv_weights_sum adds them
 * in order.
 *
 *     conv_weights         lays out dz of a few rows, one block of channels wide, in a
 *                          slab that stays in the first-level cache; then tiles of TILE
 *                          weights x NV vectors of channels, in registers
 *     conv_weights_pooled  for few weights behind a pool whose windows touch each other:
 *                          dz of a window is made in registers
 *
 * Global size (blocks / PER_ITEM rounded up, splits). */
#include "common.h"
#include "pool_vec.h"
#include "shape_vec.h"

#ifndef GROUPS
#define GROUPS 1
#endif
#ifndef BIAS
#define BIAS 0
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
/* Blocks of channels an item does. */
#ifndef PER_ITEM
#define PER_ITEM 1
#endif
/* A slab: rows of one picture, or several whole pictures. */
#ifndef SLAB_ROWS
#define SLAB_ROWS 1
#endif
#ifndef SLAB_PICTURES
#define SLAB_PICTURES 1
#endif
#ifndef UNROLL
#define UNROLL 2
#endif

enum {
    BLOCK = NV * VW,
    GROUP_BLOCKS = (GROUP_OUT + BLOCK - 1) / BLOCK,
    BLOCKS = GROUPS * GROUP_BLOCKS,
    TAPS = R * S * GROUP_IN,
    TILES = (TAPS + TILE - 1) / TILE,
    ROWS = TILES * TILE, /* in a plane, before the bias */
    PLANE = (ROWS + 1) * BLOCK,
    SLAB = SLAB_PICTURES * SLAB_ROWS * OUT_W * BLOCK
};

#if DEPTHWISE
#define INPUT(p, v) VLOAD((p) + (v)*VW)
#else
#define INPUT(p, v) ((floatv)(*(p)))
#endif

/* The first channels of a block, and how many the group has from there on. */
struct block {
    int in, out, left;
};

static inline struct block block_at(int index)
{
    struct block b;
    const int group = index / GROUP_BLOCKS,
              first = (index - group * GROUP_BLOCKS) * BLOCK;
    b.in = DEPTHWISE ? first : group * GROUP_IN;
    b.out = group * GROUP_OUT + first;
    b.left = GROUP_OUT - first;
    return b;
}

/* Where weight `tap`, counted as (ky, kx, c), meets its first input. */
static inline int tap_at(int tap)
{
    const int place = tap / GROUP_IN;
    return (place / S * DILATION_Y * IN_W + REMAINDER(place, S) * DILATION_X) * IN +
           REMAINDER(tap, GROUP_IN);
}

#if POOL_R > 0
/* The places that argmax names; in one load where they lie as wide as the vector is. */
static inline intv places_at(__global const uchar *argmax)
{
#if GROUP_OUT % VW == 0 && OUT % VW == 0
    return CONVERT_INTV(*(__global const ucharv *)argmax);
#else
    return CONVERT_INTV(VLOAD(argmax));
#endif
}
#endif

/* dz[n,y,x] of the channels from dy and argmax on. */
static inline floatv gradient_at(__global const float *dy, __global const uchar *argmax,
                                 int n, int y, int x)
{
#if POOL_R == 0
    (void)argmax;
    return VLOAD(dy + ((size_t)(n * OUT_H + y) * OUT_W + x) * OUT);
#else
    floatv sum = (floatv)(0.0f);
    for (int r = 0; r < POOL_R; r++) {
        const int above = y + POOL_TOP - r, py = above / POOL_STRIDE_Y;
        if (above < 0 || py * POOL_STRIDE_Y != above || py >= POOL_H)
            continue;
        for (int s = 0; s < POOL_S; s++) {
            const int before = x + POOL_LEFT - s, px = before / POOL_STRIDE_X;
            if (before < 0 || px * POOL_STRIDE_X != before || px >= POOL_W)
                continue;
            const size_t at = ((size_t)(n * POOL_H + py) * POOL_W + px) * OUT;
            const intv place = places_at(argmax + at);
            sum += WHERE(place == (intv)(r * POOL_S + s), VLOAD(dy + at), (floatv)(0.0f));
        }
    }
    return sum;
#endif
}

/* Fills a slab [picture][row][column][BLOCK]; returns through `sum` what it adds to the
 * bias. */
static inline void fill_slab(__global float *slab, floatv sum[NV],
                             __global const float *dy, __global const uchar *argmax,
                             int picture, int pictures, int row, int rows)
{
    for (int n = 0; n < pictures; n++)
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < OUT_W; x++, slab += BLOCK)
#pragma unroll
                for (int v = 0; v < NV; v++) {
                    const floatv d = gradient_at(dy + v * VW, argmax + v * VW,
                                                 picture + n, row + y, x);
                    VSTORE(d, slab + v * VW);
                    sum[v] += d;
                }
}

/* Adds to TILE weights of a plane what the slab gives; x is at the slab's first input. */
static inline void add_tile(__global float *plane, __global const float *x,
                            __global const float *slab, int tap, int pictures, int rows)
{
    __global const float *at[TILE];
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++) {
        at[i] = x + tap_at(min(tap + i, TAPS - 1));
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] = VLOAD(plane + i * BLOCK + v * VW);
    }
    for (int n = 0; n < pictures; n++)
        for (int y = 0; y < rows; y++) {
            size_t from = (size_t)(n * IN_H + y * STRIDE_Y) * (IN_W * IN);
#pragma unroll UNROLL
            for (int column = 0; column < OUT_W; column++) {
                floatv d[NV];
#pragma unroll
                for (int v = 0; v < NV; v++)
                    d[v] = VLOAD(slab + v * VW);
#pragma unroll
                for (int i = 0; i < TILE; i++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        acc[i][v] = MAD(INPUT(at[i] + from, v), d[v], acc[i][v]);
                slab += BLOCK;
                from += STRIDE_X * IN;
            }
        }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            VSTORE(acc[i][v], plane + i * BLOCK + v * VW);
}

static inline void clear(__global float *p, int count)
{
    for (int i = 0; i < count; i++)
        p[i] = 0.0f;
}

static inline void add_bias(__global float *plane, const floatv sum[NV])
{
    plane += ROWS * BLOCK;
#pragma unroll
    for (int v = 0; v < NV; v++)
        VSTORE(VLOAD(plane + v * VW) + sum[v], plane + v * VW);
}

__kernel void conv_weights(__global const float *restrict x, uint x_at,
                           __global const float *restrict dy, uint dy_at,
                           __global const uchar *restrict argmax, uint argmax_at,
                           __global float *restrict planes, uint planes_at,
                           __global float *restrict slab, uint slab_at, int pictures,
                           int split)
{
    const int item = get_global_id(1) * get_global_size(0) + get_global_id(0);
    const int first = get_global_id(0) * PER_ITEM,
              last = min(first + PER_ITEM, (int)BLOCKS);
    const int begin = get_global_id(1) * split, end = min(begin + split, pictures);
    planes += planes_at + (size_t)get_global_id(1) * (BLOCKS * PLANE);
    slab += slab_at + (size_t)item * SLAB;
    clear(planes + first * PLANE, (last - first) * PLANE);
    for (int n = begin; n < end; n += SLAB_PICTURES)
        for (int y = 0; y < OUT_H; y += SLAB_ROWS)
            for (int index = first; index < last; index++) {
                const int some = min(SLAB_PICTURES, end - n),
                          rows = min(SLAB_ROWS, OUT_H - y);
                const struct block block = block_at(index);
                __global float *plane = planes + index * PLANE;
                __global const float *from =
                    x + x_at + (size_t)(n * IN_H + y * STRIDE_Y) * (IN_W * IN) + block.in;
                floatv sum[NV] = {(floatv)(0.0f)};
                fill_slab(slab, sum, dy + dy_at + block.out,
                          argmax + argmax_at + block.out, n, some, y, rows);
                for (int tap = 0; tap < TAPS; tap += TILE)
                    add_tile(plane + tap * BLOCK, from, slab, tap, some, rows);
                add_bias(plane, sum);
            }
}

/* The pool's windows touch each other (stride is window, no padding); NV is 1. */
#if POOL_R > 0
static inline void add_pooled_tile(floatv acc[TILE], __global const float *x,
                                   const floatv d[POOL_R * POOL_S], int tap)
{
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int place = 0; place < POOL_R * POOL_S; place++) {
            const int at =
                (place / POOL_S * STRIDE_Y * IN_W + place % POOL_S * STRIDE_X) * IN;
            acc[i] =
                MAD(INPUT(x + at + tap_at(min(tap + i, TAPS - 1)), 0), d[place], acc[i]);
        }
}

/* One picture's part of TILE weights of a plane, and with tap 0 of the bias. */
static inline void add_picture(__global float *plane, __global const float *x,
                               __global const float *dy, __global const uchar *argmax,
                               int tap)
{
    floatv acc[TILE], sum = (floatv)(0.0f);
#pragma unroll
    for (int i = 0; i < TILE; i++)
        acc[i] = VLOAD(plane + (tap + i) * BLOCK);
    for (int py = 0; py < POOL_H; py++)
        for (int px = 0; px < POOL_W; px++) {
            const size_t window = (size_t)(py * POOL_W + px) * OUT;
            const intv place = places_at(argmax + window);
            const floatv g = VLOAD(dy + window);
            floatv d[POOL_R * POOL_S];
#pragma unroll
            for (int i = 0; i < POOL_R * POOL_S; i++)
                d[i] = WHERE(place == (intv)(i), g, (floatv)(0.0f));
            sum += g;
            add_pooled_tile(
                acc, x + (py * POOL_R * STRIDE_Y * IN_W + px * POOL_S * STRIDE_X) * IN, d,
                tap);
        }
#pragma unroll
    for (int i = 0; i < TILE; i++)
        VSTORE(acc[i], plane + (tap + i) * BLOCK);
    if (tap == 0)
        add_bias(plane, &sum);
}

__kernel void conv_weights_pooled(__global const float *restrict x, uint x_at,
                                  __global const float *restrict dy, uint dy_at,
                                  __global const uchar *restrict argmax, uint argmax_at,
                                  __global float *restrict planes, uint planes_at,
                                  int pictures, int split)
{
    const int first = get_global_id(0) * PER_ITEM,
              last = min(first + PER_ITEM, (int)BLOCKS);
    const int begin = get_global_id(1) * split, end = min(begin + split, pictures);
    planes += planes_at + (size_t)get_global_id(1) * (BLOCKS * PLANE);
    clear(planes + first * PLANE, (last - first) * PLANE);
    for (int n = begin; n < end; n++)
        for (int index = first; index < last; index++) {
            const struct block block = block_at(index);
            const size_t at = (size_t)n * (POOL_H * POOL_W * OUT) + block.out;
#pragma unroll
            for (int tap = 0; tap < TAPS; tap += TILE)
                add_picture(planes + index * PLANE,
                            x + x_at + (size_t)n * (IN_H * IN_W * IN) + block.in,
                            dy + dy_at + at, argmax + argmax_at + at, tap);
        }
}
#endif

/* Weights an item of conv_weights_sum adds up. Global size ((ROWS + 1) / SUM_ROWS rounded
 * up, blocks). */
#ifndef SUM_ROWS
#define SUM_ROWS 16
#endif

__kernel void conv_weights_sum(__global const float *restrict planes, uint planes_at,
                               __global float *restrict dw, uint dw_at,
                               __global float *restrict dbias, uint dbias_at, int splits)
{
    const struct block block = block_at(get_global_id(1));
    const int first = get_global_id(0) * SUM_ROWS;
    planes += planes_at + get_global_id(1) * PLANE;
    for (int row = first; row < min(first + SUM_ROWS, ROWS + 1); row++) {
        if (row == ROWS ? !BIAS : row >= TAPS)
            continue;
        __global float *to = row == ROWS ? dbias + dbias_at : dw + dw_at + row * OUT;
        for (int v = 0; v * VW < min((int)BLOCK, block.left); v++) {
            floatv sum = VLOAD(planes + row * BLOCK + v * VW);
            for (int split = 1; split < splits; split++)
                sum += VLOAD(planes + (size_t)split * (BLOCKS * PLANE) + row * BLOCK +
                             v * VW);
            store_part(sum, to + block.out + v * VW, block.left - v * VW);
        }
    }
}
