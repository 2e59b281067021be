/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of the gradients of parts of a batch (cl/primitives/accumulate_gradient.cl). */
#include "opencl/runtime/primitives.h"

enum weft_status ocl_accumulate_gradient(struct weft_command_list *list,
                                         const struct weft_accumulate_gradient_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "accumulate_gradient.cl",
            .kernel = "accumulate_gradient",
            .global = {ocl_vector_count(args->g.count, d->vector_width)},
            .local = {ocl_default_work_group(d)},
            .arg_count = 10,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->g), OCL_VIEW(args->sum),
                     OCL_VIEW(args->loss), OCL_VIEW(args->correct),
                     OCL_VIEW(args->all_loss), OCL_VIEW(args->all_correct),
                     OCL_INT(args->g.count), OCL_INT(args->n), OCL_INT(args->parts)},
        });
}
