/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and dense layers as matrix products through local memory.
 *
 *     out[m][n] = sum over k of A(m,k) B(k,n)
 *
 *     OP       m                n          k                  A       B
 *     FORWARD  pixels of z      filters    taps x channels    x       w
 *     DATA     pixels of x      channels   taps x filters     dz      w, turned
 *     WEIGHTS  taps x channels  filters    pixels of z        x       dz
 *
 * each for one group of channels. A is never made but gathered (gather.h), a tap
 * outside the picture being 0. A dense layer is a convolution of 1x1 pictures.
 *
 * A work-group makes MT x NT of out, KT of k at a time out of local memory while the
 * next KT come from global memory; a work-item makes RM x RN of them. Global size
 * (tiles * ITEMS, splits of k, groups * parts), local size (ITEMS, 1, 1). With several
 * splits each writes a plane of partial sums, which gemm_sum adds up, always in the
 * same order. */
#define VW 4
#include "common.h"
#include "gather.h"
#include "result.h"

#ifndef MT
#define MT 64
#define NT 64
#define KT 8
#define RM 8
#define RN 8
#endif

#define ITEMS       ((MT / RM) * (NT / RN))
#define SUM_ROWS    RM
#define SUM_COLUMNS (RN / 4)
#if RM % 4 || RN % 4
#error "no such tile"
#endif
#include "gemm_stage.h"

/* A work-item's rows and columns lie in fours, MT / RM and NT / RN fours apart, so that
 * neighbours read neighbouring local memory. */
#define M_OF(i, tm) ((i) / 4 * (4 * MT / RM) + 4 * (tm) + (i) % 4)
#define N_OF(j, tn) ((j) * (4 * NT / RN) + 4 * (tn))

static inline void multiply(__local const float *as, __local const float *bs, uint item,
                            float4 acc[SUM_ROWS][SUM_COLUMNS], __local float *room)
{
    const uint tm = item / (NT / RN), tn = item % (NT / RN);
    (void)room;
#pragma unroll
    for (uint k = 0; k < KT; k++) {
        float4 a[RM / 4], b[RN / 4];
#pragma unroll
        for (uint i = 0; i < RM / 4; i++)
            a[i] = *(__local const float4 *)(as + k * A_ROW + M_OF(4 * i, tm));
#pragma unroll
        for (uint j = 0; j < RN / 4; j++)
            b[j] = *(__local const float4 *)(bs + k * B_ROW + N_OF(j, tn));
#pragma unroll
        for (uint i = 0; i < RM / 4; i++)
#pragma unroll
            for (uint j = 0; j < RN / 4; j++) {
                acc[4 * i][j] = MAD(a[i].x, b[j], acc[4 * i][j]);
                acc[4 * i + 1][j] = MAD(a[i].y, b[j], acc[4 * i + 1][j]);
                acc[4 * i + 2][j] = MAD(a[i].z, b[j], acc[4 * i + 2][j]);
                acc[4 * i + 3][j] = MAD(a[i].w, b[j], acc[4 * i + 3][j]);
            }
    }
}

/* Writes a work-item's sums; `extra` and `out` are the group's. */
static inline void store(float4 acc[SUM_ROWS][SUM_COLUMNS], int m0, int m_end, int n0,
                         int part, uint item, __global const stored_gate *extra,
                         __global stored_y *out, float slope)
{
    const uint tm = item / (NT / RN), tn = item % (NT / RN);
#pragma unroll
    for (uint i = 0; i < RM; i++) {
        const int m = m0 + (int)M_OF(i, tm);
        const int row = m < m_end ? row_of(m, part) : -1;
#pragma unroll
        for (uint j = 0; j < RN / 4; j++) {
            const int n = n0 + (int)N_OF(j, tn);
            if (row < 0 || n >= N)
                continue;
            const uint at = (uint)row * OUT_C + (uint)n;
            float4 v = acc[i][j];
#if !SPLIT
            float4 bias = (float4)(0.0f), gate = (float4)(0.0f);
            if (OP == FORWARD && EXTRA)
                bias = VLOAD_GATE(extra + n);
            if (OP == DATA && EXTRA)
                gate = VLOAD_GATE(extra + at);
            v = finished(v, bias, gate, slope);
#endif
#if N % 4 == 0 && !Y_HALF
            *(__global float4 *)(out + at) = v;
#else
            store_part_y(v, out + at, (uint)min(4, N - n));
#endif
        }
    }
}

#include "gemm_kernel.h"
