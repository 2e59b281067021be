/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, family `vec`: registers, no local memory, no barrier.
 *
 *     z[n,y,x,k] = bias[k] + sum over ky, kx, c of
 *                  x[n, y STRIDE_Y + ky DILATION_Y, x STRIDE_X + kx DILATION_X, c]
 *                  w[ky,kx,c,k]
 *
 *     conv_forward  y = f(z), or for the data gradient y = z f'(gate)
 *     conv_pool     y = the maximum of f(z) over windows of POOL_R x POOL_S that touch
 *                   each other, and which place of the window it was
 *
 * The input is padded already. A work-item computes tiles of TILE pixels x NV vectors of
 * VW output channels, which stay in registers; a tile's pixels run on from row to row and
 * picture to picture, or are one pool's window. The data gradient of a convolution with a
 * stride comes in PARTS_Y x PARTS_X parts (parts.h), each a convolution of its own with
 * every PARTS_Y-th row and PARTS_X-th column of y. Global size (groups * blocks of
 * NV * VW channels, pieces of `piece` tiles, parts). */
#include "common.h"
#include "parts.h"
#include "shape_vec.h"
#include "storage.h"

#ifndef POOL_R
#define POOL_R 1
#endif
#ifndef POOL_S
#define POOL_S 1
#endif
#ifndef POOL_H
#define POOL_H 1
#endif
#ifndef POOL_W
#define POOL_W 1
#endif
#ifndef BIAS
#define BIAS 0
#endif
#ifndef ARGMAX
#define ARGMAX 0
#endif
/* 1: the activation's derivative at `gate` instead of the activation. */
#ifndef GATE
#define GATE 0
#endif
/* Weights lie as conv_prepare_vec.cl arranges them. */
#ifndef ARRANGED
#define ARRANGED 0
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

/* The strides of the forward convolution, whose DILATION and padding are then given too;
 * where its part 0 begins in x, which is padded; and how far its taps lie apart there. */
#ifndef PARTS_Y
#define PARTS_Y 1
#endif
#ifndef PARTS_X
#define PARTS_X 1
#endif
#ifndef TOP
#define TOP 0
#endif
#ifndef LEFT
#define LEFT 0
#endif
#ifndef STEP_Y
#define STEP_Y DILATION_Y
#endif
#ifndef STEP_X
#define STEP_X DILATION_X
#endif

enum {
    BLOCK = NV * VW,
    BLOCKS = (GROUP_OUT + BLOCK - 1) / BLOCK,
    TAPS = R * S * GROUP_IN,
    W_ROW = ARRANGED ? BLOCK : OUT,
    GRID_H = (OUT_H + PARTS_Y - 1) / PARTS_Y, /* pixels of a part */
    GRID_W = (OUT_W + PARTS_X - 1) / PARTS_X
};

/* Rows and columns of a part's window. */
#if PARTS_Y * PARTS_X == 1
#define WINDOW_R(share) R
#define WINDOW_S(share) S
#else
#define WINDOW_R(share) (share).rows
#define WINDOW_S(share) (share).columns
#endif

/* The runs in a row of the window, and how many inputs, one after the other, are in
 * each. */
#if STEP_X == 1 && GROUP_IN == IN
#define RUNS(share) 1
#define RUN(share)  (WINDOW_S(share) * IN)
#else
#define RUNS(share) WINDOW_S(share)
#define RUN(share)  GROUP_IN
#endif

#if R * S * GROUP_IN <= 32 && PARTS_Y * PARTS_X == 1
#define UNROLL_ROWS R
#define UNROLL_RUN  32
#else
#define UNROLL_ROWS 1
#define UNROLL_RUN  UNROLL
#endif

#if DEPTHWISE
#define INPUT(p, v) VLOAD_X((p) + (v)*VW)
#else
#define INPUT(p, v) ((floatv)(LOAD_X(p)))
#endif

/* What the work-items of a part do: pixels (row0 + PARTS_Y y, column0 + PARTS_X x) by a
 * window of its own, whose weights and inputs begin further on. */
struct share {
    int row0, column0, rows, columns;
    size_t w, x;
};

/* acc[i][v] += the window at x[i] times the weights. */
INLINE void add_window(floatv acc[TILE][NV], __global const stored_x *const x[TILE],
                       __global const stored_w *w, struct share share)
{
#pragma unroll UNROLL_ROWS
    for (int ky = 0; ky < WINDOW_R(share); ky++)
#pragma unroll UNROLL_ROWS
        for (int kx = 0; kx < RUNS(share); kx++) {
            const int at = (ky * STEP_Y * IN_W + kx * STEP_X) * IN;
#pragma unroll UNROLL_RUN
            for (int k = 0; k < RUN(share); k++) {
                floatv b[NV];
#pragma unroll
                for (int v = 0; v < NV; v++)
                    b[v] = VLOAD_W(w + v * VW);
                w += W_ROW;
#pragma unroll
                for (int i = 0; i < TILE; i++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        acc[i][v] = MAD(INPUT(x[i] + at + k, v), b[v], acc[i][v]);
            }
        }
}

/* Where a block of output channels begins. */
struct block {
    int in, out, left; /* its first channels; channels of the group from there on */
    size_t w;
};

static inline struct block block_at(int index)
{
    struct block b;
    const int group = index / BLOCKS, first = REMAINDER(index, BLOCKS) * BLOCK;
    b.in = DEPTHWISE ? first : group * GROUP_IN;
    b.out = group * GROUP_OUT + first;
    b.left = GROUP_OUT - first;
    b.w = ARRANGED ? (size_t)index * TAPS * BLOCK : (size_t)b.out;
    return b;
}

static inline void start(floatv acc[TILE][NV], __global const float *bias, int channel)
{
#pragma unroll
    for (int v = 0; v < NV; v++) {
        const floatv b = BIAS ? VLOAD(bias + channel + v * VW) : (floatv)(0.0f);
#pragma unroll
        for (int i = 0; i < TILE; i++)
            acc[i][v] = b;
    }
}

/* Vector v of a block of `left` channels. */
static inline void store(floatv value, __global stored_y *to, int v, int left)
{
    if (GROUP_OUT % BLOCK == 0)
        VSTORE_Y(value, to + v * VW);
    else if (left > v * VW)
        store_part_y(value, to + v * VW, left - v * VW);
}

static inline struct share share_at(int part)
{
#if PARTS_Y * PARTS_X == 1
    (void)part;
    return (struct share){0, 0, R, S, 0, 0};
#else
    const struct weft_axis rows = {R, PARTS_Y, DILATION_Y, PAD_TOP},
                           columns = {S, PARTS_X, DILATION_X, PAD_LEFT};
    struct share share;
    share.row0 = part / PARTS_X;
    share.column0 = part - share.row0 * PARTS_X;
    const struct weft_part y = weft_part(rows, share.row0),
                           x = weft_part(columns, share.column0);
    share.rows = y.taps;
    share.columns = x.taps;
    share.w = (size_t)(y.before * S + y.taps * x.before) * (GROUP_IN * BLOCK);
    share.x = (size_t)((y.first + TOP) * IN_W + x.first + LEFT) * IN;
    return share;
#endif
}

__kernel void conv_forward(__global const stored_x *restrict x, uint x_at,
                           __global const stored_w *restrict w, uint w_at,
                           __global const float *restrict bias, uint bias_at,
                           __global const stored_gate *restrict gate, uint gate_at,
                           __global stored_y *restrict y, uint y_at, int pixels,
                           int piece, float leak)
{
    const struct block block = block_at(get_global_id(0));
    const struct share share = share_at(get_global_id(2));
    x += x_at + block.in + share.x;
    w += w_at + block.w + share.w;
    y += y_at + block.out;
    gate += gate_at + block.out;
    const int first = get_global_id(1) * piece * TILE;
    const int last = min(first + piece * TILE, pixels);
    for (int pixel = first; pixel < last; pixel += TILE) {
        __global const stored_x *at[TILE];
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const int p = min(pixel + i, pixels - 1), row = p / GRID_W;
            at[i] =
                x + ((size_t)(row / GRID_H * IN_H + REMAINDER(row, GRID_H) * STRIDE_Y) *
                         IN_W +
                     REMAINDER(p, GRID_W) * STRIDE_X) *
                        IN;
        }
        floatv acc[TILE][NV];
        start(acc, bias + bias_at, block.out);
        add_window(acc, at, w, share);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            if (pixel + i >= last)
                break;
#if PARTS_Y * PARTS_X == 1
            const size_t to = (size_t)(pixel + i) * OUT;
#else
            const int line = (pixel + i) / GRID_W, picture = line / GRID_H;
            const int row = REMAINDER(line, GRID_H) * PARTS_Y + share.row0,
                      column = REMAINDER(pixel + i, GRID_W) * PARTS_X + share.column0;
            if (row >= OUT_H || column >= OUT_W)
                continue;
            const size_t to = ((size_t)(picture * OUT_H + row) * OUT_W + column) * OUT;
#endif
#pragma unroll
            for (int v = 0; v < NV; v++) {
                floatv z = acc[i][v];
                if (GATE) {
                    const floatv g = VLOAD_GATE(gate + to + v * VW);
                    z *= activate_gradient(g, g, leak);
                } else {
                    z = activate(z, leak);
                }
                store(z, y + to, v, block.left);
            }
        }
    }
}

/* Bytes that lie as wide as the vector is go out in one piece: vstore may take them one
 * by one. */
static inline void store_bytes(ucharv value, __global uchar *to, int left)
{
#if GROUP_OUT % VW == 0 && OUT % VW == 0
    if (left > 0)
        *(__global ucharv *)to = value;
#else
    uchar lanes[VW];
    VSTOREN(value, lanes);
    for (int i = 0; i < VW; i++)
        if (i < left)
            to[i] = lanes[i];
#endif
}

/* TILE is POOL_R * POOL_S, a tile one window of the pool. */
__kernel void conv_pool(__global const stored_x *restrict x, uint x_at,
                        __global const stored_w *restrict w, uint w_at,
                        __global const float *restrict bias, uint bias_at,
                        __global stored_y *restrict y, uint y_at,
                        __global uchar *restrict argmax, uint argmax_at, int windows,
                        int piece, float leak)
{
    const struct block block = block_at(get_global_id(0));
    x += x_at + block.in;
    w += w_at + block.w;
    y += y_at + block.out;
    argmax += argmax_at + block.out;
    const int first = get_global_id(1) * piece, last = min(first + piece, windows);
    for (int window = first; window < last; window++) {
        const int row = window / POOL_W;
        __global const stored_x *corner =
            x + ((size_t)(row / POOL_H * IN_H +
                          REMAINDER(row, POOL_H) * (POOL_R * STRIDE_Y)) *
                     IN_W +
                 REMAINDER(window, POOL_W) * (POOL_S * STRIDE_X)) *
                    IN;
        __global const stored_x *at[TILE];
#pragma unroll
        for (int i = 0; i < TILE; i++)
            at[i] = corner + (i / POOL_S * STRIDE_Y * IN_W + i % POOL_S * STRIDE_X) * IN;
        floatv acc[TILE][NV];
        start(acc, bias + bias_at, block.out);
        add_window(acc, at, w, share_at(0));
#pragma unroll
        for (int v = 0; v < NV; v++) {
            /* A NaN wins and stays, since nothing is larger. To ask before the maximum
             * rather than in it costs nothing that can be measured. Of v != v compilers
             * make what Oclgrind gets wrong. */
            intv strange = isunordered(acc[0][v], acc[TILE - 1][v]);
#pragma unroll
            for (int i = 1; i < TILE; i++)
                strange |= isunordered(acc[i - 1][v], acc[i][v]);
            floatv best = WHERE(strange, (floatv)(NAN), activate(acc[0][v], leak));
            floatv place =
                (floatv)(0.0f); /* as integers they would be narrowed each time */
#pragma unroll
            for (int i = 1; i < TILE; i++) {
                /* After relu the best is not negative: what it would cut loses anyway. */
                const floatv z =
                    CHOSEN_ACT == ACT_relu ? acc[i][v] : activate(acc[i][v], leak);
                const intv more = z > best;
                best = WHERE(more, z, best);
                place = WHERE(more, (floatv)(i), place);
            }
            store(best, y + (size_t)window * OUT, v, block.left);
            if (ARGMAX)
                store_bytes(CONVERT_UCHARV(place), argmax + (size_t)window * OUT + v * VW,
                            block.left - v * VW);
        }
    }
}
