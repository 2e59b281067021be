/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and dense layers as matrix products (gemm_tile.cl says which) by matrix
 * units.
 *
 * A work-group makes MT x NT of the result out of local memory; a warp makes WM x WN of
 * them, 16x8 at a time. Global size (tiles * ITEMS, splits of k, groups * parts), local
 * size (ITEMS, 1, 1). */
#define VW 2
#include "common.h"
#include "gather.h"
#include "result.h"
#include "mma.h"

#ifndef MT
#define MT 64
#define NT 64
#define KT 8
#define WM 32
#define WN 32
#endif

#define ITEMS       ((MT / WM) * (NT / WN) * WARP)
#define SUM_ROWS    (WM / MMA_M)
#define SUM_COLUMNS (WN / MMA_N)
#define ROOM        MMA_ROOM(ITEMS)
#if WM % 16 || WN % 8 || KT % 8
#error "no such tile"
#endif
/* The 32 places that a warp reads then lie in banks of their own. */
#define PAD(turned) 8
#include "gemm_stage.h"

/* Where a warp's part of the tile begins. */
#define WARP_M(item) ((item) / WARP / (NT / WN) * WM)
#define WARP_N(item) ((item) / WARP % (NT / WN) * WN)

#if WAY /* else compilers rest */
#define UNROLLED __attribute__((opencl_unroll_hint))
#else
#define UNROLLED
#endif

static inline void multiply(__local const float *as, __local const float *bs, uint item,
                            float4 acc[SUM_ROWS][SUM_COLUMNS], __local float *room)
{
    const uint lane = item % WARP;
    as += A_PLACE_K(lane) * A_ROW + WARP_M(item) + A_PLACE_M(lane);
    bs += B_PLACE_K(lane) * B_ROW + WARP_N(item) + B_PLACE_N(lane);
    UNROLLED
    for (uint k = 0; k < KT; k += MMA_K, as += MMA_K * A_ROW, bs += MMA_K * B_ROW) {
        struct split_a a[SUM_ROWS];
        UNROLLED
        for (uint i = 0; i < SUM_ROWS; i++) {
            __local const float *const p = as + i * MMA_M;
            a[i] = split_a((float4)(p[0], p[8], p[4 * A_ROW], p[4 * A_ROW + 8]));
        }
        UNROLLED
        for (uint j = 0; j < SUM_COLUMNS; j++) {
            __local const float *const p = bs + j * MMA_N;
            const struct split_b b = split_b((float2)(p[0], p[4 * B_ROW]));
            UNROLLED
            for (uint i = 0; i < SUM_ROWS; i++)
                mma(&acc[i][j], a[i], b, room);
        }
    }
}

/* Two sums beside each other; `extra` and `out` are the group's. */
static inline void store_pair(float2 v, int row, int n, __global const stored_gate *extra,
                              __global stored_y *out, float slope)
{
    if (row < 0 || n >= N)
        return;
    const uint at = (uint)row * OUT_C + (uint)n;
#if !SPLIT
    const float2 none = (float2)(0.0f);
    const float2 bias = OP == FORWARD && EXTRA ? VLOAD_GATE(extra + n) : none;
    const float2 gate = OP == DATA && EXTRA ? VLOAD_GATE(extra + at) : none;
    v = finished(v, bias, gate, slope);
#endif
    store_part_y(v, out + at, (uint)min(2, N - n));
}

static inline void store(float4 acc[SUM_ROWS][SUM_COLUMNS], int m0, int m_end, int n0,
                         int part, uint item, __global const stored_gate *extra,
                         __global stored_y *out, float slope)
{
    const uint lane = item % WARP;
    const int n1 = n0 + (int)(WARP_N(item) + C_PLACE_N(lane));
    const int m1 = m0 + (int)(WARP_M(item) + C_PLACE_M(lane));
    UNROLLED
    for (int i = 0; i < SUM_ROWS; i++) {
        const int m = m1 + i * MMA_M;
        const int above = m < m_end ? row_of(m, part) : -1;
        const int below = m + 8 < m_end ? row_of(m + 8, part) : -1;
        UNROLLED
        for (int j = 0; j < SUM_COLUMNS; j++) {
            store_pair(acc[i][j].lo, above, n1 + j * MMA_N, extra, out, slope);
            store_pair(acc[i][j].hi, below, n1 + j * MMA_N, extra, out, slope);
        }
    }
}

#include "gemm_kernel.h"
