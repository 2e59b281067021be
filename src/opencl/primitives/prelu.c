/* SPDX-License-Identifier: Apache-2.0 */
/* ReLU with learned slopes, all families: cl/primitives/prelu.cl. */
#include "opencl/primitives/channel_sums.h"

#define SOURCE "prelu.cl"

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    const struct weft_prelu_args *a = &problem->call.args.prelu_forward;
    channel_split_defaults(device, a->rows, a->channels, values);
    return OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    return channel_split_valid(device, problem->call.args.prelu_forward.rows, values);
}

static enum weft_status launch_vectors(struct weft_command_list *list,
                                       const struct channel_split *split,
                                       const struct ocl_options *options,
                                       struct ocl_launch *launch)
{
    launch->source = SOURCE;
    launch->global[0] = (size_t)split->rows * channel_split_blocks(split);
    launch->local[0] = (size_t)split->work_group;
    return ocl_launch(list, options->text, launch);
}

static enum weft_status record_forward(struct weft_command_list *list,
                                       const struct weft_problem *problem,
                                       const int *values)
{
    const struct weft_prelu_args *args = &problem->call.args.prelu_forward;
    struct channel_split split = channel_split_of(ocl_device_of(list), SOURCE, args->rows,
                                                  args->channels, 1, values);
    struct ocl_options options = {""};
    channel_split_define(&split, &options);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "Y_HALF", args->y);
    return launch_vectors(list, &split, &options,
                          &(struct ocl_launch){
                              .kernel = "prelu_forward",
                              .arg_count = 4,
                              .args = {OCL_VIEW(args->x), OCL_VIEW(args->slope),
                                       OCL_VIEW(args->y), OCL_INT(args->rows)},
                          });
}

static enum weft_status record_backward(struct weft_command_list *list,
                                        const struct weft_problem *problem,
                                        const int *values)
{
    const struct weft_prelu_args *args = &problem->call.args.prelu_backward;
    struct channel_split split = channel_split_of(ocl_device_of(list), SOURCE, args->rows,
                                                  args->channels, 1, values);
    struct ocl_options options = {""};
    const struct weft_view none = {0};
    channel_split_define(&split, &options);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "OTHER_HALF", args->dy);
    ocl_define_view_fp16(&options, "Y_HALF", args->dx);
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
                     OCL_VIEW(args->dx), OCL_INT(args->rows)},
        });
}

#define ROW(label, tunables_, record_)                                        \
    {                                                                         \
        .name = label, .tunables = tunables_, .applicability = applicability, \
        .validate_config = validate_config, .record = record_, .sources = {   \
            SOURCE                                                            \
        }                                                                     \
    }

const struct ocl_algorithm prelu_vectors[CHANNEL_PASSES] = {
    [CHANNEL_FORWARD] = ROW("vectors", channel_split_tunables, record_forward),
    [CHANNEL_BACKWARD] = ROW("vectors", channel_split_tunables, record_backward)};
const struct ocl_algorithm prelu_vectors_tree[CHANNEL_PASSES] = {
    [CHANNEL_FORWARD] = ROW("vectors-tree", channel_split_tree_tunables, record_forward),
    [CHANNEL_BACKWARD] =
        ROW("vectors-tree", channel_split_tree_tunables, record_backward)};
