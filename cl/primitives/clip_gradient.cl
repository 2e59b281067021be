/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of the gradient, and the factor that limits it:
 *
 *     norm = sqrt(sum of (unscale g[i])^2),  factor = min(1, max_norm / (norm + 1e-6))
 *
 * square_sums: a work-group sums the squares of `chunk` values, a multiple of
 * WORK_GROUP_SIZE VW: each work-item a stride of vectors, then a tree. Global size:
 * work-groups for all chunks. clip_factor: one work-item adds the sums in order. GROUPS:
 * 1 if groups of weights whose rate is 0 do not count (weight_groups.h). WORK_GROUP_SIZE
 * is a power of two. */
#define ALIGNED 1
#include "lib/common.h"
#include "shared/state.h"
#include "shared/weight_groups.h"

#ifndef WORK_GROUP_SIZE
#define WORK_GROUP_SIZE 1
#endif
#ifndef GROUPS
#define GROUPS 0
#endif

#if GROUPS
#define COUNTS(i)                                                                      \
    (settings[settings_at + GROUP_SETTINGS * groups[groups_at + (i) / GROUP_WEIGHTS] + \
              GROUP_RATE] != 0.0f)
#else
#define COUNTS(i) true
#endif

__kernel void square_sums(VIEW(const float, g), VIEW(const uint, groups),
                          VIEW(const float, settings), VIEW(float, sums), uint count,
                          uint chunk, float unscale)
{
    __local float tree[WORK_GROUP_SIZE];
    const uint item = get_local_id(0), first = get_group_id(0) * chunk;
    const uint end = first + chunk < count ? first + chunk : count;
    floatv squares = (floatv)(0.0f);
    float lanes[VW], sum = 0.0f;
    for (uint i = first + item * VW; i < end; i += WORK_GROUP_SIZE * VW) {
        const floatv v = VLOAD(g + g_at + i) * unscale;
        if (!COUNTS(i))
            continue;
        if (i + VW <= count)
            squares = MAD(v, v, squares);
        else { /* behind the last are no gradients */
            STORE_LANES(v, lanes);
            for (uint lane = 0; lane < count - i; lane++)
                sum += lanes[lane] * lanes[lane];
        }
    }
    STORE_LANES(squares, lanes);
    for (uint lane = 0; lane < VW; lane++)
        sum += lanes[lane];
    tree[item] = sum;
    for (uint offset = WORK_GROUP_SIZE / 2; offset > 0; offset /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < offset)
            tree[item] += tree[item + offset];
    }
    if (item == 0)
        sums[sums_at + get_group_id(0)] = tree[0];
}

__kernel void clip_factor(VIEW(uint, state), VIEW(const float, sums), uint count,
                          float max_norm)
{
    float sum = 0.0f;
    if (get_global_id(0) > 0)
        return;
    for (uint i = 0; i < count; i++)
        sum += sums[sums_at + i];
    const float norm = sqrt(sum);
    __global uint *s = state + state_at;
    s[STATE_CLIP_FACTOR] = as_uint(fmin(1.0f, max_norm / (norm + 1e-6f)));
    s[STATE_NORM_RING + s[STATE_STEP] % STATE_RING_STEPS] = as_uint(norm);
}
