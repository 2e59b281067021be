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
 * A place is VW channels of a pixel; a work-item does PER consecutive places (a whole
 * row on CPUs, one on GPUs) out of `places`. Global size >= places / PER, rounded up. */
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
#ifndef PER
#define PER 1
#endif
#include "common.h"

#define BLOCKS ((C + VW - 1) / VW)

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

/* Where VW divides C every vector is aligned: views begin at multiples of 64 bytes.
 * Where it does not, a load may take in what follows (buffers have slack), a store may
 * not. */
#if C % VW == 0
#define LOAD(p)           (*(__global const floatv *)(p))
#define LOAD_AT(p)        (*(__global const at_vector *)(p))
#define STORE(v, p, c)    (*(__global floatv *)(p) = (v))
#define STORE_AT(v, p, c) (*(__global at_vector *)(p) = (v))
#else
#define LOAD(p)           VLOAD(p)
#define LOAD_AT(p)        VLOAD(p)
#define STORE(v, p, c)    store_part(v, p, min((uint)VW, C - (c)))
#define STORE_AT(v, p, c) store_part_at(v, p, min((uint)VW, C - (c)))

static inline void store_part_at(at_vector v, __global at_type *p, uint count)
{
    at_type lanes[VW];
    VSTORE(v, lanes);
    for (uint i = 0; i < VW; i++)
        if (i < count)
            p[i] = lanes[i];
}
#endif

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

/* Sums over a window to means. Two roundings at most, whole windows or not. */
static inline floatv mean_of(floatv sum, struct window v)
{
    return WHOLE ? sum * (1.0f / (R * S)) : sum / (float)((v.r1 - v.r0) * (v.s1 - v.s0));
}

__kernel void max_forward(__global const float *restrict x, uint x_at,
                          __global float *restrict y, uint y_at,
                          __global at_type *restrict argmax, uint argmax_at, uint places)
{
    x += x_at;
    y += y_at;
    const uint first = (uint)get_global_id(0) * PER;
    for (uint place = first; place < min(first + PER, places); place++) {
        const uint pixel = place / BLOCKS, c = (place - pixel * BLOCKS) * VW;
        const uint line = pixel / OUT_W, picture = line / OUT_H;
        const struct window v =
            window_at((int)(line - picture * OUT_H), (int)(pixel - line * OUT_W));
        floatv best = (floatv)(-INFINITY);
        intv best_at = (intv)(v.r0 * S + v.s0);
        for (int r = v.r0; r < v.r1; r++)
            for (int s = v.s0; s < v.s1; s++) {
                const uint at =
                    ((picture * H + (uint)(v.top + r)) * W + (uint)(v.left + s)) * C + c;
                const floatv value = LOAD(x + at);
                const intv wins = (value > best) | (value != value);
                best = WHERE(wins, value, best);
                best_at = WHERE(wins, (intv)(r * S + s), best_at);
            }
        STORE(best, y + pixel * C + c, c);
#if ARGMAX
        STORE_AT(TO_AT(best_at), argmax + argmax_at + pixel * C + c, c);
#endif
    }
}

__kernel void mean_forward(__global const float *restrict x, uint x_at,
                           __global float *restrict y, uint y_at, uint places)
{
    x += x_at;
    y += y_at;
    const uint first = (uint)get_global_id(0) * PER;
    for (uint place = first; place < min(first + PER, places); place++) {
        const uint pixel = place / BLOCKS, c = (place - pixel * BLOCKS) * VW;
        const uint line = pixel / OUT_W, picture = line / OUT_H;
        const struct window v =
            window_at((int)(line - picture * OUT_H), (int)(pixel - line * OUT_W));
        floatv sum = (floatv)(0.0f);
        for (int r = v.r0; r < v.r1; r++)
            for (int s = v.s0; s < v.s1; s++)
                sum += LOAD(
                    x + ((picture * H + (uint)(v.top + r)) * W + (uint)(v.left + s)) * C +
                    c);
        STORE(mean_of(sum, v), y + pixel * C + c, c);
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

__kernel void max_backward(__global const float *restrict dy, uint dy_at,
                           __global const at_type *restrict argmax, uint argmax_at,
                           __global float *restrict dx, uint dx_at, uint places)
{
    dy += dy_at;
    argmax += argmax_at;
    dx += dx_at;
    const uint first = (uint)get_global_id(0) * PER;
    for (uint place = first; place < min(first + PER, places); place++) {
        const uint pixel = place / BLOCKS, c = (place - pixel * BLOCKS) * VW;
        const uint line = pixel / W, picture = line / H;
        const struct outputs o =
            outputs_of((int)(line - picture * H), (int)(pixel - line * W));
        floatv sum = (floatv)(0.0f);
        for (int oy = o.y0; oy <= o.y1; oy++)
            for (int ox = o.x0; ox <= o.x1; ox++) {
                const int tap = (o.row - oy * STRIDE_Y) * S + o.column - ox * STRIDE_X;
                const uint at = ((picture * OUT_H + (uint)oy) * OUT_W + (uint)ox) * C + c;
                const floatv v = LOAD(dy + at);
                const intv won = CONVERT_INTV(LOAD_AT(argmax + at)) == (intv)(tap);
                sum += WHERE(won, v, (floatv)(0.0f));
            }
        STORE(sum, dx + pixel * C + c, c);
    }
}

__kernel void mean_backward(__global const float *restrict dy, uint dy_at,
                            __global float *restrict dx, uint dx_at, uint places)
{
    dy += dy_at;
    dx += dx_at;
    const uint first = (uint)get_global_id(0) * PER;
    for (uint place = first; place < min(first + PER, places); place++) {
        const uint pixel = place / BLOCKS, c = (place - pixel * BLOCKS) * VW;
        const uint line = pixel / W, picture = line / H;
        const struct outputs o =
            outputs_of((int)(line - picture * H), (int)(pixel - line * W));
        floatv sum = (floatv)(0.0f);
        for (int oy = o.y0; oy <= o.y1; oy++)
            for (int ox = o.x0; ox <= o.x1; ox++) {
                const uint at = ((picture * OUT_H + (uint)oy) * OUT_W + (uint)ox) * C + c;
                sum += mean_of(LOAD(dy + at), window_at(oy, ox));
            }
        STORE(sum, dx + pixel * C + c, c);
    }
}
