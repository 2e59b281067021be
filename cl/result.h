/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a product's sums (gather.h): where they lie in the result, bias and
 * activation, or the gate. VW is the vector they come in. */
#ifndef WEFT_RESULT_H
#define WEFT_RESULT_H

#ifndef EXTRA
/* FORWARD: there is a bias; DATA: a gate; WEIGHTS: a gradient of the bias. */
#define EXTRA 0
#endif
#ifndef SPLIT
#define SPLIT 0 /* there are several splits */
#endif
/* The row of the result that belongs to m; -1: none, the part is smaller than its
 * grid. */
static inline int row_of(int m, int part)
{
#if PARTS > 1
    const int line = m / GRID_W, picture = line / GRID_H, part_y = part / STRIDE_X;
    const int y = (line - picture * GRID_H) * STRIDE_Y + part_y;
    const int x = (m - line * GRID_W) * STRIDE_X + part - part_y * STRIDE_X;
    return y < H && x < W ? (picture * H + y) * W + x : -1;
#else
    (void)part;
    return m;
#endif
}

/* Sums that are complete: `bias` of their columns, `gate` the outputs at their places. */
static inline floatv finished(floatv sum, floatv bias, floatv gate, float slope)
{
    if (OP == FORWARD)
        return activate(EXTRA ? sum + bias : sum, slope);
    if (OP == DATA && EXTRA)
        return sum * activate_gradient(gate, gate, slope);
    return sum;
}

#endif
