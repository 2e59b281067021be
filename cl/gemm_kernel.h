/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel `gemm` of those that take their operands through local memory
 * (gemm_tile.cl says what is multiplied). To be included behind gemm_stage.h and
 *
 *     float4 acc[SUM_ROWS][SUM_COLUMNS]  an item's sums
 *     multiply(as, bs, item, acc, room)  adds the product of two tiles to them
 *     store(acc, m0, m_end, n0, part, item, extra, out, slope)
 *
 * ROOM: floats of local memory that `multiply` wants for itself. */
#ifndef WEFT_GEMM_KERNEL_H
#define WEFT_GEMM_KERNEL_H

#include "gemm_share.h"

#define TILE_OF(tiles, step) ((__local float *)(tiles)[(step) % BUFFERS])
#define SUMMED               (OP == WEIGHTS && EXTRA)

/* The sum of a column of B, for the gradient of the bias. */
static inline float column_of(__local const float *bs, uint item)
{
    float sum = 0.0f;
    for (uint k = 0; k < KT; k++)
        sum += bs[k * B_ROW + item % NT];
    return sum;
}

/* a, b: x and w; dy and w; x and dy. extra: the bias, or the gate's output. sums: dbias.
 * Split s writes plane s of out and sums. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm(__global const stored_x *restrict a, uint a_at, __global const stored_w *restrict b,
     uint b_at, __global const uchar *restrict argmax, uint argmax_at,
     __global const stored_gate *restrict extra, uint extra_at,
     __global stored_y *restrict out, uint out_at, __global float *restrict sums,
     uint sums_at, int pictures, int span, uint plane, float slope)
{
    __local float4 a_tiles[BUFFERS][KT * A_ROW / 4], b_tiles[BUFFERS][KT * B_ROW / 4];
#ifdef ROOM
    __local float room[ROOM];
#else
    __local float *const room = 0;
#endif
    const uint item = (uint)get_local_id(0);
    const struct share v = share_of_group(pictures, span);
    a += a_at + (uint)(v.group * SRC_CG);
    b += b_at + (uint)(v.group * KG);
    argmax += argmax_at + (uint)(v.group * KG);
    extra += extra_at + (uint)(v.group * N);
    out += out_at + v.split * plane + (uint)(v.group * N);
    sums += sums_at + v.split * plane + (uint)(v.group * N);

    struct spot spots[A_LOADS];
    vec_a a_next[A_LOADS];
    vec_b b_next[B_LOADS];
    float4 acc[SUM_ROWS][SUM_COLUMNS];
    float column = 0.0f;
    find_a(v.m0, v.m_end, item, v.reach, spots);
#pragma unroll
    for (uint i = 0; i < SUM_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < SUM_COLUMNS; j++)
            acc[i][j] = (float4)(0.0f);

    /* Round `step` loads tile `step` and multiplies the one before it. With the first
     * load in front of the loop PoCL 3.1 makes wrong numbers of a single buffer. */
    const int steps = v.k_end > v.k_begin ? (v.k_end - v.k_begin + KT - 1) / KT : 0;
    for (int step = 0; step <= steps; step++) {
        if (step < steps) {
            const int k0 = v.k_begin + step * KT;
            load_a(a, argmax, k0, v.k_end, item, v.reach, spots, a_next);
            load_b(b, argmax, k0, v.k_end, v.n0, item, v.reach, b_next);
        }
        if (step > 0) {
            __local const float *as = TILE_OF(a_tiles, step - 1);
            __local const float *bs = TILE_OF(b_tiles, step - 1);
            multiply(as, bs, item, acc, room);
            if (SUMMED)
                column += column_of(bs, item);
        }
        if (BUFFERS == 1)
            barrier(CLK_LOCAL_MEM_FENCE);
        if (step < steps) {
            put_a(a_next, item, TILE_OF(a_tiles, step));
            put_b(b_next, item, TILE_OF(b_tiles, step));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    store(acc, v.m0, v.m_end, v.n0, v.part, item, extra, out, slope);
    if (SUMMED && v.m0 == 0 && item < NT && v.n0 + (int)item < N)
        sums[v.n0 + (int)item] = column;
}

#endif
