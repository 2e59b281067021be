/* SPDX-License-Identifier: Apache-2.0 */
/* Split-K reduction: sum of the partial sums of all splits of a GEMM, and its epilogue.
 */
#define VW      4 /* REDUCE_VW */
#define ALIGNED 1
#include "lib/common.h"
#include "lib/im2col_gather.h"
#include "lib/gemm_epilogue.h"
#include "shared/partial_sums.h"

#ifndef REDUCE_SLICES
#define REDUCE_SLICES 4
#endif

/* out[i] = epilogue(sum over splits of partial_sums[i]) for i < count. From bias_grad_at
 * on a partial sum holds the K bias gradients. A work-group reduces REDUCE_COLUMNS *
 * REDUCE_VW elements with REDUCE_SLICES work-items each, which add every
 * REDUCE_SLICES-th split, then as a tree. Local size (REDUCE_COLUMNS, REDUCE_SLICES). */
__kernel __attribute__((reqd_work_group_size(REDUCE_COLUMNS, REDUCE_SLICES, 1))) void
gemm_split_k_reduce(VIEW(const float, partial_sums),
                    VIEW(const stored_act_grad, bias_or_act_grad), VIEW(stored_y, out),
                    VIEW(float, sums), int splits, uint partial_stride, uint count,
                    uint bias_grad_at, float2 act_params)
{
    __local float4 reduce_slices[REDUCE_SLICES][REDUCE_COLUMNS];
    const uint column = (uint)get_local_id(0), slice = (uint)get_local_id(1);
    const uint i = REDUCE_VW * (uint)get_global_id(0);
    float4 sum = (float4)(0.0f);
    if (i < partial_stride)
        for (uint s = slice; s < (uint)splits; s += REDUCE_SLICES)
            sum += *(__global const float4 *)(partial_sums + partial_sums_at +
                                              s * partial_stride + i);
    reduce_slices[slice][column] = sum;
    for (uint half_slices = REDUCE_SLICES / 2; half_slices > 0; half_slices /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slice < half_slices)
            reduce_slices[slice][column] += reduce_slices[slice + half_slices][column];
    }
    if (slice > 0)
        return;

    sum = reduce_slices[0][column];
    if (PASS == PASS_BWD_WEIGHTS && BIAS_OR_ACT_GRAD && i >= bias_grad_at) {
        const uint n = i - bias_grad_at;
        if (n < K)
            store_part(sum, sums + sums_at + n, min(4u, K - n));
    } else if (i < count) {
        float4 bias = (float4)(0.0f), act_grad = (float4)(0.0f);
        bias_or_act_grad += bias_or_act_grad_at;
#if PASS == PASS_FORWARD && BIAS_OR_ACT_GRAD
        bias = (float4)(bias_or_act_grad[i % K], bias_or_act_grad[(i + 1) % K],
                        bias_or_act_grad[(i + 2) % K], bias_or_act_grad[(i + 3) % K]);
#endif
        if (PASS == PASS_BWD_DATA && BIAS_OR_ACT_GRAD)
            act_grad = VLOAD_ACT_GRAD(bias_or_act_grad + i);
        store_part_y(epilogue(sum, bias, act_grad, act_params), out + out_at + i,
                     min(4u, count - i));
    }
}
