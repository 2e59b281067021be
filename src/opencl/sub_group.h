/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-groups as a device has them, found out by trial. */
#ifndef WEFT_OPENCL_SUB_GROUP_H
#define WEFT_OPENCL_SUB_GROUP_H

#include "ocl.h"

/* As in cl/sub_group.h. */
enum ocl_dialect { OCL_DIALECT_NONE, OCL_DIALECT_INTEL, OCL_DIALECT_KHRONOS };

/* Tries on the device what its driver claims, and fills in `lanes` and `dialect`. Without
 * sub-groups that work local memory stands in for them, and a warning says so.
 * WEFT_ERR_ARG: not even that works. */
enum weft_status ocl_sub_groups_find(struct ocl_device *device);

#endif
