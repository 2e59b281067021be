/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives on channels, all families: cl/primitives/channels.cl. */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"

enum { VECTOR_WIDTH, WORK_GROUP };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 1, 2, 4, 8, 16),
    OCL_TUNABLE("work-group", 1, 8, 16, 32, 64, 128, 256),
    {0},
};

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    (void)problem;
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) &&
           ocl_work_group_valid(device, values[WORK_GROUP]);
}

/* One launch of numbers[0] work-items. Arguments: the views, the result behind the output
 * of the activation, then `numbers`, then the parameters of the activation. */
struct channels_launch {
    const char *kernel;
    const struct weft_view *x, *other, *y; /* other: may be NULL */
    const struct weft_act_grad *act_grad;
    int edges; /* bitwise or of the channels where vectors begin or end */
    bool sums; /* x is absent */
    int number_count;
    size_t numbers[9];
};

static enum weft_status launch(struct weft_command_list *list, const int *values,
                               const struct channels_launch *l)
{
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "TAILS", l->edges % values[VECTOR_WIDTH] != 0);
    ocl_define_activation(&options, l->act_grad->activation);
    ocl_define_view_fp16(&options, "X_HALF", *l->x);
    ocl_define_view_fp16(&options, "Y_HALF", *l->y);
    if (l->sums)
        ocl_define(&options, "SUMS", 1);
    if (l->act_grad->activation.act)
        ocl_define_view_fp16(&options, "ACT_GRAD_HALF", l->act_grad->output);
    struct ocl_launch launch = {.source = "channels.cl",
                                .kernel = l->kernel,
                                .global = {l->numbers[0]},
                                .local = {(size_t)values[WORK_GROUP]},
                                .args = {OCL_VIEW(*l->x)}};
    int n = 1;
    if (l->other) {
        ocl_define_view_fp16(&options, "OTHER_HALF", *l->other);
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(*l->other);
    }
    launch.args[n++] = (struct ocl_arg)OCL_VIEW(l->act_grad->output);
    launch.args[n++] = (struct ocl_arg)OCL_VIEW(*l->y);
    for (int i = 0; i < l->number_count; i++)
        launch.args[n++] = (struct ocl_arg)OCL_INT(l->numbers[i]);
    launch.args[n++] = (struct ocl_arg)OCL_ACT_PARAMS(l->act_grad->activation);
    launch.arg_count = n;
    return ocl_launch(list, options.text, &launch);
}

static int copy_edges(const struct weft_copy_channels_args *a)
{
    return a->count | a->x_channels | a->x_first | a->y_channels | a->y_first;
}

static enum weft_status record_copy_channels(struct weft_command_list *list,
                                             const struct weft_problem *problem,
                                             const int *values)
{
    const struct weft_copy_channels_args *a = &problem->call.args.copy_channels;
    int width = values[VECTOR_WIDTH], behind = a->y_channels - a->y_first - a->count;
    size_t before = a->zero_rest ? ocl_vector_count((size_t)a->y_first, width) : 0;
    size_t copied = ocl_vector_count((size_t)a->count, width);
    size_t blocks = before + copied;
    if (a->zero_rest)
        blocks += ocl_vector_count((size_t)behind, width);
    return launch(
        list, values,
        &(struct channels_launch){
            .kernel = "copy_channels",
            .x = &a->x,
            .y = &a->y,
            .act_grad = &a->act_grad,
            .edges = copy_edges(a),
            .number_count = 9,
            .numbers = {(size_t)a->rows * blocks, blocks, before, copied,
                        (size_t)a->count, (size_t)a->x_first, (size_t)a->x_channels,
                        (size_t)a->y_first, (size_t)a->y_channels},
        });
}

static enum weft_status record_scale(struct weft_command_list *list,
                                     const struct weft_problem *problem,
                                     const int *values)
{
    const struct weft_scale_args *a = &problem->call.args.scale;
    size_t blocks = ocl_vector_count((size_t)a->channels, values[VECTOR_WIDTH]);
    return launch(list, values,
                  &(struct channels_launch){
                      .kernel = "scale",
                      .x = &a->x,
                      .other = &a->scale,
                      .y = &a->y,
                      .act_grad = &a->act_grad,
                      .edges = a->channels,
                      .number_count = 4,
                      .numbers = {(size_t)a->n * (size_t)a->positions * blocks, blocks,
                                  (size_t)a->channels, (size_t)a->positions},
                  });
}

static enum weft_status record_scale_gradient(struct weft_command_list *list,
                                              const struct weft_problem *problem,
                                              const int *values)
{
    const struct weft_scale_gradient_args *a = &problem->call.args.scale_gradient;
    size_t blocks = ocl_vector_count((size_t)a->channels, values[VECTOR_WIDTH]);
    return launch(list, values,
                  &(struct channels_launch){
                      .kernel = "scale_gradient",
                      .x = &a->x,
                      .other = &a->dy,
                      .y = &a->dscale,
                      .act_grad = &a->act_grad,
                      .edges = a->channels,
                      .sums = a->sums,
                      .number_count = 4,
                      .numbers = {(size_t)a->n * blocks, blocks, (size_t)a->channels,
                                  (size_t)a->positions},
                  });
}

static enum weft_status record_channel_shuffle(struct weft_command_list *list,
                                               const struct weft_problem *problem,
                                               const int *values)
{
    const struct weft_channel_shuffle_args *a = &problem->call.args.channel_shuffle;
    size_t blocks = ocl_vector_count((size_t)a->channels, values[VECTOR_WIDTH]);
    return launch(list, values,
                  &(struct channels_launch){
                      .kernel = "channel_shuffle",
                      .x = &a->x,
                      .y = &a->y,
                      .act_grad = &a->act_grad,
                      .edges = a->channels,
                      .number_count = 5,
                      .numbers = {(size_t)a->rows * blocks, blocks, (size_t)a->channels,
                                  (size_t)a->groups, (size_t)(a->channels / a->groups)},
                  });
}

#define ALGORITHM(primitive, edges, longest)                                     \
    static enum ocl_applicability primitive##_applicability(                     \
        const struct ocl_device *device, const struct weft_problem *problem,     \
        int *values)                                                             \
    {                                                                            \
        const struct weft_##primitive##_args *a = &problem->call.args.primitive; \
        values[VECTOR_WIDTH] = ocl_channel_vector_width(device, edges, longest); \
        values[WORK_GROUP] = (int)ocl_default_work_group(device);                \
        return OCL_APPLICABLE;                                                   \
    }                                                                            \
    const struct ocl_algorithm primitive##_vectors = {                           \
        .name = "vectors",                                                       \
        .tunables = tunables,                                                    \
        .applicability = primitive##_applicability,                              \
        .validate_config = validate_config,                                      \
        .record = record_##primitive,                                            \
        .sources = {"channels.cl"},                                              \
    };
ALGORITHM(copy_channels, copy_edges(a), a->count)
ALGORITHM(scale, a->channels, a->channels)
ALGORITHM(scale_gradient, a->channels, a->channels)
ALGORITHM(channel_shuffle, a->channels, a->channels)
