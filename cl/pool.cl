/* SPDX-License-Identifier: Apache-2.0 */
/* Max-pooling, [picture][row][column][channel].
 *
 *     y[n,oy,ox,c] = max over r, s of
 *         x[n, oy STRIDE_Y - PAD_TOP + r, ox STRIDE_X - PAD_LEFT + s, c]
 *
 * Places outside the picture take no part, the first of equals in row order wins, a NaN
 * wins over numbers. argmax holds r S + s of the winner. Backward gathers: each input
 * place sums the dy of those windows around it whose winner it was, so nothing is
 * cleared or added to.
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

/* Where VW divides C every vector is aligned: views begin at multiples of 64 bytes.
 * Where it does not, a load may take in what follows (buffers have slack), a store may
 * not. */
#if C % VW == 0
#define LOAD(p)              (*(__global const floatv *)(p))
#define LOAD_BYTES(p)        (*(__global const ucharv *)(p))
#define STORE(v, p, c)       (*(__global floatv *)(p) = (v))
#define STORE_BYTES(v, p, c) (*(__global ucharv *)(p) = (v))
#else
#define LOAD(p)              VLOAD(p)
#define LOAD_BYTES(p)        VLOAD(p)
#define STORE(v, p, c)       store_part(v, p, min((uint)VW, C - (c)))
#define STORE_BYTES(v, p, c) store_part_bytes(v, p, min((uint)VW, C - (c)))

static inline void store_part_bytes(ucharv v, __global uchar *p, uint count)
{
    uchar lanes[VW];
    VSTORE(v, lanes);
    for (uint i = 0; i < VW; i++)
        if (i < count)
            p[i] = lanes[i];
}
#endif

__kernel void pool_forward(__global const float *restrict x, uint x_at,
                           __global float *restrict y, uint y_at,
                           __global uchar *restrict argmax, uint argmax_at, uint places)
{
    x += x_at;
    y += y_at;
    const uint first = (uint)get_global_id(0) * PER;
    for (uint place = first; place < min(first + PER, places); place++) {
        const uint pixel = place / BLOCKS, c = (place - pixel * BLOCKS) * VW;
        const uint line = pixel / OUT_W, picture = line / OUT_H;
        const int top = (int)(line - picture * OUT_H) * STRIDE_Y - PAD_TOP;
        const int left = (int)(pixel - line * OUT_W) * STRIDE_X - PAD_LEFT;
#if WHOLE
        const int r0 = 0, r1 = R, s0 = 0, s1 = S;
#else
        const int r0 = max(0, -top), r1 = min(R, H - top);
        const int s0 = max(0, -left), s1 = min(S, W - left);
#endif
        floatv best = (floatv)(-INFINITY);
        intv best_at = (intv)(r0 * S + s0);
        for (int r = r0; r < r1; r++)
            for (int s = s0; s < s1; s++) {
                const uint at =
                    ((picture * H + (uint)(top + r)) * W + (uint)(left + s)) * C + c;
                const floatv v = LOAD(x + at);
                const intv wins = (v > best) | (v != v);
                best = WHERE(wins, v, best);
                best_at = WHERE(wins, (intv)(r * S + s), best_at);
            }
        STORE(best, y + pixel * C + c, c);
#if ARGMAX
        STORE_BYTES(CONVERT_UCHARV(best_at), argmax + argmax_at + pixel * C + c, c);
#endif
    }
}

__kernel void pool_backward(__global const float *restrict dy, uint dy_at,
                            __global const uchar *restrict argmax, uint argmax_at,
                            __global float *restrict dx, uint dx_at, uint places)
{
    dy += dy_at;
    argmax += argmax_at;
    dx += dx_at;
    const uint first = (uint)get_global_id(0) * PER;
    for (uint place = first; place < min(first + PER, places); place++) {
        const uint pixel = place / BLOCKS, c = (place - pixel * BLOCKS) * VW;
        const uint line = pixel / W, picture = line / H;
        const int row = (int)(line - picture * H) + PAD_TOP;
        const int column = (int)(pixel - line * W) + PAD_LEFT;
        const int y0 = max(0, (row - R + STRIDE_Y) / STRIDE_Y);
        const int x0 = max(0, (column - S + STRIDE_X) / STRIDE_X);
        const int y1 = min(OUT_H - 1, row / STRIDE_Y);
        const int x1 = min(OUT_W - 1, column / STRIDE_X);
        floatv sum = (floatv)(0.0f);
        for (int oy = y0; oy <= y1; oy++)
            for (int ox = x0; ox <= x1; ox++) {
                const int tap = (row - oy * STRIDE_Y) * S + column - ox * STRIDE_X;
                const uint at = ((picture * OUT_H + (uint)oy) * OUT_W + (uint)ox) * C + c;
                const floatv v = LOAD(dy + at);
#if VW == 1
                const intv won = argmax[at] == tap;
#else
                const intv won =
                    PASTE(convert_int, VW)(LOAD_BYTES(argmax + at)) == (intv)(tap);
#endif
                sum += WHERE(won, v, (floatv)(0.0f));
            }
        STORE(sum, dx + pixel * C + c, c);
    }
}
