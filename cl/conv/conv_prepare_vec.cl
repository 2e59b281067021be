/* SPDX-License-Identifier: Apache-2.0 */
/* Copies for the convolution kernels of the `vec` family, so that their inner loops have
 * neither bounds checks nor long strides.
 *
 *     pad_input     u[n][PADDED_H][PADDED_W][C] = x[n][H][W][C] with zeros around
 *     pad_gradient  the same of a gradient; behind a max pool dy goes to the taps in
 *                   argmax
 *     pack_weights  weights [R][S][C per group][K] as blocks of BLOCK output channels,
 *                   [block][R S][C per group][BLOCK], the last block of a group padded
 *                   with zeros. ROTATED_180: for the data gradient, filters rotated by
 *                   180 degrees, input and output channels exchanged, and the taps of
 *                   each phase of dx contiguous (strided_dgrad.h) */
#include "lib/common.h"
#include "shared/strided_dgrad.h"
#include "lib/pool_shape.h"
#include "lib/conv_shape.h"
#include "lib/storage.h"

#ifndef PADDED_H
#define PADDED_H 1
#endif
#ifndef PADDED_W
#define PADDED_W 1
#endif
/* Row and column of u that hold the first ones of x; may be negative. */
#ifndef HALO_TOP
#define HALO_TOP 0
#endif
#ifndef HALO_LEFT
#define HALO_LEFT 0
#endif

/* A work-item copies a row of u. Global size (PADDED_H, images). */
__kernel void pad_input(VIEW(const stored_x, x), VIEW(float, u))
{
    const int row = get_global_id(0), image = get_global_id(1), y = row - HALO_TOP;
    u += u_at + (size_t)(image * PADDED_H + row) * (PADDED_W * C);
    if (y < 0 || y >= H) {
        for (int i = 0; i < PADDED_W * C; i++)
            u[i] = 0.0f;
        return;
    }
    x += x_at + (size_t)(image * H + y) * (W * C);
#if X_HALF
    const int first = HALO_LEFT * C, end = min(HALO_LEFT + W, (int)PADDED_W) * C;
    int i = 0;
    for (; i < first; i++)
        u[i] = 0.0f;
    for (; i + VW <= end; i += VW)
        VSTORE(VLOAD_X(x + i - first), u + i);
    for (; i < end; i++)
        u[i] = LOAD_X(x + i - first);
    for (; i < PADDED_W * C; i++)
        u[i] = 0.0f;
#else
    for (int column = 0; column < PADDED_W; column++) {
        const int from = column - HALO_LEFT;
        if (from >= 0 && from < W)
            for (int c = 0; c < C; c++)
                u[column * C + c] = x[from * C + c];
        else
            for (int c = 0; c < C; c++)
                u[column * C + c] = 0.0f;
    }
#endif
}

/* Adds the gradient at (y, x) of the convolution's output to u, all channels. */
static inline void add_pool_gradient(__global float *u, __global const stored_x *dy,
                                     __global const uchar *argmax, int image, int y,
                                     int x)
{
#if POOL_R == 0
    (void)argmax;
    dy += ((size_t)(image * H + y) * W + x) * C;
    for (int c = 0; c < C; c++)
        u[c] = LOAD_X(dy + c);
#else
    for (int r = 0; r < POOL_R; r++) {
        const int above = y + POOL_PAD_TOP - r, py = above / POOL_STRIDE_Y;
        if (above < 0 || py * POOL_STRIDE_Y != above || py >= POOL_OUT_H)
            continue;
        for (int s = 0; s < POOL_S; s++) {
            const int before = x + POOL_PAD_LEFT - s, px = before / POOL_STRIDE_X;
            if (before < 0 || px * POOL_STRIDE_X != before || px >= POOL_OUT_W)
                continue;
            const size_t at = ((size_t)(image * POOL_OUT_H + py) * POOL_OUT_W + px) * C;
            for (int c = 0; c < C; c++)
                u[c] += argmax[at + c] == r * POOL_S + s ? LOAD_X(dy + at + c) : 0.0f;
        }
    }
#endif
}

/* A work-item computes a row of u. Global size (PADDED_H, images). */
__kernel void pad_gradient(VIEW(const stored_x, dy), VIEW(const uchar, argmax),
                           VIEW(float, u))
{
    const int row = get_global_id(0), image = get_global_id(1);
    const int y = row - HALO_TOP;
    u += u_at + (size_t)(image * PADDED_H + row) * (PADDED_W * C);
    for (int i = 0; i < PADDED_W * C; i++)
        u[i] = 0.0f;
    if (y < 0 || y >= H)
        return;
    for (int column = max(HALO_LEFT, 0); column < min(HALO_LEFT + W, (int)PADDED_W);
         column++)
        add_pool_gradient(u + column * C, dy + dy_at, argmax + argmax_at, image, y,
                          column - HALO_LEFT);
}

/* For pack_weights. ROTATED_180: C and K are those of the data gradient; strides,
 * dilations and padding those of the forward convolution. */
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef ROTATED_180
#define ROTATED_180 0
#endif

/* The position of a tap in the packed weights. */
static inline int packed_tap(int tap)
{
#if ROTATED_180
    const struct weft_conv_axis rows = {R, STRIDE_Y, DILATION_Y, PAD_TOP},
                                columns = {S, STRIDE_X, DILATION_X, PAD_LEFT};
    const int ky = tap / S, kx = MOD(tap, S);
    const struct weft_dgrad_phase y = weft_dgrad_phase(rows,
                                                       weft_dgrad_phase_of_tap(rows, ky)),
                                  x = weft_dgrad_phase(
                                      columns, weft_dgrad_phase_of_tap(columns, kx));
    return y.taps_before * S + y.taps * x.taps_before +
           weft_dgrad_tap_index(rows, ky) * x.taps + weft_dgrad_tap_index(columns, kx);
#else
    return tap;
#endif
}

/* A work-item packs a tap of a block, C_PER_GROUP x BLOCK weights. Global size (R S,
 * blocks). */
__kernel void pack_weights(VIEW(const stored_w, w), VIEW(float, to))
{
    const int tap = get_global_id(0), block = get_global_id(1);
    const int blocks = (K_PER_BLOCK_GROUP + BLOCK - 1) / BLOCK;
    const int group = block / blocks, first = MOD(block, blocks) * BLOCK;
    w += w_at;
    to += to_at + (size_t)(block * (R * S) + packed_tap(tap)) * (C_PER_GROUP * BLOCK);
    for (int lane = 0; lane < BLOCK; lane++) {
        const int out = first + lane;
#if ROTATED_180
        const int step = 1;
        const size_t from =
            (size_t)(tap * K_PER_BLOCK_GROUP + out) * (BLOCK_GROUPS * C_PER_GROUP) +
            group * C_PER_GROUP;
#else
        const int step = BLOCK_GROUPS * K_PER_BLOCK_GROUP;
        const size_t from =
            (size_t)tap * C_PER_GROUP * step + group * K_PER_BLOCK_GROUP + out;
#endif
        for (int in = 0; in < C_PER_GROUP; in++)
            to[in * BLOCK + lane] =
                out < K_PER_BLOCK_GROUP ? LOAD_W(w + (from + in * step)) : 0.0f;
    }
}
