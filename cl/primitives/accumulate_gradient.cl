/* SPDX-License-Identifier: Apache-2.0 */
/* Adds the gradients of a part of the batch to those of the parts before it:
 *
 *     sum = part > 0 ? sum + g : g
 *
 * The losses and hits of its n rows are copied to their place among those of all `parts`,
 * and the next part of the state becomes this one + 1, or 0. A work-item adds a vector,
 * and copies rows; global size >= count / VW, rounded up. */
#define ALIGNED 1
#include "lib/common.h"
#include "shared/state.h"

__kernel void accumulate_gradient(VIEW(uint, state), VIEW(const float, g),
                                  VIEW(float, sum), VIEW(const float, loss),
                                  VIEW(const uint, correct), VIEW(float, all_loss),
                                  VIEW(uint, all_correct), uint count, uint n, uint parts)
{
    const uint i = get_global_id(0) * VW, part = state[state_at + STATE_PART];
    if (i < count) {
        floatv v = VLOAD(g + g_at + i);
        if (part > 0)
            v += VLOAD(sum + sum_at + i);
        if (i + VW <= count)
            VSTORE(v, sum + sum_at + i);
        else
            store_part(v, sum + sum_at + i, count - i);
    }
    for (uint row = get_global_id(0); row < n; row += get_global_size(0)) {
        all_loss[all_loss_at + part * n + row] = loss[loss_at + row];
        all_correct[all_correct_at + part * n + row] = correct[correct_at + row];
    }
    if (get_global_id(0) == 0)
        state[state_at + STATE_NEXT_PART] = part + 1 < parts ? part + 1 : 0;
}
