/* SPDX-License-Identifier: Apache-2.0 */
/* Bias, activation and bias gradient of dense layers whose GEMM is CLBlast's, on
 * matrices of COLUMNS columns.
 *
 *     bias_act   y = f(y + bias); a work-item computes a vector of a row, global size >=
 *                rows * vectors of a row
 *     bias_grad  sums[c] = sum over rows of a[row][c]; a work-item computes a vector of
 *                columns
 *
 * Loads may read past the end of a row or buffer (buffers are padded), stores may not. */
#include "lib/activation.h"
#include "lib/common.h"

#ifndef COLUMNS
#define COLUMNS 10
#endif
#ifndef BIAS
#define BIAS 1
#endif

#define VECTORS ((COLUMNS + VW - 1) / VW)

__kernel void bias_act(ALIASED_VIEW(const float, bias), ALIASED_VIEW(float, y), uint rows,
                       float2 act_params)
{
    const uint i = (uint)get_global_id(0), row = i / VECTORS,
               c = (i - row * VECTORS) * VW;
    if (row >= rows)
        return;
    y += y_at + row * COLUMNS + c;
    floatv v = VLOAD(y);
#if BIAS
    v += VLOAD(bias + bias_at + c);
#endif
    store_part(activate(v, act_params), y, min((uint)VW, COLUMNS - c));
}

/* Four accumulators hide the latency of additions. */
__kernel void bias_grad(VIEW(const float, a), VIEW(float, sums), uint rows)
{
    const uint c = (uint)get_global_id(0) * VW;
    if (c >= COLUMNS)
        return;
    a += a_at + c;
    floatv sum[4] = {(floatv)(0.0f), (floatv)(0.0f), (floatv)(0.0f), (floatv)(0.0f)};
    uint row = 0;
    for (; row + 4 <= rows; row += 4)
        for (uint i = 0; i < 4; i++)
            sum[i] += VLOAD(a + (row + i) * COLUMNS);
    for (; row < rows; row++)
        sum[0] += VLOAD(a + row * COLUMNS);
    store_part((sum[0] + sum[1]) + (sum[2] + sum[3]), sums + sums_at + c,
               min((uint)VW, COLUMNS - c));
}
