/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, all families, forward and backward: cl/primitives/act.cl. */
#include "opencl/runtime/primitives.h"

static struct ocl_options options_of(const struct ocl_device *d,
                                     struct weft_activation activation)
{
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_define_activation(&options, activation);
    return options;
}

enum weft_status ocl_act_forward(struct weft_command_list *list,
                                 const struct weft_act_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = options_of(d, args->activation);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "Y_HALF", args->y);
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "act.cl",
            .kernel = "act_forward",
            .global = {ocl_vector_count(args->x.count, d->vector_width)},
            .local = {ocl_default_work_group(d)},
            .arg_count = 4,
            .args = {OCL_VIEW(args->x), OCL_VIEW(args->y), OCL_INT(args->x.count),
                     OCL_ACT_PARAMS(args->activation)},
        });
}

enum weft_status ocl_act_backward(struct weft_command_list *list,
                                  const struct weft_act_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = options_of(d, args->activation);
    struct weft_view from =
        weft_act_grad_from_output[args->activation.act] ? args->y : args->x;
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", from);
    ocl_define_view_fp16(&options, "X_HALF", args->dy);
    ocl_define_view_fp16(&options, "Y_HALF", args->dx);
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "act.cl",
            .kernel = "act_backward",
            .global = {ocl_vector_count(args->dx.count, d->vector_width)},
            .local = {ocl_default_work_group(d)},
            .arg_count = 5,
            .args = {OCL_VIEW(from), OCL_VIEW(args->dy), OCL_VIEW(args->dx),
                     OCL_INT(args->dx.count), OCL_ACT_PARAMS(args->activation)},
        });
}
