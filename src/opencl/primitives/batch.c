/* SPDX-License-Identifier: Apache-2.0 */
/* Batches from images stored as bytes on the device (cl/primitives/batch.cl). */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"

enum { VECTOR_WIDTH, ITEMS_PER_ROW };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("items-per-row", 1, 8, 16, 32, 64, 128),
    {0},
};

/* One work-item for each row on CPUs: its index costs more than its copy. */
static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    (void)problem;
    values[VECTOR_WIDTH] = device->vector_width;
    values[ITEMS_PER_ROW] = device->is_cpu ? 1 : (int)ocl_default_work_group(device);
    return OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    (void)problem;
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) &&
           ocl_work_group_valid(device, values[ITEMS_PER_ROW]);
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_problem *problem, const int *values)
{
    const struct weft_batch_args *args = &problem->call.args.make_batch;
    size_t items_per_row = (size_t)values[ITEMS_PER_ROW];
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "C", args->channels);
    ocl_define(&options, "SHUFFLE", args->state.mem != NULL);
    ocl_define(&options, "HAS_LABELS", args->labels.mem != NULL);
    ocl_define_view_fp16(&options, "Y_HALF", args->x);
    return ocl_launch(list, options.text,
                      &(struct ocl_launch){
                          .source = "batch.cl",
                          .kernel = "make_batch",
                          .global = {items_per_row, (size_t)args->n},
                          .local = {items_per_row, 1},
                          .arg_count = 12,
                          .args = {OCL_VIEW(args->state), OCL_VIEW(args->bytes),
                                   OCL_VIEW(args->labels), OCL_VIEW(args->x),
                                   OCL_VIEW(args->batch_labels), OCL_INT(args->first),
                                   OCL_INT(args->global_batch), OCL_INT(args->count),
                                   OCL_INT(args->pixels), OCL_INT(args->steps_per_epoch),
                                   OCL_FLOAT4(args->scale), OCL_FLOAT4(args->shift)},
                      });
}

const struct ocl_algorithm batch_rows = {
    .name = "rows",
    .tunables = tunables,
    .applicability = applicability,
    .validate_config = validate_config,
    .record = record,
    .sources = {"batch.cl"},
};
