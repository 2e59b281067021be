/* SPDX-License-Identifier: Apache-2.0 */
/* Test of matrix units against the layout of lib/mma.h: y = a b, of 16x8 by 8x8. One
 * work-group of WARP work-items. */
#include "lib/common.h"
#include "lib/mma.h"

__kernel __attribute__((reqd_work_group_size(WARP, 1, 1))) void
probe_mma(VIEW(const float, a), VIEW(const float, b), VIEW(float, y))
{
    __local float local_extra[MMA_LOCAL_FLOATS(WARP)];
    const uint lane = (uint)get_local_id(0);
    a += a_at + A_LANE_M(lane) * MMA_K + A_LANE_K(lane);
    b += b_at + B_LANE_K(lane) * MMA_N + B_LANE_N(lane);
    y += y_at + C_LANE_M(lane) * MMA_N + C_LANE_N(lane);
    float4 c = (float4)(0.0f);
    mma(&c, tf32_split_a((float4)(a[0], a[8 * MMA_K], a[4], a[8 * MMA_K + 4])),
        tf32_split_b((float2)(b[0], b[4 * MMA_N])), local_extra);
    vstore2(c.lo, 0, y);
    vstore2(c.hi, 0, y + 8 * MMA_N);
}
