/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout, forward and backward alike.
 *
 *     y[i] = uniform(i) < rate ? 0 : x[i] / keep,  keep = 1 - rate
 *
 * uniform(i) is word i % 4 of Philox at counter (i / 4, step, layer, RANDOM_DROPOUT), so a
 * work-item makes four elements. Global size >= count / 4, rounded up. */
#define VW 4
#include "common.h"
#include "random.h"
#include "state.h"

__kernel void dropout(__global const uint *state, uint state_at, __global const float *x,
                      uint x_at, __global float *y, uint y_at, uint count, uint layer,
                      float rate, float keep)
{
    const uint four = get_global_id(0), i = four * 4;
    if (i >= count)
        return;
    __global const uint *s = state + state_at;
    const struct weft_random r = weft_philox(s[STATE_SEED_LOW], s[STATE_SEED_HIGH], four,
                                             s[STATE_STEP], layer, RANDOM_DROPOUT);
    const float4 uniform = (float4)(weft_uniform(r.v[0]), weft_uniform(r.v[1]),
                                    weft_uniform(r.v[2]), weft_uniform(r.v[3]));
    const float4 v =
        WHERE(uniform < (float4)(rate), (float4)(0.0f), VLOAD(x + x_at + i) / keep);
    if (i + 4 <= count)
        VSTORE(v, y + y_at + i);
    else
        store_part(v, y + y_at + i, count - i);
}
