/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout by a counter-based generator: nothing is stored for the backward pass
 * (cl/primitives/dropout.cl). */
#include "shared/random.h"
#include "opencl/runtime/primitives.h"

enum weft_status ocl_dropout(struct weft_command_list *list,
                             const struct weft_dropout_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = {""};
    size_t runs =
        (args->x.count + DROPOUT_RUNS * DROPOUT_RUN - 1) / (DROPOUT_RUNS * DROPOUT_RUN);
    uint32_t dropped = (uint32_t)((double)args->rate * DROPOUT_LEVELS + 0.5);
    ocl_define(&options, "VW", d->vector_width);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "Y_HALF", args->y);
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "dropout.cl",
            .kernel = "dropout",
            .global = {runs * DROPOUT_RUN / (size_t)d->vector_width},
            .local = {ocl_default_work_group(d)},
            .arg_count = 7,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->x), OCL_VIEW(args->y),
                     OCL_INT(args->x.count), OCL_INT(args->layer), OCL_INT(dropped << 16),
                     OCL_FLOAT((float)DROPOUT_LEVELS /
                               (float)(DROPOUT_LEVELS - dropped))},
        });
}
