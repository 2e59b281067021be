/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a depthwise convolution, family `vec`.
 *
 *     dw[ky,kx,c] = sum over n, y, x of dz[n,y,x,c]
 *                   x[n, y STRIDE_Y + ky DILATION_Y - PAD_TOP,
 *                     x STRIDE_X + kx DILATION_X - PAD_LEFT, c]
 *     dbias[c] = sum over n, y, x of dz[n,y,x,c]
 *
 * A work-item traverses its images as conv_depthwise.cl does, TILE rows of dz
 * together, and adds the contribution of each column of them to its partial, which stays
 * in the first-level cache. NV and C_SLICE are 1. Global size (blocks / BLOCKS_PER_ITEM
 * rounded up, splits). */
#include "lib/split_batch_reduction.h"

enum {
    SOURCE_ROWS = CONV_EXTENT(TILE, STRIDE_Y, R, DILATION_Y), /* rows of x */
    X_ROW = W * C,
    DZ_ROW = OUT_W * K
};

/* Adds the contribution of a column of dz to a column of the filter's weights. The rows
 * of x begin at `top`; inside: all of them are in the image, otherwise each is checked.
 */
INLINE void add_taps(__global float *partial, __global const stored_x *x, int top,
                     bool inside, const floatv d[TILE])
{
    floatv source[SOURCE_ROWS];
#pragma unroll
    for (int j = 0; j < SOURCE_ROWS; j++)
        source[j] = inside || (top + j >= 0 && top + j < H)
                        ? VLOAD_X(x + (top + j) * X_ROW)
                        : (floatv)(0.0f);
#pragma unroll
    for (int ky = 0; ky < R; ky++) {
        floatv sum = VLOAD(partial + ky * (S * BLOCK));
#pragma unroll
        for (int i = 0; i < TILE; i++)
            sum = MAD(source[i * STRIDE_Y + ky * DILATION_Y], d[i], sum);
        VSTORE(sum, partial + ky * (S * BLOCK));
    }
}

/* Adds the contribution of a column of `rows` rows of dz to a partial. */
INLINE void add_column(__global float *partial, __global const stored_x *x, int top,
                       int column, __global const stored_other *dz, int rows, bool inside)
{
    floatv d[TILE], sum[NV] = {(floatv)(0.0f)};
#pragma unroll
    for (int i = 0; i < TILE; i++) {
        d[i] = inside || i < rows ? VLOAD_OTHER(dz + i * DZ_ROW) : (floatv)(0.0f);
        sum[0] += d[i];
    }
#pragma unroll
    for (int kx = 0; kx < S; kx++) {
        const int from = column * STRIDE_X + kx * DILATION_X - PAD_LEFT;
        if (from >= 0 && from < W)
            add_taps(partial + kx * BLOCK, x + from * C, top, inside, d);
    }
    if (BIAS)
        add_bias(partial, sum);
}

__kernel void conv_bwd_weights_depthwise(VIEW(const stored_x, x),
                                         VIEW(const stored_other, dy),
                                         VIEW(float, partials), int images,
                                         int images_per_split)
{
    const struct work_range t =
        begin_work_range(partials + partials_at, images, images_per_split);
    for (int n = t.begin; n < t.end; n++)
        for (int row = 0; row < OUT_H; row += TILE) {
            const int top = row * STRIDE_Y - PAD_TOP, rows = min(TILE, OUT_H - row);
            const bool inside = rows == TILE && top >= 0 && top + SOURCE_ROWS <= H;
            __global const stored_x *const from = x + x_at + (size_t)n * (H * X_ROW);
            __global const stored_other *const dz =
                dy + dy_at + (size_t)(n * OUT_H + row) * DZ_ROW;
            for (int column = 0; column < OUT_W; column++)
                for (int index = t.first; index < t.last; index++) {
                    const int c = index * BLOCK;
                    if (inside)
                        add_column(t.partials + index * PARTIAL, from + c, top, column,
                                   dz + column * K + c, rows, true);
                    else
                        add_column(t.partials + index * PARTIAL, from + c, top, column,
                                   dz + column * K + c, rows, false);
                }
        }
}
