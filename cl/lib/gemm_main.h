/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel `gemm` of the families that stage operands in local memory (gemm_tile.cl
 * has the definition of A, B and out). Include after gemm_stage.h and
 *
 *     float4 acc[ACC_ROWS][ACC_COLUMNS]  accumulators of a work-item
 *     multiply(as, bs, item, acc, local_extra)  acc += product of two staged tiles
 *     store(acc, m0, m_end, n0, phase, item, bias_or_act_grad, out, act_params)
 *
 * LOCAL_EXTRA: floats of local memory that `multiply` needs. */
#ifndef WEFT_GEMM_MAIN_H
#define WEFT_GEMM_MAIN_H

#include "lib/gemm_schedule.h"

#define LDS_TILE(tiles, step) ((__local float *)(tiles)[(step) % BUFFERS])
#define NEEDS_BIAS_GRAD       (PASS == PASS_BWD_WEIGHTS && BIAS_OR_ACT_GRAD)

/* Bias gradient: the sum of a column of B. */
static inline float bias_grad_column(__local const float *bs, uint item)
{
    float sum = 0.0f;
    for (uint k = 0; k < KWG; k++)
        sum += bs[k * B_ROW + item % NWG];
    return sum;
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void gemm(GEMM_ARGUMENTS)
{
    __local float4 a_tiles[BUFFERS][KWG * A_ROW / 4], b_tiles[BUFFERS][KWG * B_ROW / 4];
#ifdef LOCAL_EXTRA
    __local float local_extra[LOCAL_EXTRA];
#else
    __local float *const local_extra = 0;
#endif
    const uint item = (uint)get_local_id(0);
    const struct work_tile v = work_tile_of_group(images, k_per_split);
    GEMM_MOVE_VIEWS(v);

    struct coord coords[A_LOADS];
    vec_a a_next[A_LOADS];
    vec_b b_next[B_LOADS];
    float4 acc[ACC_ROWS][ACC_COLUMNS];
    float column = 0.0f;
    a_coords(v.m0, v.m_end, item, v.phase_taps, coords);
#pragma unroll
    for (uint i = 0; i < ACC_ROWS; i++)
#pragma unroll
        for (uint j = 0; j < ACC_COLUMNS; j++)
            acc[i][j] = (float4)(0.0f);

    /* Iteration `step` loads tile `step` and multiplies the previous one. With the first
     * load before the loop PoCL 3.1 computes wrong results for a single buffer. */
    const int steps = v.k_end > v.k_begin ? (v.k_end - v.k_begin + KWG - 1) / KWG : 0;
    for (int step = 0; step <= steps; step++) {
        if (step < steps) {
            const int k0 = v.k_begin + step * KWG;
            load_a(a, argmax, k0, v.k_end, item, v.phase_taps, coords, a_next);
            load_b(b, argmax, k0, v.k_end, v.n0, item, v.phase_taps, b_next);
        }
        if (step > 0) {
            __local const float *as = LDS_TILE(a_tiles, step - 1);
            __local const float *bs = LDS_TILE(b_tiles, step - 1);
            multiply(as, bs, item, acc, local_extra);
            if (NEEDS_BIAS_GRAD)
                column += bias_grad_column(bs, item);
        }
        if (BUFFERS == 1)
            barrier(CLK_LOCAL_MEM_FENCE);
        if (step < steps) {
            store_tile_a(a_next, item, LDS_TILE(a_tiles, step));
            store_tile_b(b_next, item, LDS_TILE(b_tiles, step));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    store(acc, v.m0, v.m_end, v.n0, v.phase, item, bias_or_act_grad, out, act_params);
    if (NEEDS_BIAS_GRAD && v.m0 == 0 && item < NWG && v.n0 + (int)item < GEMM_N)
        sums[v.n0 + (int)item] = column;
}

#endif
