/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a kernel config for a problem. */
#ifndef WEFT_OPENCL_SELECT_DISPATCH_H
#define WEFT_OPENCL_SELECT_DISPATCH_H

#include "opencl/select/config.h"

/* By the device's tuning, or else the default. */
struct ocl_kernel_config ocl_select_config(const struct ocl_device *device,
                                           const struct weft_problem *problem);

struct ocl_kernel_config ocl_select_default_config(const struct ocl_device *device,
                                                   const struct weft_problem *problem);

/* tuning_lookup.c. The tuning row of the problem, or else of the same problem at a batch
 * at most four times larger or smaller: measured with these kernels and this driver, or
 * else bundled with weft. False: there is none. */
bool ocl_select_tuned_config(const struct ocl_device *device,
                             const struct weft_problem *problem,
                             struct ocl_kernel_config *out);

/* reject.c: as in struct weft_backend. */
bool ocl_reject(struct weft_command_list *list, const struct weft_recorded_call *call);
bool ocl_is_rejected(const struct ocl_device *device, enum weft_primitive primitive,
                     const struct ocl_algorithm *algorithm);
void ocl_rejected_destroy(struct ocl_device *device);

extern const struct weft_tuner ocl_tuner; /* tuner.c */

#endif
