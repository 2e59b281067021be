/* SPDX-License-Identifier: Apache-2.0 */
/* Batches from images stored as bytes on the device (cl/primitives/batch.cl, augment.cl,
 * augment_rows.cl). */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { VECTOR_WIDTH, ITEMS_PER_ROW };
enum { MOST_ITEMS_PER_ROW = 1 << 16 };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("items-per-row", 1, 8, 16, 32, 64, 128, 512, 2048, 8192),
    {0},
};

static bool is_augmented(const struct weft_problem *problem)
{
    return problem->call.args.make_batch.augment.kind != AUGMENT_NONE;
}

/* Items of a work-group: a part of a row's, or all of them. */
static int group_of(const struct ocl_device *device, int items_per_row)
{
    int most = (int)ocl_default_work_group(device);
    return items_per_row < most ? items_per_row : most;
}

/* One work-item for each row on CPUs: its index costs more than its copy. On GPUs each
 * computes some vectors, or pixels, of a row. */
static enum ocl_applicability prefer(bool possible, const struct ocl_device *device,
                                     const struct weft_problem *problem, int *values)
{
    enum { VECTORS_PER_ITEM = 8 };
    const struct weft_batch_args *args = &problem->call.args.make_batch;
    if (!possible)
        return OCL_NOT_APPLICABLE;
    values[VECTOR_WIDTH] = device->vector_width;
    values[ITEMS_PER_ROW] = 1;
    if (device->is_cpu)
        return OCL_APPLICABLE;
    int group = (int)ocl_default_work_group(device);
    int groups = args->pixels / (VECTORS_PER_ITEM * device->vector_width * group);
    values[ITEMS_PER_ROW] = group * (groups > 1 ? groups : 1);
    return OCL_APPLICABLE;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    return prefer(!is_augmented(problem), device, problem, values);
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    int items = values[ITEMS_PER_ROW];
    (void)problem;
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) && items >= 1 &&
           items <= MOST_ITEMS_PER_ROW && items % group_of(device, items) == 0;
}

static void define_order(struct ocl_options *options, const struct weft_batch_args *args)
{
    ocl_define(options, "BALANCED", args->balance.mem != NULL);
    if (args->part_rows)
        ocl_define(options, "PART_ROWS", args->part_rows);
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_problem *problem, const int *values)
{
    const struct weft_batch_args *args = &problem->call.args.make_batch;
    const struct ocl_device *device = ocl_device_of(list);
    size_t items_per_row = (size_t)values[ITEMS_PER_ROW];
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "C", args->channels);
    ocl_define(&options, "SHUFFLE", args->state.mem != NULL);
    define_order(&options, args);
    ocl_define(&options, "HAS_LABELS", args->labels.mem != NULL);
    ocl_define_view_fp16(&options, "Y_HALF", args->x);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "batch.cl",
            .kernel = "make_batch",
            .global = {items_per_row, (size_t)args->n},
            .local = {(size_t)group_of(device, values[ITEMS_PER_ROW]), 1},
            .arg_count = 14,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->bytes), OCL_VIEW(args->labels),
                     OCL_VIEW(args->x), OCL_VIEW(args->batch_labels),
                     OCL_VIEW(args->balance), OCL_INT(args->first),
                     OCL_INT(args->global_batch), OCL_INT(args->count),
                     OCL_INT(args->pixels), OCL_INT(args->steps_per_epoch),
                     OCL_INT(args->gathered), OCL_FLOAT4(args->scale),
                     OCL_FLOAT4(args->shift)},
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

static enum ocl_applicability prefer_augmented(const struct ocl_device *device,
                                               const struct weft_problem *problem,
                                               int *values)
{
    return prefer(is_augmented(problem), device, problem, values);
}

static enum ocl_applicability prefer_augmented_rows(const struct ocl_device *device,
                                                    const struct weft_problem *problem,
                                                    int *values)
{
    int kind = problem->call.args.make_batch.augment.kind;
    bool possible = kind == AUGMENT_WHOLE_PIXELS && device->is_cpu;
    return prefer(possible, device, problem, values);
}

static bool validate_rows(const struct ocl_device *device,
                          const struct weft_problem *problem, const int *values)
{
    return validate_config(device, problem, values) && values[ITEMS_PER_ROW] == 1;
}

static void define_numbers(struct ocl_options *options, const char *name,
                           const int *numbers, size_t count)
{
    size_t size = sizeof(options->text), used = strlen(options->text);
    used += (size_t)snprintf(options->text + used, size - used, " -D%s=", name);
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(options->text + used, size - used, "%s%d", i ? "," : "",
                                 numbers[i]);
        assert(used < size);
    }
}

/* A struct weft_augment is nothing but ints (cl/lib/augment_options.h). */
static void define_augment(struct ocl_options *options,
                           const struct weft_augment *augment)
{
    int numbers[offsetof(struct weft_augment, middle) / sizeof(int)];
    memcpy(numbers, augment, sizeof(numbers));
    define_numbers(options, "AUGMENT", numbers, WEFT_ARRAY_SIZE(numbers));
    define_numbers(options, "AUGMENT_MIDDLE", augment->middle,
                   WEFT_ARRAY_SIZE(augment->middle));
    if (augment->mix)
        define_numbers(options, "AUGMENT_BETA", augment->beta,
                       WEFT_ARRAY_SIZE(augment->beta));
}

static enum weft_status launch_augmented(struct weft_command_list *list,
                                         const struct weft_problem *problem,
                                         const char *source, const char *kernel,
                                         const int *values)
{
    const struct weft_batch_args *args = &problem->call.args.make_batch;
    const struct ocl_device *device = ocl_device_of(list);
    size_t items_per_row = (size_t)values[ITEMS_PER_ROW];
    struct ocl_options options = {""};
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "C", args->channels);
    ocl_define(&options, "W", args->width);
    ocl_define(&options, "H", args->pixels / args->channels / args->width);
    ocl_define(&options, "HAS_LABELS", args->labels.mem != NULL);
    ocl_define_view_fp16(&options, "Y_HALF", args->x);
    ocl_define(&options, "MIXED", args->augment.mix != AUGMENT_NO_MIX);
    define_order(&options, args);
    define_augment(&options, &args->augment);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = source,
            .kernel = kernel,
            .global = {items_per_row, (size_t)args->n},
            .local = {(size_t)group_of(device, values[ITEMS_PER_ROW]), 1},
            .arg_count = 15,
            .args = {OCL_VIEW(args->state), OCL_VIEW(args->bytes), OCL_VIEW(args->labels),
                     OCL_VIEW(args->x), OCL_VIEW(args->batch_labels),
                     OCL_VIEW(args->partner_labels), OCL_VIEW(args->shares),
                     OCL_VIEW(args->balance), OCL_INT(args->first),
                     OCL_INT(args->global_batch), OCL_INT(args->count),
                     OCL_INT(args->steps_per_epoch), OCL_INT(args->gathered),
                     OCL_FLOAT4(args->scale), OCL_FLOAT4(args->shift)},
        });
}

static enum weft_status record_augmented(struct weft_command_list *list,
                                         const struct weft_problem *problem,
                                         const int *values)
{
    return launch_augmented(list, problem, "augment.cl", "augment_batch", values);
}

static enum weft_status record_augmented_rows(struct weft_command_list *list,
                                              const struct weft_problem *problem,
                                              const int *values)
{
    return launch_augmented(list, problem, "augment_rows.cl", "augment_batch_rows",
                            values);
}

const struct ocl_algorithm batch_augmented_rows = {
    .name = "augmented-rows",
    .tunables = tunables,
    .applicability = prefer_augmented_rows,
    .validate_config = validate_rows,
    .record = record_augmented_rows,
    .sources = {"augment_rows.cl"},
};

const struct ocl_algorithm batch_augmented = {
    .name = "augmented",
    .tunables = tunables,
    .applicability = prefer_augmented,
    .validate_config = validate_config,
    .record = record_augmented,
    .sources = {"augment.cl"},
};
