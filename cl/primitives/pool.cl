/* SPDX-License-Identifier: Apache-2.0 */
/* Max and average pooling, [image][row][column][channel].
 *
 *     y[n,oy,ox,c] = max, or mean, over r, s of x[n, row, column, c]
 *     row = oy POOL_STRIDE_Y - POOL_PAD_TOP + r, column likewise
 *
 * Pixels outside the image are excluded; the divisor of a mean counts those in the
 * padding POOL_COUNT_*. The maximum is the first of equal elements in row order, a NaN
 * is larger than any number, and argmax holds the tap r POOL_S + s of the maximum.
 * Backward is a gather: an input pixel sums dy over the windows that contain it, of a max
 * pool over those whose maximum it is, so that no memory is cleared or updated
 * atomically.
 *
 * ROWS 1, for CPUs: a work-item computes a row, of the output or, backward, of the
 * input. ROWS 0: VW channels of one pixel. Global size >= `items`, the number of them. */
#ifndef POOL_R
#define H             26 /* input rows and columns, channels */
#define W             26
#define C             32
#define POOL_R        2
#define POOL_S        2
#define POOL_STRIDE_Y 2
#define POOL_STRIDE_X 2
#define POOL_OUT_H    13
#define POOL_OUT_W    13
#endif
#ifndef ARGMAX
#define ARGMAX 1 /* write argmax */
#endif
#ifndef VW
#define VW 4
#endif
#ifndef ROWS
#define ROWS 0
#endif
#include "lib/common.h"
#include "lib/channels.h"
#include "lib/pool_shape.h"

#define BLOCKS ((C + VW - 1) / VW)

/* Vectors of channels that are reduced together. A large window is read in long
 * contiguous runs; of a small window, unrolled, a few vectors stay in registers, so that
 * none waits for the previous maximum. */
#if ROWS && POOL_R * POOL_S > 16
#define CHUNK (BLOCKS < 64 ? BLOCKS : 64)
#elif ROWS && BLOCKS % 4 == 0
#define CHUNK 4
#elif ROWS && BLOCKS % 2 == 0
#define CHUNK 2
#else
#define CHUNK 1
#endif
#if ROWS && POOL_R * POOL_S <= 16
#define UNROLL_R     POOL_R
#define UNROLL_S     POOL_S
#define UNROLL_CHUNK CHUNK
#else
#define UNROLL_R     1
#define UNROLL_CHUNK 1
#if !ROWS && POOL_R * POOL_S > 16
#define UNROLL_S (POOL_S < 8 ? POOL_S : 8) /* loads in flight */
#else
#define UNROLL_S 1
#endif
#endif

/* All windows are inside the image. */
#define NO_BORDER                                      \
    (POOL_PAD_TOP == 0 && POOL_PAD_LEFT == 0 &&        \
     (POOL_OUT_H - 1) * POOL_STRIDE_Y + POOL_R <= H && \
     (POOL_OUT_W - 1) * POOL_STRIDE_X + POOL_S <= W)

/* Type of argmax: see weft_pool_argmax_bytes. */
#if POOL_R * POOL_S <= ARGMAX_BYTE_TAPS
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

/* Work of a work-item in rows of `width` pixels: columns [column, end) of a line, lines
 * of all images counted, and channels [c, c_end). */
struct pool_range {
    uint line, column, end, c, c_end;
};

static inline struct pool_range work_range_of(uint width)
{
    struct pool_range v = {(uint)get_global_id(0), 0, width, 0, C};
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

/* Window of an output: its position, and its rows [r0, r1) and columns [s0, s1) inside
 * the image. */
struct window {
    int top, left, r0, r1, s0, s1;
};

static inline struct window window_at(int oy, int ox)
{
    struct window v;
    v.top = oy * POOL_STRIDE_Y - POOL_PAD_TOP;
    v.left = ox * POOL_STRIDE_X - POOL_PAD_LEFT;
    v.r0 = NO_BORDER ? 0 : max(0, -v.top);
    v.r1 = NO_BORDER ? POOL_R : min(POOL_R, H - v.top);
    v.s0 = NO_BORDER ? 0 : max(0, -v.left);
    v.s1 = NO_BORDER ? POOL_S : min(POOL_S, W - v.left);
    return v;
}

/* Number of vectors of the chunk at channel c. */
static inline uint chunk_at(uint c)
{
#if CHUNK == 1 || BLOCKS % CHUNK == 0
    (void)c;
    return CHUNK;
#else
    return min((uint)CHUNK, (C - c + VW - 1) / VW);
#endif
}

/* Offset in x of the window's tap (0, 0), which may be outside the image. */
static inline long window_offset(uint image, struct window v)
{
    return (((long)image * H + v.top) * W + v.left) * C;
}

/* Mean of a window from its sum, with at most two roundings. */
static inline floatv window_mean(floatv sum, struct window v)
{
    const int rows =
        min(POOL_R, H + POOL_COUNT_BOTTOM - v.top) - max(0, -POOL_COUNT_TOP - v.top);
    const int columns =
        min(POOL_S, W + POOL_COUNT_RIGHT - v.left) - max(0, -POOL_COUNT_LEFT - v.left);
    return NO_BORDER ? sum * (1.0f / (POOL_R * POOL_S)) : sum / (float)(rows * columns);
}

/* The window is inside the image. */
static inline bool is_interior(struct window v)
{
    return NO_BORDER || (v.r0 == 0 && v.r1 == POOL_R && v.s0 == 0 && v.s1 == POOL_S);
}

/* Maxima of `blocks` vectors over a window of x, and their taps. */
static inline void window_max(floatv best[CHUNK], intv best_at[CHUNK],
                              __global const stored_x *x, struct window w, uint blocks)
{
#pragma unroll UNROLL_CHUNK
    for (uint b = 0; b < blocks; b++) {
        best[b] = (floatv)(-INFINITY);
        best_at[b] = (intv)(w.r0 * POOL_S + w.s0);
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
                best_at[b] = SELECT(is_greater, (intv)(r * POOL_S + s), best_at[b]);
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

/* A window inside the image, whose bounds are constants. */
static inline struct window full_window(struct window v)
{
    return (struct window){v.top, v.left, 0, POOL_R, 0, POOL_S};
}

__kernel void max_forward(VIEW(const stored_x, x), VIEW(stored_y, y),
                          VIEW(argmax_t, argmax), uint items)
{
    if (get_global_id(0) >= items)
        return;
    const struct pool_range v = work_range_of(POOL_OUT_W);
    const uint image = v.line / POOL_OUT_H, row = v.line - image * POOL_OUT_H;
    x += x_at;
    y += y_at;
    argmax += argmax_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct window w = window_at((int)row, (int)column);
        __global const stored_x *const corner = x + window_offset(image, w);
        for (uint c = v.c; c < v.c_end; c += CHUNK * VW) {
            const uint to = (v.line * POOL_OUT_W + column) * C + c, blocks = chunk_at(c);
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
    const struct pool_range v = work_range_of(POOL_OUT_W);
    const uint image = v.line / POOL_OUT_H, row = v.line - image * POOL_OUT_H;
    x += x_at;
    y += y_at;
    for (uint column = v.column; column < v.end; column++) {
        const struct window w = window_at((int)row, (int)column);
        __global const stored_x *const corner = x + window_offset(image, w);
        for (uint c = v.c; c < v.c_end; c += CHUNK * VW) {
            const uint to = (v.line * POOL_OUT_W + column) * C + c, blocks = chunk_at(c);
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

/* Outputs whose windows contain an input: rows [y0, y1], columns [x0, x1]. */
struct output_range {
    int row, column, y0, y1, x0, x1; /* row, column: of the input, including padding */
};

static inline struct output_range output_range_of(int row, int column)
{
    struct output_range o;
    o.row = row + POOL_PAD_TOP;
    o.column = column + POOL_PAD_LEFT;
    o.y0 = max(0, (o.row - POOL_R + POOL_STRIDE_Y) / POOL_STRIDE_Y);
    o.x0 = max(0, (o.column - POOL_S + POOL_STRIDE_X) / POOL_STRIDE_X);
    o.y1 = min(POOL_OUT_H - 1, o.row / POOL_STRIDE_Y);
    o.x1 = min(POOL_OUT_W - 1, o.column / POOL_STRIDE_X);
    return o;
}

/* Vectors of channels that backward computes together. */
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
    return ((image * POOL_OUT_H + (uint)oy) * POOL_OUT_W + (uint)ox) * C;
}

/* The gradient of a max pool, or of a mean pool, which has no argmax. */
INLINE void gather_gradient(__global const stored_x *dy, __global const argmax_t *argmax,
                            __global stored_y *dx, const bool is_max)
{
    const struct pool_range v = work_range_of(W);
    const uint image = v.line / H, row = v.line - image * H;
    for (uint column = v.column; column < v.end; column++) {
        const struct output_range o = output_range_of((int)row, (int)column);
        for (uint c = v.c; c < v.c_end; c += GRAD_CHUNK * VW) {
            const uint to = (v.line * W + column) * C + c;
            floatv sum[GRAD_CHUNK];
            clear(sum);
            for (int oy = o.y0; oy <= o.y1; oy++)
                for (int ox = o.x0; ox <= o.x1; ox++) {
                    const int tap = (o.row - oy * POOL_STRIDE_Y) * POOL_S + o.column -
                                    ox * POOL_STRIDE_X;
                    const struct window w = window_at(oy, ox);
                    const uint from = output_at(image, oy, ox) + c;
#pragma unroll
                    for (uint b = 0; b < GRAD_CHUNK; b++) {
                        const floatv grad = LOAD_IN(dy + from + b * VW);
                        if (is_max) {
                            const intv is_argmax =
                                CONVERT_INTV(LOAD_ARGMAX(argmax + from + b * VW)) ==
                                (intv)(tap);
                            sum[b] += SELECT(is_argmax, grad, (floatv)(0.0f));
                        } else {
                            sum[b] += window_mean(grad, w);
                        }
                    }
                }
#pragma unroll
            for (uint b = 0; b < GRAD_CHUNK; b++)
                STORE_OUT(sum[b], dx + to + b * VW, c + b * VW);
        }
    }
}

__kernel void max_backward(VIEW(const stored_x, dy), VIEW(const argmax_t, argmax),
                           VIEW(stored_y, dx), uint items)
{
    if (get_global_id(0) < items)
        gather_gradient(dy + dy_at, argmax + argmax_at, dx + dx_at, true);
}

__kernel void avg_backward(VIEW(const stored_x, dy), VIEW(stored_y, dx), uint items)
{
    if (get_global_id(0) < items)
        gather_gradient(dy + dy_at, 0, dx + dx_at, false);
}
