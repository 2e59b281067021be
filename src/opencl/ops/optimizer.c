/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizer step, the last launch of a training step: update of all weights, and the
 * step's metrics (cl/ops/optimizer.cl). */
#include "opencl/runtime/runtime.h"
#include "shared/partial_sums.h"

#include <math.h>
#include <stdlib.h>

/* Local size. On CPUs one work-item accumulates the metrics; elsewhere the first
 * work-group as a tree, whose size is a power of two. */
static size_t work_group_size(const struct weft_command_list *list)
{
    size_t most = ocl_default_work_group(ocl_device_of(list)), group = 1;
    if (list->device->family == WEFT_FAMILY_VEC)
        return most;
    while (2 * group <= most)
        group *= 2;
    return group;
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
    const struct ocl_partial_sums *all = ocl_deferred_reductions(list, &count);
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
        *partial_sums = (struct ocl_arg)OCL_PERSISTENT(0);
        ocl_define(options, "DEFERRED_RANGES", ranges);
    }
    free(words);
    return status;
}

enum weft_status ocl_optimizer_step(struct weft_command_list *list,
                                    const struct weft_optimizer_step_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    const struct weft_optimizer *o = &args->optimizer;
    bool sgd = o->kind == WEFT_OPTIMIZER_SGD;
    bool variant = sgd ? o->nesterov : o->kind == WEFT_OPTIMIZER_ADAMW;
    size_t group = work_group_size(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    if (list->device->family != WEFT_FAMILY_VEC)
        ocl_define(&options, "WORK_GROUP_SIZE", (long)group);
    struct ocl_arg partial_sums = OCL_VIEW((struct weft_view){0}),
                   deferred = partial_sums;
    WEFT_TRY(write_deferred_ranges(list, args->g, &options, &partial_sums, &deferred));
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "optimizer.cl",
            .kernel = sgd ? "sgd" : "adam",
            .global = {ocl_vector_count(args->w.count, d->vector_width)},
            .local = {group},
            .arg_count = 18,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->w), OCL_VIEW(args->g),
                     partial_sums, deferred, OCL_VIEW(args->m), OCL_VIEW(args->v),
                     OCL_VIEW(args->loss), OCL_VIEW(args->correct),
                     OCL_INT(args->w.count), OCL_INT(args->n), OCL_FLOAT(o->momentum),
                     OCL_FLOAT(o->beta1), OCL_FLOAT(o->beta2), OCL_FLOAT(o->epsilon),
                     OCL_FLOAT(o->weight_decay), OCL_INT(variant),
                     OCL_FLOAT(ldexpf(1.0f, -args->loss_scale_log2))},
        });
}
