/* SPDX-License-Identifier: Apache-2.0 */
/* What the device can do at best, for roofs: multiply-adds that stay in registers, and
 * memory that is read or copied. Each does all of its work `rounds` times.
 *
 * Memory: of `count` floats each work-item has a piece in a row, or, where STRIDED,
 * vectors that lie a global size apart, so that neighbours read neighbours. `count` is a
 * multiple of global size * VW * ACCUMULATORS. Any global size. */
#include "lib/common.h"

#ifndef ACCUMULATORS
#define ACCUMULATORS 8 /* independent accumulators, or loads, of a work-item */
#endif
#ifndef STRIDED
#define STRIDED 0
#endif

/* `factor` keeps the numbers small; from the host, so that nothing folds. The chains end
 * in a store that never happens. */
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
        VSTORE(sums[i], lanes);
        for (int lane = 0; lane < VW; lane++)
            sum += lanes[lane];
    }
    if (sum < 0.0f)
        y[y_at + get_global_id(0)] = sum;
}

#if STRIDED
#define FIRST (get_global_id(0) * VW)
#define HOP   (get_global_size(0) * VW)
#else
#define FIRST (get_global_id(0) * piece)
#define HOP   VW
#endif

__kernel void probe_read(ALIASED_VIEW(const float, x), ALIASED_VIEW(float, y), uint count,
                         uint rounds)
{
    const size_t piece = count / get_global_size(0);
    floatv sums[ACCUMULATORS];
#pragma unroll
    for (int i = 0; i < ACCUMULATORS; i++)
        sums[i] = (floatv)(0.0f);
    for (uint round = 0; round < rounds; round++) {
        __global const float *from = x + x_at + FIRST;
        for (size_t at = 0; at < piece; at += VW * ACCUMULATORS) {
#pragma unroll
            for (int i = 0; i < ACCUMULATORS; i++)
                sums[i] += VLOAD(from + i * HOP);
            from += ACCUMULATORS * HOP;
        }
    }
    float lanes[VW], sum = 0.0f;
    for (int i = 0; i < ACCUMULATORS; i++) {
        VSTORE(sums[i], lanes);
        for (int lane = 0; lane < VW; lane++)
            sum += lanes[lane];
    }
    if (sum < 0.0f)
        y[y_at] = sum;
}

__kernel void probe_copy(VIEW(const float, x), VIEW(float, y), uint count, uint rounds)
{
    const size_t piece = count / get_global_size(0);
    for (uint round = 0; round < rounds; round++) {
        __global const float *from = x + x_at + FIRST;
        __global float *to = y + y_at + FIRST;
        for (size_t at = 0; at < piece; at += VW * ACCUMULATORS) {
#pragma unroll
            for (int i = 0; i < ACCUMULATORS; i++)
                VSTORE(VLOAD(from + i * HOP), to + i * HOP);
            from += ACCUMULATORS * HOP;
            to += ACCUMULATORS * HOP;
        }
    }
}

__kernel void probe_empty(ALIASED_VIEW(float, y))
{
    if (y_at == ~0u)
        *y = 0.0f;
}
