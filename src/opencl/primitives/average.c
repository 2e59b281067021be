/* SPDX-License-Identifier: Apache-2.0 */
/* Moving average of the weights, and lookahead (cl/primitives/average.cl). */
#include "opencl/runtime/primitives.h"

enum weft_status ocl_average(struct weft_command_list *list,
                             const struct weft_average_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_define(&options, "LOOKAHEAD", args->steps > 0);
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "average.cl",
            .kernel = "average",
            .global = {ocl_vector_count(args->w.count, d->vector_width)},
            .local = {ocl_default_work_group(d)},
            .arg_count = 7,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->w), OCL_VIEW(args->average),
                     OCL_INT(args->w.count), OCL_FLOAT(args->decay), OCL_INT(args->every),
                     OCL_INT(args->steps)},
        });
}
