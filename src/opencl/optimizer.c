/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a training step: the update of all weights, and the step's account. */
#include "runtime.h"

static enum weft_status sgd(struct weft_list *list, const char *options,
                            const struct weft_update_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    const struct weft_optimizer *o = &args->optimizer;
    return ocl_launch(
        list, options,
        &(struct ocl_launch){
            .source = "optimizer.cl",
            .kernel = "sgd",
            .global = {ocl_vectors(args->w.count, d->vector)},
            .local = {ocl_group(d)},
            .arg_count = 8,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->w), OCL_VIEW(args->g),
                     OCL_VIEW(args->m), OCL_INT(args->w.count), OCL_FLOAT(o->momentum),
                     OCL_FLOAT(o->decay), OCL_INT(o->nesterov)},
        });
}

static enum weft_status adam(struct weft_list *list, const char *options,
                             const struct weft_update_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    const struct weft_optimizer *o = &args->optimizer;
    return ocl_launch(
        list, options,
        &(struct ocl_launch){
            .source = "optimizer.cl",
            .kernel = "adam",
            .global = {ocl_vectors(args->w.count, d->vector)},
            .local = {ocl_group(d)},
            .arg_count = 11,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->w), OCL_VIEW(args->g),
                     OCL_VIEW(args->m), OCL_VIEW(args->v), OCL_INT(args->w.count),
                     OCL_FLOAT(o->beta1), OCL_FLOAT(o->beta2), OCL_FLOAT(o->epsilon),
                     OCL_FLOAT(o->decay), OCL_INT(o->kind == WEFT_OPTIMIZER_ADAMW)},
        });
}

enum weft_status ocl_update(struct weft_list *list, const struct weft_update_args *args)
{
    const struct weft_optimizer *o = &args->optimizer;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", ocl_of(list)->vector);
    ocl_begin(list);
    return (o->kind == WEFT_OPTIMIZER_SGD ? sgd : adam)(list, options.text, args);
}

/* The largest power of two that the device takes, but no more than the rows need. */
static size_t tree_group(const struct ocl_device *d, int n)
{
    size_t group = 1;
    while (group < 256 && 2 * group <= d->max_group && group < (size_t)n)
        group *= 2;
    return group;
}

enum weft_status ocl_finish(struct weft_list *list, const struct weft_finish_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    bool tree = list->device->family != WEFT_FAMILY_VEC;
    size_t group = tree ? tree_group(d, args->n) : 1;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector);
    if (tree)
        ocl_define(&options, "GROUP", (long)group);
    ocl_begin(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "optimizer.cl",
            .kernel = tree ? "finish_tree" : "finish_serial",
            .global = {group},
            .local = {group},
            .arg_count = 6,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->loss), OCL_VIEW(args->hit),
                     OCL_INT(args->n), OCL_FLOAT(args->beta1), OCL_FLOAT(args->beta2)},
        });
}
