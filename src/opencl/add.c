/* SPDX-License-Identifier: Apache-2.0 */
/* The sum of two tensors, for both families: cl/add.cl. */
#include "runtime.h"

enum weft_status ocl_add(struct weft_list *list, const struct weft_add_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    bool gated = args->gate.activation.act != WEFT_ACT_identity;
    struct weft_activation f = gated ? args->gate.activation : args->activation;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector);
    ocl_define(&options, "ACT", f.act);
    ocl_define_type(&options, "X_HALF", args->x);
    ocl_define_type(&options, "OTHER_HALF", args->other);
    ocl_define_type(&options, "Y_HALF", args->y);
    struct ocl_launch launch = {
        .source = "add.cl",
        .kernel = gated ? "add_gated" : "add",
        .global = {ocl_vectors(args->y.count, d->vector)},
        .local = {ocl_group(d)},
        .args = {OCL_VIEW(args->x), OCL_VIEW(args->other)},
    };
    int n = 2;
    if (gated) {
        ocl_define_type(&options, "GATE_HALF", args->gate.output);
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(args->gate.output);
    }
    launch.args[n++] = (struct ocl_arg)OCL_VIEW(args->y);
    launch.args[n++] = (struct ocl_arg)OCL_INT(args->y.count);
    launch.args[n++] = (struct ocl_arg)OCL_FLOAT(f.slope);
    launch.arg_count = n;
    ocl_begin(list);
    return ocl_launch(list, options.text, &launch);
}
