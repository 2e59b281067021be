/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution, family `vec`: each channel has a window of its own.
 *
 *     z[n,y,x,c] = bias[c] + sum over ky, kx of x[n, row, column, c] w[ky,kx,c]
 *     row = (y STRIDE_Y + ky DILATION_Y - PAD_TOP) / SPREAD_Y, column likewise
 *
 *     y = f(z), or for the data gradient y = z f'(gate)
 *
 * Taps whose row or column is outside x, or no whole number, are left out. Forward SPREAD
 * is 1; the data gradient has STRIDE 1, the convolution's stride as SPREAD, and windows
 * TURNED by half a turn.
 *
 * A work-item computes TILE rows at once: in a column, then in the next one, a vector of
 * channels after the other. So memory is read and written in as many streams as there are
 * rows, each in the order in which it lies; columns that are computed together interleave
 * their streams within a page, which takes two to three times as long. Global size
 * (pieces of VECTORS vectors of channels, pieces of TILES tiles of rows, pictures). */
#include "common.h"
#include "shape_vec.h"
#include "storage.h"

#ifndef C
#define C 1
#endif
#ifndef SPREAD_Y
#define SPREAD_Y 1
#endif
#ifndef SPREAD_X
#define SPREAD_X 1
#endif
#ifndef TURNED
#define TURNED 0
#endif
#ifndef BIAS
#define BIAS 0
#endif
/* 1: the activation's derivative at `gate` instead of the activation. */
#ifndef GATE
#define GATE 0
#endif
/* Rows of a tile, a multiple of SPREAD_Y; tiles and vectors of a work-item. */
#ifndef TILE
#define TILE 4
#endif
#ifndef TILES
#define TILES 1
#endif
#ifndef VECTORS
#define VECTORS 1
#endif

/* How far a tile's first tap may lie above its first row of x, PAD_TOP / SPREAD_Y rounded
 * up; and the rows that it may read: tap ky of row i lies at STEP(i, ky) / SPREAD_Y of
 * them, if that is whole. */
#ifndef BEFORE
#define BEFORE PAD_TOP
#endif
#define STEP(i, ky) ((i)*STRIDE_Y + (ky)*DILATION_Y - PAD_TOP + BEFORE * SPREAD_Y)
enum { SPAN = STEP(TILE - 1, R - 1) / SPREAD_Y + 1, ROW = IN_W * C };

/* acc[i] += the taps of a column of the window, which lie in a column of x; the tile's
 * rows of x begin at `top`, and are all inside or to be looked at. */
INLINE void add_column(floatv acc[TILE], __global const stored_x *x, int top, bool inside,
                       __global const stored_w *w)
{
    floatv place[SPAN], weight[R];
#pragma unroll
    for (int j = 0; j < SPAN; j++)
        place[j] = inside || (top + j >= 0 && top + j < IN_H)
                       ? VLOAD_X(x + (top + j) * ROW)
                       : (floatv)(0.0f);
#pragma unroll
    for (int ky = 0; ky < R; ky++)
        weight[ky] = VLOAD_W(w + (TURNED ? R - 1 - ky : ky) * (S * C));
#pragma unroll
    for (int ky = 0; ky < R; ky++)
#pragma unroll
        for (int i = 0; i < TILE; i++)
            if (STEP(i, ky) % SPREAD_Y == 0)
                acc[i] = MAD(place[STEP(i, ky) / SPREAD_Y], weight[ky], acc[i]);
}

/* acc[i] += the whole window, for column `column` of y. */
INLINE void add_window(floatv acc[TILE], __global const stored_x *x, int top, bool inside,
                       int column, __global const stored_w *w)
{
    for (int kx = 0; kx < S; kx++) {
        const int place = column * STRIDE_X + kx * DILATION_X - PAD_LEFT,
                  from = place / SPREAD_X;
        if (place >= 0 && from * SPREAD_X == place && from < IN_W)
            add_column(acc, x + from * C, top, inside,
                       w + (TURNED ? S - 1 - kx : kx) * C);
    }
}

/* Bias and activation, and out: the first `left` channels of a vector. */
INLINE void finish(floatv z, __global const stored_gate *gate, __global stored_y *y,
                   int left, float leak)
{
    if (GATE) {
        const floatv g = VLOAD_GATE(gate);
        z *= activate_gradient(g, g, leak);
    } else {
        z = activate(z, leak);
    }
    if (C % VW == 0 || left >= VW)
        VSTORE_Y(z, y);
    else
        store_part_y(z, y, left);
}

__kernel void conv_depthwise(__global const stored_x *restrict x, uint x_at,
                             __global const stored_w *restrict w, uint w_at,
                             __global const float *restrict bias, uint bias_at,
                             __global const stored_gate *restrict gate, uint gate_at,
                             __global stored_y *restrict y, uint y_at, float leak)
{
    const int picture = get_global_id(2), first = get_global_id(0) * (VECTORS * VW);
    const int begin = get_global_id(1) * (TILES * TILE),
              end = min(begin + TILES * TILE, (int)OUT_H);
    const int last = min(first + VECTORS * VW, (int)C);
    x += x_at + (size_t)picture * (IN_H * ROW);
    w += w_at;
    bias += bias_at;
    gate += gate_at;
    y += y_at;
    for (int row = begin; row < end; row += TILE) {
        const int top = row / SPREAD_Y * STRIDE_Y - BEFORE, rows = min(TILE, end - row);
        const bool inside = top >= 0 && top + SPAN <= IN_H;
        const size_t at = (size_t)(picture * OUT_H + row) * (OUT_W * C);
        for (int column = 0; column < OUT_W; column++)
            for (int c = first; c < last; c += VW) {
                floatv acc[TILE];
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    acc[i] = BIAS ? VLOAD(bias + c) : (floatv)(0.0f);
                if (inside)
                    add_window(acc, x + c, top, true, column, w + c);
                else
                    add_window(acc, x + c, top, false, column, w + c);
#pragma unroll
                for (int i = 0; i < TILE; i++) {
                    const size_t to = at + i * (OUT_W * C) + column * C + c;
                    if (i < rows)
                        finish(acc[i], gate + to, y + to, last - c, leak);
                }
            }
    }
}
