/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, element by element.
 *
 *     forward:  y = f(x)
 *     backward: dx = dy f'(x, y)
 *
 * A work-item computes a vector of VW elements. Global size >= count / VW, rounded up.
 * Loads may read past the end (buffers are padded), stores may not. */
#define ALIGNED 1
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/storage.h"

__kernel void act_forward(ALIASED_VIEW(const stored_x, x), ALIASED_VIEW(stored_y, y),
                          uint count, float2 act_params)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const floatv v = activate(VLOAD_X(x + x_at + i), act_params);
    if (i + VW <= count)
        VSTORE_Y(v, y + y_at + i);
    else
        store_part_y(v, y + y_at + i, count - i);
}

/* `from`: the argument of the derivative, y or x; not read for the identity. */
__kernel void act_backward(ALIASED_VIEW(const stored_act_grad, from),
                           ALIASED_VIEW(const stored_x, dy), ALIASED_VIEW(stored_y, dx),
                           uint count, float2 act_params)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    floatv v = VLOAD_X(dy + dy_at + i);
    if (CHOSEN_ACT != ACT_identity) {
        const floatv f = VLOAD_ACT_GRAD(from + from_at + i);
        v *= activate_gradient(f, f, act_params);
    }
    if (i + VW <= count)
        VSTORE_Y(v, dx + dx_at + i);
    else
        store_part_y(v, dx + dx_at + i, count - i);
}
