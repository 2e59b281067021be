/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax; softmax with cross-entropy, its gradient and correctness (cl/ops/softmax.cl).
 */
#include "opencl/runtime/runtime.h"

#include <math.h>

enum weft_status ocl_softmax(struct weft_command_list *list,
                             const struct weft_softmax_args *args)
{
    struct ocl_options options = {""};
    ocl_define(&options, "VW", ocl_device_of(list)->vector_width);
    ocl_begin_primitive(list);
    return ocl_launch(list, options.text,
                      &(struct ocl_launch){
                          .source = "softmax.cl",
                          .kernel = "softmax",
                          .global = {(size_t)args->n},
                          .local = {ocl_default_work_group(ocl_device_of(list))},
                          .arg_count = 4,
                          .args = {OCL_VIEW(args->x), OCL_VIEW(args->y), OCL_INT(args->n),
                                   OCL_INT(args->classes)},
                      });
}

enum weft_status ocl_loss(struct weft_command_list *list,
                          const struct weft_loss_args *args)
{
    struct ocl_options options = {""};
    ocl_define(&options, "VW", ocl_device_of(list)->vector_width);
    ocl_define(&options, "GRADIENT", args->dlogits.mem != NULL);
    ocl_begin_primitive(list);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "softmax.cl",
            .kernel = "cross_entropy",
            .global = {(size_t)args->n},
            .local = {ocl_default_work_group(ocl_device_of(list))},
            .arg_count = 9,
            .args = {OCL_VIEW(args->logits), OCL_VIEW(args->labels),
                     OCL_VIEW(args->dlogits), OCL_VIEW(args->loss),
                     OCL_VIEW(args->correct), OCL_INT(args->n), OCL_INT(args->classes),
                     OCL_FLOAT(args->label_smoothing),
                     OCL_FLOAT(ldexpf(1.0f, args->loss_scale_log2))},
        });
}
