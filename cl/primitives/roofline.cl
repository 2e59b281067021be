/* SPDX-License-Identifier: Apache-2.0 */
/* Roofline probes: multiply-adds in registers, memory reads and copies. Each repeats its
 * work `rounds` times.
 *
 * Memory: a work-item processes a contiguous part of `count` floats, or, where STRIDED,
 * vectors a global size apart, so that neighbouring work-items access neighbouring
 * memory. `count` is a multiple of global size * VW * ACCUMULATORS. Any global size. */
#include "lib/common.h"

#ifndef ACCUMULATORS
#define ACCUMULATORS 8 /* independent accumulators, or loads, of a work-item */
#endif
#ifndef STRIDED
#define STRIDED 0
#endif

/* `factor` keeps the values small; as an argument it cannot be folded. The results are
 * used by a store that never executes. */
__kernel void probe_fma(ALIASED_VIEW(float, y), uint rounds, float factor)
{
    floatv sums[ACCUMULATORS];
#pragma unroll
    for (int i = 0; i < ACCUMULATORS; i++)
        sums[i] = (floatv)((float)get_global_id(0) + i);
    const floatv a = (floatv)(factor), b = (floatv)(0.25f);
    for (uint round = 0; round < rounds; round++) {
#pragma unroll
        for (int i = 0; i < ACCUMULATORS; i++)
            sums[i] = MAD(sums[i], a, b);
    }
    float lanes[VW], sum = 0.0f;
    for (int i = 0; i < ACCUMULATORS; i++) {
        STORE_LANES(sums[i], lanes);
        for (int lane = 0; lane < VW; lane++)
            sum += lanes[lane];
    }
    if (sum < 0.0f)
        y[y_at + get_global_id(0)] = sum;
}

#if STRIDED
#define FIRST (get_global_id(0) * VW)
#define STEP  (get_global_size(0) * VW)
#else
#define FIRST (get_global_id(0) * part)
#define STEP  VW
#endif

__kernel void probe_read(ALIASED_VIEW(const float, x), ALIASED_VIEW(float, y), uint count,
                         uint rounds)
{
    const size_t part = count / get_global_size(0);
    floatv sums[ACCUMULATORS];
#pragma unroll
    for (int i = 0; i < ACCUMULATORS; i++)
        sums[i] = (floatv)(0.0f);
    for (uint round = 0; round < rounds; round++) {
        __global const float *from = x + x_at + FIRST;
        for (size_t at = 0; at < part; at += VW * ACCUMULATORS) {
#pragma unroll
            for (int i = 0; i < ACCUMULATORS; i++)
                sums[i] += VLOAD(from + i * STEP);
            from += ACCUMULATORS * STEP;
        }
    }
    float lanes[VW], sum = 0.0f;
    for (int i = 0; i < ACCUMULATORS; i++) {
        STORE_LANES(sums[i], lanes);
        for (int lane = 0; lane < VW; lane++)
            sum += lanes[lane];
    }
    if (sum < 0.0f)
        y[y_at] = sum;
}

__kernel void probe_copy(VIEW(const float, x), VIEW(float, y), uint count, uint rounds)
{
    const size_t part = count / get_global_size(0);
    for (uint round = 0; round < rounds; round++) {
        __global const float *from = x + x_at + FIRST;
        __global float *to = y + y_at + FIRST;
        for (size_t at = 0; at < part; at += VW * ACCUMULATORS) {
#pragma unroll
            for (int i = 0; i < ACCUMULATORS; i++)
                VSTORE(VLOAD(from + i * STEP), to + i * STEP);
            from += ACCUMULATORS * STEP;
            to += ACCUMULATORS * STEP;
        }
    }
}

__kernel void probe_empty(ALIASED_VIEW(float, y))
{
    if (y_at == ~0u)
        *y = 0.0f;
}
