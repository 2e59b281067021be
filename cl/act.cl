/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, element by element.
 *
 *     forward:  y = f(x)
 *     backward: dx = dy f'(x, y)
 *
 * One work-item a vector of VW elements. Global size >= count / VW, rounded up. */
#include "common.h"

__kernel void act_forward(__global const float *x, uint x_at, __global float *y,
                          uint y_at, uint count, float slope)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const floatv v = activate(VLOAD(x + x_at + i), slope);
    if (i + VW <= count)
        VSTORE(v, y + y_at + i);
    else
        store_part(v, y + y_at + i, count - i);
}

/* X_GIVEN, Y_GIVEN: which of x and y the derivative reads; the other is absent. */
#ifndef X_GIVEN
#define X_GIVEN 1
#endif
#ifndef Y_GIVEN
#define Y_GIVEN 1
#endif

__kernel void act_backward(__global const float *x, uint x_at, __global const float *y,
                           uint y_at, __global const float *dy, uint dy_at,
                           __global float *dx, uint dx_at, uint count, float slope)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    floatv vx = (floatv)(0.0f), vy = (floatv)(0.0f);
    if (X_GIVEN)
        vx = VLOAD(x + x_at + i);
    if (Y_GIVEN)
        vy = VLOAD(y + y_at + i);
    const floatv v = VLOAD(dy + dy_at + i) * activate_gradient(vx, vy, slope);
    if (i + VW <= count)
        VSTORE(v, dx + dx_at + i);
    else
        store_part(v, dx + dx_at + i, count - i);
}
