/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and dense layers as GEMM (gemm_tile.cl) on matrix units.
 *
 * A work-group computes MWG x NWG of the result from operands staged in local memory; a
 * warp computes WARP_TILE_M x WARP_TILE_N of them, 16x8 at a time. Global size (tiles *
 * ITEMS, splits of k, groups * phases), local size (ITEMS, 1, 1). */
#define VW 2
#include "lib/common.h"
#include "lib/im2col_gather.h"
#include "lib/gemm_epilogue.h"
#include "lib/mma.h"

#ifndef MWG
#define MWG         64
#define NWG         64
#define KWG         8
#define WARP_TILE_M 32
#define WARP_TILE_N 32
#endif

#define ITEMS       ((MWG / WARP_TILE_M) * (NWG / WARP_TILE_N) * WARP)
#define ACC_ROWS    (WARP_TILE_M / MMA_M)
#define ACC_COLUMNS (WARP_TILE_N / MMA_N)
#define LOCAL_EXTRA MMA_LOCAL_FLOATS(ITEMS)
#if WARP_TILE_M % MMA_M || WARP_TILE_N % MMA_N || KWG % MMA_K
#error "no such tile"
#endif
/* Distributes the 32 elements that a warp reads over different banks. */
#define LDS_PAD(transposed) MMA_LDS_PAD
#include "lib/gemm_stage.h"

/* First row and column of the warp's part of the tile. */
#define WARP_M(item) ((item) / WARP / (NWG / WARP_TILE_N) * WARP_TILE_M)
#define WARP_N(item) ((item) / WARP % (NWG / WARP_TILE_N) * WARP_TILE_N)

#if MMA_PATH != MMA_PATH_EMULATED /* the emulation would take compilers too long */
#define UNROLLED __attribute__((opencl_unroll_hint))
#else
#define UNROLLED
#endif

static inline void multiply(__local const float *as, __local const float *bs, uint item,
                            float4 acc[ACC_ROWS][ACC_COLUMNS], __local float *local_extra)
{
    const uint lane = item % WARP;
    as += A_LANE_K(lane) * A_ROW + WARP_M(item) + A_LANE_M(lane);
    bs += B_LANE_K(lane) * B_ROW + WARP_N(item) + B_LANE_N(lane);
    UNROLLED
    for (uint k = 0; k < KWG; k += MMA_K, as += MMA_K * A_ROW, bs += MMA_K * B_ROW) {
        struct tf32_split_a a[ACC_ROWS];
        UNROLLED
        for (uint i = 0; i < ACC_ROWS; i++) {
            __local const float *const p = as + i * MMA_M;
            a[i] = tf32_split_a((float4)(p[0], p[8], p[4 * A_ROW], p[4 * A_ROW + 8]));
        }
        UNROLLED
        for (uint j = 0; j < ACC_COLUMNS; j++) {
            __local const float *const p = bs + j * MMA_N;
            const struct tf32_split_b b = tf32_split_b((float2)(p[0], p[4 * B_ROW]));
            UNROLLED
            for (uint i = 0; i < ACC_ROWS; i++)
                mma(&acc[i][j], a[i], b, local_extra);
        }
    }
}

/* Stores two adjacent columns; `bias_or_act_grad` and `out` begin at the group. */
static inline void store_pair(float2 v, int row, int n,
                              __global const stored_act_grad *bias_or_act_grad,
                              __global stored_y *out, float2 act_params)
{
    if (row < 0 || n >= GEMM_N)
        return;
    const uint at = (uint)row * OUT_C + (uint)n;
#if !SPLIT_K
    const float2 none = (float2)(0.0f);
    const float2 bias = PASS == PASS_FORWARD && BIAS_OR_ACT_GRAD
                            ? VLOAD_ACT_GRAD(bias_or_act_grad + n)
                            : none;
    const float2 act_grad = PASS == PASS_BWD_DATA && BIAS_OR_ACT_GRAD
                                ? VLOAD_ACT_GRAD(bias_or_act_grad + at)
                                : none;
    v = epilogue(v, bias, act_grad, act_params);
#endif
    store_part_y(v, out + at, (uint)min(2, GEMM_N - n));
}

static inline void store(float4 acc[ACC_ROWS][ACC_COLUMNS], int m0, int m_end, int n0,
                         int phase, uint item,
                         __global const stored_act_grad *bias_or_act_grad,
                         __global stored_y *out, float2 act_params)
{
    const uint lane = item % WARP;
    const int n1 = n0 + (int)(WARP_N(item) + C_LANE_N(lane));
    const int m1 = m0 + (int)(WARP_M(item) + C_LANE_M(lane));
    UNROLLED
    for (int i = 0; i < ACC_ROWS; i++) {
        const int m = m1 + i * MMA_M;
        const int above = m < m_end ? output_row(m, phase) : -1;
        const int below = m + 8 < m_end ? output_row(m + 8, phase) : -1;
        UNROLLED
        for (int j = 0; j < ACC_COLUMNS; j++) {
            store_pair(acc[i][j].lo, above, n1 + j * MMA_N, bias_or_act_grad, out,
                       act_params);
            store_pair(acc[i][j].hi, below, n1 + j * MMA_N, bias_or_act_grad, out,
                       act_params);
        }
    }
}

#include "lib/gemm_main.h"
