/* SPDX-License-Identifier: Apache-2.0 */
/* Batches made on the device of images that lie there as bytes. */
#include "opencl/runtime/runtime.h"

enum weft_status ocl_make_batch(struct weft_command_list *list,
                                const struct weft_batch_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    const float *scale = args->scale, *shift = args->shift;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", d->vector_width);
    ocl_define(&options, "C", args->channels);
    ocl_define(&options, "SHUFFLE", args->state.mem != NULL);
    ocl_define(&options, "HAS_LABELS", args->labels.mem != NULL);
    ocl_define_view_fp16(&options, "Y_HALF", args->x);
    ocl_begin_primitive(list);
    /* A processor makes a row in one go: finding its place costs more than its bytes. */
    size_t a_row = d->is_cpu ? 1 : ocl_default_work_group(d);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "batch.cl",
            .kernel = "make_batch",
            .global = {a_row, (size_t)args->n},
            .local = {a_row, 1},
            .arg_count = 16,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->bytes), OCL_VIEW(args->labels),
                     OCL_VIEW(args->x), OCL_VIEW(args->batch_labels),
                     OCL_INT(args->count), OCL_INT(args->pixels),
                     OCL_INT(args->steps_per_epoch), OCL_FLOAT(scale[0]),
                     OCL_FLOAT(scale[1]), OCL_FLOAT(scale[2]), OCL_FLOAT(scale[3]),
                     OCL_FLOAT(shift[0]), OCL_FLOAT(shift[1]), OCL_FLOAT(shift[2]),
                     OCL_FLOAT(shift[3])},
        });
}
