/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a training step: the update of all weights, and the step's account. */
#include "runtime.h"

/* A processor's account is one work-item's; elsewhere it is the first work-group's, by a
 * tree, which wants a power of two. */
static size_t group_of(const struct weft_list *list)
{
    size_t most = ocl_group(ocl_of(list)), group = 1;
    if (list->device->family == WEFT_FAMILY_VEC)
        return most;
    while (2 * group <= most)
        group *= 2;
    return group;
}

enum weft_status ocl_update(struct weft_list *list, const struct weft_update_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    const struct weft_optimizer *o = &args->optimizer;
    bool sgd = o->kind == WEFT_OPTIMIZER_SGD;
    bool variant = sgd ? o->nesterov : o->kind == WEFT_OPTIMIZER_ADAMW;
    size_t group = group_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector);
    if (list->device->family != WEFT_FAMILY_VEC)
        ocl_define(&options, "GROUP", (long)group);
    ocl_begin(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "optimizer.cl",
            .kernel = sgd ? "sgd" : "adam",
            .global = {ocl_vectors(args->w.count, d->vector)},
            .local = {group},
            .arg_count = 15,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->w), OCL_VIEW(args->g),
                     OCL_VIEW(args->m), OCL_VIEW(args->v), OCL_VIEW(args->loss),
                     OCL_VIEW(args->hit), OCL_INT(args->w.count), OCL_INT(args->n),
                     OCL_FLOAT(o->momentum), OCL_FLOAT(o->beta1), OCL_FLOAT(o->beta2),
                     OCL_FLOAT(o->epsilon), OCL_FLOAT(o->decay), OCL_INT(variant)},
        });
}
