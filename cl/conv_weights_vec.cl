/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient of a convolution's weights and bias, family `vec`.
 *
 *     dw[ky,kx,c,k] = sum over n, y, x of dz[n,y,x,k]
 *                     x[n, y STRIDE_Y + ky DILATION_Y - PAD_TOP,
 *                       x STRIDE_X + kx DILATION_X - PAD_LEFT, c]
 *     dbias[k] = sum over n, y, x of dz[n,y,x,k]
 *
 * dz is dy, or where a pool follows dy at the places that argmax names. A work-item lays
 * out a panel, part of a picture or several pictures, for the second-level cache: x in
 * slices of SLICE channels with zeros around it, dz one block of channels wide. It takes
 * a chunk of that, which stays in the first-level cache, and computes TILE weights x NV
 * vectors of channels at a time, in registers. Partial sums of `split` pictures each go
 * to planes. Global size (blocks / PER_ITEM rounded up, splits).
 *
 * POOLED: the kernel of pooled_vec.h instead. */
#include "planes_vec.h"

#ifndef POOLED
#define POOLED 0
#endif
#if POOLED
#include "pooled_vec.h"
#else

/* A panel, and a chunk of it: rows of one picture, or several whole pictures. */
#ifndef PANEL_ROWS
#define PANEL_ROWS 1
#endif
#ifndef PANEL_PICTURES
#define PANEL_PICTURES 1
#endif
#ifndef CHUNK_ROWS
#define CHUNK_ROWS 1
#endif
#ifndef CHUNK_PICTURES
#define CHUNK_PICTURES 1
#endif
#ifndef UNROLL
#define UNROLL 2
#endif

#if DEPTHWISE
#define INPUT(p, v) VLOAD((p) + (v)*VW)
#else
#define INPUT(p, v) ((floatv)(*(p)))
#endif

enum {
    STEP = DEPTHWISE ? BLOCK : SLICE, /* floats of a place in a panel's x */
    X_H = (PANEL_ROWS - 1) * STRIDE_Y + (R - 1) * DILATION_Y + 1,
    X_W = (OUT_W - 1) * STRIDE_X + (S - 1) * DILATION_X + 1,
    X_ROW = X_W * STEP,
    X_SLICE = PANEL_PICTURES * X_H * X_ROW,
    DZ_ROW = OUT_W * BLOCK,
    DZ = PANEL_PICTURES * PANEL_ROWS * DZ_ROW,
    PANEL = DZ + SLICES * X_SLICE + VW /* lay_row writes whole vectors */
};

/* dz[n,y,x] of the channels from dy and argmax on. */
static inline floatv gradient_at(__global const stored_other *dy,
                                 __global const uchar *argmax, int n, int y, int x)
{
#if POOL_R == 0
    (void)argmax;
    return VLOAD_OTHER(dy + ((size_t)(n * OUT_H + y) * OUT_W + x) * OUT);
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
            sum += WHERE(place == (intv)(r * POOL_S + s), VLOAD_OTHER(dy + at),
                         (floatv)(0.0f));
        }
    }
    return sum;
#endif
}

/* dz of a panel, [picture][row][column][BLOCK]; returns through `sum` what it adds to the
 * bias. */
static inline void lay_dz(__global float *to, floatv sum[NV],
                          __global const stored_other *dy, __global const uchar *argmax,
                          int picture, int pictures, int row, int rows)
{
    for (int n = picture; n < picture + pictures; n++)
        for (int y = row; y < row + rows; y++)
            for (int x = 0; x < OUT_W; x++, to += BLOCK)
#pragma unroll
                for (int v = 0; v < NV; v++) {
                    const floatv d = gradient_at(dy + v * VW, argmax + v * VW, n, y, x);
                    VSTORE(d, to + v * VW);
                    sum[v] += d;
                }
}

/* A row of x with zeros around it, or of zeros alone. Vectors that are wider than a place
 * reach into the next one, which is written after. */
static inline void lay_row(__global float *to, __global const stored_x *x, bool inside)
{
    for (int column = 0; column < X_W; column++, to += STEP) {
        const int from = column - PAD_LEFT;
        const bool there = inside && from >= 0 && from < IN_W;
        for (int c = 0; c < STEP; c += VW)
            VSTORE(there ? VLOAD_X(x + from * IN + c) : (floatv)(0.0f), to + c);
    }
}

/* x of a panel, [slice][picture][row][X_W][STEP]; the first row is `top`, which may lie
 * above the picture. */
static inline void lay_x(__global float *to, __global const stored_x *x, int pictures,
                         int top, int rows)
{
    for (int slice = 0; slice < SLICES; slice++)
        for (int n = 0; n < pictures; n++)
            for (int row = 0; row < rows; row++) {
                const int y = top + row;
                const bool inside = y >= 0 && y < IN_H;
                lay_row(to + slice * X_SLICE + (n * X_H + row) * X_ROW,
                        x + (size_t)(n * IN_H + (inside ? y : 0)) * (IN_W * IN) +
                            slice * SLICE,
                        inside);
            }
}

/* Where weight `tap` of a slice meets its first input. */
static inline int tap_at(int tap)
{
    const int place = tap / SLICE;
    return (place / S * DILATION_Y * X_W + REMAINDER(place, S) * DILATION_X) * STEP +
           REMAINDER(tap, SLICE);
}

/* Adds to TILE weights of a plane what a chunk gives. */
static inline void add_tile(__global float *plane, __global const float *x,
                            __global const float *dz, int tap, int pictures, int rows)
{
    __global const float *at[TILE];
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++) {
#if !DEPTHWISE && DILATION_X == 1 && S * SLICE % TILE == 0
        at[i] = x + tap_at(tap) + i;
#else
        at[i] = x + tap_at(min(tap + i, TAPS - 1));
#endif
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] = VLOAD(plane + i * BLOCK + v * VW);
    }
    for (int n = 0; n < pictures; n++)
        for (int y = 0; y < rows; y++) {
            int from = (n * X_H + y * STRIDE_Y) * X_ROW;
#pragma unroll UNROLL
            for (int column = 0; column < OUT_W; column++) {
                floatv d[NV];
#pragma unroll
                for (int v = 0; v < NV; v++)
                    d[v] = VLOAD(dz + v * VW);
#pragma unroll
                for (int i = 0; i < TILE; i++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        acc[i][v] = MAD(INPUT(at[i] + from, v), d[v], acc[i][v]);
                dz += BLOCK;
                from += STRIDE_X * STEP;
            }
        }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            VSTORE(acc[i][v], plane + i * BLOCK + v * VW);
}

/* Adds to a block's plane what a panel gives. */
static inline void add_panel(__global float *plane, __global const float *x,
                             __global const float *dz, int pictures, int rows)
{
    for (int slice = 0; slice < SLICES; slice++)
        for (int n = 0; n < pictures; n += CHUNK_PICTURES)
            for (int y = 0; y < rows; y += CHUNK_ROWS)
                for (int tap = 0; tap < TAPS; tap += TILE)
                    add_tile(plane + (slice * SLICE_ROWS + tap) * BLOCK,
                             x + slice * X_SLICE + (n * X_H + y * STRIDE_Y) * X_ROW,
                             dz + (n * PANEL_ROWS + y) * DZ_ROW, tap,
                             min(CHUNK_PICTURES, pictures - n),
                             min(CHUNK_ROWS, rows - y));
}

__kernel void conv_weights(__global const stored_x *restrict x, uint x_at,
                           __global const stored_other *restrict dy, uint dy_at,
                           __global const uchar *restrict argmax, uint argmax_at,
                           __global float *restrict planes, uint planes_at,
                           __global float *restrict panels, uint panels_at, int pictures,
                           int split)
{
    const int item = get_global_id(1) * get_global_size(0) + get_global_id(0);
    const struct task t = start_task(planes + planes_at, pictures, split);
    __global float *const dz = panels + panels_at + (size_t)item * PANEL;
    __global float *const laid = dz + DZ;
    for (int n = t.begin; n < t.end; n += PANEL_PICTURES)
        for (int y = 0; y < OUT_H; y += PANEL_ROWS) {
            const int some = min(PANEL_PICTURES, t.end - n),
                      rows = min(PANEL_ROWS, OUT_H - y);
            int in = -1; /* first channel of what is laid out */
            for (int index = t.first; index < t.last; index++) {
                const struct block block = block_at(index);
                floatv sum[NV] = {(floatv)(0.0f)};
                if (block.in != in)
                    lay_x(laid, x + x_at + (size_t)n * (IN_H * IN_W * IN) + block.in,
                          some, y * STRIDE_Y - PAD_TOP,
                          (rows - 1) * STRIDE_Y + (R - 1) * DILATION_Y + 1);
                in = block.in;
                lay_dz(dz, sum, dy + dy_at + block.out, argmax + argmax_at + block.out, n,
                       some, y, rows);
                add_panel(t.planes + index * PLANE, laid, dz, some, rows);
                add_bias(t.planes + index * PLANE, sum);
            }
        }
}
#endif
