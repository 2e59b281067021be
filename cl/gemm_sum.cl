/* SPDX-License-Identifier: Apache-2.0 */
/* The sum of the planes that the splits of a product wrote, finished. */
#define VW 4
#include "common.h"
#include "gather.h"
#include "result.h"

#ifndef SLICES
#define SLICES 4
#endif

/* out[i] = the sum of the planes at i, finished, for i < count. From tail_at on a plane
 * holds K sums for dbias. A work-group does 64 places: 16 columns of 4, times SLICES
 * slices of the planes. Local size (16, SLICES). */
__kernel __attribute__((reqd_work_group_size(16, SLICES, 1))) void
gemm_sum(__global const float *restrict planes, uint planes_at,
         __global const stored_gate *restrict extra, uint extra_at,
         __global stored_y *restrict out, uint out_at, __global float *restrict sums,
         uint sums_at, int splits, uint plane, uint count, uint tail_at, float slope)
{
    __local float4 slices[SLICES][16];
    const uint column = (uint)get_local_id(0), slice = (uint)get_local_id(1);
    const uint i = 4 * (uint)get_global_id(0);
    float4 sum = (float4)(0.0f);
    if (i < plane)
        for (uint s = slice; s < (uint)splits; s += SLICES)
            sum += *(__global const float4 *)(planes + planes_at + s * plane + i);
    slices[slice][column] = sum;
    for (uint half_way = SLICES / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slice < half_way)
            slices[slice][column] += slices[slice + half_way][column];
    }
    if (slice > 0)
        return;

    sum = slices[0][column];
    if (OP == WEIGHTS && EXTRA && i >= tail_at) {
        const uint n = i - tail_at;
        if (n < K)
            store_part(sum, sums + sums_at + n, min(4u, K - n));
    } else if (i < count) {
        float4 bias = (float4)(0.0f), gate = (float4)(0.0f);
        extra += extra_at;
#if OP == FORWARD && EXTRA
        bias = (float4)(extra[i % K], extra[(i + 1) % K], extra[(i + 2) % K],
                        extra[(i + 3) % K]);
#endif
        if (OP == DATA && EXTRA)
            gate = VLOAD_GATE(extra + i);
        store_part_y(finished(sum, bias, gate, slope), out + out_at + i,
                     min(4u, count - i));
    }
}
