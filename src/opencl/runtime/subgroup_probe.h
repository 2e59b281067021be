/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-groups as a device has them, found out by trial. */
#ifndef WEFT_OPENCL_RUNTIME_SUBGROUP_PROBE_H
#define WEFT_OPENCL_RUNTIME_SUBGROUP_PROBE_H

#include "opencl/runtime/ocl.h"
#include "shared/subgroup_ext.h"

enum ocl_subgroup_ext {
    OCL_SUBGROUP_EMULATED = SUBGROUP_EMULATED,
    OCL_SUBGROUP_INTEL = SUBGROUP_INTEL,
    OCL_SUBGROUP_KHR = SUBGROUP_KHR
};

/* Tries on the device what its driver claims, and fills in `lanes` and `subgroup_ext`.
 * Without sub-groups that work local memory stands in for them, and a warning says so.
 * WEFT_ERR_ARG: not even that works. */
enum weft_status ocl_subgroups_detect(struct ocl_device *device);

#endif
