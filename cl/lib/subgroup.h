/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-groups: work-items that run side by side, the LANES of one, and can look at each
 * other's registers. SUBGROUP_EXT is how the driver calls it; 0 where it does not: lanes
 * then show each other what they have through local memory, which is right but slow.
 *
 * A work-group is SUBGROUPS sub-groups, each of LANES items in a row. A kernel begins
 * with LOCAL_EXTRA(count); PUBLISH(x, count) makes that many floats of each lane known,
 * all lanes at once, and BROADCAST(x, i, lane) is float i of a lane. */
#ifndef WEFT_SUB_GROUP_H
#define WEFT_SUB_GROUP_H

#include "shared/subgroup_ext.h"

#ifndef LANES
#define LANES 16
#endif
#ifndef SUBGROUPS
#define SUBGROUPS 2
#endif
#ifndef SUBGROUP_EXT
#define SUBGROUP_EXT SUBGROUP_EMULATED
#endif

#if SUBGROUP_EXT == SUBGROUP_INTEL
#pragma OPENCL EXTENSION cl_intel_subgroups : enable
#define SUBGROUP_ATTRIBUTE __attribute__((intel_reqd_sub_group_size(LANES)))
#define LOCAL_EXTRA(count)
#define BROADCAST(x, i, lane) intel_sub_group_shuffle((x)[i], (uint)(lane))
#elif SUBGROUP_EXT == SUBGROUP_KHR
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#define SUBGROUP_ATTRIBUTE
#define LOCAL_EXTRA(count)
#define BROADCAST(x, i, lane) sub_group_broadcast((x)[i], (uint)(lane))
#else
#define SUBGROUP_ATTRIBUTE
#define LOCAL_EXTRA(count) __local float published[(count)*SUBGROUPS * LANES];
#define BROADCAST(x, i, lane) \
    published[((i)*SUBGROUPS + get_local_id(0) / LANES) * LANES + (lane)]
#endif

#if SUBGROUP_EXT != SUBGROUP_EMULATED
#define PUBLISH(x, count)
#else
#define PUBLISH(x, count)                                                                \
    do {                                                                                 \
        barrier(CLK_LOCAL_MEM_FENCE);                                                    \
        for (uint publish_i = 0; publish_i < (count); publish_i++)                       \
            published[publish_i * SUBGROUPS * LANES + get_local_id(0)] = (x)[publish_i]; \
        barrier(CLK_LOCAL_MEM_FENCE);                                                    \
    } while (0)
#endif

#endif
