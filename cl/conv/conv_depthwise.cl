/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution: each channel has a filter of its own.
 *
 *     z[n,y,x,c] = bias[c] + sum over ky, kx of x[n, row, column, c] w[ky,kx,c]
 *     row = (y STRIDE_Y + ky DILATION_Y - PAD_TOP) / UPSAMPLE_Y, column likewise
 *
 *     y = f(z), or for the data gradient y = z f'(act_grad)
 *
 * Taps whose row or column is fractional or outside x are skipped. Forward UPSAMPLE is
 * 1; the data gradient has STRIDE 1, the convolution's stride as UPSAMPLE, and filters
 * ROTATED_180.
 *
 * A work-item computes TILE rows together: a column of them, then the next column, one
 * vector of channels after the other. Memory is thus accessed in as many sequential
 * streams as there are rows; computing several columns together would interleave streams
 * within a page, which takes two to three times as long. On a CPU a work-item computes
 * all columns; on a GPU neighbouring work-items have neighbouring vectors, then columns.
 * Global size (vectors of channels / VECTORS_PER_ITEM * columns / COLUMNS_PER_ITEM, tiles
 * of rows / TILES_PER_ITEM, images), each rounded up. */
#define ALIGNED (C % VW == 0)
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/conv_shape.h"
#include "lib/epilogue_options.h"
#include "lib/storage.h"

#ifndef UPSAMPLE_Y
#define UPSAMPLE_Y 1
#endif
#ifndef UPSAMPLE_X
#define UPSAMPLE_X 1
#endif
#ifndef ROTATED_180
#define ROTATED_180 0
#endif
/* Rows of a tile, a multiple of UPSAMPLE_Y; tiles, vectors and columns of a work-item. */
#ifndef TILE
#define TILE 4
#endif
#ifndef TILES_PER_ITEM
#define TILES_PER_ITEM 1
#endif
#ifndef VECTORS_PER_ITEM
#define VECTORS_PER_ITEM 1
#endif
#ifndef COLUMNS_PER_ITEM
#define COLUMNS_PER_ITEM OUT_W
#endif

/* Rows of x above a tile's first row that its first tap may read, PAD_TOP / UPSAMPLE_Y
 * rounded up. Rows that a tile may read: tap ky of row i reads row SOURCE_ROW(i, ky) /
 * UPSAMPLE_Y of them, if that is an integer. */
#ifndef PAD_ROWS
#define PAD_ROWS PAD_TOP
#endif
#define SOURCE_ROW(i, ky) \
    ((i)*STRIDE_Y + (ky)*DILATION_Y - PAD_TOP + PAD_ROWS * UPSAMPLE_Y)
enum { SOURCE_ROWS = SOURCE_ROW(TILE - 1, R - 1) / UPSAMPLE_Y + 1, ROW = W * C };

/* x in row `row` of the image, or 0 outside it. A GPU loads another row then: branches
 * around loads would make it wait for each of them. */
INLINE floatv load_row(__global const stored_x *x, int row, bool inside)
{
#if DEVICE_CPU
    return inside || (row >= 0 && row < H) ? VLOAD_X(x + row * ROW) : (floatv)(0.0f);
#else
    const floatv v = VLOAD_X(x + (inside ? row : clamp(row, 0, H - 1)) * ROW);
    return (inside | ((uint)row < H)) ? v : (floatv)(0.0f);
#endif
}

/* acc[i] += one column of the filter times one column of x. The tile's rows of x begin
 * at `top`; inside: all of them are in the image, otherwise each is checked. */
INLINE void add_column(floatv acc[TILE], __global const stored_x *x, int top, bool inside,
                       __global const stored_w *w)
{
    floatv source[SOURCE_ROWS], weight[R];
#pragma unroll
    for (int j = 0; j < SOURCE_ROWS; j++)
        source[j] = load_row(x, top + j, inside);
#pragma unroll
    for (int ky = 0; ky < R; ky++)
        weight[ky] = VLOAD_W(w + (ROTATED_180 ? R - 1 - ky : ky) * (S * C));
#pragma unroll
    for (int ky = 0; ky < R; ky++)
#pragma unroll
        for (int i = 0; i < TILE; i++)
            if (SOURCE_ROW(i, ky) % UPSAMPLE_Y == 0)
                acc[i] = MAD(source[SOURCE_ROW(i, ky) / UPSAMPLE_Y], weight[ky], acc[i]);
}

/* acc[i] += the whole filter, for column `column` of y. */
INLINE void add_window(floatv acc[TILE], __global const stored_x *x, int top, bool inside,
                       int column, __global const stored_w *w)
{
    for (int kx = 0; kx < S; kx++) {
        const int source = column * STRIDE_X + kx * DILATION_X - PAD_LEFT,
                  from = source / UPSAMPLE_X;
        if (source >= 0 && from * UPSAMPLE_X == source && from < W)
            add_column(acc, x + from * C, top, inside,
                       w + (ROTATED_180 ? S - 1 - kx : kx) * C);
    }
}

/* Epilogue of a vector, and store of its first `left` channels. */
INLINE void store_output(floatv z, __global const stored_act_grad *act_grad,
                         __global stored_y *y, int left, float2 act_params)
{
    if (ACT_GRAD) {
        const floatv g = VLOAD_ACT_GRAD(act_grad);
        z *= activate_gradient(g, g, act_params);
    } else {
        z = activate(z, act_params);
    }
    if (C % VW == 0 || left >= VW)
        VSTORE_Y(z, y);
    else
        store_part_y(z, y, left);
}

__kernel void conv_depthwise(VIEW(const stored_x, x), VIEW(const stored_w, w),
                             VIEW(const float, bias),
                             VIEW(const stored_act_grad, act_grad), VIEW(stored_y, y),
                             float2 act_params)
{
    enum { SLICE = VECTORS_PER_ITEM * VW, SLICES = (C + SLICE - 1) / SLICE };
    const int item = get_global_id(0), image = get_global_id(2);
    const int block = COLUMNS_PER_ITEM < OUT_W ? item / SLICES : 0;
    const int first = (item - block * SLICES) * SLICE, left = block * COLUMNS_PER_ITEM,
              right = min(left + COLUMNS_PER_ITEM, (int)OUT_W);
    const int begin = get_global_id(1) * (TILES_PER_ITEM * TILE),
              end = min(begin + TILES_PER_ITEM * TILE, (int)OUT_H);
    const int last = min(first + SLICE, (int)C);
    x += x_at + (size_t)image * (H * ROW);
    w += w_at;
    bias += bias_at;
    act_grad += act_grad_at;
    y += y_at;
    for (int row = begin; row < end; row += TILE) {
        const int top = row / UPSAMPLE_Y * STRIDE_Y - PAD_ROWS,
                  rows = min(TILE, end - row);
        const bool inside = top >= 0 && top + SOURCE_ROWS <= H;
        const size_t at = (size_t)(image * OUT_H + row) * (OUT_W * C);
        for (int column = left; column < right; column++)
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
                        store_output(acc[i], act_grad + to, y + to, last - c, act_params);
                }
            }
    }
}
