/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax; softmax with cross-entropy, its gradient and correctness:
 * cl/primitives/softmax.cl. */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"

#include <math.h>

/* Items per row: one, or all of the work-group. */
enum { VECTOR_WIDTH, WORK_GROUP, ITEMS_PER_ROW };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("work-group", 1, 8, 16, 32, 64, 128, 256),
    OCL_TUNABLE("items-per-row", 1, 8, 16, 32, 64, 128, 256),
    {0},
};

static int classes_of(const struct weft_problem *problem)
{
    return problem->call.primitive == WEFT_PRIMITIVE_loss
               ? problem->call.args.loss.classes
               : problem->call.args.softmax.classes;
}

/* GPUs: a row of many classes is a work-item's chain of dependent operations otherwise,
 * and a batch of such chains leaves most of the device idle. */
static int default_items_per_row(const struct ocl_device *device, int classes)
{
    enum { MANY_CLASSES = 64, MOST_ITEMS = 256 };
    int vectors = classes / device->vector_width, items = 1;
    if (device->is_cpu || classes < MANY_CLASSES)
        return 1;
    while (items < vectors && 2 * items <= MOST_ITEMS &&
           ocl_work_group_valid(device, 2 * items))
        items *= 2;
    return items;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    values[VECTOR_WIDTH] = device->vector_width;
    values[WORK_GROUP] = values[ITEMS_PER_ROW] =
        default_items_per_row(device, classes_of(problem));
    if (values[ITEMS_PER_ROW] == 1)
        values[WORK_GROUP] = (int)ocl_default_work_group(device);
    return OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    int items = values[ITEMS_PER_ROW];
    (void)problem;
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) &&
           ocl_work_group_valid(device, values[WORK_GROUP]) &&
           (items == 1 || (items == values[WORK_GROUP] && !(items & (items - 1))));
}

static size_t global_size(int n, const int *values)
{
    return (size_t)n * (size_t)values[ITEMS_PER_ROW];
}

static enum weft_status record_softmax(struct weft_command_list *list,
                                       const struct weft_problem *problem,
                                       const int *values)
{
    const struct weft_softmax_args *args = &problem->call.args.softmax;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "ROW_ITEMS", values[ITEMS_PER_ROW]);
    return ocl_launch(list, options.text,
                      &(struct ocl_launch){
                          .source = "softmax.cl",
                          .kernel = "softmax",
                          .global = {global_size(args->n, values)},
                          .local = {(size_t)values[WORK_GROUP]},
                          .arg_count = 4,
                          .args = {OCL_VIEW(args->x), OCL_VIEW(args->y), OCL_INT(args->n),
                                   OCL_INT(args->classes)},
                      });
}

static enum weft_status record_loss(struct weft_command_list *list,
                                    const struct weft_problem *problem, const int *values)
{
    const struct weft_loss_args *args = &problem->call.args.loss;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "ROW_ITEMS", values[ITEMS_PER_ROW]);
    ocl_define(&options, "GRADIENT", args->dlogits.mem != NULL);
    ocl_define(&options, "WEIGHTED", args->class_weights.mem != NULL);
    ocl_define(&options, "MIXED", args->shares.mem != NULL);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "softmax.cl",
            .kernel = "cross_entropy",
            .global = {global_size(args->n, values)},
            .local = {(size_t)values[WORK_GROUP]},
            .arg_count = 13,
            .args = {OCL_VIEW(args->logits), OCL_VIEW(args->labels),
                     OCL_VIEW(args->class_weights), OCL_VIEW(args->partner_labels),
                     OCL_VIEW(args->shares), OCL_VIEW(args->dlogits),
                     OCL_VIEW(args->loss), OCL_VIEW(args->correct), OCL_INT(args->n),
                     OCL_INT(args->classes), OCL_INT(args->global_batch),
                     OCL_FLOAT(args->label_smoothing),
                     OCL_FLOAT(ldexpf(1.0f, args->loss_scale_log2))},
        });
}

#define ROWS(record_)                                                         \
    {                                                                         \
        .name = "rows", .tunables = tunables, .applicability = applicability, \
        .validate_config = validate_config, .record = record_, .sources = {   \
            "softmax.cl"                                                      \
        }                                                                     \
    }

const struct ocl_algorithm softmax_rows = ROWS(record_softmax);
const struct ocl_algorithm loss_rows = ROWS(record_loss);
