/* SPDX-License-Identifier: Apache-2.0 */
/* GEMM epilogue: row of the result, bias and activation, or activation gradient. VW is
 * the width of the accumulated vectors. Needs im2col_gather.h. */
#ifndef WEFT_GEMM_EPILOGUE_H
#define WEFT_GEMM_EPILOGUE_H

#include "lib/activation.h"

#ifndef BIAS_OR_ACT_GRAD
/* Present: the bias (PASS_FORWARD), the activation gradient (PASS_BWD_DATA) or the bias
 * gradient (PASS_BWD_WEIGHTS). */
#define BIAS_OR_ACT_GRAD 0
#endif
#ifndef SPLIT_K
#define SPLIT_K \
    0 /* 1: several splits of k, whose partial sums are written without epilogue */
#endif
/* The row of the result for row m of a phase's grid; -1: none, since the grid of a phase
 * may be larger than the phase. */
static inline int output_row(int m, int phase)
{
#if PHASES > 1
    const int line = m / GRID_W, image = line / GRID_H, phase_y = phase / STRIDE_X;
    const int y = (line - image * GRID_H) * STRIDE_Y + phase_y;
    const int x = (m - line * GRID_W) * STRIDE_X + phase - phase_y * STRIDE_X;
    return y < H && x < W ? (image * H + y) * W + x : -1;
#else
    (void)phase;
    return m;
#endif
}

/* Applied to complete sums. `bias`: of their columns; `act_grad`: the activation's
 * output at their positions. */
static inline floatv epilogue(floatv sum, floatv bias, floatv act_grad, float2 act_params)
{
    if (PASS == PASS_FORWARD)
        return activate(BIAS_OR_ACT_GRAD ? sum + bias : sum, act_params);
    if (PASS == PASS_BWD_DATA && BIAS_OR_ACT_GRAD)
        return sum * activate_gradient(act_grad, act_grad, act_params);
    return sum;
}

#endif
