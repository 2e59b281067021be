/* SPDX-License-Identifier: Apache-2.0 */
/* Test of sub-groups against lib/subgroup.h: each work-item reads every lane of its own
 * sub-group, y[item][lane] = x[work-item of that lane]. One work-group. */
#include "lib/common.h"
#include "lib/subgroup.h"

__kernel SUBGROUP_ATTRIBUTE
    __attribute__((reqd_work_group_size(LANES * SUBGROUPS, 1, 1))) void
    probe_subgroup(VIEW(const float, x), VIEW(float, y))
{
    LOCAL_EXTRA(1)
    const uint item = (uint)get_local_id(0);
    float own[1] = {x[x_at + item]};
    PUBLISH(own, 1);
#pragma unroll
    for (uint lane = 0; lane < LANES; lane++)
        y[y_at + item * LANES + lane] = BROADCAST(own, 0, lane);
}
