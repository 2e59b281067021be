/* SPDX-License-Identifier: Apache-2.0 */
/* Activations by themselves, forward and backward. */
#include "runtime.h"

static struct ocl_options options_of(const struct ocl_device *d,
                                     struct weft_activation activation)
{
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector);
    ocl_define(&options, "ACT", activation.act);
    return options;
}

enum weft_status ocl_act_forward(struct weft_list *list, const struct weft_act_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    struct ocl_options options = options_of(d, args->activation);
    ocl_define_type(&options, "X_HALF", args->x);
    ocl_define_type(&options, "Y_HALF", args->y);
    ocl_begin(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "act.cl",
            .kernel = "act_forward",
            .global = {ocl_vectors(args->x.count, d->vector)},
            .local = {ocl_group(d)},
            .arg_count = 4,
            .args = {OCL_VIEW(args->x), OCL_VIEW(args->y), OCL_INT(args->x.count),
                     OCL_FLOAT(args->activation.slope)},
        });
}

enum weft_status ocl_act_backward(struct weft_list *list,
                                  const struct weft_act_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    struct ocl_options options = options_of(d, args->activation);
    struct weft_view from = weft_act_by_output[args->activation.act] ? args->y : args->x;
    ocl_define_type(&options, "GATE_HALF", from);
    ocl_define_type(&options, "X_HALF", args->dy);
    ocl_define_type(&options, "Y_HALF", args->dx);
    ocl_begin(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "act.cl",
            .kernel = "act_backward",
            .global = {ocl_vectors(args->dx.count, d->vector)},
            .local = {ocl_group(d)},
            .arg_count = 5,
            .args = {OCL_VIEW(from), OCL_VIEW(args->dy), OCL_VIEW(args->dx),
                     OCL_INT(args->dx.count), OCL_FLOAT(args->activation.slope)},
        });
}
