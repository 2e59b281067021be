/* SPDX-License-Identifier: Apache-2.0 */
/* Detection of sub-groups. */
#ifndef WEFT_OPENCL_RUNTIME_SUBGROUP_PROBE_H
#define WEFT_OPENCL_RUNTIME_SUBGROUP_PROBE_H

#include "opencl/runtime/ocl.h"
#include "shared/subgroup_ext.h"

enum ocl_subgroup_ext {
    OCL_SUBGROUP_EMULATED = SUBGROUP_EMULATED,
    OCL_SUBGROUP_INTEL = SUBGROUP_INTEL,
    OCL_SUBGROUP_KHR = SUBGROUP_KHR
};

/* Tests the sub-groups that the driver claims, and sets `subgroup_sizes` and
 * `subgroup_ext`. Without working sub-groups local memory emulates them, with a warning.
 * WEFT_ERR_ARG: neither works. */
enum weft_status ocl_subgroups_detect(struct ocl_device *device);

#endif
