/* SPDX-License-Identifier: Apache-2.0 */
/* Sum of two tensors, all families: cl/primitives/add.cl. */
#include "opencl/runtime/primitives.h"

enum weft_status ocl_add(struct weft_command_list *list, const struct weft_add_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    bool has_act_grad = args->act_grad.activation.act != WEFT_ACT_identity;
    struct weft_activation f =
        has_act_grad ? args->act_grad.activation : args->activation;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_define_activation(&options, f);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "OTHER_HALF", args->other);
    ocl_define_view_fp16(&options, "Y_HALF", args->y);
    struct ocl_launch launch = {
        .source = "add.cl",
        .kernel = has_act_grad ? "add_act_grad" : "add",
        .global = {ocl_vector_count(args->y.count, d->vector_width)},
        .local = {ocl_default_work_group(d)},
        .args = {OCL_VIEW(args->x), OCL_VIEW(args->other)},
    };
    int n = 2;
    if (has_act_grad) {
        ocl_define_view_fp16(&options, "ACT_GRAD_HALF", args->act_grad.output);
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(args->act_grad.output);
    }
    launch.args[n++] = (struct ocl_arg)OCL_VIEW(args->y);
    launch.args[n++] = (struct ocl_arg)OCL_INT(args->y.count);
    launch.args[n++] = (struct ocl_arg)OCL_ACT_PARAMS(f);
    launch.arg_count = n;
    ocl_begin_primitive(list);
    return ocl_launch(list, options.text, &launch);
}
