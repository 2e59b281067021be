/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout by a counter-based generator: nothing is kept for the way back. */
#include "runtime.h"

enum weft_status ocl_dropout(struct weft_list *list, const struct weft_dropout_args *args)
{
    const struct ocl_device *d = ocl_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector);
    ocl_begin(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "dropout.cl",
            .kernel = "dropout",
            .global = {ocl_vectors(args->x.count, 4 * d->vector)},
            .local = {ocl_group(d)},
            .arg_count = 7,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->x), OCL_VIEW(args->y),
                     OCL_INT(args->x.count), OCL_INT(args->layer), OCL_FLOAT(args->rate),
                     OCL_FLOAT(1.0f - args->rate)},
        });
}
