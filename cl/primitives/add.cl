/* SPDX-License-Identifier: Apache-2.0 */
/* Sum of two tensors, element by element.
 *
 *     add:          y = f(x + other)
 *     add_act_grad: y = (x + other) f'(output), f' as a function of f's output
 *
 * y may be x or other. A work-item computes a vector of VW elements. Global size >=
 * count / VW, rounded up. Loads may read past the end (buffers are padded), stores may
 * not. */
#define ALIGNED 1
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/storage.h"

static inline void store(floatv v, __global stored_y *y, uint i, uint count)
{
    if (i + VW <= count)
        VSTORE_Y(v, y + i);
    else
        store_part_y(v, y + i, count - i);
}

__kernel void add(ALIASED_VIEW(const stored_x, x),
                  ALIASED_VIEW(const stored_other, other), ALIASED_VIEW(stored_y, y),
                  uint count, float2 act_params)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const floatv sum = VLOAD_X(x + x_at + i) + VLOAD_OTHER(other + other_at + i);
    store(activate(sum, act_params), y + y_at, i, count);
}

__kernel void add_act_grad(ALIASED_VIEW(const stored_x, x),
                           ALIASED_VIEW(const stored_other, other),
                           ALIASED_VIEW(const stored_act_grad, output),
                           ALIASED_VIEW(stored_y, y), uint count, float2 act_params)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const floatv sum = VLOAD_X(x + x_at + i) + VLOAD_OTHER(other + other_at + i);
    const floatv f = VLOAD_ACT_GRAD(output + output_at + i);
    store(sum * activate_gradient(f, f, act_params), y + y_at, i, count);
}
