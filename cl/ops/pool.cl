/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling, [image][row][column][channel].
 *
 *     y[n,oy,ox,c] = max, or mean, over r, s of
 *         x[n, oy STRIDE_Y - PAD_TOP + r, ox STRIDE_X - PAD_LEFT + s, c]
 *
 * Places outside the image take no part and do not count. Of maxima the first of equals
 * in row order is_greater, a NaN is_greater over numbers, and argmax holds r S + s of the
 * winner. Backward gathers: each input place sums the dy of those windows around it whose
 * winner it was, or the work_range of dy of all of them, so nothing is cleared or added
 * to.
 *
 * ROWS 1, for CPUs: a work-item does a full_window row, of the output or, backward, of
 * the input. ROWS 0: VW channels of one pixel. Global size >= `items`, the number of
 * either.
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
#include "lib/common.h"
#include "lib/channels.h"

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

/* Whether every window lies inside the image. */
#define NO_BORDER                                                        \
    (PAD_TOP == 0 && PAD_LEFT == 0 && (OUT_H - 1) * STRIDE_Y + R <= H && \
     (OUT_W - 1) * STRIDE_X + S <= W)

/* What argmax consists of: see weft_pool_argmax_bytes. */
#if R * S <= 255
typedef uchar argmax_t;
typedef ucharv argmax_v;
#define CONVERT_ARGMAX(v) CONVERT_UCHARV(v)
#else
typedef uint argmax_t;
typedef uintv argmax_v;
#if VW == 1
#define CONVERT_ARGMAX(v) convert_uint(v)
#else
#define CONVERT_ARGMAX(v) PASTE(convert_uint, VW)(v)
#endif
#endif

#if C % VW == 0
#define LOAD_ARGMAX(p)        (*(__global const argmax_v *)(p))
#define STORE_ARGMAX(v, p, c) (*(__global argmax_v *)(p) = (v))
#else
#define LOAD_ARGMAX(p)        VLOADN(p)
#define STORE_ARGMAX(v, p, c) store_part_argmax(v, p, C - (c))

static inline void store_part_argmax(argmax_v v, __global argmax_t *p, uint count)
{
    argmax_t lanes[VW];
    VSTOREN(v, lanes);
    for (uint i = 0; i < VW; i++)
        if (i < count)
            p[i] = lanes[i];
}
#endif

/* What a work-item does of rows of `width` pixels: columns [column, end) of a line, all
 * lines of all images counted, and channels [c, c_end). */
struct work_range {
    uint line, column, end, c, c_end;
};

static inline struct work_range work_range_of(uint width)
{
    struct work_range v = {(uint)get_global_id(0), 0, width, 0, C};
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
    v.r0 = NO_BORDER ? 0 : max(0, -v.top);
    v.r1 = NO_BORDER ? R : min(R, H - v.top);
    v.s0 = NO_BORDER ? 0 : max(0, -v.left);
    v.s1 = NO_BORDER ? S : min(S, W - v.left);
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
static inline long window_offset(uint image, struct window v)
{
    return (((long)image * H + v.top) * W + v.left) * C;
}

/* Sums over a window to means. Two roundings at most, full_window windows or not. */
static inline floatv window_mean(floatv sum, struct window v)
{
    return NO_BORDER ? sum * (1.0f / (R * S))
                     : sum / (float)((v.r1 - v.r0) * (v.s1 - v.s0));
}

/* Whether all of it lies inside. */
static inline bool is_interior(struct window v)
{
    return NO_BORDER || (v.r0 == 0 && v.r1 == R && v.s0 == 0 && v.s1 == S);
}

/* The maxima of `blocks` vectors over a window from x on, and their places. */
static inline void window_max(floatv best[CHUNK], intv best_at[CHUNK],
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
                const intv is_greater = (value > best[b]) | (value != value);
                best[b] = SELECT(is_greater, value, best[b]);
                best_at[b] = SELECT(is_greater, (intv)(r * S + s), best_at[b]);
            }
}

static inline void window_sum(floatv sum[CHUNK], __global const stored_x *x,
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
static inline struct window full_window(struct window v)
{
    return (struct window){v.top, v.left, 0, R, 0, S};
}

__kernel void max_forward(VIEW(const stored_x, x), VIEW(stored_y, y),
                          VIEW(argmax_t, argmax), uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct work_range v = work_range_of(OUT_W);
    const uint image = v.line / OUT_H, row = v.line - image * OUT_H;
    x += x_at;
    y += y_at;
    argmax += argmax_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct window w = window_at((int)row, (int)column);
        __global const stored_x *const corner = x + window_offset(image, w);
        for (uint c = v.c; c < v.c_end; c += CHUNK * VW) {
            const uint to = (v.line * OUT_W + column) * C + c, blocks = chunk_at(c);
            floatv best[CHUNK];
            intv best_at[CHUNK];
            if (is_interior(w))
                window_max(best, best_at, corner + c, full_window(w), blocks);
            else
                window_max(best, best_at, corner + c, w, blocks);
#pragma unroll UNROLL_CHUNK
            for (uint b = 0; b < blocks; b++) {
                STORE_OUT(best[b], y + to + b * VW, c + b * VW);
#if ARGMAX
                STORE_ARGMAX(CONVERT_ARGMAX(best_at[b]), argmax + to + b * VW,
                             c + b * VW);
#endif
            }
        }
    }
}

__kernel void avg_forward(VIEW(const stored_x, x), VIEW(stored_y, y), uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct work_range v = work_range_of(OUT_W);
    const uint image = v.line / OUT_H, row = v.line - image * OUT_H;
    x += x_at;
    y += y_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct window w = window_at((int)row, (int)column);
        __global const stored_x *const corner = x + window_offset(image, w);
        for (uint c = v.c; c < v.c_end; c += CHUNK * VW) {
            const uint to = (v.line * OUT_W + column) * C + c, blocks = chunk_at(c);
            floatv sum[CHUNK];
            if (is_interior(w))
                window_sum(sum, corner + c, full_window(w), blocks);
            else
                window_sum(sum, corner + c, w, blocks);
#pragma unroll UNROLL_CHUNK
            for (uint b = 0; b < blocks; b++)
                STORE_OUT(window_mean(sum[b], w), y + to + b * VW, c + b * VW);
        }
    }
}

/* The output_range whose windows hold an input: rows [y0, y1], columns [x0, x1]. */
struct output_range {
    int row, column, y0, y1, x0, x1; /* row, column: of the input, counted with padding */
};

static inline struct output_range output_range_of(int row, int column)
{
    struct output_range o;
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
#define GRAD_CHUNK 4
#elif ROWS && BLOCKS % 2 == 0
#define GRAD_CHUNK 2
#else
#define GRAD_CHUNK 1
#endif

static inline void clear(floatv sum[GRAD_CHUNK])
{
#pragma unroll
    for (uint b = 0; b < GRAD_CHUNK; b++)
        sum[b] = (floatv)(0.0f);
}

static inline uint output_at(uint image, int oy, int ox)
{
    return ((image * OUT_H + (uint)oy) * OUT_W + (uint)ox) * C;
}

__kernel void max_backward(VIEW(const stored_x, dy), VIEW(const argmax_t, argmax),
                           VIEW(stored_y, dx), uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct work_range v = work_range_of(W);
    const uint image = v.line / H, row = v.line - image * H;
    dy += dy_at;
    argmax += argmax_at;
    dx += dx_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct output_range o = output_range_of((int)row, (int)column);
        for (uint c = v.c; c < v.c_end; c += GRAD_CHUNK * VW) {
            const uint to = (v.line * W + column) * C + c;
            floatv sum[GRAD_CHUNK];
            clear(sum);
            for (int oy = o.y0; oy <= o.y1; oy++)
                for (int ox = o.x0; ox <= o.x1; ox++) {
                    const int tap =
                        (o.row - oy * STRIDE_Y) * S + o.column - ox * STRIDE_X;
                    const uint from = output_at(image, oy, ox) + c;
#pragma unroll
                    for (uint b = 0; b < GRAD_CHUNK; b++) {
                        const floatv grad = LOAD_IN(dy + from + b * VW);
                        const intv is_argmax =
                            CONVERT_INTV(LOAD_ARGMAX(argmax + from + b * VW)) ==
                            (intv)(tap);
                        sum[b] += SELECT(is_argmax, grad, (floatv)(0.0f));
                    }
                }
#pragma unroll
            for (uint b = 0; b < GRAD_CHUNK; b++)
                STORE_OUT(sum[b], dx + to + b * VW, c + b * VW);
        }
    }
}

__kernel void avg_backward(VIEW(const stored_x, dy), VIEW(stored_y, dx), uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct work_range v = work_range_of(W);
    const uint image = v.line / H, row = v.line - image * H;
    dy += dy_at;
    dx += dx_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct output_range o = output_range_of((int)row, (int)column);
        for (uint c = v.c; c < v.c_end; c += GRAD_CHUNK * VW) {
            const uint to = (v.line * W + column) * C + c;
            floatv sum[GRAD_CHUNK];
            clear(sum);
            for (int oy = o.y0; oy <= o.y1; oy++)
                for (int ox = o.x0; ox <= o.x1; ox++) {
                    const struct window w = window_at(oy, ox);
                    const uint from = output_at(image, oy, ox) + c;
#pragma unroll
                    for (uint b = 0; b < GRAD_CHUNK; b++)
                        sum[b] += window_mean(LOAD_IN(dy + from + b * VW), w);
                }
#pragma unroll
            for (uint b = 0; b < GRAD_CHUNK; b++)
                STORE_OUT(sum[b], dx + to + b * VW, c + b * VW);
        }
    }
}
