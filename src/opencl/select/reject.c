/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms that have failed a known-answer test on this device. */
#include "opencl/select/dispatch.h"

#include "opencl/runtime/command_list.h"

#include <stdlib.h>

struct ocl_rejected {
    struct ocl_rejected *next;
    enum weft_primitive primitive;
    const struct ocl_algorithm *algorithm;
};

bool ocl_is_rejected(const struct ocl_device *d, enum weft_primitive primitive,
                     const struct ocl_algorithm *algorithm)
{
    for (const struct ocl_rejected *r = d->rejected; r; r = r->next)
        if (r->primitive == primitive && r->algorithm == algorithm)
            return true;
    return false;
}

bool ocl_reject(struct weft_command_list *list, const struct weft_recorded_call *call)
{
    struct ocl_device *d = ocl_device_of(list);
    struct weft_problem problem;
    struct ocl_kernel_config config;
    struct weft_launch_description launch = {.config = ""};
    if (call->end > call->first)
        ocl_describe_launch(list, call->end - 1, &launch);
    if (!weft_problem_of(&d->base, &call->call, &problem) ||
        !ocl_config_parse(d, &problem, launch.config, &config) ||
        ocl_is_rejected(d, problem.call.primitive, config.algorithm))
        return false;
    struct ocl_rejected *r = malloc(sizeof(*r));
    if (!r)
        return false;
    *r = (struct ocl_rejected){d->rejected, problem.call.primitive, config.algorithm};
    d->rejected = r;
    return ocl_select_config(d, &problem).algorithm != NULL;
}

void ocl_rejected_destroy(struct ocl_device *d)
{
    while (d->rejected) {
        struct ocl_rejected *r = d->rejected;
        d->rejected = r->next;
        free(r);
    }
}
