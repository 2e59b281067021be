/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of the gradient, and its limit (cl/primitives/clip_gradient.cl). */
#include "opencl/runtime/primitives.h"

#include <math.h>

enum { MOST_SUMS = 256 };

enum weft_status ocl_clip_gradient(struct weft_command_list *list,
                                   const struct weft_clip_gradient_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = {""};
    size_t group = 1, count = args->g.count;
    while (2 * group <= ocl_default_work_group(d))
        group *= 2;
    size_t step = group * (size_t)d->vector_width, steps = (count + step - 1) / step;
    size_t chunk = (steps + MOST_SUMS - 1) / MOST_SUMS * step;
    size_t groups = (count + chunk - 1) / chunk;
    ocl_define(&options, "VW", d->vector_width);
    ocl_define(&options, "WORK_GROUP_SIZE", (long)group);
    if (args->groups.mem)
        ocl_define(&options, "GROUPS", 1);
    ocl_begin_primitive(list);
    struct ocl_arg sums = OCL_WORKSPACE(ocl_workspace(list, groups * sizeof(float)));
    WEFT_TRY(ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "clip_gradient.cl",
            .kernel = "square_sums",
            .global = {groups * group},
            .local = {group},
            .arg_count = 7,
            .args = {OCL_VIEW(args->g), OCL_VIEW(args->groups), OCL_VIEW(args->settings),
                     sums, OCL_INT(count), OCL_INT(chunk),
                     OCL_FLOAT(ldexpf(1.0f, -args->loss_scale_log2))},
        }));
    return ocl_launch(list, options.text,
                      &(struct ocl_launch){
                          .source = "clip_gradient.cl",
                          .kernel = "clip_factor",
                          .global = {1},
                          .local = {1},
                          .arg_count = 4,
                          .args = {OCL_VIEW(args->state), sums, OCL_INT(groups),
                                   OCL_FLOAT(args->max_norm)},
                      });
}
