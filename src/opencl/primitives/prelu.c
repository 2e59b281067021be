/* SPDX-License-Identifier: Apache-2.0 */
/* ReLU with learned slopes, all families: cl/primitives/prelu.cl. */
#include "opencl/primitives/channel_sums.h"

#define SOURCE "prelu.cl"

static enum weft_status launch_vectors(struct weft_command_list *list,
                                       const struct channel_split *split,
                                       const struct ocl_options *options,
                                       struct ocl_launch *launch)
{
    launch->source = SOURCE;
    launch->global[0] =
        (size_t)split->rows * (size_t)split->channels / (size_t)split->vector_width;
    launch->local[0] = ocl_default_work_group(ocl_device_of(list));
    return ocl_launch(list, options->text, launch);
}

enum weft_status ocl_prelu_forward(struct weft_command_list *list,
                                   const struct weft_prelu_args *args)
{
    struct channel_split split =
        channel_split_of(ocl_device_of(list), SOURCE, args->rows, args->channels, 1);
    struct ocl_options options = {""};
    channel_split_define(&split, &options);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "Y_HALF", args->y);
    ocl_begin_primitive(list);
    return launch_vectors(list, &split, &options,
                          &(struct ocl_launch){
                              .kernel = "prelu_forward",
                              .arg_count = 4,
                              .args = {OCL_VIEW(args->x), OCL_VIEW(args->slope),
                                       OCL_VIEW(args->y), OCL_INT(args->x.count)},
                          });
}

enum weft_status ocl_prelu_backward(struct weft_command_list *list,
                                    const struct weft_prelu_args *args)
{
    struct channel_split split =
        channel_split_of(ocl_device_of(list), SOURCE, args->rows, args->channels, 1);
    struct ocl_options options = {""};
    const struct weft_view none = {0};
    channel_split_define(&split, &options);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "OTHER_HALF", args->dy);
    ocl_define_view_fp16(&options, "Y_HALF", args->dx);
    ocl_begin_primitive(list);
    WEFT_TRY(channel_sums_record(list, &split, &options,
                                 &(struct ocl_launch){
                                     .kernel = "prelu_grad_partials",
                                     .arg_count = 4,
                                     .args = {OCL_VIEW(args->x), OCL_VIEW(args->dy),
                                              OCL_VIEW(none), OCL_INT(args->rows)},
                                 },
                                 2, args->dslope, none));
    if (!args->dx.mem)
        return WEFT_OK;
    return launch_vectors(
        list, &split, &options,
        &(struct ocl_launch){
            .kernel = "prelu_bwd_data",
            .arg_count = 5,
            .args = {OCL_VIEW(args->x), OCL_VIEW(args->slope), OCL_VIEW(args->dy),
                     OCL_VIEW(args->dx), OCL_INT(args->x.count)},
        });
}
