/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives on channels, all families: cl/primitives/channels.cl. */
#include "opencl/runtime/primitives.h"

/* The widest vector that divides all numbers of channels, given as their bitwise or: at
 * most a native one, on GPUs at most four floats. */
static int vector_width(const struct ocl_device *device, int channels)
{
    int width = 1, widest = device->is_cpu ? device->vector_width : 4;
    while (width < widest && channels % (2 * width) == 0)
        width *= 2;
    return width;
}

/* Appends a launch of numbers[0] work-items. Arguments: the views, the result behind the
 * output of the activation, then `numbers`, then the parameters of the activation.
 * `other` may be NULL. */
static enum weft_status launch(struct weft_command_list *list, const char *kernel,
                               int width, const struct weft_view *x,
                               const struct weft_view *other,
                               const struct weft_act_grad *act_grad,
                               const struct weft_view *y, const size_t *numbers,
                               int number_count)
{
    struct ocl_options options = {""};
    ocl_define(&options, "VW", width);
    ocl_define_activation(&options, act_grad->activation);
    ocl_define_view_fp16(&options, "X_HALF", *x);
    ocl_define_view_fp16(&options, "Y_HALF", *y);
    if (act_grad->activation.act)
        ocl_define_view_fp16(&options, "ACT_GRAD_HALF", act_grad->output);
    struct ocl_launch launch = {.source = "channels.cl",
                                .kernel = kernel,
                                .global = {numbers[0]},
                                .local = {ocl_default_work_group(ocl_device_of(list))},
                                .args = {OCL_VIEW(*x)}};
    int n = 1;
    if (other) {
        ocl_define_view_fp16(&options, "OTHER_HALF", *other);
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(*other);
    }
    launch.args[n++] = (struct ocl_arg)OCL_VIEW(act_grad->output);
    launch.args[n++] = (struct ocl_arg)OCL_VIEW(*y);
    for (int i = 0; i < number_count; i++)
        launch.args[n++] = (struct ocl_arg)OCL_INT(numbers[i]);
    launch.args[n++] = (struct ocl_arg)OCL_ACT_PARAMS(act_grad->activation);
    launch.arg_count = n;
    ocl_begin_primitive(list);
    return ocl_launch(list, options.text, &launch);
}

enum weft_status ocl_copy_channels(struct weft_command_list *list,
                                   const struct weft_copy_channels_args *args)
{
    const struct weft_copy_channels_args *a = args;
    int width = vector_width(ocl_device_of(list), a->count | a->x_channels | a->x_first |
                                                      a->y_channels | a->y_first);
    int begin = a->zero_rest ? 0 : a->y_first;
    size_t blocks = (size_t)(a->zero_rest ? a->y_channels : a->count) / (size_t)width;
    const size_t numbers[] = {(size_t)a->rows * blocks,
                              blocks,
                              (size_t)begin,
                              (size_t)a->count,
                              (size_t)a->x_first,
                              (size_t)a->x_channels,
                              (size_t)a->y_first,
                              (size_t)a->y_channels};
    return launch(list, "copy_channels", width, &a->x, NULL, &a->act_grad, &a->y, numbers,
                  WEFT_ARRAY_SIZE(numbers));
}

enum weft_status ocl_scale(struct weft_command_list *list,
                           const struct weft_scale_args *args)
{
    int width = vector_width(ocl_device_of(list), args->channels);
    const size_t numbers[] = {args->y.count / (size_t)width,
                              (size_t)(args->channels / width), (size_t)args->positions};
    return launch(list, "scale", width, &args->x, &args->scale, &args->act_grad, &args->y,
                  numbers, WEFT_ARRAY_SIZE(numbers));
}

enum weft_status ocl_scale_gradient(struct weft_command_list *list,
                                    const struct weft_scale_gradient_args *args)
{
    int width = vector_width(ocl_device_of(list), args->channels);
    const size_t numbers[] = {args->dscale.count / (size_t)width,
                              (size_t)(args->channels / width), (size_t)args->positions};
    return launch(list, "scale_gradient", width, &args->x, &args->dy, &args->act_grad,
                  &args->dscale, numbers, WEFT_ARRAY_SIZE(numbers));
}

enum weft_status ocl_channel_shuffle(struct weft_command_list *list,
                                     const struct weft_channel_shuffle_args *args)
{
    const size_t numbers[] = {args->y.count, (size_t)args->channels, (size_t)args->groups,
                              (size_t)(args->channels / args->groups)};
    return launch(list, "channel_shuffle", 1, &args->x, NULL, &args->act_grad, &args->y,
                  numbers, WEFT_ARRAY_SIZE(numbers));
}
