/* SPDX-License-Identifier: Apache-2.0 */
/* Direct convolution, family `vec`: register tiles, no local memory, no barrier.
 *
 *     z[n,y,x,k] = bias[k] + sum over ky, kx, c of
 *                  x[n, y STRIDE_Y + ky DILATION_Y, x STRIDE_X + kx DILATION_X, c]
 *                  w[ky,kx,c,k]
 *
 *     conv_forward  y = f(z), or for the data gradient y = z f'(act_grad)
 *     conv_pool     y = max of f(z) over POOL_R x POOL_S windows that do not overlap, and
 *                   argmax, the tap of the maximum
 *
 * x is padded already. A work-item computes tiles of TILE pixels x NV vectors of VW
 * output channels in registers. The pixels of a tile are consecutive across rows and
 * images, or the window of a pool. The data gradient of a strided convolution has
 * PHASES_Y x PHASES_X phases (strided_dgrad.h), each a convolution of its own for every
 * PHASES_Y-th row and PHASES_X-th column of y. Global size (block groups * blocks of NV
 * * VW channels, tiles / tiles_per_item, phases), rounded up. */
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/epilogue_options.h"
#include "shared/strided_dgrad.h"
#include "lib/conv_shape.h"
#include "lib/pool_shape.h"
#include "lib/storage.h"

#ifndef ARGMAX
#define ARGMAX 0
#endif
/* 1: w is packed by pack_weights (conv_prepare_vec.cl) */
#ifndef PACKED_WEIGHTS
#define PACKED_WEIGHTS 0
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
/* 1: the pixels of a tile are consecutive in x, and so are tiles; the next but one is
 * fetched while a tile is computed. OpenCL's prefetch() does nothing in PoCL. */
#ifndef PREFETCH
#define PREFETCH 0
#endif

/* Data gradient: strides of the forward convolution, to which DILATION and PAD then
 * belong; position in x, which is padded, of the first row and column of dy; distance of
 * a phase's taps in x. */
#ifndef PHASES_Y
#define PHASES_Y 1
#endif
#ifndef PHASES_X
#define PHASES_X 1
#endif
#ifndef HALO_TOP
#define HALO_TOP 0
#endif
#ifndef HALO_LEFT
#define HALO_LEFT 0
#endif
#ifndef STEP_Y
#define STEP_Y DILATION_Y
#endif
#ifndef STEP_X
#define STEP_X DILATION_X
#endif

enum {
    BLOCK = NV * VW,
    BLOCKS = (K_PER_BLOCK_GROUP + BLOCK - 1) / BLOCK,
    TAPS = R * S * C_PER_GROUP,
    W_ROW = PACKED_WEIGHTS ? BLOCK : K,
    GRID_H = (OUT_H + PHASES_Y - 1) / PHASES_Y, /* pixels of a phase */
    GRID_W = (OUT_W + PHASES_X - 1) / PHASES_X
};

/* Rows and columns of a phase's filter. */
#if PHASES_Y * PHASES_X == 1
#define FILTER_ROWS(phase_window)    R
#define FILTER_COLUMNS(phase_window) S
#else
#define FILTER_ROWS(phase_window)    (phase_window).rows
#define FILTER_COLUMNS(phase_window) (phase_window).columns
#endif

/* Contiguous segments in a row of the filter, and inputs in each. */
#if STEP_X == 1 && C_PER_GROUP == C
#define SEGMENTS(phase_window) 1
#define SEGMENT(phase_window)  (FILTER_COLUMNS(phase_window) * C)
#else
#define SEGMENTS(phase_window) FILTER_COLUMNS(phase_window)
#define SEGMENT(phase_window)  C_PER_GROUP
#endif

#if R * S * C_PER_GROUP <= 32 && PHASES_Y * PHASES_X == 1
#define UNROLL_ROWS    R
#define UNROLL_SEGMENT 32
#else
#define UNROLL_ROWS    1
#define UNROLL_SEGMENT UNROLL
#endif

#if DEPTHWISE
#define INPUT(p, v) VLOAD_X((p) + (v)*VW)
#else
#define INPUT(p, v) ((floatv)(LOAD_X(p)))
#endif

/* A phase: pixels (row0 + PHASES_Y y, column0 + PHASES_X x), the size of its filter, and
 * offsets of its weights and inputs. */
struct phase_window {
    int row0, column0, rows, columns;
    size_t w, x;
};

/* acc[i][v] += the window at x[i] times the weights */
INLINE void add_window(floatv acc[TILE][NV], __global const stored_x *const x[TILE],
                       __global const stored_w *w, struct phase_window phase_window)
{
#pragma unroll UNROLL_ROWS
    for (int ky = 0; ky < FILTER_ROWS(phase_window); ky++)
#pragma unroll UNROLL_ROWS
        for (int kx = 0; kx < SEGMENTS(phase_window); kx++) {
            const int at = (ky * STEP_Y * W + kx * STEP_X) * C;
#pragma unroll UNROLL_SEGMENT
            for (int k = 0; k < SEGMENT(phase_window); k++) {
                floatv b[NV];
#pragma unroll
                for (int v = 0; v < NV; v++)
                    b[v] = VLOAD_W(w + v * VW);
                w += W_ROW;
#if PREFETCH
                const size_t next = (size_t)(x[0] + 2 * TILE * C + k * TILE);
                __builtin_prefetch((const void *)next);
#endif
#pragma unroll
                for (int i = 0; i < TILE; i++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        acc[i][v] = MAD(INPUT(x[i] + at + k, v), b[v], acc[i][v]);
            }
        }
}

/* A block of output channels. */
struct block {
    int in, out, left; /* first channels; channels of the group from there on */
    size_t w;
};

static inline struct block block_at(int index)
{
    struct block b;
    const int group = index / BLOCKS, first = MOD(index, BLOCKS) * BLOCK;
    b.in = DEPTHWISE ? first : group * C_PER_GROUP;
    b.out = group * K_PER_BLOCK_GROUP + first;
    b.left = K_PER_BLOCK_GROUP - first;
    b.w = PACKED_WEIGHTS ? (size_t)index * TAPS * BLOCK : (size_t)b.out;
    return b;
}

static inline void init_acc(floatv acc[TILE][NV], __global const float *bias, int channel)
{
#pragma unroll
    for (int v = 0; v < NV; v++) {
        const floatv b = BIAS ? VLOAD(bias + channel + v * VW) : (floatv)(0.0f);
#pragma unroll
        for (int i = 0; i < TILE; i++)
            acc[i][v] = b;
    }
}

/* Stores vector v of a block of `left` channels. */
static inline void store(floatv value, __global stored_y *to, int v, int left)
{
    if (K_PER_BLOCK_GROUP % BLOCK == 0)
        VSTORE_Y(value, to + v * VW);
    else if (left > v * VW)
        store_part_y(value, to + v * VW, left - v * VW);
}

static inline struct phase_window phase_window_at(int phase)
{
#if PHASES_Y * PHASES_X == 1
    (void)phase;
    return (struct phase_window){0, 0, R, S, 0, 0};
#else
    const struct weft_conv_axis rows = {R, PHASES_Y, DILATION_Y, PAD_TOP},
                                columns = {S, PHASES_X, DILATION_X, PAD_LEFT};
    struct phase_window phase_window;
    phase_window.row0 = phase / PHASES_X;
    phase_window.column0 = phase - phase_window.row0 * PHASES_X;
    const struct weft_dgrad_phase y = weft_dgrad_phase(rows, phase_window.row0),
                                  x = weft_dgrad_phase(columns, phase_window.column0);
    phase_window.rows = y.taps;
    phase_window.columns = x.taps;
    phase_window.w =
        (size_t)(y.taps_before * S + y.taps * x.taps_before) * (C_PER_GROUP * BLOCK);
    phase_window.x = (size_t)((y.first + HALO_TOP) * W + x.first + HALO_LEFT) * C;
    return phase_window;
#endif
}

__kernel void conv_forward(VIEW(const stored_x, x), VIEW(const stored_w, w),
                           VIEW(const float, bias), VIEW(const stored_act_grad, act_grad),
                           VIEW(stored_y, y), int pixels, int tiles_per_item,
                           float2 act_params)
{
    const struct block block = block_at(get_global_id(0));
    const struct phase_window phase_window = phase_window_at(get_global_id(2));
    x += x_at + block.in + phase_window.x;
    w += w_at + block.w + phase_window.w;
    y += y_at + block.out;
    act_grad += act_grad_at + block.out;
    const int first = get_global_id(1) * tiles_per_item * TILE;
    const int last = min(first + tiles_per_item * TILE, pixels);
    for (int pixel = first; pixel < last; pixel += TILE) {
        __global const stored_x *at[TILE];
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const int p = min(pixel + i, pixels - 1), row = p / GRID_W;
            at[i] = x + ((size_t)(row / GRID_H * H + MOD(row, GRID_H) * STRIDE_Y) * W +
                         MOD(p, GRID_W) * STRIDE_X) *
                            C;
        }
        floatv acc[TILE][NV];
        init_acc(acc, bias + bias_at, block.out);
        add_window(acc, at, w, phase_window);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            if (pixel + i >= last)
                break;
#if PHASES_Y * PHASES_X == 1
            const size_t to = (size_t)(pixel + i) * K;
#else
            const int line = (pixel + i) / GRID_W, image = line / GRID_H;
            const int row = MOD(line, GRID_H) * PHASES_Y + phase_window.row0,
                      column = MOD(pixel + i, GRID_W) * PHASES_X + phase_window.column0;
            if (row >= OUT_H || column >= OUT_W)
                continue;
            const size_t to = ((size_t)(image * OUT_H + row) * OUT_W + column) * K;
#endif
#pragma unroll
            for (int v = 0; v < NV; v++) {
                floatv z = acc[i][v];
                if (ACT_GRAD) {
                    const floatv g = VLOAD_ACT_GRAD(act_grad + to + v * VW);
                    z *= activate_gradient(g, g, act_params);
                } else {
                    z = activate(z, act_params);
                }
                store(z, y + to, v, block.left);
            }
        }
    }
}

#if POOL_R
/* Stores argmax as one vector where it is aligned: vstore may store single bytes. */
static inline void store_bytes(ucharv value, __global uchar *to, int left)
{
#if K_PER_BLOCK_GROUP % VW == 0 && K % VW == 0
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

/* TILE is POOL_R * POOL_S: a tile is a window of the pool. */
__kernel void conv_pool(VIEW(const stored_x, x), VIEW(const stored_w, w),
                        VIEW(const float, bias), VIEW(stored_y, y), VIEW(uchar, argmax),
                        int windows, int tiles_per_item, float2 act_params)
{
    const struct block block = block_at(get_global_id(0));
    x += x_at + block.in;
    w += w_at + block.w;
    y += y_at + block.out;
    argmax += argmax_at + block.out;
    const int first = get_global_id(1) * tiles_per_item,
              last = min(first + tiles_per_item, windows);
    for (int window = first; window < last; window++) {
        const int row = window / POOL_OUT_W;
        __global const stored_x *corner =
            x +
            ((size_t)(row / POOL_OUT_H * H + MOD(row, POOL_OUT_H) * (POOL_R * STRIDE_Y)) *
                 W +
             MOD(window, POOL_OUT_W) * (POOL_S * STRIDE_X)) *
                C;
        __global const stored_x *at[TILE];
#pragma unroll
        for (int i = 0; i < TILE; i++)
            at[i] = corner + (i / POOL_S * STRIDE_Y * W + i % POOL_S * STRIDE_X) * C;
        floatv acc[TILE][NV];
        init_acc(acc, bias + bias_at, block.out);
        add_window(acc, at, w, phase_window_at(0));
#pragma unroll
        for (int v = 0; v < NV; v++) {
            /* A NaN is the maximum and stays, since no value is larger. The test before
             * the loop costs nothing measurable. Compilers turn v != v into code that
             * Oclgrind executes wrongly. */
            intv is_nan = isunordered(acc[0][v], acc[TILE - 1][v]);
#pragma unroll
            for (int i = 1; i < TILE; i++)
                is_nan |= isunordered(acc[i - 1][v], acc[i][v]);
            floatv best =
                SELECT(is_nan, (floatv)(NAN), activate(acc[0][v], act_params));
            /* A float: compilers would narrow an integer in every iteration. */
            floatv tap = (floatv)(0.0f);
#pragma unroll
            for (int i = 1; i < TILE; i++) {
                /* relu is applied to the first element only: the maximum is never
                 * negative afterwards, so negative elements lose without it. */
                const floatv z = CHOSEN_ACT == ACT_relu
                                     ? acc[i][v]
                                     : activate(acc[i][v], act_params);
                const intv more = z > best;
                best = SELECT(more, z, best);
                tap = SELECT(more, (floatv)(i), tap);
            }
            store(best, y + (size_t)window * K, v, block.left);
            if (ARGMAX)
                store_bytes(CONVERT_UCHARV(tap), argmax + (size_t)window * K + v * VW,
                            block.left - v * VW);
        }
    }
}
#endif
