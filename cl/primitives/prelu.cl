/* SPDX-License-Identifier: Apache-2.0 */
/* ReLU with a learned slope for each channel, over rows of C channels.
 *
 *     forward:  y = x > 0 ? x : slope x
 *     backward: dx = x > 0 ? dy : slope dy,  dslope = sum of dy x where x <= 0
 *
 * A work-item of prelu_forward and prelu_bwd_data computes a vector of a row. */
#ifndef C
#define C 32
#endif
#ifndef VW
#define VW 8
#endif
#define SUMS    1
#define ALIGNED (C % VW == 0)
#include "lib/common.h"
#include "lib/channels.h"
#include "lib/channel_sums.h"

#define BLOCKS ((C + VW - 1) / VW)

/* y may be x. */
__kernel void prelu_forward(ALIASED_VIEW(const stored_x, x), VIEW(const float, slope),
                            ALIASED_VIEW(stored_y, y), uint rows)
{
    const uint row = get_global_id(0) / BLOCKS;
    const uint c = MOD((uint)get_global_id(0), BLOCKS) * VW, i = row * C + c;
    if (row >= rows)
        return;
    const floatv v = LOAD_IN_ROW(x + x_at + i, c);
    const floatv s = LOAD(slope + slope_at + c);
    STORE_OUT(SELECT(v > 0.0f, v, s * v), y + y_at + i, c);
}

/* dx may be dy. */
__kernel void prelu_bwd_data(VIEW(const stored_x, x), VIEW(const float, slope),
                             ALIASED_VIEW(const stored_other, dy),
                             ALIASED_VIEW(stored_y, dx), uint rows)
{
    const uint row = get_global_id(0) / BLOCKS;
    const uint c = MOD((uint)get_global_id(0), BLOCKS) * VW, i = row * C + c;
    if (row >= rows)
        return;
    const floatv v = LOAD_IN(x + x_at + i);
    const floatv g = LOAD_OTHER_ROW(dy + dy_at + i, c);
    const floatv s = LOAD(slope + slope_at + c);
    STORE_OUT(SELECT(v > 0.0f, g, s * g), dx + dx_at + i, c);
}

/* Partial sums of dslope: a work-item for each vector and chunk. */
__kernel void prelu_grad_partials(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                                  VIEW(float, partials), uint rows)
{
    const uint c = get_global_id(0) * VW, chunk = get_global_id(1);
    if (c >= C || chunk * ROWS >= rows)
        return;
    const uint end = min((chunk + 1) * ROWS, rows);
    floatv sum = (floatv)(0.0f);
    for (uint row = chunk * ROWS; row < end; row++) {
        const size_t at = (size_t)row * C + c;
        const floatv v = LOAD_IN(x + x_at + at);
        sum += SELECT(v > 0.0f, (floatv)(0.0f), v * LOAD_OTHER(dy + dy_at + at));
    }
    STORE(sum, partials + partials_at + chunk * PARTIAL + c, c);
}
