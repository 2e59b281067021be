/* SPDX-License-Identifier: Apache-2.0 */
/* The bundled tuning of a device. */
#include "opencl/select/bundled_tuning.h"

#include <stdio.h>
#include <string.h>

const char *ocl_bundled_tuning_for(const struct ocl_device *device)
{
    char name[32];
    if (!device->is_cpu)
        return NULL;
    snprintf(name, sizeof(name), "cpu-%d", device->vector_width);
    for (size_t i = 0; i < ocl_bundled_tuning_count; i++)
        if (!strcmp(ocl_bundled_tunings[i].name, name))
            return ocl_bundled_tunings[i].text;
    return NULL;
}
