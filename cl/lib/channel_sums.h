/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of each channel over all rows, in a fixed order: a kernel writes the partial sums
 * of chunks of ROWS rows, [chunk][SUMS][C], and merge_channel_sums adds these, by a
 * work-group of LANES work-items for each vector of channels. Needs C; the partial
 * sums are followed by room for a vector. */
#ifndef WEFT_CHANNEL_SUMS_H
#define WEFT_CHANNEL_SUMS_H

#include "shared/workspace_layout.h"

#ifndef ROWS
#define ROWS 64
#endif
#ifndef LANES
#define LANES 4 /* a power of two */
#endif

#define PARTIAL CHANNEL_SUMS_PARTIAL(SUMS, C)

/* `second`: not written where SUMS is 1. */
__kernel __attribute__((reqd_work_group_size(LANES, 1, 1))) void
merge_channel_sums(VIEW(const float, partials), VIEW(float, first), VIEW(float, second),
                   uint chunks)
{
    const uint c = get_group_id(0) * VW, lane = get_local_id(0);
    floatv sum[SUMS];
    for (uint s = 0; s < SUMS; s++) {
        sum[s] = (floatv)(0.0f);
        for (uint chunk = lane; chunk < chunks; chunk += LANES)
            sum[s] += LOAD(partials + partials_at + chunk * PARTIAL + s * C + c);
    }
#if LANES > 1
    __local floatv sums[SUMS][LANES];
    for (uint s = 0; s < SUMS; s++)
        sums[s][lane] = sum[s];
    for (uint offset = LANES / 2; offset > 0; offset /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < offset)
            for (uint s = 0; s < SUMS; s++)
                sums[s][lane] += sums[s][lane + offset];
    }
    if (lane)
        return;
    for (uint s = 0; s < SUMS; s++)
        sum[s] = sums[s][0];
#endif
    STORE(sum[0], first + first_at + c, c);
    if (SUMS > 1)
        STORE(sum[SUMS - 1], second + second_at + c, c);
}

#endif
