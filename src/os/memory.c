/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that this process may use. */
#define _POSIX_C_SOURCE 200809L
#include "os/memory.h"

#include "os/control_groups.h"

#include <unistd.h>

uint64_t weft_memory_bytes(const char *root)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t all = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    double limit = weft_group_limit(root, WEFT_GROUP_MEMORY);
    return limit < (double)all ? (uint64_t)limit : all;
}
