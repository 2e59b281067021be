/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products of dense layers, family `vec`: registers, no local memory, no barrier.
 *
 *     c[m][n] = sum over k of a[m][k] b[k][n], all row by row
 *
 *     bias and activation; or times an activation's derivative at `gate`; or with the sums
 *     of b's columns beside (the bias gradient)
 *     A_TURNED: a lies as [k][m].   B_TURNED: b lies as [n][k].
 *
 * A work-item computes ROW_TILES x COLUMN_TILES tiles of TILE rows x NV vectors of VW
 * columns. K is taken in pieces of DEPTH: a piece of b, and of a where a row's elements are
 * far apart, is copied next to each other, so that it stays in the first-level cache, and
 * the tiles' sums wait in private memory. Global size (pieces of columns, pieces of
 * rows). */
#include "common.h"

#ifndef M
#define M 1
#endif
#ifndef N
#define N 1
#endif
#ifndef K
#define K 1
#endif
#ifndef A_TURNED
#define A_TURNED 0
#endif
#ifndef B_TURNED
#define B_TURNED 0
#endif
/* Copy the pieces of a, of b. Needed where b is turned. */
#ifndef A_PACKED
#define A_PACKED 0
#endif
#ifndef B_PACKED
#define B_PACKED B_TURNED
#endif
#ifndef BIAS
#define BIAS 0
#endif
/* 1: the activation's derivative at `gate` instead of the activation. */
#ifndef GATE
#define GATE 0
#endif
#ifndef COLUMN_SUMS
#define COLUMN_SUMS 0
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
#ifndef ROW_TILES
#define ROW_TILES 1
#endif
#ifndef COLUMN_TILES
#define COLUMN_TILES 1
#endif
#ifndef DEPTH
#define DEPTH K
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

enum {
    BLOCK = NV * VW,
    ROWS = ROW_TILES * TILE,
    COLUMNS = COLUMN_TILES * BLOCK,
    /* Rows of a packed piece of a: whole vectors. */
    A_ROW = (ROWS + VW - 1) / VW * VW,
    A_STEP = A_PACKED ? A_ROW : A_TURNED ? M : 1
};

#if A_PACKED
typedef __private const float *a_pointer;
#else
typedef __global const float *a_pointer;
#endif
#if B_PACKED
typedef __private const float *b_pointer;
#else
typedef __global const float *b_pointer;
#endif

#if A_PACKED
/* to[k][A_ROW] = rows m .. of a, k0 .. k0 + depth; zeros beyond M. */
static inline void pack_a(float *to, __global const float *a, int m, int k0, int depth)
{
    a += (size_t)k0 * M + m;
    for (int k = 0; k < depth; k++, a += M, to += A_ROW)
        for (int i = 0; i < A_ROW; i += VW)
            VSTORE(m + i < M ? VLOAD(a + i) : (floatv)(0.0f), to + i);
}
#endif

#if B_PACKED
/* to[column tile][k][BLOCK]; zeros beyond N. */
static inline void pack_b(float *to, __global const float *b, int n, int k0, int depth)
{
    for (int j = 0; j < COLUMNS; j += VW) {
        float *at = to + j / BLOCK * (DEPTH * BLOCK) + j % BLOCK;
#if B_TURNED
        for (int lane = 0; lane < VW; lane++, at++) {
            const int column = n + j + lane;
            for (int k = 0; k < depth; k++)
                at[k * BLOCK] = column < N ? b[(size_t)column * K + k0 + k] : 0.0f;
        }
#else
        for (int k = 0; k < depth; k++)
            VSTORE(n + j < N ? VLOAD(b + (size_t)(k0 + k) * N + n + j) : (floatv)(0.0f),
                   at + k * BLOCK);
#endif
    }
}
#endif

static inline void multiply(floatv acc[TILE][NV], const a_pointer a[TILE], int a_step,
                            b_pointer b, int b_step, int depth)
{
    int at = 0;
#pragma unroll UNROLL
    for (int k = 0; k < depth; k++) {
        floatv column[NV];
#pragma unroll
        for (int v = 0; v < NV; v++)
            column[v] = VLOAD(b + v * VW);
        b += b_step;
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
                acc[i][v] = MAD((floatv)(a[i][at]), column[v], acc[i][v]);
        at += a_step;
    }
}

static inline void store(floatv value, __global float *to, int left)
{
    if (N % BLOCK == 0 || left >= VW)
        VSTORE(value, to);
    else if (left > 0)
        store_part(value, to, left);
}

/* Rows m .. and columns n .. of c, from finished sums. */
static inline void finish(floatv acc[TILE][NV], __global const float *bias,
                          __global const float *gate, __global float *c, int m, int n,
                          float leak)
{
#pragma unroll
    for (int i = 0; i < TILE; i++) {
        if (m + i >= M)
            break;
        const size_t at = (size_t)(m + i) * N + n;
#pragma unroll
        for (int v = 0; v < NV; v++) {
            floatv z = acc[i][v];
            if (BIAS)
                z += VLOAD(bias + n + v * VW);
            if (GATE) {
                const floatv g = VLOAD(gate + at + v * VW);
                z *= activate_gradient(g, g, leak);
            } else {
                z = activate(z, leak);
            }
            store(z, c + at + v * VW, N - n - v * VW);
        }
    }
}

static inline void add_columns(__global const float *b, __global float *sums, int n)
{
    for (int j = n; j < min(n + COLUMNS, N); j += VW) {
        floatv sum = (floatv)(0.0f);
        for (int k = 0; k < K; k++)
            sum += VLOAD(b + (size_t)k * N + j);
        if (N - j >= VW)
            VSTORE(sum, sums + j);
        else
            store_part(sum, sums + j, N - j);
    }
}

__kernel void gemm(__global const float *restrict a, uint a_at,
                   __global const float *restrict b, uint b_at,
                   __global const float *restrict bias, uint bias_at,
                   __global const float *restrict gate, uint gate_at,
                   __global float *restrict c, uint c_at, __global float *restrict sums,
                   uint sums_at, float leak)
{
    const int n = get_global_id(0) * COLUMNS, m = get_global_id(1) * ROWS;
    a += a_at;
    b += b_at;
#if A_PACKED
    float packed_a[DEPTH * A_ROW];
#endif
#if B_PACKED
    float packed_b[DEPTH * COLUMNS];
#endif
#if DEPTH < K
    float waiting[ROWS * COLUMNS];
#endif
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
        const int depth = min(DEPTH, K - k0);
#if A_PACKED
        pack_a(packed_a, a, m, k0, depth);
#endif
#if B_PACKED
        pack_b(packed_b, b, n, k0, depth);
#endif
        for (int i = 0; i < ROWS && m + i < M; i += TILE)
            for (int j = 0; j < COLUMNS && n + j < N; j += BLOCK) {
                a_pointer from[TILE];
                floatv acc[TILE][NV];
#if DEPTH < K
                float *const sum = waiting + i * COLUMNS + j * TILE;
#endif
#pragma unroll
                for (int t = 0; t < TILE; t++) {
#if A_PACKED
                    from[t] = packed_a + i + t;
#elif A_TURNED
                    from[t] = a + (size_t)k0 * M + min(m + i + t, M - 1);
#else
                    from[t] = a + (size_t)min(m + i + t, M - 1) * K + k0;
#endif
#pragma unroll
                    for (int v = 0; v < NV; v++)
#if DEPTH < K
                        acc[t][v] = k0 > 0 ? VLOAD(sum + t * BLOCK + v * VW) : (floatv)(0.0f);
#else
                        acc[t][v] = (floatv)(0.0f);
#endif
                }
#if B_PACKED
                multiply(acc, from, A_STEP, packed_b + j * DEPTH, BLOCK, depth);
#else
                multiply(acc, from, A_STEP, b + (size_t)k0 * N + n + j, N, depth);
#endif
                if (k0 + DEPTH >= K) {
                    finish(acc, bias + bias_at, gate + gate_at, c + c_at, m + i, n + j, leak);
                    continue;
                }
#if DEPTH < K
#pragma unroll
                for (int t = 0; t < TILE; t++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        VSTORE(acc[t][v], sum + t * BLOCK + v * VW);
#endif
            }
    }
    if (COLUMN_SUMS && m == 0)
        add_columns(b, sums + sums_at, n);
}
