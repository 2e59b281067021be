/* SPDX-License-Identifier: Apache-2.0 */
/* The operands of a matrix product on their way through local memory: KT of k at a time,
 * MT of m and NT of n, loaded by ITEMS work-items into registers and put into a tile. To
 * be included behind these four. */
#ifndef WEFT_GEMM_STAGE_H
#define WEFT_GEMM_STAGE_H

#ifndef BUFFERS
#define BUFFERS 2 /* tiles in local memory; 2 save a barrier */
#endif

#define A_LOADS (MT * KT / VA / ITEMS)
#define B_LOADS (NT * KT / VB / ITEMS)
#if MT * KT % (4 * ITEMS) || NT * KT % (4 * ITEMS) || ITEMS % KT || NT > ITEMS
#error "no such tile"
#endif

/* In local memory k is the slow index. An operand that lies along k in global memory is
 * turned on its way; PAD floats more a row spread what is written over the banks. */
#define A_ALONG_K (OP != WEIGHTS)
#define B_ALONG_K (OP == DATA)
#ifndef PAD
#define PAD(turned) (4 * (turned))
#endif
#define A_ROW (MT + PAD(A_ALONG_K))
#define B_ROW (NT + PAD(B_ALONG_K))

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

static inline void load_a(__global const stored_x *a, __global const uchar *argmax,
                          int k0, int k_end, uint item, struct reach reach,
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

static inline void load_b(__global const stored_w *b, __global const uchar *argmax,
                          int k0, int k_end, int n0, uint item, struct reach reach,
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

#endif
