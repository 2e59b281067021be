/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and dense layers as GEMM through local memory.
 *
 *     out[m][n] = sum over k of A(m,k) B(k,n)
 *
 *     PASS              m                n         k                 A   B
 *     PASS_FORWARD      pixels of z      filters   taps x channels   x   w
 *     PASS_BWD_DATA     pixels of x      channels  taps x filters    dz  w, transposed
 *     PASS_BWD_WEIGHTS  taps x channels  filters   pixels of z       x   dz
 *
 * for each group of channels. A is an implicit im2col matrix (im2col_gather.h); taps
 * outside the image are 0. A dense layer is a convolution of 1x1 images.
 *
 * A work-group computes a tile of MWG x NWG. KWG of k are multiplied out of local memory
 * while the next KWG are loaded from global memory. A work-item computes MWI x NWI.
 * Global size (tiles * ITEMS, splits of k, groups * phases), local size (ITEMS, 1, 1).
 * With several splits each writes partial sums, partial_stride apart, which
 * gemm_split_k_reduce adds, always in the same order. */
#define VW 4
#include "lib/common.h"
#include "lib/im2col_gather.h"
#include "lib/gemm_epilogue.h"

#ifndef MWG
#define MWG 64
#define NWG 64
#define KWG 8
#define MWI 8
#define NWI 8
#endif

#define ITEMS       ((MWG / MWI) * (NWG / NWI))
#define ACC_ROWS    MWI
#define ACC_COLUMNS (NWI / 4)
#if MWI % 4 || NWI % 4
#error "no such tile"
#endif
#include "lib/gemm_stage.h"

/* Rows and columns of a work-item come in fours, MWG / MWI and NWG / NWI fours apart, so
 * that neighbouring work-items read neighbouring local memory. */
#define M_OF(i, tm) ((i) / 4 * (4 * MWG / MWI) + 4 * (tm) + (i) % 4)
#define N_OF(j, tn) ((j) * (4 * NWG / NWI) + 4 * (tn))

static inline void multiply(__local const float *as, __local const float *bs, uint item,
                            float4 acc[ACC_ROWS][ACC_COLUMNS], __local float *local_extra)
{
    const uint tm = item / (NWG / NWI), tn = item % (NWG / NWI);
    (void)local_extra;
#pragma unroll
    for (uint k = 0; k < KWG; k++) {
        float4 a[MWI / 4], b[NWI / 4];
#pragma unroll
        for (uint i = 0; i < MWI / 4; i++)
            a[i] = *(__local const float4 *)(as + k * A_ROW + M_OF(4 * i, tm));
#pragma unroll
        for (uint j = 0; j < NWI / 4; j++)
            b[j] = *(__local const float4 *)(bs + k * B_ROW + N_OF(j, tn));
#pragma unroll
        for (uint i = 0; i < MWI / 4; i++)
#pragma unroll
            for (uint j = 0; j < NWI / 4; j++) {
                acc[4 * i][j] = MAD(a[i].x, b[j], acc[4 * i][j]);
                acc[4 * i + 1][j] = MAD(a[i].y, b[j], acc[4 * i + 1][j]);
                acc[4 * i + 2][j] = MAD(a[i].z, b[j], acc[4 * i + 2][j]);
                acc[4 * i + 3][j] = MAD(a[i].w, b[j], acc[4 * i + 3][j]);
            }
    }
}

/* Stores a work-item's tile; `bias_or_act_grad` and `out` begin at the group. */
static inline void store(float4 acc[ACC_ROWS][ACC_COLUMNS], int m0, int m_end, int n0,
                         int phase, uint item,
                         __global const stored_act_grad *bias_or_act_grad,
                         __global stored_y *out, float2 act_params)
{
    const uint tm = item / (NWG / NWI), tn = item % (NWG / NWI);
#pragma unroll
    for (uint i = 0; i < MWI; i++) {
        const int m = m0 + (int)M_OF(i, tm);
        const int row = m < m_end ? output_row(m, phase) : -1;
#pragma unroll
        for (uint j = 0; j < NWI / 4; j++) {
            const int n = n0 + (int)N_OF(j, tn);
            if (row < 0 || n >= GEMM_N)
                continue;
            const uint at = (uint)row * OUT_C + (uint)n;
            float4 v = acc[i][j];
#if !SPLIT_K
            float4 bias = (float4)(0.0f), act_grad = (float4)(0.0f);
            if (PASS == PASS_FORWARD && BIAS_OR_ACT_GRAD)
                bias = VLOAD_ACT_GRAD(bias_or_act_grad + n);
            if (PASS == PASS_BWD_DATA && BIAS_OR_ACT_GRAD)
                act_grad = VLOAD_ACT_GRAD(bias_or_act_grad + at);
            v = epilogue(v, bias, act_grad, act_params);
#endif
#if GEMM_N % 4 == 0 && !Y_HALF
            *(__global float4 *)(out + at) = v;
#else
            store_part_y(v, out + at, (uint)min(4, GEMM_N - n));
#endif
        }
    }
}

#include "lib/gemm_main.h"
