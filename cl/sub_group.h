/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-groups: work-items that run side by side, the LANES of one, and can look at each
 * other's registers. DIALECT is how the driver calls it; 0 where it does not: lanes then
 * show each other what they have through local memory, which is right but slow.
 *
 * A work-group is STACK sub-groups, each of LANES items in a row. A kernel begins with
 * ROOM(count); SHOW(x, count) makes that many floats of each lane known, all lanes at
 * once, and OF_LANE(x, i, lane) is float i of a lane. */
#ifndef WEFT_SUB_GROUP_H
#define WEFT_SUB_GROUP_H

#ifndef LANES
#define LANES 16
#endif
#ifndef STACK
#define STACK 2
#endif
#ifndef DIALECT
#define DIALECT 0
#endif

#if DIALECT == 1
#pragma OPENCL EXTENSION cl_intel_subgroups : enable
#define SUB_GROUPS __attribute__((intel_reqd_sub_group_size(LANES)))
#define ROOM(count)
#define OF_LANE(x, i, lane) intel_sub_group_shuffle((x)[i], (uint)(lane))
#elif DIALECT == 2
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#define SUB_GROUPS
#define ROOM(count)
#define OF_LANE(x, i, lane) sub_group_broadcast((x)[i], (uint)(lane))
#else
#define SUB_GROUPS
#define ROOM(count)         __local float shown[(count)*STACK * LANES];
#define OF_LANE(x, i, lane) shown[((i)*STACK + get_local_id(0) / LANES) * LANES + (lane)]
#endif

#if DIALECT
#define SHOW(x, count)
#else
#define SHOW(x, count)                                                     \
    do {                                                                   \
        barrier(CLK_LOCAL_MEM_FENCE);                                      \
        for (uint show_i = 0; show_i < (count); show_i++)                  \
            shown[show_i * STACK * LANES + get_local_id(0)] = (x)[show_i]; \
        barrier(CLK_LOCAL_MEM_FENCE);                                      \
    } while (0)
#endif

#endif
