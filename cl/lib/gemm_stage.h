/* SPDX-License-Identifier: Apache-2.0 */
/* Staging of the operands in local memory: a tile is KWG of k by MWG of m (A) or NWG of
 * n (B), loaded by ITEMS work-items into registers and stored in local memory. Include
 * after these four macros. */
#ifndef WEFT_GEMM_STAGE_H
#define WEFT_GEMM_STAGE_H

#include "shared/workspace_layout.h"

#ifndef BUFFERS
#define BUFFERS 2 /* tiles of each operand in local memory; 2 save a barrier */
#endif

#define A_LOADS (MWG * KWG / VA / ITEMS)
#define B_LOADS (NWG * KWG / VB / ITEMS)
#if MWG * KWG % (4 * ITEMS) || NWG * KWG % (4 * ITEMS) || ITEMS % KWG || NWG > ITEMS
#error "no such tile"
#endif

/* In local memory k is the slow index. An operand that is contiguous along k in global
 * memory is transposed; LDS_PAD more floats in a row distribute the stores over the
 * banks. */
#define A_ALONG_K (PASS != PASS_BWD_WEIGHTS)
#define B_ALONG_K (PASS == PASS_BWD_DATA)
#ifndef LDS_PAD
#define LDS_PAD(transposed) (LDS_PAD_TRANSPOSED * (transposed))
#endif
#define A_ROW (MWG + LDS_PAD(A_ALONG_K))
#define B_ROW (NWG + LDS_PAD(B_ALONG_K))

/* Position in the tile of load e. */
#define A_K(e) (int)(A_ALONG_K ? (e) % (KWG / VA) * VA : (e) / (MWG / VA))
#define A_M(e) (int)(A_ALONG_K ? (e) / (KWG / VA) : (e) % (MWG / VA) * VA)
#define B_K(e) (int)(B_ALONG_K ? (e) % (KWG / VB) * VB : (e) / (NWG / VB))
#define B_N(e) (int)(B_ALONG_K ? (e) / (KWG / VB) : (e) % (NWG / VB) * VB)

/* The work-item's coordinates along m, the same for all tiles. */
static inline void a_coords(int m0, int m_end, uint item, struct phase_taps phase_taps,
                            struct coord coords[A_LOADS])
{
#pragma unroll
    for (uint i = 0; i < A_LOADS; i++) {
        const int m = m0 + A_M(item + i * ITEMS);
        coords[i] = A_ALONG_K ? coord_of_pixel(m, m_end, phase_taps)
                              : coord_of_tap(m, m_end, phase_taps);
    }
}

static inline void load_a(__global const stored_x *a, __global const uchar *argmax,
                          int k0, int k_end, uint item, struct phase_taps phase_taps,
                          const struct coord coords[A_LOADS], vec_a loaded[A_LOADS])
{
#pragma unroll
    for (uint i = 0; i < A_LOADS; i++) {
        const int k = k0 + A_K(item + i * ITEMS);
#if A_ALONG_K
        loaded[i] = gather_a(a, argmax, coords[i], coord_of_tap(k, k_end, phase_taps));
#else
        loaded[i] = gather_a(a, argmax, coord_of_pixel(k, k_end, phase_taps), coords[i]);
#endif
    }
}

static inline void load_b(__global const stored_w *b, __global const uchar *argmax,
                          int k0, int k_end, int n0, uint item,
                          struct phase_taps phase_taps, vec_b loaded[B_LOADS])
{
#pragma unroll
    for (uint i = 0; i < B_LOADS; i++) {
        const int k = k0 + B_K(item + i * ITEMS), n = n0 + B_N(item + i * ITEMS);
        loaded[i] = k < k_end && n < GEMM_N ? gather_b(b, argmax, k, n, phase_taps)
                                            : (vec_b)(0.0f);
    }
}

#if (A_ALONG_K && VA == 4) || (B_ALONG_K && VB == 4)
static inline void store_transposed(float4 v, __local float *p, uint row)
{
    p[0] = v.x;
    p[row] = v.y;
    p[2 * row] = v.z;
    p[3 * row] = v.w;
}
#endif

static inline void store_tile_a(const vec_a loaded[A_LOADS], uint item,
                                __local float *tile)
{
#pragma unroll
    for (uint i = 0; i < A_LOADS; i++) {
        __local float *const p =
            tile + A_K(item + i * ITEMS) * A_ROW + A_M(item + i * ITEMS);
#if A_ALONG_K && VA == 4
        store_transposed(loaded[i], p, A_ROW);
#else
        *(__local vec_a *)p = loaded[i];
#endif
    }
}

static inline void store_tile_b(const vec_b loaded[B_LOADS], uint item,
                                __local float *tile)
{
#pragma unroll
    for (uint i = 0; i < B_LOADS; i++) {
        __local float *const p =
            tile + B_K(item + i * ITEMS) * B_ROW + B_N(item + i * ITEMS);
#if B_ALONG_K && VB == 4
        store_transposed(loaded[i], p, B_ROW);
#else
        *(__local vec_b *)p = loaded[i];
#endif
    }
}

#endif
