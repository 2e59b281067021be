/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-groups: LANES work-items that execute together and can read each other's
 * registers. SUBGROUP_EXT is the extension that the driver offers; SUBGROUP_EMULATED
 * exchanges values through local memory, which is correct but slow.
 *
 * A work-group has SUBGROUPS sub-groups of LANES consecutive work-items. A kernel begins
 * with LOCAL_EXTRA(count). PUBLISH(x, count) makes `count` floats of each lane readable
 * and is called by all lanes together; BROADCAST(x, i, lane) is float i of a lane. */
#ifndef WEFT_SUBGROUP_H
#define WEFT_SUBGROUP_H

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
