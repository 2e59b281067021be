/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a kernel config for a problem. */
#ifndef WEFT_OPENCL_SELECT_DISPATCH_H
#define WEFT_OPENCL_SELECT_DISPATCH_H

#include "opencl/select/config.h"

/* By the device's tuning, or else the default. No algorithm: none is applicable. */
struct ocl_kernel_config ocl_select_config(const struct ocl_device *device,
                                           const struct weft_problem *problem);

/* The most suitable of the algorithms that are trusted most. */
struct ocl_kernel_config ocl_select_default_config(const struct ocl_device *device,
                                                   const struct weft_problem *problem);

/* tuning_lookup.c. The tuning row of the problem, or else of the same problem at a batch
 * at most four times larger or smaller: measured with these kernels and this driver, or
 * else bundled with weft. False: there is none. */
bool ocl_select_tuned_config(const struct ocl_device *device,
                             const struct weft_problem *problem,
                             struct ocl_kernel_config *out);

extern const struct weft_tuner ocl_tuner; /* tuner.c */

#endif
