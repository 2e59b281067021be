/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that the convolution kernels of the `vec` family read, so that their inner
 * loops have neither bounds nor long strides.
 *
 *     pad      u[n][PAD_H][PAD_W][CHANNELS] = x with zeros around
 *     spread   the same of a gradient; where a pool follows the convolution, the gradient
 *              goes to the places that argmax names
 *     arrange  weights [R][S][in / GROUPS][out] in blocks of BLOCK output channels,
 *              [group][block][R S in / GROUPS][BLOCK], zeros in what a block has too
 *              much; TURNED: windows turned by half a turn, in and out exchanged, and the
 *              taps of each part of dx together (parts.h), as the data gradient needs
 *              them */
#include "common.h"
#include "parts.h"
#include "pool_vec.h"
#include "shape_vec.h"
#include "storage.h"

#ifndef CHANNELS
#define CHANNELS 1
#endif
/* Rows and columns of x, or of the convolution's output. */
#ifndef HEIGHT
#define HEIGHT 1
#endif
#ifndef WIDTH
#define WIDTH 1
#endif
#ifndef PAD_H
#define PAD_H 1
#endif
#ifndef PAD_W
#define PAD_W 1
#endif
/* Where the first row and column of x lie in u; may be negative. */
#ifndef TOP
#define TOP 0
#endif
#ifndef LEFT
#define LEFT 0
#endif

/* One work-item a row of u. Global size (PAD_H, pictures). */
__kernel void pad(__global const stored_x *restrict x, uint x_at,
                  __global float *restrict u, uint u_at)
{
    const int row = get_global_id(0), picture = get_global_id(1), y = row - TOP;
    u += u_at + (size_t)(picture * PAD_H + row) * (PAD_W * CHANNELS);
    if (y < 0 || y >= HEIGHT) {
        for (int i = 0; i < PAD_W * CHANNELS; i++)
            u[i] = 0.0f;
        return;
    }
    x += x_at + (size_t)(picture * HEIGHT + y) * (WIDTH * CHANNELS);
#if X_HALF
    const int first = LEFT * CHANNELS, end = min(LEFT + WIDTH, (int)PAD_W) * CHANNELS;
    int i = 0;
    for (; i < first; i++)
        u[i] = 0.0f;
    for (; i + VW <= end; i += VW)
        VSTORE(VLOAD_X(x + i - first), u + i);
    for (; i < end; i++)
        u[i] = LOAD_X(x + i - first);
    for (; i < PAD_W * CHANNELS; i++)
        u[i] = 0.0f;
#else
    for (int column = 0; column < PAD_W; column++) {
        const int from = column - LEFT;
        if (from >= 0 && from < WIDTH)
            for (int c = 0; c < CHANNELS; c++)
                u[column * CHANNELS + c] = x[from * CHANNELS + c];
        else
            for (int c = 0; c < CHANNELS; c++)
                u[column * CHANNELS + c] = 0.0f;
    }
#endif
}

/* Adds to u, all channels, the gradient at (y, x) of the convolution's output. */
static inline void add_gradient(__global float *u, __global const stored_x *dy,
                                __global const uchar *argmax, int picture, int y, int x)
{
#if POOL_R == 0
    (void)argmax;
    dy += ((size_t)(picture * HEIGHT + y) * WIDTH + x) * CHANNELS;
    for (int c = 0; c < CHANNELS; c++)
        u[c] = LOAD_X(dy + c);
#else
    for (int r = 0; r < POOL_R; r++) {
        const int above = y + POOL_TOP - r, py = above / POOL_STRIDE_Y;
        if (above < 0 || py * POOL_STRIDE_Y != above || py >= POOL_H)
            continue;
        for (int s = 0; s < POOL_S; s++) {
            const int before = x + POOL_LEFT - s, px = before / POOL_STRIDE_X;
            if (before < 0 || px * POOL_STRIDE_X != before || px >= POOL_W)
                continue;
            const size_t at = ((size_t)(picture * POOL_H + py) * POOL_W + px) * CHANNELS;
            for (int c = 0; c < CHANNELS; c++)
                u[c] += argmax[at + c] == r * POOL_S + s ? LOAD_X(dy + at + c) : 0.0f;
        }
    }
#endif
}

/* One work-item a row of u. Global size (PAD_H, pictures). */
__kernel void spread(__global const stored_x *restrict dy, uint dy_at,
                     __global const uchar *restrict argmax, uint argmax_at,
                     __global float *restrict u, uint u_at)
{
    const int row = get_global_id(0), picture = get_global_id(1);
    const int y = row - TOP;
    u += u_at + (size_t)(picture * PAD_H + row) * (PAD_W * CHANNELS);
    for (int i = 0; i < PAD_W * CHANNELS; i++)
        u[i] = 0.0f;
    if (y < 0 || y >= HEIGHT)
        return;
    for (int column = max(LEFT, 0); column < min(LEFT + WIDTH, (int)PAD_W); column++)
        add_gradient(u + column * CHANNELS, dy + dy_at, argmax + argmax_at, picture, y,
                     column - LEFT);
}

/* The convolution whose weights are arranged is as shape_vec.h has it; for TURNED in and
 * out are as it reads them, not as the weights lie in memory, and strides, dilations and
 * padding those of the forward convolution. */
#ifndef GROUPS
#define GROUPS 1
#endif
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TURNED
#define TURNED 0
#endif

/* Where a tap goes. */
static inline int place_of(int tap)
{
#if TURNED
    const struct weft_axis rows = {R, STRIDE_Y, DILATION_Y, PAD_TOP},
                           columns = {S, STRIDE_X, DILATION_X, PAD_LEFT};
    const int ky = tap / S, kx = REMAINDER(tap, S);
    const struct weft_part y = weft_part(rows, weft_part_of(rows, ky)),
                           x = weft_part(columns, weft_part_of(columns, kx));
    return y.before * S + y.taps * x.before + weft_part_place(rows, ky) * x.taps +
           weft_part_place(columns, kx);
#else
    return tap;
#endif
}

/* One work-item a tap of a block: GROUP_IN x BLOCK weights. Global size (R S, blocks). */
__kernel void arrange(__global const stored_w *restrict w, uint w_at,
                      __global float *restrict to, uint to_at)
{
    const int tap = get_global_id(0), block = get_global_id(1);
    const int blocks = (GROUP_OUT + BLOCK - 1) / BLOCK;
    const int group = block / blocks, first = REMAINDER(block, blocks) * BLOCK;
    w += w_at;
    to += to_at + (size_t)(block * (R * S) + place_of(tap)) * (GROUP_IN * BLOCK);
    for (int lane = 0; lane < BLOCK; lane++) {
        const int out = first + lane;
#if TURNED
        const int step = 1;
        const size_t from =
            (size_t)(tap * GROUP_OUT + out) * (GROUPS * GROUP_IN) + group * GROUP_IN;
#else
        const int step = GROUPS * GROUP_OUT;
        const size_t from = (size_t)tap * GROUP_IN * step + group * GROUP_OUT + out;
#endif
        for (int in = 0; in < GROUP_IN; in++)
            to[in * BLOCK + lane] =
                out < GROUP_OUT ? LOAD_W(w + (from + in * step)) : 0.0f;
    }
}
