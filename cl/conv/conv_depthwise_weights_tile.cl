/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a depthwise convolution, by work-groups; the sums are those
 * of conv_depthwise_weights_vec.cl.
 *
 * A position is a column of TILE rows of dz. A work-group sums TAP_COLUMNS columns of the
 * window over positions [split * span, (split + 1) * span), for LANES vectors of
 * channels. Of its STRANDS work-items for a vector each takes every STRANDS-th position
 * and keeps its sums in registers; they are then added in order. Global size (vectors /
 * LANES * window columns / TAP_COLUMNS, each rounded up, * ITEMS, splits), local size
 * (ITEMS, 1, 1). The arguments are those of `gemm` (lib/gemm_schedule.h). */
#define VW      4
#define ALIGNED (C % VW == 0)
#include "lib/common.h"
#include "lib/conv_shape.h"
#include "lib/storage.h"
#include "shared/workspace_layout.h"

#ifndef BIAS_OR_ACT_GRAD
#define BIAS_OR_ACT_GRAD 0
#endif
#ifndef TILE
#define TILE 4
#endif
#ifndef TAP_COLUMNS
#define TAP_COLUMNS 3
#endif
#ifndef LANES
#define LANES   8
#define STRANDS 8
#endif

enum {
    ITEMS = LANES * STRANDS,
    TILES_DOWN = (OUT_H + TILE - 1) / TILE,
    TAP_BLOCKS = (S + TAP_COLUMNS - 1) / TAP_COLUMNS,
    SOURCE_ROWS = CONV_EXTENT(TILE, STRIDE_Y, R, DILATION_Y)
};

/* A column of SOURCE_ROWS rows of x, 0 outside the image. Another row is loaded there,
 * and conditions have no short circuit: branches around loads would make the work-item
 * wait for each of them. */
INLINE void load_x_column(__global const stored_x *image, int top, int column,
                          floatv source[SOURCE_ROWS])
{
    const bool inside = (uint)column < W;
    image += clamp(column, 0, W - 1) * C;
#pragma unroll
    for (int j = 0; j < SOURCE_ROWS; j++) {
        const floatv v = VLOAD_X(image + (uint)clamp(top + j, 0, H - 1) * (W * C));
        source[j] = (inside & ((uint)(top + j) < H)) ? v : (floatv)(0.0f);
    }
}

INLINE void load_dz_column(__global const stored_w *dz, int rows, floatv d[TILE])
{
#pragma unroll
    for (int i = 0; i < TILE; i++) {
        const floatv v = VLOAD_W(dz + (uint)min(i, rows - 1) * (OUT_W * C));
        d[i] = i < rows ? v : (floatv)(0.0f);
    }
}

/* Adds the strands' sums in order, `count` of each vector, and stores those of the first
 * `left` channels at `to`, `stride` apart. */
INLINE void store_sums(__local floatv *strands, const floatv *sums, int count,
                       __global float *to, int stride, int left)
{
    const int item = get_local_id(0);
#pragma unroll
    for (int i = 0; i < count; i++)
        strands[i * ITEMS + item] = sums[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int at = item; at < count * LANES; at += ITEMS) {
        const int i = at / LANES, lane = at - i * LANES;
        __local const floatv *from = strands + i * ITEMS + lane;
        floatv sum = from[0];
        for (int strand = 1; strand < STRANDS; strand++)
            sum += from[strand * LANES];
        if (lane * VW < left)
            store_part(sum, to + i * stride + lane * VW, (uint)(left - lane * VW));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

__kernel __attribute__((reqd_work_group_size(LANES * STRANDS, 1, 1))) void
conv_bwd_weights_depthwise_tile(VIEW(const stored_x, x), VIEW(const stored_w, dy),
                                VIEW(const uchar, argmax), VIEW(const float, bias),
                                VIEW(float, out), VIEW(float, sums), int images,
                                int positions, uint partial_stride, float2 act_params)
{
    __local floatv strands[R * LANES * STRANDS];
    const int item = get_local_id(0), strand = item / LANES;
    const int group = get_group_id(0), block = group / TAP_BLOCKS;
    const int first_tap = (group - block * TAP_BLOCKS) * TAP_COLUMNS;
    const int first = block * (LANES * VW), c = first + (item - strand * LANES) * VW;
    const uint split = get_group_id(1);
    const int begin = (int)split * positions;
    const int end = min(begin + positions, images * (TILES_DOWN * OUT_W));

    floatv acc[TAP_COLUMNS][R], column_sum[1] = {(floatv)(0.0f)};
#pragma unroll
    for (int kx = 0; kx < TAP_COLUMNS; kx++)
#pragma unroll
        for (int ky = 0; ky < R; ky++)
            acc[kx][ky] = (floatv)(0.0f);
    for (int at = begin + strand; c < C && at < end; at += STRANDS) {
        const int line = at / OUT_W, column = at - line * OUT_W;
        const int image = line / TILES_DOWN, row = (line - image * TILES_DOWN) * TILE;
        floatv d[TILE], source[SOURCE_ROWS];
        load_dz_column(dy + dy_at +
                           ((uint)(image * OUT_H + row) * OUT_W + (uint)column) * C + c,
                       OUT_H - row, d);
        if (BIAS_OR_ACT_GRAD)
#pragma unroll
            for (int i = 0; i < TILE; i++)
                column_sum[0] += d[i];
#pragma unroll
        for (int kx = 0; kx < TAP_COLUMNS; kx++) {
            load_x_column(
                x + x_at + (uint)image * (H * W * C) + c, row * STRIDE_Y - PAD_TOP,
                column * STRIDE_X + (first_tap + kx) * DILATION_X - PAD_LEFT, source);
#pragma unroll
            for (int ky = 0; ky < R; ky++)
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    acc[kx][ky] =
                        MAD(source[i * STRIDE_Y + ky * DILATION_Y], d[i], acc[kx][ky]);
        }
    }

    out += out_at + split * partial_stride + (uint)first;
    sums += sums_at + split * partial_stride + (uint)first;
#pragma unroll
    for (int kx = 0; kx < TAP_COLUMNS; kx++)
        store_sums(strands, acc[kx], R, out + (first_tap + kx) * K, S * K,
                   first_tap + kx < S ? C - first : 0);
    if (BIAS_OR_ACT_GRAD)
        store_sums(strands, column_sum, 1, sums, 0, first_tap == 0 ? C - first : 0);
}
