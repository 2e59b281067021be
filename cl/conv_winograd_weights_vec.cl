/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient of the weights of a convolution with a window of 3x3, stride 1, by Winograd's
 * algorithm, family `vec`.
 *
 *     winograd_products  sums over tiles of (A dz A^T) * (B^T x B), for each place of a
 *                        tile a matrix [in][out]; and of dz, for the bias
 *     winograd_windows   dw = G^T (sums of these) G
 *
 * dz is dy, or where a pool follows dy at the places that argmax names. An item of
 * `winograd_products` takes `split` tiles of OUTPUTS x OUTPUTS pixels, TILES at a time,
 * with all input channels and PART output channels: it transforms them into planes, one a
 * place, which the second-level cache holds, and adds their products to planes of sums,
 * TILE rows x NV vectors at a time in registers. Planes are 16 floats longer than needed,
 * or else all would fall into the same few places of the first-level cache. Global size
 * (parts, splits). */
#include "common.h"
#include "pool_vec.h"
#include "shape_vec.h"
#include "winograd.h"

#ifndef BIAS
#define BIAS 0
#endif
#ifndef TILES
#define TILES 12
#endif
/* A product's registers: TILE input channels x NV vectors of output channels. */
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
/* Whole blocks of NV vectors. */
#ifndef PART
#define PART (NV * VW)
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

enum {
    BLOCK = NV * VW,
    ROWS = (IN + TILE - 1) / TILE * TILE,
    CHANNELS = (ROWS + VW - 1) / VW * VW,
    V_PLANE = TILES * CHANNELS + 16,
    DZ_PLANE = TILES * PART + 16,
    ROOM = PLACES * (V_PLANE + DZ_PLANE),
    PARTS = (OUT + PART - 1) / PART,
    SUMS_PLANE = ROWS * PART + 16,
    SUMS = PLACES * SUMS_PLANE + PART, /* the bias's last */
    TILES_Y = (OUT_H + OUTPUTS - 1) / OUTPUTS,
    TILES_X = (OUT_W + OUTPUTS - 1) / OUTPUTS
};

#define PLANES_ARE __global
#include "winograd_input.h"

static inline void clear(__global float *p, int count)
{
    for (int i = 0; i < count; i += VW)
        VSTORE((floatv)(0.0f), p + i);
}

/* dz at a place of a picture, of the channels from dy and argmax on. */
static inline floatv gradient_at(__global const stored_other *dy,
                                 __global const uchar *argmax, int y, int x)
{
#if POOL_R == 0
    (void)argmax;
    return VLOAD_OTHER(dy + (y * OUT_W + x) * OUT);
#else
    const int py = y / POOL_R, px = x / POOL_S;
    if (py >= POOL_H || px >= POOL_W)
        return (floatv)(0.0f);
    const int at = (py * POOL_W + px) * OUT;
#if OUT % VW == 0
    const intv place = CONVERT_INTV(*(__global const ucharv *)(argmax + at));
#else
    const intv place = CONVERT_INTV(VLOADN(argmax + at));
#endif
    return WHERE(place == (intv)(REMAINDER(y, POOL_R) * POOL_S + REMAINDER(x, POOL_S)),
                 VLOAD_OTHER(dy + at), (floatv)(0.0f));
#endif
}

/* A tile's gradients become places of the planes `to`, their sums are added to `bias`.
 * `count` channels. */
static inline void load_gradient(__global float *to, __global float *bias,
                                 __global const stored_other *dy,
                                 __global const uchar *argmax, struct tile t, int count)
{
    const size_t at =
        (size_t)t.picture * (POOL_R ? POOL_H * POOL_W * OUT : OUT_H * OUT_W * OUT);
    const int rows = min((int)OUTPUTS, OUT_H - t.y),
              columns = min((int)OUTPUTS, OUT_W - t.x);
    for (int k = 0; k < count; k += VW) {
        floatv part[SIDE][OUTPUTS], sum = (floatv)(0.0f);
        for (int j = 0; j < OUTPUTS; j++) {
            floatv d[OUTPUTS], v[SIDE];
#pragma unroll
            for (int i = 0; i < OUTPUTS; i++) {
                d[i] = i < rows && j < columns
                           ? gradient_at(dy + at + k, argmax + at + k, t.y + i, t.x + j)
                           : (floatv)(0.0f);
                sum += d[i];
            }
            transform_gradient(v, d);
#pragma unroll
            for (int i = 0; i < SIDE; i++)
                part[i][j] = v[i];
        }
        for (int i = 0; i < SIDE; i++) {
            floatv v[SIDE];
            transform_gradient(v, part[i]);
#pragma unroll
            for (int j = 0; j < SIDE; j++)
                VSTORE(v[j], to + (i * SIDE + j) * DZ_PLANE + k);
        }
        if (BIAS)
            VSTORE(VLOAD(bias + k) + sum, bias + k);
    }
}

/* Adds the products of `tiles` tiles to TILE rows of a plane of sums. */
static inline void add_products(__global float *sums, __global const float *x,
                                __global const float *dz, int tiles)
{
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] = VLOAD(sums + i * PART + v * VW);
#pragma unroll UNROLL
    for (int t = 0; t < tiles; t++) {
        floatv d[NV];
#pragma unroll
        for (int v = 0; v < NV; v++)
            d[v] = VLOAD(dz + t * PART + v * VW);
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
                acc[i][v] = MAD((floatv)(x[t * CHANNELS + i]), d[v], acc[i][v]);
    }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            VSTORE(acc[i][v], sums + i * PART + v * VW);
}

__kernel void winograd_products(__global const stored_x *restrict x, uint x_at,
                                __global const stored_other *restrict dy, uint dy_at,
                                __global const uchar *restrict argmax, uint argmax_at,
                                __global float *restrict sums, uint sums_at,
                                __global float *restrict room, uint room_at, int tiles,
                                int split)
{
    const int item = get_global_id(1) * PARTS + get_global_id(0);
    const int channel = get_global_id(0) * PART, count = min((int)PART, OUT - channel);
    const int begin = get_global_id(1) * split, end = min(begin + split, tiles);
    __global float *const xs = room + room_at + (size_t)item * ROOM;
    __global float *const dzs = xs + PLACES * V_PLANE;
    sums += sums_at + (size_t)item * SUMS;
    clear(sums, SUMS);
    clear(xs, ROOM);
    for (int t = begin; t < end; t += TILES) {
        const int some = min((int)TILES, end - t);
        for (int i = 0; i < some; i++) {
            const struct tile tile = tile_at(t + i);
            load_tile(xs + i * CHANNELS, x + x_at, argmax, tile);
            load_gradient(dzs + i * PART, sums + PLACES * SUMS_PLANE,
                          dy + dy_at + channel, argmax + argmax_at + channel, tile,
                          count);
        }
        for (int place = 0; place < PLACES; place++)
            for (int k = 0; k < count; k += BLOCK)
                for (int c = 0; c < ROWS; c += TILE)
                    add_products(sums + place * SUMS_PLANE + c * PART + k,
                                 xs + place * V_PLANE + c, dzs + place * DZ_PLANE + k,
                                 some);
    }
}

/* The sum over all splits, in order. */
static inline floatv sum_at(__global const float *sums, int splits)
{
    floatv sum = VLOAD(sums);
    for (int split = 1; split < splits; split++)
        sum += VLOAD(sums + (size_t)split * (PARTS * SUMS));
    return sum;
}

/* One work-item the windows of an input channel and a part; of the last input channel
 * the bias too. Global size (parts, IN). */
__kernel void winograd_windows(__global const float *restrict sums, uint sums_at,
                               __global float *restrict dw, uint dw_at,
                               __global float *restrict dbias, uint dbias_at, int splits)
{
    const int c = get_global_id(1), channel = get_global_id(0) * PART;
    const int count = min((int)PART, OUT - channel);
    sums += sums_at + (size_t)get_global_id(0) * SUMS;
    for (int k = 0; k < count; k += VW) {
        floatv part[3][SIDE];
        for (int j = 0; j < SIDE; j++) {
            floatv u[SIDE], g[3];
#pragma unroll
            for (int i = 0; i < SIDE; i++)
                u[i] = sum_at(sums + (i * SIDE + j) * SUMS_PLANE + c * PART + k, splits);
            transform_window(g, u);
#pragma unroll
            for (int r = 0; r < 3; r++)
                part[r][j] = g[r];
        }
        for (int r = 0; r < 3; r++) {
            floatv g[3];
            transform_window(g, part[r]);
            for (int s = 0; s < 3; s++)
                store_part(
                    g[s], dw + dw_at + ((size_t)(r * 3 + s) * IN + c) * OUT + channel + k,
                    count - k);
        }
        if (BIAS && c == IN - 1)
            store_part(sum_at(sums + PLACES * SUMS_PLANE + k, splits),
                       dbias + dbias_at + channel + k, count - k);
    }
}
