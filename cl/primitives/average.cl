/* SPDX-License-Identifier: Apache-2.0 */
/* Moving average of the weights, and lookahead:
 *
 *     average += (1 - keep) (w - average)
 *
 * keep follows from the state, whose step was counted: min(decay, t / (9 + t)) with t =
 * step / every; LOOKAHEAD: decay min(1, step / steps)^3, and w becomes the average. A
 * work-item updates a vector; global size >= count / VW, rounded up. */
#define ALIGNED 1
#include "lib/common.h"
#include "shared/state.h"

#ifndef LOOKAHEAD
#define LOOKAHEAD 0
#endif

static inline void store(floatv v, __global float *to, uint i, uint count)
{
    if (i + VW <= count)
        VSTORE(v, to + i);
    else
        store_part(v, to + i, count - i);
}

static inline float share_kept(uint step, float decay, uint every, uint steps)
{
    if (LOOKAHEAD) {
        const float part = step < steps ? (float)step / (float)steps : 1.0f;
        return decay * part * part * part;
    }
    const uint updates = step / every;
    return fmin(decay, (float)updates / (float)(updates + 9));
}

__kernel void average(VIEW(const uint, state), ALIASED_VIEW(float, w),
                      ALIASED_VIEW(float, average), uint count, float decay, uint every,
                      uint steps)
{
    const uint i = get_global_id(0) * VW;
    if (i >= count)
        return;
    const float keep = share_kept(state[state_at + STATE_STEP], decay, every, steps);
    const floatv old = VLOAD(average + average_at + i);
    const floatv v = MAD(1.0f - keep, VLOAD(w + w_at + i) - old, old);
    store(v, average + average_at, i, count);
    if (LOOKAHEAD)
        store(v, w + w_at, i, count);
}
