/* SPDX-License-Identifier: Apache-2.0 */
/* GEMM of dense layers and 1x1 convolutions, family `vec`: register tiles, no local
 * memory, no barrier.
 *
 *     c[m][n] = sum over k of a[m][k] b[k][n], all row-major
 *
 *     epilogue: bias and activation; or multiplication by an activation's derivative at
 *     `act_grad`; or the column sums of b (bias gradient)
 *     TRANS_A: a is stored as [k][m].   TRANS_B: b is stored as [n][k].
 *
 * A work-item computes `row_tiles` x BLOCK_TILES_N tiles of TILE rows x NV vectors of VW
 * columns. k is processed in blocks of BLOCK_K: a block of b, and of a where its rows
 * are far apart, is packed so that it stays in the first-level cache, and the
 * accumulators of the tiles are spilled to private memory between blocks. Global size (n
 * / columns of a work-item, m / rows of a work-item), rounded up. */
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/epilogue_options.h"
#include "lib/storage.h"

#ifndef TRANS_A
#define TRANS_A 0
#endif
#ifndef TRANS_B
#define TRANS_B 0
#endif
/* Pack blocks of a, of b, as float32. PACK_B is required where b is transposed. */
#ifndef PACK_A
#define PACK_A 0
#endif
#ifndef PACK_B
#define PACK_B TRANS_B
#endif
#ifndef BIAS_GRAD
#define BIAS_GRAD 0
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
/* Most row tiles of a work-item. */
#ifndef BLOCK_TILES_M
#define BLOCK_TILES_M 1
#endif
#ifndef BLOCK_TILES_N
#define BLOCK_TILES_N 1
#endif
/* 1: k is one block, of at most BLOCK_K where anything is packed. */
#ifndef SINGLE_K_BLOCK
#define SINGLE_K_BLOCK 1
#endif
#ifndef BLOCK_K
#define BLOCK_K 1
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

enum {
    BLOCK = NV * VW,
    ROWS = BLOCK_TILES_M * TILE,
    COLUMNS = BLOCK_TILES_N * BLOCK,
    /* Row of packed a, in whole vectors. a keeps its storage order: rows of k, or of m
     * where TRANS_A. */
    A_ROW = ((TRANS_A ? ROWS : BLOCK_K) + VW - 1) / VW * VW
};

struct size {
    int m, n, k;
};

#if PACK_A
typedef __private const float *a_pointer;
#define LOAD_A(p) (*(p))
#else
typedef __global const stored_x *a_pointer;
#define LOAD_A(p) LOAD_X(p)
#endif
#if PACK_B
typedef __private const floatv *b_pointer;
#define LOAD_B(p, v) ((p)[v])
#else
typedef __global const stored_w *b_pointer;
#define LOAD_B(p, v) VLOAD_W((p) + (v)*VW)
#endif

#if PACK_A && !TRANS_A
/* to[row][A_ROW] = rows [m, m + rows) of a, [k, k + depth) of k. Elements beyond the
 * last row or the depth are not used. */
static inline void pack_a(floatv *to, __global const stored_x *a, struct size size, int m,
                          int rows, int k, int depth)
{
    for (int i = 0; i < rows && m + i < size.m; i++, to += A_ROW / VW) {
        __global const stored_x *from = a + (size_t)(m + i) * size.k + k;
        for (int j = 0; j < depth; j += VW)
            to[j / VW] = VLOAD_X(from + j);
    }
}
#elif PACK_A
/* to[k][A_ROW] = rows [m, m + rows) of a, [k, k + depth) of k; zeros beyond the last
 * row. */
static inline void pack_a(floatv *to, __global const stored_x *a, struct size size, int m,
                          int rows, int k, int depth)
{
    a += (size_t)k * size.m + m;
    for (int i = 0; i < depth; i++, a += size.m, to += A_ROW / VW)
        for (int j = 0; j < rows; j += VW)
            to[j / VW] = m + j < size.m ? VLOAD_X(a + j) : (floatv)(0.0f);
}
#endif

#if PACK_B && TRANS_B
/* Masks of shuffle2 that interleave the first halves, and the second halves, of two
 * vectors. */
#if VW == 2
#define LOW_HALVES  (uint2)(0, 2)
#define HIGH_HALVES (uint2)(1, 3)
#elif VW == 4
#define LOW_HALVES  (uint4)(0, 4, 1, 5)
#define HIGH_HALVES (uint4)(2, 6, 3, 7)
#elif VW == 8
#define LOW_HALVES  (uint8)(0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES (uint8)(4, 12, 5, 13, 6, 14, 7, 15)
#elif VW == 16
#define LOW_HALVES  (uint16)(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_HALVES (uint16)(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#endif

/* Transposes VW x VW lanes in log2(VW) rounds of interleaving. */
static inline void transpose_lanes(floatv rows[VW])
{
#if VW > 1
    floatv interleaved[VW];
#pragma unroll
    for (int round = 1; round < VW; round *= 2) {
#pragma unroll
        for (int i = 0; i < VW / 2; i++) {
            interleaved[2 * i] = shuffle2(rows[i], rows[i + VW / 2], LOW_HALVES);
            interleaved[2 * i + 1] = shuffle2(rows[i], rows[i + VW / 2], HIGH_HALVES);
        }
#pragma unroll
        for (int i = 0; i < VW; i++)
            rows[i] = interleaved[i];
    }
#endif
}
#endif

#if PACK_B
/* to[column tile][BLOCK_K][NV]; columns beyond the last are arbitrary. */
static inline void pack_b(floatv *to, __global const stored_w *b, struct size size, int n,
                          int k, int depth)
{
    for (int j = 0; j < COLUMNS && n + j < size.n; j += VW) {
        floatv *at = to + j / BLOCK * (BLOCK_K * NV) + MOD(j, BLOCK) / VW;
#if TRANS_B
        for (int i = 0; i < depth; i += VW) {
            floatv rows[VW];
#pragma unroll
            for (int lane = 0; lane < VW; lane++)
                rows[lane] =
                    VLOAD_W(b + (size_t)min(n + j + lane, size.n - 1) * size.k + k + i);
            transpose_lanes(rows);
#pragma unroll
            for (int lane = 0; lane < VW; lane++)
                if (i + lane < depth)
                    at[(i + lane) * NV] = rows[lane];
        }
#else
        __global const stored_w *from = b + (size_t)k * size.n + n + j;
        for (int i = 0; i < depth; i++, from += size.n)
            at[i * NV] = VLOAD_W(from);
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
            column[v] = LOAD_B(b, v);
        b += b_step;
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
                acc[i][v] = MAD((floatv)(LOAD_A(a[i] + at)), column[v], acc[i][v]);
        at += a_step;
    }
}

static inline floatv epilogue(floatv z, __global const float *bias,
                              __global const stored_act_grad *act_grad,
                              float2 act_params)
{
    if (BIAS)
        z += VLOAD(bias);
    if (!ACT_GRAD)
        return activate(z, act_params);
    const floatv g = VLOAD_ACT_GRAD(act_grad);
    return z * activate_gradient(g, g, act_params);
}

/* Stores a tile at row m and column n of c, with epilogue. The loop over rows is not
 * unrolled: unrolled it took most of the compilation time. */
static inline void store_tile(const floatv *sums, __global const float *bias,
                              __global const stored_act_grad *act_grad,
                              __global stored_y *c, struct size size, int m, int n,
                              float2 act_params)
{
    const int rows = min(TILE, size.m - m), columns = size.n - n;
    bias += n;
#pragma unroll 1
    for (int i = 0; i < rows; i++, sums += NV) {
        const size_t at = (size_t)(m + i) * size.n + n;
        if (columns >= BLOCK) {
#pragma unroll
            for (int j = 0; j < BLOCK; j += VW)
                VSTORE_Y(
                    epilogue(sums[j / VW], bias + j, act_grad + at + j, act_params),
                    c + at + j);
            continue;
        }
#pragma unroll 1
        for (int j = 0; j < columns; j += VW)
            store_part_y(
                epilogue(sums[j / VW], bias + j, act_grad + at + j, act_params),
                c + at + j, columns - j);
    }
}

static inline void bias_grad_columns(__global const stored_w *b, __global float *sums,
                                     struct size size, int n)
{
    for (int j = n; j < min(n + COLUMNS, size.n); j += VW) {
        floatv sum = (floatv)(0.0f);
        for (int k = 0; k < size.k; k++)
            sum += VLOAD_W(b + (size_t)k * size.n + j);
        store_part(sum, sums + j, size.n - j);
    }
}

__kernel void gemm(VIEW(const stored_x, a), VIEW(const stored_w, b),
                   VIEW(const float, bias), VIEW(const stored_act_grad, act_grad),
                   VIEW(stored_y, c), VIEW(float, sums), int m, int n, int k,
                   int row_tiles, float2 act_params)
{
    const struct size size = {m, n, k};
    const int column = get_global_id(0) * COLUMNS,
              row = get_global_id(1) * row_tiles * TILE;
    const int columns = min((int)COLUMNS, n - column),
              rows = min(row_tiles * TILE, m - row);
    a += a_at;
    b += b_at;
    /* Arrays of vectors: arrays of floats would be accessed in parts. */
#if PACK_A
    floatv packed_a[(TRANS_A ? BLOCK_K : ROWS) * A_ROW / VW];
#endif
#if PACK_B
    floatv packed_b[BLOCK_K * COLUMNS / VW];
#endif
    floatv acc_spill[(SINGLE_K_BLOCK ? TILE * BLOCK : ROWS * COLUMNS) / VW];
    for (int k0 = 0, depth; k0 < k; k0 += depth) {
        depth = SINGLE_K_BLOCK ? k : min(BLOCK_K, k - k0);
#if PACK_A
        pack_a(packed_a, a, size, row, (rows + TILE - 1) / TILE * TILE, k0, depth);
#endif
#if PACK_B
        pack_b(packed_b, b, size, column, k0, depth);
#endif
        for (int i = 0; i < rows; i += TILE)
            for (int j = 0; j < columns; j += BLOCK) {
                a_pointer from[TILE];
                floatv acc[TILE][NV];
#pragma unroll
                for (int t = 0; t < TILE; t++) {
#if PACK_A && !TRANS_A
                    from[t] = (const float *)packed_a + min(i + t, rows - 1) * A_ROW;
#elif PACK_A
                    from[t] = (const float *)packed_a + i + t;
#elif TRANS_A
                    from[t] = a + (size_t)k0 * m + min(row + i + t, m - 1);
#else
                    from[t] = a + (size_t)min(row + i + t, m - 1) * k + k0;
#endif
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        acc[t][v] = (floatv)(0.0f);
                }
                floatv *const sum =
                    acc_spill + (SINGLE_K_BLOCK ? 0 : (i * COLUMNS + j * TILE) / VW);
                if (!SINGLE_K_BLOCK && k0 > 0)
#pragma unroll
                    for (int t = 0; t < TILE; t++)
#pragma unroll
                        for (int v = 0; v < NV; v++)
                            acc[t][v] = sum[t * NV + v];
                const int a_step = !TRANS_A ? 1 : PACK_A ? A_ROW : m;
#if PACK_B
                multiply(acc, from, a_step, packed_b + j * BLOCK_K / VW, NV, depth);
#else
                multiply(acc, from, a_step, b + (size_t)k0 * n + column + j, n, depth);
#endif
#pragma unroll
                for (int t = 0; t < TILE; t++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        sum[t * NV + v] = acc[t][v];
                if (k0 + depth >= k)
                    store_tile(sum, bias + bias_at, act_grad + act_grad_at, c + c_at,
                               size, row + i, column + j, act_params);
            }
    }
    if (BIAS_GRAD && row == 0)
        bias_grad_columns(b, sums + sums_at, size, column);
}
