/* SPDX-License-Identifier: Apache-2.0 */
/* Batches from images stored as bytes on the device (cl/ops/batch.cl). */
#include "opencl/runtime/runtime.h"

enum weft_status ocl_make_batch(struct weft_command_list *list,
                                const struct weft_batch_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_define(&options, "C", args->channels);
    ocl_define(&options, "SHUFFLE", args->state.mem != NULL);
    ocl_define(&options, "HAS_LABELS", args->labels.mem != NULL);
    ocl_define_view_fp16(&options, "Y_HALF", args->x);
    ocl_begin_primitive(list);
    /* One work-item for each row on CPUs: its index costs more than its copy. */
    size_t items_per_row = d->is_cpu ? 1 : ocl_default_work_group(d);
    return ocl_launch(list, options.text,
                      &(struct ocl_launch){
                          .source = "batch.cl",
                          .kernel = "make_batch",
                          .global = {items_per_row, (size_t)args->n},
                          .local = {items_per_row, 1},
                          .arg_count = 10,
                          .args = {OCL_VIEW(args->state), OCL_VIEW(args->bytes),
                                   OCL_VIEW(args->labels), OCL_VIEW(args->x),
                                   OCL_VIEW(args->batch_labels), OCL_INT(args->count),
                                   OCL_INT(args->pixels), OCL_INT(args->steps_per_epoch),
                                   OCL_FLOAT4(args->scale), OCL_FLOAT4(args->shift)},
                      });
}
