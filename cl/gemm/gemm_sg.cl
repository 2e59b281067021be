/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and dense layers as GEMM (gemm_tile.cl) by sub-groups, without local
 * memory.
 *
 * A sub-group computes MWI x (NWI * LANES) of the result; each lane holds MWI rows of
 * NWI columns, LANES apart. A step is LANES of k: the lanes load MWI x LANES of A,
 * consecutive lanes along the contiguous axis, and read each other's registers; of B
 * each lane loads its own columns. Global size (tiles * ITEMS, splits of k, groups *
 * phases), local size (ITEMS, 1, 1): SUBGROUPS sub-groups, one below the other. */
#define SCALAR
#include "lib/common.h"
#include "lib/im2col_gather.h"
#include "lib/gemm_epilogue.h"
#include "lib/subgroup.h"

#ifndef MWI
#define MWI 8 /* divides LANES */
#define NWI 2
#endif
#if LANES % MWI
#error "no such tile"
#endif

#define ITEMS (LANES * SUBGROUPS)
#define MWG   (MWI * SUBGROUPS)
#define NWG   (NWI * LANES)
#include "lib/gemm_schedule.h"

/* A is contiguous along k, in PASS_BWD_WEIGHTS along m: LANES lanes are then MWI of m
 * times LANES / MWI of k. */
#define ALONG_K (PASS != PASS_BWD_WEIGHTS)

/* Loads this sub-group's MWI x LANES of A from k0 on, MWI floats a lane. */
static inline void load_a(__global const float *a, __global const uchar *argmax, int k0,
                          int k_end, uint lane, struct phase_taps phase_taps,
                          const struct coord coords[MWI], float loaded[MWI])
{
#if ALONG_K
    const struct coord tap = coord_of_tap(k0 + (int)lane, k_end, phase_taps);
#pragma unroll
    for (uint i = 0; i < MWI; i++)
        loaded[i] = gather_a(a, argmax, coords[i], tap);
#else
#pragma unroll
    for (uint i = 0; i < MWI; i++) {
        const int k = k0 + (int)(i * (LANES / MWI) + lane / MWI);
        loaded[i] = gather_a(a, argmax, coord_of_pixel(k, k_end, phase_taps), coords[0]);
    }
#endif
}

/* Register and lane that hold A(row, k). */
#if ALONG_K
#define FLOAT_OF(row, k) (row)
#define LANE_OF(row, k)  (k)
#else
#define FLOAT_OF(row, k) ((k) / (LANES / MWI))
#define LANE_OF(row, k)  ((k) % (LANES / MWI) * MWI + (row))
#endif

static inline void store(float acc[MWI][NWI], int m0, int m_end, int n0, int phase,
                         uint lane, __global const float *bias_or_act_grad,
                         __global float *out, float2 act_params)
{
#pragma unroll
    for (uint i = 0; i < MWI; i++) {
        const int m = m0 + (int)i, row = m < m_end ? output_row(m, phase) : -1;
#pragma unroll
        for (uint j = 0; j < NWI; j++) {
            const int n = n0 + (int)(j * LANES + lane);
            if (row < 0 || n >= GEMM_N)
                continue;
            const uint at = (uint)row * OUT_C + (uint)n;
            float v = acc[i][j];
#if !SPLIT_K
            const float bias =
                PASS == PASS_FORWARD && BIAS_OR_ACT_GRAD ? bias_or_act_grad[n] : 0.0f;
            const float act_grad =
                PASS == PASS_BWD_DATA && BIAS_OR_ACT_GRAD ? bias_or_act_grad[at] : 0.0f;
            v = epilogue(v, bias, act_grad, act_params);
#endif
            out[at] = v;
        }
    }
}

__kernel SUBGROUP_ATTRIBUTE __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm(GEMM_ARGUMENTS)
{
    LOCAL_EXTRA(MWI)
    const uint item = (uint)get_local_id(0), lane = item % LANES;
    const struct work_tile v = work_tile_of_group(images, k_per_split);
    GEMM_MOVE_VIEWS(v);
    const int m0 = v.m0 + (int)(item / LANES) * MWI;

    struct coord coords[MWI];
    float acc[MWI][NWI], columns[NWI], own[MWI];
#pragma unroll
    for (uint i = 0; i < MWI; i++)
        coords[i] = ALONG_K ? coord_of_pixel(m0 + (int)i, v.m_end, v.phase_taps)
                            : coord_of_tap(m0 + (int)(lane % MWI), v.m_end, v.phase_taps);
#pragma unroll
    for (uint j = 0; j < NWI; j++) {
        columns[j] = 0.0f;
#pragma unroll
        for (uint i = 0; i < MWI; i++)
            acc[i][j] = 0.0f;
    }

    for (int k0 = v.k_begin; k0 < v.k_end; k0 += LANES) {
        load_a(a, argmax, k0, v.k_end, lane, v.phase_taps, coords, own);
        PUBLISH(own, MWI);
#if SUBGROUP_EXT != SUBGROUP_EMULATED /* which takes compilers too long unrolled */
#pragma unroll
#endif
        for (uint k = 0; k < LANES; k++) {
            float row[NWI];
#pragma unroll
            for (uint j = 0; j < NWI; j++) {
                const int n = v.n0 + (int)(j * LANES + lane);
                row[j] = k0 + (int)k < v.k_end && n < GEMM_N
                             ? gather_b(b, argmax, k0 + (int)k, n, v.phase_taps)
                             : 0.0f;
                columns[j] += row[j];
            }
#pragma unroll
            for (uint i = 0; i < MWI; i++) {
                const float a_value = BROADCAST(own, FLOAT_OF(i, k), LANE_OF(i, k));
#pragma unroll
                for (uint j = 0; j < NWI; j++)
                    acc[i][j] = MAD(a_value, row[j], acc[i][j]);
            }
        }
    }

    store(acc, m0, v.m_end, v.n0, v.phase, lane, bias_or_act_grad, out, act_params);
    if (PASS == PASS_BWD_WEIGHTS && BIAS_OR_ACT_GRAD && m0 == 0)
#pragma unroll
        for (uint j = 0; j < NWI; j++)
            if (v.n0 + (int)(j * LANES + lane) < GEMM_N)
                sums[v.n0 + (int)(j * LANES + lane)] = columns[j];
}
