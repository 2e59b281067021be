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
 * each for one group of channels. A is never made but gathered (gather_tile.h), a tap
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
#ifndef BUFFERS
#define BUFFERS 2 /* tiles in local memory; 2 save a barrier */
#endif

#define ITEMS   ((MT / RM) * (NT / RN))
#define N_TILES ((N + NT - 1) / NT)
#define A_LOADS (MT * KT / VA / ITEMS)
#define B_LOADS (NT * KT / VB / ITEMS)
#if MT * KT % (4 * ITEMS) || NT * KT % (4 * ITEMS) || ITEMS % KT || NT > ITEMS || \
    RM % 4 || RN % 4
#error "no such tile"
#endif

/* In local memory k is the slow index. An operand that lies along k in global memory is
 * turned on its way; 4 floats more a row spread what is written over the banks. */
#define A_ALONG_K (OP != WEIGHTS)
#define B_ALONG_K (OP == DATA)
#define A_ROW     (MT + 4 * A_ALONG_K)
#define B_ROW     (NT + 4 * B_ALONG_K)

/* Where load e of a tile lies in it. */
#define A_K(e) (int)(A_ALONG_K ? (e) % (KT / VA) * VA : (e) / (MT / VA))
#define A_M(e) (int)(A_ALONG_K ? (e) / (KT / VA) : (e) % (MT / VA) * VA)
#define B_K(e) (int)(B_ALONG_K ? (e) % (KT / VB) * VB : (e) / (NT / VB))
#define B_N(e) (int)(B_ALONG_K ? (e) / (KT / VB) : (e) % (NT / VB) * VB)

/* This item's spots along m, which stay from tile to tile. */
static inline void find_a(int m0, int m_end, uint item, struct reach reach,
                          struct spot spots[A_LOADS])
{
#pragma unroll
    for (uint i = 0; i < A_LOADS; i++) {
        const int m = m0 + A_M(item + i * ITEMS);
        spots[i] =
            A_ALONG_K ? spot_of_pixel(m, m_end, reach) : spot_of_tap(m, m_end, reach);
    }
}

static inline void load_a(__global const float *a, __global const uchar *argmax, int k0,
                          int k_end, uint item, struct reach reach,
                          const struct spot spots[A_LOADS], vec_a loaded[A_LOADS])
{
#pragma unroll
    for (uint i = 0; i < A_LOADS; i++) {
        const int k = k0 + A_K(item + i * ITEMS);
#if A_ALONG_K
        loaded[i] = source_at(a, argmax, spots[i], spot_of_tap(k, k_end, reach));
#else
        loaded[i] = source_at(a, argmax, spot_of_pixel(k, k_end, reach), spots[i]);
#endif
    }
}

static inline void load_b(__global const float *b, __global const uchar *argmax, int k0,
                          int k_end, int n0, uint item, struct reach reach,
                          vec_b loaded[B_LOADS])
{
#pragma unroll
    for (uint i = 0; i < B_LOADS; i++) {
        const int k = k0 + B_K(item + i * ITEMS), n = n0 + B_N(item + i * ITEMS);
        loaded[i] = k < k_end && n < N ? other_at(b, argmax, k, n, reach) : (vec_b)(0.0f);
    }
}

#if (A_ALONG_K && VA == 4) || (B_ALONG_K && VB == 4)
static inline void put_turned(float4 v, __local float *p, uint row)
{
    p[0] = v.x;
    p[row] = v.y;
    p[2 * row] = v.z;
    p[3 * row] = v.w;
}
#endif

static inline void put_a(const vec_a loaded[A_LOADS], uint item, __local float *tile)
{
#pragma unroll
    for (uint i = 0; i < A_LOADS; i++) {
        __local float *const p =
            tile + A_K(item + i * ITEMS) * A_ROW + A_M(item + i * ITEMS);
#if A_ALONG_K && VA == 4
        put_turned(loaded[i], p, A_ROW);
#else
        *(__local vec_a *)p = loaded[i];
#endif
    }
}

static inline void put_b(const vec_b loaded[B_LOADS], uint item, __local float *tile)
{
#pragma unroll
    for (uint i = 0; i < B_LOADS; i++) {
        __local float *const p =
            tile + B_K(item + i * ITEMS) * B_ROW + B_N(item + i * ITEMS);
#if B_ALONG_K && VB == 4
        put_turned(loaded[i], p, B_ROW);
#else
        *(__local vec_b *)p = loaded[i];
#endif
    }
}

/* A work-item's rows and columns lie in fours, MT / RM and NT / RN fours apart, so that
 * neighbours read neighbouring local memory. */
#define M_OF(i, tm) ((i) / 4 * (4 * MT / RM) + 4 * (tm) + (i) % 4)
#define N_OF(j, tn) ((j) * (4 * NT / RN) + 4 * (tn))

static inline void multiply(__local const float *as, __local const float *bs, uint tm,
                            uint tn, float4 acc[RM][RN / 4])
{
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
static inline void store(float4 acc[RM][RN / 4], int m0, int m_end, int n0, int part,
                         uint tm, uint tn, __global const float *extra,
                         __global float *out, float slope)
{
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
                bias = vload4(0, extra + n);
            if (OP == DATA && EXTRA)
                gate = vload4(0, extra + at);
            v = finished(v, bias, gate, slope);
#endif
#if N % 4 == 0
            *(__global float4 *)(out + at) = v;
#else
            store_part(v, out + at, (uint)min(4, N - n));
#endif
        }
    }
}

/* a, b: x and w; dy and w; x and dy. extra: the bias, or the gate's output. sums: dbias.
 * Split s does k from s * span, and writes plane s of out and sums. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm(__global const float *restrict a, uint a_at, __global const float *restrict b,
     uint b_at, __global const uchar *restrict argmax, uint argmax_at,
     __global const float *restrict extra, uint extra_at, __global float *restrict out,
     uint out_at, __global float *restrict sums, uint sums_at, int pictures, int span,
     uint plane, float slope)
{
    __local float4 a_tiles[BUFFERS][KT * A_ROW / 4], b_tiles[BUFFERS][KT * B_ROW / 4];
    const uint item = (uint)get_local_id(0);
    const uint tm = item / (NT / RN), tn = item % (NT / RN);
    const int tile = (int)get_group_id(0), tile_m = tile / N_TILES;
    const int m0 = tile_m * MT, n0 = (tile - tile_m * N_TILES) * NT;
    const uint split = (uint)get_group_id(1);
    const int group = (int)get_group_id(2) / PARTS;
    const int part = (int)get_group_id(2) - group * PARTS;
    a += a_at + (uint)(group * SRC_CG);
    b += b_at + (uint)(group * KG);
    argmax += argmax_at + (uint)(group * KG);
    extra += extra_at + (uint)(group * N);
    out += out_at + split * plane + (uint)(group * N);
    sums += sums_at + split * plane + (uint)(group * N);

    const struct reach reach = reach_of(part);
    const int pixels = pictures * GRID_H * GRID_W;
    const int taps = reach.down.count * reach.across.count * SRC_CG;
    const int m_end = OP == WEIGHTS ? taps : pixels;
    const int k_begin = (int)split * span;
    const int k_end = min(k_begin + span, OP == WEIGHTS ? pixels : taps);

    struct spot spots[A_LOADS];
    vec_a a_next[A_LOADS];
    vec_b b_next[B_LOADS];
    float4 acc[RM][RN / 4];
    float column = 0.0f;
    find_a(m0, m_end, item, reach, spots);
#pragma unroll
    for (uint i = 0; i < RM; i++)
#pragma unroll
        for (uint j = 0; j < RN / 4; j++)
            acc[i][j] = (float4)(0.0f);

    /* Round `step` loads tile `step` and multiplies the one before it. */
    const int steps = k_end > k_begin ? (k_end - k_begin + KT - 1) / KT : 0;
    for (int step = 0; step <= steps; step++) {
        if (step < steps) {
            load_a(a, argmax, k_begin + step * KT, k_end, item, reach, spots, a_next);
            load_b(b, argmax, k_begin + step * KT, k_end, n0, item, reach, b_next);
        }
        if (step > 0) {
            __local const float *as =
                (__local const float *)a_tiles[(step - 1) % BUFFERS];
            __local const float *bs =
                (__local const float *)b_tiles[(step - 1) % BUFFERS];
            multiply(as, bs, tm, tn, acc);
            if (OP == WEIGHTS && EXTRA && m0 == 0 && item < NT)
                for (uint k = 0; k < KT; k++)
                    column += bs[k * B_ROW + item];
        }
        if (BUFFERS == 1)
            barrier(CLK_LOCAL_MEM_FENCE);
        if (step < steps) {
            put_a(a_next, item, (__local float *)a_tiles[step % BUFFERS]);
            put_b(b_next, item, (__local float *)b_tiles[step % BUFFERS]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    store(acc, m0, m_end, n0, part, tm, tn, extra, out, slope);
    if (OP == WEIGHTS && EXTRA && m0 == 0 && item < NT && n0 + (int)item < N)
        sums[n0 + (int)item] = column;
}
