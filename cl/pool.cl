/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling, [picture][row][column][channel].
 *
 *     y[n,oy,ox,c] = max, or mean, over r, s of
 *         x[n, oy STRIDE_Y - PAD_TOP + r, ox STRIDE_X - PAD_LEFT + s, c]
 *
 * Places outside the picture take no part and do not count. Of maxima the first of equals
 * in row order wins, a NaN wins over numbers, and argmax holds r S + s of the winner.
 * Backward gathers: each input place sums the dy of those windows around it whose winner
 * it was, or the share of dy of all of them, so nothing is cleared or added to.
 *
 * ROWS 1, for CPUs: a work-item does a whole row, of the output or, backward, of the
 * input. ROWS 0: VW channels of one pixel. Global size >= `items`, the number of either.
 */
#ifndef H
#define H        26 /* input rows and columns, channels */
#define W        26
#define C        32
#define R        2 /* window */
#define S        2
#define STRIDE_Y 2
#define STRIDE_X 2
#define PAD_TOP  0
#define PAD_LEFT 0
#define OUT_H    13
#define OUT_W    13
#endif
#ifndef ARGMAX
#define ARGMAX 1 /* write it */
#endif
#ifndef VW
#define VW 4
#endif
#ifndef ROWS
#define ROWS 0
#endif
#include "common.h"
#include "channels.h"

#define BLOCKS ((C + VW - 1) / VW)

/* Vectors of channels that go through a window together: a large window is read in runs
 * that memory likes; of a small one, unrolled, a few stay in registers, so that none
 * waits for the maximum before it. */
#if ROWS && R * S > 16
#define CHUNK (BLOCKS < 64 ? BLOCKS : 64)
#elif ROWS && BLOCKS % 4 == 0
#define CHUNK 4
#elif ROWS && BLOCKS % 2 == 0
#define CHUNK 2
#else
#define CHUNK 1
#endif
#if ROWS && R * S <= 16
#define UNROLL_R     R
#define UNROLL_S     S
#define UNROLL_CHUNK CHUNK
#else
#define UNROLL_R     1
#define UNROLL_S     1
#define UNROLL_CHUNK 1
#endif

/* Whether every window lies inside the picture. */
#define WHOLE                                                            \
    (PAD_TOP == 0 && PAD_LEFT == 0 && (OUT_H - 1) * STRIDE_Y + R <= H && \
     (OUT_W - 1) * STRIDE_X + S <= W)

/* What argmax consists of: see weft_pool_place_bytes. */
#if R * S <= 255
typedef uchar at_type;
typedef ucharv at_vector;
#define TO_AT(v) CONVERT_UCHARV(v)
#else
typedef uint at_type;
typedef uintv at_vector;
#if VW == 1
#define TO_AT(v) convert_uint(v)
#else
#define TO_AT(v) PASTE(convert_uint, VW)(v)
#endif
#endif

#if C % VW == 0
#define LOAD_AT(p)        (*(__global const at_vector *)(p))
#define STORE_AT(v, p, c) (*(__global at_vector *)(p) = (v))
#else
#define LOAD_AT(p)        VLOADN(p)
#define STORE_AT(v, p, c) store_part_at(v, p, C - (c))

static inline void store_part_at(at_vector v, __global at_type *p, uint count)
{
    at_type lanes[VW];
    VSTOREN(v, lanes);
    for (uint i = 0; i < VW; i++)
        if (i < count)
            p[i] = lanes[i];
}
#endif

/* What a work-item does of rows of `width` pixels: columns [column, end) of a line, all
 * lines of all pictures counted, and channels [c, c_end). */
struct share {
    uint line, column, end, c, c_end;
};

static inline struct share share_of(uint width)
{
    struct share v = {(uint)get_global_id(0), 0, width, 0, C};
#if !ROWS
    const uint pixel = v.line / BLOCKS;
    v.c = (v.line - pixel * BLOCKS) * VW;
    v.c_end = v.c + 1;
    v.line = pixel / width;
    v.column = pixel - v.line * width;
    v.end = v.column + 1;
#endif
    return v;
}

/* The window of an output: where it begins, and which of its rows [r0, r1) and columns
 * [s0, s1) lie inside. */
struct window {
    int top, left, r0, r1, s0, s1;
};

static inline struct window window_at(int oy, int ox)
{
    struct window v;
    v.top = oy * STRIDE_Y - PAD_TOP;
    v.left = ox * STRIDE_X - PAD_LEFT;
    v.r0 = WHOLE ? 0 : max(0, -v.top);
    v.r1 = WHOLE ? R : min(R, H - v.top);
    v.s0 = WHOLE ? 0 : max(0, -v.left);
    v.s1 = WHOLE ? S : min(S, W - v.left);
    return v;
}

/* How many vectors the chunk at channel `c` has. */
static inline uint chunk_at(uint c)
{
#if CHUNK == 1 || BLOCKS % CHUNK == 0
    (void)c;
    return CHUNK;
#else
    return min((uint)CHUNK, (C - c + VW - 1) / VW);
#endif
}

/* Where the window's first place would lie. */
static inline long corner_of(uint picture, struct window v)
{
    return (((long)picture * H + v.top) * W + v.left) * C;
}

/* Sums over a window to means. Two roundings at most, whole windows or not. */
static inline floatv mean_of(floatv sum, struct window v)
{
    return WHOLE ? sum * (1.0f / (R * S)) : sum / (float)((v.r1 - v.r0) * (v.s1 - v.s0));
}

/* Whether all of it lies inside. */
static inline bool is_whole(struct window v)
{
    return WHOLE || (v.r0 == 0 && v.r1 == R && v.s0 == 0 && v.s1 == S);
}

/* The maxima of `blocks` vectors over a window from x on, and their places. */
static inline void find_maxima(floatv best[CHUNK], intv best_at[CHUNK],
                               __global const stored_x *x, struct window w, uint blocks)
{
#pragma unroll UNROLL_CHUNK
    for (uint b = 0; b < blocks; b++) {
        best[b] = (floatv)(-INFINITY);
        best_at[b] = (intv)(w.r0 * S + w.s0);
    }
#pragma unroll UNROLL_R
    for (int r = w.r0; r < w.r1; r++)
#pragma unroll UNROLL_S
        for (int s = w.s0; s < w.s1; s++)
#pragma unroll UNROLL_CHUNK
            for (uint b = 0; b < blocks; b++) {
                const floatv value = LOAD_IN(x + (r * W + s) * C + b * VW);
                const intv wins = (value > best[b]) | (value != value);
                best[b] = WHERE(wins, value, best[b]);
                best_at[b] = WHERE(wins, (intv)(r * S + s), best_at[b]);
            }
}

static inline void find_sums(floatv sum[CHUNK], __global const stored_x *x,
                             struct window w, uint blocks)
{
#pragma unroll UNROLL_CHUNK
    for (uint b = 0; b < blocks; b++)
        sum[b] = (floatv)(0.0f);
#pragma unroll UNROLL_R
    for (int r = w.r0; r < w.r1; r++)
#pragma unroll UNROLL_S
        for (int s = w.s0; s < w.s1; s++)
#pragma unroll UNROLL_CHUNK
            for (uint b = 0; b < blocks; b++)
                sum[b] += LOAD_IN(x + (r * W + s) * C + b * VW);
}

/* The same window where all of it lies inside: its bounds are constants then. */
static inline struct window whole(struct window v)
{
    return (struct window){v.top, v.left, 0, R, 0, S};
}

__kernel void max_forward(__global const stored_x *restrict x, uint x_at,
                          __global stored_y *restrict y, uint y_at,
                          __global at_type *restrict argmax, uint argmax_at, uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct share v = share_of(OUT_W);
    const uint picture = v.line / OUT_H, row = v.line - picture * OUT_H;
    x += x_at;
    y += y_at;
    argmax += argmax_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct window w = window_at((int)row, (int)column);
        __global const stored_x *const corner = x + corner_of(picture, w);
        for (uint c = v.c; c < v.c_end; c += CHUNK * VW) {
            const uint to = (v.line * OUT_W + column) * C + c, blocks = chunk_at(c);
            floatv best[CHUNK];
            intv best_at[CHUNK];
            if (is_whole(w))
                find_maxima(best, best_at, corner + c, whole(w), blocks);
            else
                find_maxima(best, best_at, corner + c, w, blocks);
#pragma unroll UNROLL_CHUNK
            for (uint b = 0; b < blocks; b++) {
                STORE_OUT(best[b], y + to + b * VW, c + b * VW);
#if ARGMAX
                STORE_AT(TO_AT(best_at[b]), argmax + to + b * VW, c + b * VW);
#endif
            }
        }
    }
}

__kernel void mean_forward(__global const stored_x *restrict x, uint x_at,
                           __global stored_y *restrict y, uint y_at, uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct share v = share_of(OUT_W);
    const uint picture = v.line / OUT_H, row = v.line - picture * OUT_H;
    x += x_at;
    y += y_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct window w = window_at((int)row, (int)column);
        __global const stored_x *const corner = x + corner_of(picture, w);
        for (uint c = v.c; c < v.c_end; c += CHUNK * VW) {
            const uint to = (v.line * OUT_W + column) * C + c, blocks = chunk_at(c);
            floatv sum[CHUNK];
            if (is_whole(w))
                find_sums(sum, corner + c, whole(w), blocks);
            else
                find_sums(sum, corner + c, w, blocks);
#pragma unroll UNROLL_CHUNK
            for (uint b = 0; b < blocks; b++)
                STORE_OUT(mean_of(sum[b], w), y + to + b * VW, c + b * VW);
        }
    }
}

/* The outputs whose windows hold an input: rows [y0, y1], columns [x0, x1]. */
struct outputs {
    int row, column, y0, y1, x0, x1; /* row, column: of the input, counted with padding */
};

static inline struct outputs outputs_of(int row, int column)
{
    struct outputs o;
    o.row = row + PAD_TOP;
    o.column = column + PAD_LEFT;
    o.y0 = max(0, (o.row - R + STRIDE_Y) / STRIDE_Y);
    o.x0 = max(0, (o.column - S + STRIDE_X) / STRIDE_X);
    o.y1 = min(OUT_H - 1, o.row / STRIDE_Y);
    o.x1 = min(OUT_W - 1, o.column / STRIDE_X);
    return o;
}

/* Vectors of channels that backward makes together. */
#if ROWS && BLOCKS % 4 == 0
#define NEAR 4
#elif ROWS && BLOCKS % 2 == 0
#define NEAR 2
#else
#define NEAR 1
#endif

static inline void clear(floatv sum[NEAR])
{
#pragma unroll
    for (uint b = 0; b < NEAR; b++)
        sum[b] = (floatv)(0.0f);
}

static inline uint output_at(uint picture, int oy, int ox)
{
    return ((picture * OUT_H + (uint)oy) * OUT_W + (uint)ox) * C;
}

__kernel void max_backward(__global const stored_x *restrict dy, uint dy_at,
                           __global const at_type *restrict argmax, uint argmax_at,
                           __global stored_y *restrict dx, uint dx_at, uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct share v = share_of(W);
    const uint picture = v.line / H, row = v.line - picture * H;
    dy += dy_at;
    argmax += argmax_at;
    dx += dx_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct outputs o = outputs_of((int)row, (int)column);
        for (uint c = v.c; c < v.c_end; c += NEAR * VW) {
            const uint to = (v.line * W + column) * C + c;
            floatv sum[NEAR];
            clear(sum);
            for (int oy = o.y0; oy <= o.y1; oy++)
                for (int ox = o.x0; ox <= o.x1; ox++) {
                    const int tap =
                        (o.row - oy * STRIDE_Y) * S + o.column - ox * STRIDE_X;
                    const uint from = output_at(picture, oy, ox) + c;
#pragma unroll
                    for (uint b = 0; b < NEAR; b++) {
                        const floatv given = LOAD_IN(dy + from + b * VW);
                        const intv won =
                            CONVERT_INTV(LOAD_AT(argmax + from + b * VW)) == (intv)(tap);
                        sum[b] += WHERE(won, given, (floatv)(0.0f));
                    }
                }
#pragma unroll
            for (uint b = 0; b < NEAR; b++)
                STORE_OUT(sum[b], dx + to + b * VW, c + b * VW);
        }
    }
}

__kernel void mean_backward(__global const stored_x *restrict dy, uint dy_at,
                            __global stored_y *restrict dx, uint dx_at, uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct share v = share_of(W);
    const uint picture = v.line / H, row = v.line - picture * H;
    dy += dy_at;
    dx += dx_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct outputs o = outputs_of((int)row, (int)column);
        for (uint c = v.c; c < v.c_end; c += NEAR * VW) {
            const uint to = (v.line * W + column) * C + c;
            floatv sum[NEAR];
            clear(sum);
            for (int oy = o.y0; oy <= o.y1; oy++)
                for (int ox = o.x0; ox <= o.x1; ox++) {
                    const struct window w = window_at(oy, ox);
                    const uint from = output_at(picture, oy, ox) + c;
#pragma unroll
                    for (uint b = 0; b < NEAR; b++)
                        sum[b] += mean_of(LOAD_IN(dy + from + b * VW), w);
                }
#pragma unroll
            for (uint b = 0; b < NEAR; b++)
                STORE_OUT(sum[b], dx + to + b * VW, c + b * VW);
        }
    }
}
