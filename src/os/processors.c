/* SPDX-License-Identifier: Apache-2.0 */
/* Affinity, and the quotas of control groups. */
#define _GNU_SOURCE
#include "os/processors.h"

#include "os/control_groups.h"

#include <math.h>
#include <sched.h>
#include <unistd.h>

enum { MAX_PROCESSORS = 1 << 16 };

static int affinity_count(void)
{
    int count = 0;
    /* The kernel's mask may be longer than cpu_set_t. */
    for (int size = 1024; !count && size <= MAX_PROCESSORS; size *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)size);
        if (set && !sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)size), set))
            count = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)size), set);
        CPU_FREE(set);
    }
    return count;
}

int weft_processor_count(const char *root)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double count = online > 0 ? (double)online : 1,
           quota = ceil(weft_group_limit(root, WEFT_GROUP_PROCESSORS));
    int allowed = affinity_count();
    count = allowed > 0 && allowed < count ? allowed : count;
    count = quota < count ? quota : count;
    return count >= 1 ? (int)count : 1;
}
