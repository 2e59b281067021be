/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient of a depthwise convolution's weights and bias, family `vec`.
 *
 *     dw[ky,kx,c] = sum over n, y, x of dz[n,y,x,c]
 *                   x[n, y STRIDE_Y + ky DILATION_Y - PAD_TOP,
 *                     x STRIDE_X + kx DILATION_X - PAD_LEFT, c]
 *     dbias[c] = sum over n, y, x of dz[n,y,x,c]
 *
 * A work-item goes through its pictures as conv_depthwise_vec.cl does, in TILE rows of dz
 * at once, and adds what a column of them gives to its plane, which stays in the
 * first-level cache. NV and SLICE are 1. Global size (blocks / PER_ITEM rounded up,
 * splits). */
#include "planes_vec.h"

enum {
    SPAN = (TILE - 1) * STRIDE_Y + (R - 1) * DILATION_Y + 1, /* rows of x */
    X_ROW = IN_W * IN,
    DZ_ROW = OUT_W * OUT
};

/* Adds to a column of the window's weights what a column of dz gives. The rows of x begin
 * at `top`, and are all inside or to be looked at. */
INLINE void add_taps(__global float *plane, __global const stored_x *x, int top,
                     bool inside, const floatv d[TILE])
{
    floatv place[SPAN];
#pragma unroll
    for (int j = 0; j < SPAN; j++)
        place[j] = inside || (top + j >= 0 && top + j < IN_H)
                       ? VLOAD_X(x + (top + j) * X_ROW)
                       : (floatv)(0.0f);
#pragma unroll
    for (int ky = 0; ky < R; ky++) {
        floatv sum = VLOAD(plane + ky * (S * BLOCK));
#pragma unroll
        for (int i = 0; i < TILE; i++)
            sum = MAD(place[i * STRIDE_Y + ky * DILATION_Y], d[i], sum);
        VSTORE(sum, plane + ky * (S * BLOCK));
    }
}

/* Adds to a plane what `rows` rows of dz give in a column. */
INLINE void add_column(__global float *plane, __global const stored_x *x, int top,
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
        if (from >= 0 && from < IN_W)
            add_taps(plane + kx * BLOCK, x + from * IN, top, inside, d);
    }
    if (BIAS)
        add_bias(plane, sum);
}

__kernel void conv_weights_depthwise(__global const stored_x *restrict x, uint x_at,
                                     __global const stored_other *restrict dy, uint dy_at,
                                     __global float *restrict planes, uint planes_at,
                                     int pictures, int split)
{
    const struct task t = start_task(planes + planes_at, pictures, split);
    for (int n = t.begin; n < t.end; n++)
        for (int row = 0; row < OUT_H; row += TILE) {
            const int top = row * STRIDE_Y - PAD_TOP, rows = min(TILE, OUT_H - row);
            const bool inside = rows == TILE && top >= 0 && top + SPAN <= IN_H;
            __global const stored_x *const from = x + x_at + (size_t)n * (IN_H * X_ROW);
            __global const stored_other *const dz =
                dy + dy_at + (size_t)(n * OUT_H + row) * DZ_ROW;
            for (int column = 0; column < OUT_W; column++)
                for (int index = t.first; index < t.last; index++) {
                    const int c = index * BLOCK;
                    if (inside)
                        add_column(t.planes + index * PLANE, from + c, top, column,
                                   dz + column * OUT + c, rows, true);
                    else
                        add_column(t.planes + index * PLANE, from + c, top, column,
                                   dz + column * OUT + c, rows, false);
                }
        }
}
