/* SPDX-License-Identifier: Apache-2.0 */
/* Trust in an algorithm to compute a problem, by known-answer tests. */
#ifndef WEFT_OPENCL_SELECT_TRUST_H
#define WEFT_OPENCL_SELECT_TRUST_H

#include "opencl/select/algorithm.h"

/* A choice takes the highest; the test of the problem then decides. */
enum ocl_trust {
    OCL_TRUST_REFUTED,    /* it has failed for this problem in this process */
    OCL_TRUST_REJECTED,   /* ..., in an earlier one, on this device and driver */
    OCL_TRUST_DISTRUSTED, /* it has failed for another problem */
    OCL_TRUST_TRUSTED
};

enum ocl_trust ocl_trust_of(const struct ocl_device *device,
                            const struct weft_problem *problem,
                            const struct ocl_algorithm *algorithm);

/* Warns once of each algorithm that is not trusted for the problem: `chosen` replaces
 * it, or is it. */
void ocl_warn_of_distrusted(struct ocl_device *device, const struct weft_problem *problem,
                            const struct ocl_algorithm *chosen);

/* As in struct weft_backend. An algorithm that the compiler refuses is replaced too. */
bool ocl_reject(struct weft_command_list *list, const struct weft_recorded_call *call);
enum weft_status ocl_list_finalize_or_replace(struct weft_command_list *list);

#endif
