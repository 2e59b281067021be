/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion between float types (cl/primitives/cast.cl), alone and around primitives. */
#include "opencl/runtime/primitives.h"

void ocl_define_view_fp16(struct ocl_options *options, const char *name,
                          struct weft_view view)
{
    if (view.mem && view.type == WEFT_FLOAT16)
        ocl_define(options, name, 1);
}

bool ocl_arg_is_fp16(const struct ocl_arg *arg)
{
    return arg->kind == OCL_ARG_VIEW && arg->view.mem && arg->view.type == WEFT_FLOAT16;
}

void ocl_define_arg_fp16(struct ocl_options *options, const char *name,
                         const struct ocl_arg *arg)
{
    if (ocl_arg_is_fp16(arg))
        ocl_define(options, name, 1);
}

static enum weft_status launch_cast(struct weft_command_list *list, struct weft_view x,
                                    struct weft_view y, bool weights_only)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_define_view_fp16(&options, "X_HALF", x);
    ocl_define_view_fp16(&options, "Y_HALF", y);
    return ocl_launch(list, options.text,
                      &(struct ocl_launch){
                          .source = "cast.cl",
                          .kernel = "cast",
                          .global = {ocl_vector_count(x.count, d->vector_width)},
                          .local = {ocl_default_work_group(d)},
                          .arg_count = 3,
                          .args = {OCL_VIEW(x), OCL_VIEW(y), OCL_INT(x.count)},
                          .weights_only = weights_only,
                      });
}

enum weft_status ocl_cast(struct weft_command_list *list,
                          const struct weft_cast_args *args)
{
    ocl_begin_primitive(list);
    return launch_cast(list, args->x, args->y, false);
}

enum weft_status ocl_cast_to_fp32(struct weft_command_list *list, struct weft_view *view,
                                  bool weights)
{
    struct weft_view from = *view;
    if (from.type != WEFT_FLOAT16)
        return WEFT_OK;
    *view = ocl_workspace_view(list, from.count, weights);
    return launch_cast(list, from, *view, weights);
}

struct weft_view ocl_fp32_output(struct weft_command_list *list, struct weft_view view)
{
    return view.type == WEFT_FLOAT16 ? ocl_workspace_view(list, view.count, false) : view;
}

enum weft_status ocl_cast_from_fp32(struct weft_command_list *list, struct weft_view from,
                                    struct weft_view to)
{
    return to.type == WEFT_FLOAT16 ? launch_cast(list, from, to, false) : WEFT_OK;
}
