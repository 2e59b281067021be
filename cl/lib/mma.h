/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix units: the 32 lanes of a warp multiply 16x8 by 8x8 (shared/matrix_unit.h).
 *
 * Each lane holds 4 elements of A, 2 of B and 4 accumulators, at the positions of
 * mma.m16n8k8 for tf32 (PTX ISA 8.5, section 9.7.14.5). MMA_PATH selects the
 * instruction; MMA_PATH_EMULATED exchanges the operands through local memory, which is
 * correct but slow.
 *
 * fp32 emulation: tf32 has 11 of a float's 24 significant bits, so each operand is split
 * into two tf32 numbers and a product is three tf32 products. The omitted term is below
 * 3 / 2^22 of the product, 12 roundings of a float. The unit may truncate sums where
 * float addition rounds. Infinities, and floats that round to infinity in tf32, become
 * NaN; NaN is preserved. */
#ifndef WEFT_MMA_H
#define WEFT_MMA_H

#include "shared/matrix_unit.h"

#ifndef MMA_PATH
#define MMA_PATH MMA_PATH_EMULATED
#endif

/* Position of a lane's element 0. The other elements of A are 8 rows down, 4 columns
 * right, and both; of B 4 rows down; of the accumulators one column right, 8 rows down,
 * and both. */
#define A_LANE_M(lane) ((lane) / 4)
#define A_LANE_K(lane) ((lane) % 4)
#define B_LANE_K(lane) ((lane) % 4)
#define B_LANE_N(lane) ((lane) / 4)
#define C_LANE_M(lane) ((lane) / 4)
#define C_LANE_N(lane) (2 * ((lane) % 4))

/* tf32 numbers of v: truncated, and rounded to nearest, ties away from 0. Rounding may
 * carry a NaN over into 0, truncation does not; the remainder of a rounded float has 12
 * bits, of which both lose the same. */
#define TF32_TRUNCATE(v, n) PASTE(as_float, n)(PASTE(as_uint, n)(v) & 0xffffe000u)
#define TF32_ROUND(v, n) \
    PASTE(as_float, n)((PASTE(as_uint, n)(v) + 0x1000u) & 0xffffe000u)

struct tf32_split_a {
    float4 big, small;
};
struct tf32_split_b {
    float2 big, small;
};

static inline struct tf32_split_a tf32_split_a(float4 v)
{
    const float4 big = TF32_ROUND(v, 4);
    return (struct tf32_split_a){big, TF32_TRUNCATE(v - big, 4)};
}

static inline struct tf32_split_b tf32_split_b(float2 v)
{
    const float2 big = TF32_ROUND(v, 2);
    return (struct tf32_split_b){big, TF32_TRUNCATE(v - big, 2)};
}

#if MMA_PATH == MMA_PATH_PTX
/* Compilers for other targets behind NVIDIA's name, as LLVM, end the process at PTX
 * instead of reporting an error. */
#if !defined(__NV_CL_C_VERSION) && !defined(__NVPTX__) &&                \
    (defined(__x86_64__) || defined(__i386__) || defined(__aarch64__) || \
     defined(__arm__) || defined(__riscv) || defined(__powerpc64__) ||   \
     defined(__AMDGCN__) || defined(__SPIR__) || defined(__SPIRV__))
#error "this compiler makes no PTX"
#endif
#define MMA_LOCAL_FLOATS(items) 1
static inline void mma_tf32(float4 *c, float4 a, float2 b, __local float *local_extra)
{
    (void)local_extra;
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"((*c).x), "+f"((*c).y), "+f"((*c).z), "+f"((*c).w)
                     : "r"(as_uint(a.x)), "r"(as_uint(a.y)), "r"(as_uint(a.z)),
                       "r"(as_uint(a.w)), "r"(as_uint(b.x)), "r"(as_uint(b.y)));
}
#else
#define MMA_LOCAL_FLOATS(items) ((items) / WARP * MMA_TILE_FLOATS)
/* To be called by all work-items of the work-group together. */
static inline void mma_tf32(float4 *c, float4 a, float2 b, __local float *local_extra)
{
    const uint item = (uint)get_local_id(0), lane = item % WARP;
    __local float *const sa = local_extra + item / WARP * MMA_TILE_FLOATS;
    __local float *const sb = sa + MMA_M * MMA_K;
    __local float *const to_a = sa + A_LANE_M(lane) * MMA_K + A_LANE_K(lane);
    __local float *const to_b = sb + B_LANE_K(lane) * MMA_N + B_LANE_N(lane);
    barrier(CLK_LOCAL_MEM_FENCE);
    to_a[0] = a.x;
    to_a[8 * MMA_K] = a.y;
    to_a[4] = a.z;
    to_a[8 * MMA_K + 4] = a.w;
    to_b[0] = b.x;
    to_b[4 * MMA_N] = b.y;
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint m = C_LANE_M(lane), n = C_LANE_N(lane);
    for (uint k = 0; k < MMA_K; k++) {
        const float above = sa[m * MMA_K + k], below = sa[(m + 8) * MMA_K + k];
        const float left = sb[k * MMA_N + n], right = sb[k * MMA_N + n + 1];
        *c = MAD((float4)(above, above, below, below), (float4)(left, right, left, right),
                 *c);
    }
}
#endif

/* c += a b with nearly fp32 accuracy; the small products first. */
static inline void mma(float4 *c, struct tf32_split_a a, struct tf32_split_b b,
                       __local float *local_extra)
{
    mma_tf32(c, a.small, b.big, local_extra);
    mma_tf32(c, a.big, b.small, local_extra);
    mma_tf32(c, a.big, b.big, local_extra);
}

#endif
