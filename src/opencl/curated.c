/* SPDX-License-Identifier: Apache-2.0 */
/* Which shipped tuning a device gets. */
#include "curated.h"

#include <stdio.h>
#include <string.h>

const char *ocl_curated_of(const struct ocl_device *device)
{
    char name[32];
    if (!device->is_cpu)
        return NULL;
    snprintf(name, sizeof(name), "cpu-%d.txt", device->vector);
    for (size_t i = 0; i < ocl_curated_count; i++)
        if (!strcmp(ocl_curated[i].name, name))
            return ocl_curated[i].text;
    return NULL;
}
