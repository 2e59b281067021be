/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a product's sums (gather.h): where they lie in the result, bias and
 * activation, or the act_grad. VW is the vector they come in. */
#ifndef WEFT_RESULT_H
#define WEFT_RESULT_H

#ifndef BIAS_OR_ACT_GRAD
/* PASS_FORWARD: there is a bias; PASS_BWD_DATA: a act_grad; PASS_BWD_WEIGHTS: a gradient
 * of the bias. */
#define BIAS_OR_ACT_GRAD 0
#endif
#ifndef SPLIT_K
#define SPLIT_K 0 /* there are several splits */
#endif
/* The row of the result that belongs to m; -1: none, the phase is smaller than its
 * grid. */
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

/* Sums that are complete: `bias` of their columns, `act_grad` the outputs at their
 * places. */
static inline floatv epilogue(floatv sum, floatv bias, floatv act_grad, float slope)
{
    if (PASS == PASS_FORWARD)
        return activate(BIAS_OR_ACT_GRAD ? sum + bias : sum, slope);
    if (PASS == PASS_BWD_DATA && BIAS_OR_ACT_GRAD)
        return sum * activate_gradient(act_grad, act_grad, slope);
    return sum;
}

#endif
