/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizer step, the last launch of a training step: update of all weights, and the
 * step's metrics (cl/primitives/optimizer.cl). */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"
#include "shared/partial_sums.h"

#include <math.h>
#include <stdlib.h>

enum { VECTOR_WIDTH, WORK_GROUP };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("work-group", 1, 8, 16, 32, 64, 128, 256),
    {0},
};

static enum ocl_applicability serial_applicability(const struct ocl_device *device,
                                                   const struct weft_problem *problem,
                                                   int *values)
{
    (void)problem;
    values[VECTOR_WIDTH] = device->vector_width;
    values[WORK_GROUP] = (int)ocl_default_work_group(device);
    return OCL_APPLICABLE;
}

/* The size of a tree is a power of two. */
static enum ocl_applicability tree_applicability(const struct ocl_device *device,
                                                 const struct weft_problem *problem,
                                                 int *values)
{
    serial_applicability(device, problem, values);
    int group = 1;
    while (2 * group <= values[WORK_GROUP])
        group *= 2;
    values[WORK_GROUP] = group;
    return OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    (void)problem;
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) &&
           ocl_work_group_valid(device, values[WORK_GROUP]) &&
           !(values[WORK_GROUP] & (values[WORK_GROUP] - 1));
}

/* Passes the ranges of g that are deferred partial sums to the kernel. */
static enum weft_status write_deferred_ranges(struct weft_command_list *list,
                                              struct weft_view g,
                                              struct ocl_options *options,
                                              struct ocl_arg *partial_sums,
                                              struct ocl_arg *deferred)
{
    int count;
    long ranges = 0;
    struct ocl_arg base;
    const struct ocl_partial_sums *all = ocl_deferred_reductions(list, &count, &base);
    if (!count)
        return WEFT_OK;
    cl_uint *words = malloc((size_t)count * DEFERRED_WORDS * sizeof(*words));
    if (!words)
        return weft_out_of_memory(list->device->context, "opencl: update",
                                  (size_t)count * DEFERRED_WORDS * sizeof(*words));
    for (int i = 0; i < count; i++) {
        const struct ocl_partial_sums *p = &all[i];
        if (p->to.mem != g.mem || p->to.offset < g.offset ||
            p->to.offset >= g.offset + g.count)
            continue;
        cl_uint *range = words + DEFERRED_WORDS * ranges++;
        range[DEFERRED_BEGIN] = (cl_uint)(p->to.offset - g.offset);
        range[DEFERRED_COUNT] = (cl_uint)p->to.count;
        range[DEFERRED_FROM] = (cl_uint)p->from;
        range[DEFERRED_STRIDE] = (cl_uint)p->stride;
        range[DEFERRED_PARTIALS] = (cl_uint)p->count;
    }
    enum weft_status status = WEFT_OK;
    if (ranges) {
        status = ocl_constants(list, words, (size_t)ranges * DEFERRED_WORDS, deferred);
        *partial_sums = base;
        ocl_define(options, "DEFERRED_RANGES", ranges);
    }
    free(words);
    return status;
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_problem *problem, const int *values,
                               bool tree)
{
    const struct weft_optimizer_step_args *args = &problem->call.args.optimizer_step;
    const struct weft_optimizer *o = &args->optimizer;
    bool sgd = o->kind == WEFT_OPTIMIZER_SGD;
    bool variant = sgd ? o->nesterov : o->kind == WEFT_OPTIMIZER_ADAMW;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    if (tree)
        ocl_define(&options, "WORK_GROUP_SIZE", values[WORK_GROUP]);
    if (args->groups.mem)
        ocl_define(&options, "GROUPS", 1);
    if (o->clip > 0)
        ocl_define(&options, "CLIP", 1);
    struct ocl_arg partial_sums = OCL_VIEW((struct weft_view){0}),
                   deferred = partial_sums;
    WEFT_TRY(write_deferred_ranges(list, args->g, &options, &partial_sums, &deferred));
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "optimizer.cl",
            .kernel = sgd ? "sgd" : "adam",
            .global = {ocl_vector_count(args->w.count, values[VECTOR_WIDTH])},
            .local = {(size_t)values[WORK_GROUP]},
            .arg_count = 20,
            .args = {OCL_VIEW(args->state),
                     OCL_VIEW(args->w),
                     OCL_VIEW(args->g),
                     partial_sums,
                     deferred,
                     OCL_VIEW(args->groups),
                     OCL_VIEW(args->settings),
                     OCL_VIEW(args->m),
                     OCL_VIEW(args->v),
                     OCL_VIEW(args->loss),
                     OCL_VIEW(args->correct),
                     OCL_INT(args->w.count),
                     OCL_INT(args->n),
                     OCL_FLOAT(o->momentum),
                     OCL_FLOAT(o->beta1),
                     OCL_FLOAT(o->beta2),
                     OCL_FLOAT(o->epsilon),
                     OCL_FLOAT(o->weight_decay),
                     OCL_INT(variant),
                     OCL_FLOAT(ldexpf(1.0f, -args->loss_scale_log2))},
        });
}

static enum weft_status record_serial(struct weft_command_list *list,
                                      const struct weft_problem *problem,
                                      const int *values)
{
    return record(list, problem, values, false);
}

static enum weft_status record_tree(struct weft_command_list *list,
                                    const struct weft_problem *problem, const int *values)
{
    return record(list, problem, values, true);
}

const struct ocl_algorithm optimizer_serial = {
    .name = "serial-metrics",
    .tunables = tunables,
    .applicability = serial_applicability,
    .validate_config = validate_config,
    .record = record_serial,
    .sources = {"optimizer.cl"},
};
const struct ocl_algorithm optimizer_tree = {
    .name = "tree-metrics",
    .tunables = tunables,
    .applicability = tree_applicability,
    .validate_config = validate_config,
    .record = record_tree,
    .sources = {"optimizer.cl"},
};
