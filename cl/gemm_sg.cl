/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and dense layers as matrix products (gemm_tile.cl says which) by
 * sub-groups, without local memory.
 *
 * A sub-group makes RM x RN * LANES of the result: every lane has RM rows of RN columns,
 * LANES apart. A step is LANES of k: its lanes load RM x LANES of A, a row of lanes along
 * what is contiguous, and look at each other's; of B each loads its own columns. Global
 * size (tiles * ITEMS, splits of k, groups * parts), local size (ITEMS, 1, 1): STACK
 * sub-groups, one below the other. */
#define SCALAR
#include "common.h"
#include "gather.h"
#include "result.h"
#include "sub_group.h"

#ifndef RM
#define RM 8 /* divides LANES */
#define RN 2
#endif
#if LANES % RM
#error "no such tile"
#endif

#define ITEMS (LANES * STACK)
#define MT    (RM * STACK)
#define NT    (RN * LANES)
#include "gemm_share.h"

/* A lies along k, or, for WEIGHTS, along m: then a row of lanes is RM of m and
 * LANES / RM of k. */
#define ALONG_K (OP != WEIGHTS)

/* This sub-group's RM x LANES of A from k0 on, RM in each lane. */
static inline void load_a(__global const float *a, __global const uchar *argmax, int k0,
                          int k_end, uint lane, struct reach reach,
                          const struct spot spots[RM], float loaded[RM])
{
#if ALONG_K
    const struct spot tap = spot_of_tap(k0 + (int)lane, k_end, reach);
#pragma unroll
    for (uint i = 0; i < RM; i++)
        loaded[i] = source_at(a, argmax, spots[i], tap);
#else
#pragma unroll
    for (uint i = 0; i < RM; i++) {
        const int k = k0 + (int)(i * (LANES / RM) + lane / RM);
        loaded[i] = source_at(a, argmax, spot_of_pixel(k, k_end, reach), spots[0]);
    }
#endif
}

/* Where A(row, k) was loaded: float and lane. */
#if ALONG_K
#define FLOAT_OF(row, k) (row)
#define LANE_OF(row, k)  (k)
#else
#define FLOAT_OF(row, k) ((k) / (LANES / RM))
#define LANE_OF(row, k)  ((k) % (LANES / RM) * RM + (row))
#endif

static inline void store(float acc[RM][RN], int m0, int m_end, int n0, int part,
                         uint lane, __global const float *extra, __global float *out,
                         float slope)
{
#pragma unroll
    for (uint i = 0; i < RM; i++) {
        const int m = m0 + (int)i, row = m < m_end ? row_of(m, part) : -1;
#pragma unroll
        for (uint j = 0; j < RN; j++) {
            const int n = n0 + (int)(j * LANES + lane);
            if (row < 0 || n >= N)
                continue;
            const uint at = (uint)row * OUT_C + (uint)n;
            float v = acc[i][j];
#if !SPLIT
            const float bias = OP == FORWARD && EXTRA ? extra[n] : 0.0f;
            const float gate = OP == DATA && EXTRA ? extra[at] : 0.0f;
            v = finished(v, bias, gate, slope);
#endif
            out[at] = v;
        }
    }
}

/* The arguments are those of gemm_tile.cl. */
__kernel SUB_GROUPS __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm(__global const float *restrict a, uint a_at, __global const float *restrict b,
     uint b_at, __global const uchar *restrict argmax, uint argmax_at,
     __global const float *restrict extra, uint extra_at, __global float *restrict out,
     uint out_at, __global float *restrict sums, uint sums_at, int pictures, int span,
     uint plane, float slope)
{
    ROOM(RM)
    const uint item = (uint)get_local_id(0), lane = item % LANES;
    const struct share v = share_of_group(pictures, span);
    a += a_at + (uint)(v.group * SRC_CG);
    b += b_at + (uint)(v.group * KG);
    argmax += argmax_at + (uint)(v.group * KG);
    extra += extra_at + (uint)(v.group * N);
    out += out_at + v.split * plane + (uint)(v.group * N);
    sums += sums_at + v.split * plane + (uint)(v.group * N);
    const int m0 = v.m0 + (int)(item / LANES) * RM;

    struct spot spots[RM];
    float acc[RM][RN], columns[RN], own[RM];
#pragma unroll
    for (uint i = 0; i < RM; i++)
        spots[i] = ALONG_K ? spot_of_pixel(m0 + (int)i, v.m_end, v.reach)
                           : spot_of_tap(m0 + (int)(lane % RM), v.m_end, v.reach);
#pragma unroll
    for (uint j = 0; j < RN; j++) {
        columns[j] = 0.0f;
#pragma unroll
        for (uint i = 0; i < RM; i++)
            acc[i][j] = 0.0f;
    }

    for (int k0 = v.k_begin; k0 < v.k_end; k0 += LANES) {
        load_a(a, argmax, k0, v.k_end, lane, v.reach, spots, own);
        SHOW(own, RM);
#if DIALECT /* else no lane's number has to be a constant, and compilers rest */
#pragma unroll
#endif
        for (uint k = 0; k < LANES; k++) {
            float row[RN];
#pragma unroll
            for (uint j = 0; j < RN; j++) {
                const int n = v.n0 + (int)(j * LANES + lane);
                row[j] = k0 + (int)k < v.k_end && n < N
                             ? other_at(b, argmax, k0 + (int)k, n, v.reach)
                             : 0.0f;
                columns[j] += row[j];
            }
#pragma unroll
            for (uint i = 0; i < RM; i++) {
                const float given = OF_LANE(own, FLOAT_OF(i, k), LANE_OF(i, k));
#pragma unroll
                for (uint j = 0; j < RN; j++)
                    acc[i][j] = MAD(given, row[j], acc[i][j]);
            }
        }
    }

    store(acc, m0, v.m_end, v.n0, v.part, lane, extra, out, slope);
    if (OP == WEIGHTS && EXTRA && m0 == 0)
#pragma unroll
        for (uint j = 0; j < RN; j++)
            if (v.n0 + (int)(j * LANES + lane) < N)
                sums[v.n0 + (int)(j * LANES + lane)] = columns[j];
}
