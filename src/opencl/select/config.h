/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel configs: an algorithm with values for its tunables. */
#ifndef WEFT_OPENCL_SELECT_CONFIG_H
#define WEFT_OPENCL_SELECT_CONFIG_H

#include "opencl/select/algorithm.h"

struct ocl_kernel_config {
    const struct ocl_algorithm *algorithm; /* NULL: nothing can do the problem */
    int values[OCL_MAX_TUNABLES];
};

/* "direct vector-width=8 vectors=2 tile=6" */
void ocl_config_format(const struct ocl_kernel_config *config, char out[OCL_CONFIG_TEXT]);

/* False: no applicable algorithm has this name, or the values are not valid. Tunables
 * that the text leaves out have their defaults. */
bool ocl_config_parse(const struct ocl_device *device, const struct weft_problem *problem,
                      const char *text, struct ocl_kernel_config *out);

/* A hash of the dependencies of a measurement: tuner, driver and kernel sources. */
uint64_t ocl_config_fingerprint(const struct ocl_device *device,
                                const struct ocl_kernel_config *config);

/* The part of it that is the device's; computed once, at open. */
uint64_t ocl_device_fingerprint(const struct ocl_device *device);

#endif
