/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalization, all families: cl/primitives/layer_norm.cl. A row is processed by
 * one work-item in family `vec`, by up to a work-group in the others. */
#include "opencl/primitives/channel_sums.h"

#define SOURCE "layer_norm.cl"

enum { CPU_GROUP_ROWS = 8 };

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    const struct weft_layer_norm_args *a = &problem->call.args.layer_norm_forward;
    channel_split_defaults(device, a->rows, a->channels, values);
    if (device->is_cpu && values[SPLIT_LANES] == 1 &&
        values[SPLIT_WORK_GROUP] > CPU_GROUP_ROWS)
        values[SPLIT_WORK_GROUP] = CPU_GROUP_ROWS;
    return OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    return channel_split_valid(device, problem->call.args.layer_norm_forward.rows,
                               values);
}

struct row_split {
    struct channel_split split;
    int lanes; /* of a row */
    size_t group_rows;
    struct ocl_options options;
};

static struct row_split split_rows(const struct ocl_device *device,
                                   const struct weft_layer_norm_args *a,
                                   const int *values)
{
    struct row_split s = {
        .split = channel_split_of(device, SOURCE, a->rows, a->channels, 2, values)};
    size_t items = (size_t)s.split.work_group;
    s.lanes = s.split.lanes;
    while (s.lanes > 1 && s.lanes * s.split.vector_width >= 2 * a->channels)
        s.lanes /= 2;
    s.group_rows = items > (size_t)s.lanes ? items / (size_t)s.lanes : 1;
    channel_split_define(&s.split, &s.options);
    ocl_define(&s.options, "ROW_LANES", s.lanes);
    ocl_define(&s.options, "GROUP_ROWS", (long)s.group_rows);
    ocl_define_activation(&s.options, a->activation);
    ocl_define_view_fp16(&s.options, "X_HALF", a->x);
    return s;
}

static enum weft_status launch_rows(struct weft_command_list *list,
                                    const struct row_split *s, struct ocl_launch *launch)
{
    launch->source = SOURCE;
    launch->global[0] = launch->local[0] = (size_t)s->lanes;
    launch->global[1] = (size_t)s->split.rows;
    launch->local[1] = s->group_rows;
    return ocl_launch(list, s->options.text, launch);
}

static enum weft_status record_forward(struct weft_command_list *list,
                                       const struct weft_problem *problem,
                                       const int *values)
{
    const struct weft_layer_norm_args *args = &problem->call.args.layer_norm_forward;
    struct row_split s = split_rows(ocl_device_of(list), args, values);
    ocl_define(&s.options, "SAVE", args->mean.mem != NULL);
    ocl_define_view_fp16(&s.options, "Y_HALF", args->y);
    return launch_rows(
        list, &s,
        &(struct ocl_launch){
            .kernel = "ln_forward",
            .arg_count = 9,
            .args = {OCL_VIEW(args->x), OCL_VIEW(args->weight), OCL_VIEW(args->bias),
                     OCL_VIEW(args->mean), OCL_VIEW(args->inverse), OCL_VIEW(args->y),
                     OCL_INT(args->rows), OCL_FLOAT(args->epsilon),
                     OCL_ACT_PARAMS(args->activation)},
        });
}

static enum weft_status record_backward(struct weft_command_list *list,
                                        const struct weft_problem *problem,
                                        const int *values)
{
    const struct weft_layer_norm_args *args = &problem->call.args.layer_norm_backward;
    struct row_split s = split_rows(ocl_device_of(list), args, values);
    const struct weft_view none = {0};
    struct ocl_launch launch = {
        .kernel = "ln_grad_partials",
        .arg_count = 9,
        .args = {OCL_VIEW(args->x), OCL_VIEW(args->dy), OCL_VIEW(args->weight),
                 OCL_VIEW(args->bias), OCL_VIEW(args->mean), OCL_VIEW(args->inverse),
                 OCL_VIEW(none), OCL_INT(args->rows), OCL_ACT_PARAMS(args->activation)},
    };
    ocl_define_view_fp16(&s.options, "OTHER_HALF", args->dy);
    ocl_define_view_fp16(&s.options, "Y_HALF", args->dx);
    WEFT_TRY(channel_sums_record(list, &s.split, &s.options, &launch, 6, args->dweight,
                                 args->dbias));
    if (!args->dx.mem)
        return WEFT_OK;
    launch.kernel = "ln_bwd_data";
    launch.args[6] = (struct ocl_arg)OCL_VIEW(args->dx);
    return launch_rows(list, &s, &launch);
}

#define ROW(label, tunables_, record_)                                        \
    {                                                                         \
        .name = label, .tunables = tunables_, .applicability = applicability, \
        .validate_config = validate_config, .record = record_, .sources = {   \
            SOURCE                                                            \
        }                                                                     \
    }

const struct ocl_algorithm layer_norm_rows[CHANNEL_PASSES] = {
    [CHANNEL_FORWARD] = ROW("rows", channel_split_tunables, record_forward),
    [CHANNEL_BACKWARD] = ROW("rows", channel_split_tunables, record_backward)};
const struct ocl_algorithm layer_norm_rows_tree[CHANNEL_PASSES] = {
    [CHANNEL_FORWARD] = ROW("rows-tree", channel_split_tree_tunables, record_forward),
    [CHANNEL_BACKWARD] = ROW("rows-tree", channel_split_tree_tunables, record_backward)};
