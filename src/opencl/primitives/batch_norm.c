/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization, all families: cl/primitives/batch_norm.cl. Three launches for
 * each pass: partial sums over chunks of rows, their merge, and the rows again. */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"
#include "shared/workspace_layout.h"

/* The tunables, in the order of their tables: rows of a work-item that writes y or dx,
 * rows of a chunk of partial sums; vectors of channels that a work-item of `rows` sums
 * together, or the work-group that merges the partials of a channel. */
enum { VECTOR_WIDTH, WORK_GROUP, ROWS_PER_ITEM, CHUNK_ROWS, LAST };

#define VALUES_TUNABLES(...)                                                             \
    OCL_TUNABLE("vector-width", 1, 2, 4, 8, 16), OCL_TUNABLE("work-group", __VA_ARGS__), \
        OCL_TUNABLE("rows-per-item", 1, 4, 16, 32, 64, 128, 256)
#define CHUNK_TUNABLE OCL_TUNABLE("chunk-rows", 8, 16, 32, 64, 128, 256, 512)

static const struct ocl_tunable rows_tunables[] = {
    VALUES_TUNABLES(1, 2, 4), CHUNK_TUNABLE, OCL_TUNABLE("vectors", 1, 2, 4), {0}};
static const struct ocl_tunable vectors_tunables[] = {
    VALUES_TUNABLES(16, 32, 64, 128, 256), CHUNK_TUNABLE, {0}};
static const struct ocl_tunable tree_tunables[] = {
    VALUES_TUNABLES(16, 32, 64, 128, 256),
    CHUNK_TUNABLE,
    OCL_TUNABLE("merge-work-group", 16, 32, 64, 128, 256),
    {0}};
static const struct ocl_tunable rows_values_tunables[] = {VALUES_TUNABLES(1, 2, 4), {0}};
static const struct ocl_tunable vectors_values_tunables[] = {
    VALUES_TUNABLES(16, 32, 64, 128, 256), {0}};

/* A CPU's work-item processes whole rows. Neighbouring work-items of a GPU process
 * neighbouring vectors of a row; a chunk is summed by a work-item for each vector, or by
 * a work-group for some; partials are merged by a work-item for each vector, or by a
 * tree, a work-group for each channel. */
enum style { ROWS, VECTORS, VECTORS_TREE };

enum { WORK_GROUP_SIZE = 64, MAX_CHUNKS = 512 };

struct shape {
    int rows, channels;
};

static struct shape shape_of(const struct weft_problem *problem)
{
    const union weft_primitive_args *args = &problem->call.args;
    if (problem->call.primitive == WEFT_PRIMITIVE_fold_batch_norm)
        return (struct shape){args->fold_batch_norm.rows, args->fold_batch_norm.channels};
    return (struct shape){args->batch_norm_forward.rows,
                          args->batch_norm_forward.channels};
}

/* Vectors never exceed a row, so that all are aligned, except for odd numbers of
 * channels on CPUs. */
static int default_vector_width(const struct ocl_device *device, enum style style,
                                int channels)
{
    int width = 1, widest = style == ROWS ? device->vector_width : 4;
    while (width < widest && channels % (2 * width) == 0)
        width *= 2;
    return style == ROWS && channels > widest ? widest : width;
}

/* The largest power of two that is a valid work-group, at most WORK_GROUP_SIZE. */
static int tree_size(const struct ocl_device *device)
{
    int group = 1;
    while (group < WORK_GROUP_SIZE && 2 * (size_t)group <= device->max_work_group_size)
        group *= 2;
    return group;
}

static int blocks_of(const struct weft_problem *problem, const int *values)
{
    return (int)ocl_vector_count((size_t)shape_of(problem).channels,
                                 values[VECTOR_WIDTH]);
}

/* Chunks on a CPU: 16 KiB for each work-item that writes y or dx; chunks, which are read
 * twice, fit the first-level cache. A GPU needs many chunks. */
static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            enum style style, int *values)
{
    struct shape s = shape_of(problem);
    bool fold = problem->call.primitive == WEFT_PRIMITIVE_fold_batch_norm;
    if (style == ROWS && !device->is_cpu)
        return OCL_NOT_APPLICABLE;
    values[VECTOR_WIDTH] = default_vector_width(device, style, s.channels);
    values[WORK_GROUP] = style == ROWS           ? 1
                         : style == VECTORS_TREE ? tree_size(device)
                                                 : (int)ocl_default_work_group(device);
    values[ROWS_PER_ITEM] = style != ROWS ? 1 : fold ? 64 : 4096 / s.channels;
    if (values[ROWS_PER_ITEM] < 1)
        values[ROWS_PER_ITEM] = 1;
    int chunk = style == ROWS ? 6144 / s.channels : 16, least = s.rows / MAX_CHUNKS + 1;
    chunk = chunk < 8 ? 8 : chunk;
    values[CHUNK_ROWS] = chunk < least ? least : chunk;
    values[LAST] = style == VECTORS_TREE ? tree_size(device) : 1;
    if (style != ROWS)
        return OCL_APPLICABLE;
    values[LAST] = problem->call.primitive == WEFT_PRIMITIVE_batch_norm_backward ? 2 : 4;
    while (blocks_of(problem, values) % values[LAST])
        values[LAST] /= 2;
    return OCL_PREFERRED;
}

static bool has_partials(enum weft_primitive primitive)
{
    return primitive == WEFT_PRIMITIVE_batch_norm_forward ||
           primitive == WEFT_PRIMITIVE_batch_norm_backward;
}

static bool is_tree(const struct ocl_device *device, int items)
{
    return ocl_work_group_valid(device, items) && !(items & (items - 1));
}

/* Local memory of bn_stats_partials_tree: two vectors and a count for each work-item. */
static size_t local_bytes(const int *values)
{
    return (size_t)values[WORK_GROUP] * (2 * (size_t)values[VECTOR_WIDTH] + 1) *
           sizeof(float);
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, enum style style,
                            const int *values)
{
    struct shape s = shape_of(problem);
    int width = values[VECTOR_WIDTH];
    if (!ocl_vector_width_valid(device, width) ||
        (s.channels % width && (style != ROWS || s.channels < width)) ||
        !ocl_work_group_valid(device, values[WORK_GROUP]) || values[ROWS_PER_ITEM] < 1 ||
        values[ROWS_PER_ITEM] > 1 << 16)
        return false;
    if (!has_partials(problem->call.primitive))
        return true;
    if (values[CHUNK_ROWS] <= s.rows / MAX_CHUNKS || values[CHUNK_ROWS] > 1 << 16)
        return false;
    if (style == ROWS)
        return values[LAST] >= 1 && values[LAST] <= 4 &&
               blocks_of(problem, values) % values[LAST] == 0;
    return style == VECTORS ||
           (is_tree(device, values[LAST]) && is_tree(device, values[WORK_GROUP]) &&
            local_bytes(values) <= device->local_mem_bytes);
}

/* Work distribution over rows of channels. */
struct work_split {
    int vector_width; /* VW */
    int rows;         /* of a work-item */
    size_t across;    /* work-items that share a row */
    size_t local[3];
    struct ocl_options options;
};

static struct work_split split_rows(enum style style, int channels, int rows,
                                    const int *values)
{
    struct work_split split = {.vector_width = values[VECTOR_WIDTH],
                               .rows = rows,
                               .across = 1,
                               .local = {1, (size_t)values[WORK_GROUP], 1}};
    if (style != ROWS) {
        size_t most = (size_t)values[WORK_GROUP];
        split.across = ocl_vector_count((size_t)channels, split.vector_width);
        while (split.local[0] * 2 <= most && split.local[0] < split.across)
            split.local[0] *= 2;
        split.local[1] = most / split.local[0];
    }
    ocl_define(&split.options, "C", channels);
    ocl_define(&split.options, "VW", split.vector_width);
    ocl_define(&split.options, "ROWS", rows);
    return split;
}

static enum weft_status launch_rows(struct weft_command_list *list,
                                    const struct work_split *split, size_t rows,
                                    struct ocl_launch *launch)
{
    launch->source = "batch_norm.cl";
    launch->global[0] = split->across;
    launch->global[1] = ocl_vector_count(rows, split->rows);
    for (int i = 0; i < 3; i++)
        launch->local[i] = split->local[i];
    return ocl_launch(list, split->options.text, launch);
}

/* The launches that write y or dx. */
static struct work_split
split_values(enum style style, const struct weft_batch_norm_args *a, const int *values)
{
    struct work_split split =
        split_rows(style, a->channels, values[ROWS_PER_ITEM], values);
    ocl_define_activation(&split.options, a->activation);
    return split;
}

/* The launches that compute partial sums. */
static struct work_split
split_reduction(enum style style, const struct weft_batch_norm_args *a, const int *values)
{
    struct work_split split = split_rows(style, a->channels, values[CHUNK_ROWS], values);
    ocl_define(&split.options, "NV", style == ROWS ? values[LAST] : 1);
    ocl_define_activation(&split.options, a->activation);
    return split;
}

static struct ocl_arg alloc_partials(struct weft_command_list *list,
                                     const struct work_split *split,
                                     const struct weft_batch_norm_args *a)
{
    size_t pitch = ocl_vector_count((size_t)a->channels, split->vector_width) *
                   (size_t)split->vector_width;
    size_t chunks = ocl_vector_count((size_t)a->rows, split->rows);
    return (struct ocl_arg)OCL_WORKSPACE(
        ocl_workspace(list, chunks * (size_t)BATCH_NORM_PARTIAL(pitch) * sizeof(float)));
}

/* The launch that computes partials; by trees, each chunk has local[1] rows of
 * work-items. */
static enum weft_status launch_partials(struct weft_command_list *list,
                                        struct work_split *split, enum style style,
                                        int rows, const char *kernels[2],
                                        struct ocl_launch *launch)
{
    launch->kernel = kernels[style == VECTORS_TREE];
    if (style != VECTORS_TREE)
        return launch_rows(list, split, (size_t)rows, launch);
    ocl_define(&split->options, "ACROSS", (long)split->local[0]);
    ocl_define(&split->options, "DOWN", (long)split->local[1]);
    return launch_rows(list, split, (size_t)rows * split->local[1], launch);
}

/* The launch that merges partials. */
static enum weft_status launch_merge(struct weft_command_list *list,
                                     struct work_split *split, enum style style,
                                     const struct weft_batch_norm_args *a,
                                     const int *values, const char *kernels[2],
                                     struct ocl_launch *launch)
{
    bool tree = style == VECTORS_TREE;
    size_t group = tree ? (size_t)values[LAST] : 1;
    if (tree)
        ocl_define(&split->options, "WORK_GROUP_SIZE", (long)group);
    launch->source = "batch_norm.cl";
    launch->kernel = kernels[tree];
    launch->global[0] = tree ? group * (size_t)a->channels
                             : ocl_vector_count((size_t)a->channels, split->vector_width);
    launch->local[0] = group;
    return ocl_launch(list, split->options.text, launch);
}

static enum weft_status apply(struct weft_command_list *list, enum style style,
                              const struct weft_batch_norm_args *a, const int *values)
{
    struct work_split split = split_values(style, a, values);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    ocl_define_view_fp16(&split.options, "Y_HALF", a->y);
    return launch_rows(list, &split, (size_t)a->rows,
                       &(struct ocl_launch){
                           .kernel = "bn_apply",
                           .arg_count = 7,
                           .args = {OCL_VIEW(a->x), OCL_VIEW(a->mean), OCL_VIEW(a->scale),
                                    OCL_VIEW(a->bias), OCL_VIEW(a->y), OCL_INT(a->rows),
                                    OCL_ACT_PARAMS(a->activation)},
                       });
}

static enum weft_status record_inference(struct weft_command_list *list,
                                         const struct weft_problem *problem,
                                         enum style style, const int *values)
{
    return apply(list, style, &problem->call.args.batch_norm_inference, values);
}

static enum weft_status record_forward(struct weft_command_list *list,
                                       const struct weft_problem *problem,
                                       enum style style, const int *values)
{
    const struct weft_batch_norm_args *a = &problem->call.args.batch_norm_forward;
    struct work_split split = split_reduction(style, a, values);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    struct ocl_arg parts = alloc_partials(list, &split, a);
    WEFT_TRY(
        launch_partials(list, &split, style, a->rows,
                        (const char *[]){"bn_stats_partials", "bn_stats_partials_tree"},
                        &(struct ocl_launch){
                            .arg_count = 3,
                            .args = {OCL_VIEW(a->x), parts, OCL_INT(a->rows)},
                        }));
    WEFT_TRY(launch_merge(
        list, &split, style, a, values,
        (const char *[]){"bn_stats_merge_serial", "bn_stats_merge_tree"},
        &(struct ocl_launch){
            .arg_count = 10,
            .args = {parts, OCL_VIEW(a->weight), OCL_VIEW(a->running_mean),
                     OCL_VIEW(a->running_variance), OCL_VIEW(a->mean),
                     OCL_VIEW(a->inverse), OCL_VIEW(a->scale), OCL_INT(a->rows),
                     OCL_FLOAT(a->momentum), OCL_FLOAT(a->epsilon)},
        }));
    return apply(list, style, a, values);
}

static enum weft_status record_backward(struct weft_command_list *list,
                                        const struct weft_problem *problem,
                                        enum style style, const int *values)
{
    const struct weft_batch_norm_args *a = &problem->call.args.batch_norm_backward;
    struct work_split split = split_reduction(style, a, values);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    ocl_define_view_fp16(&split.options, "OTHER_HALF", a->dy);
    struct ocl_arg parts = alloc_partials(list, &split, a);
    WEFT_TRY(
        launch_partials(list, &split, style, a->rows,
                        (const char *[]){"bn_grad_partials", "bn_grad_partials_tree"},
                        &(struct ocl_launch){
                            .arg_count = 8,
                            .args = {OCL_VIEW(a->x), OCL_VIEW(a->dy), OCL_VIEW(a->mean),
                                     OCL_VIEW(a->scale), OCL_VIEW(a->bias), parts,
                                     OCL_INT(a->rows), OCL_ACT_PARAMS(a->activation)},
                        }));
    WEFT_TRY(launch_merge(list, &split, style, a, values,
                          (const char *[]){"bn_grad_merge_serial", "bn_grad_merge_tree"},
                          &(struct ocl_launch){
                              .arg_count = 5,
                              .args = {parts, OCL_VIEW(a->inverse), OCL_VIEW(a->dweight),
                                       OCL_VIEW(a->dbias), OCL_INT(a->rows)},
                          }));
    if (!a->dx.mem)
        return WEFT_OK;
    split = split_values(style, a, values);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    ocl_define_view_fp16(&split.options, "OTHER_HALF", a->dy);
    ocl_define_view_fp16(&split.options, "Y_HALF", a->dx);
    return launch_rows(
        list, &split, (size_t)a->rows,
        &(struct ocl_launch){
            .kernel = "bn_bwd_data",
            .arg_count = 11,
            .args = {OCL_VIEW(a->x), OCL_VIEW(a->dy), OCL_VIEW(a->mean),
                     OCL_VIEW(a->inverse), OCL_VIEW(a->scale), OCL_VIEW(a->bias),
                     OCL_VIEW(a->dweight), OCL_VIEW(a->dbias), OCL_VIEW(a->dx),
                     OCL_INT(a->rows), OCL_ACT_PARAMS(a->activation)},
        });
}

static enum weft_status record_fold(struct weft_command_list *list,
                                    const struct weft_problem *problem, enum style style,
                                    const int *values)
{
    const struct weft_fold_batch_norm_args *a = &problem->call.args.fold_batch_norm;
    struct work_split split =
        split_rows(style, a->channels, values[ROWS_PER_ITEM], values);
    ocl_define(&split.options, "FOLD_W", a->w.mem != NULL);
    ocl_define(&split.options, "FOLD_BIAS", a->bias.mem != NULL);
    ocl_define(&split.options, "FOLD_OUT_BIAS", a->out_bias.mem != NULL);
    ocl_define_view_fp16(&split.options, "Y_HALF", a->out_w);
    return launch_rows(
        list, &split, (size_t)a->rows,
        &(struct ocl_launch){
            .kernel = "bn_fold",
            .arg_count = 10,
            .args = {OCL_VIEW(a->w), OCL_VIEW(a->bias), OCL_VIEW(a->weight),
                     OCL_VIEW(a->shift), OCL_VIEW(a->mean), OCL_VIEW(a->variance),
                     OCL_VIEW(a->out_w), OCL_VIEW(a->out_bias), OCL_INT(a->rows),
                     OCL_FLOAT(a->epsilon)},
        });
}

#define DEFINE_PASS(style, name, pass)                                        \
    static enum weft_status name##_##pass(struct weft_command_list *list,     \
                                          const struct weft_problem *problem, \
                                          const int *values)                  \
    {                                                                         \
        return record_##pass(list, problem, style, values);                   \
    }
#define DEFINE_STYLE(style, name)                                            \
    static enum ocl_applicability name##_applicability(                      \
        const struct ocl_device *device, const struct weft_problem *problem, \
        int *values)                                                         \
    {                                                                        \
        return applicability(device, problem, style, values);                \
    }                                                                        \
    static bool name##_validate_config(const struct ocl_device *device,      \
                                       const struct weft_problem *problem,   \
                                       const int *values)                    \
    {                                                                        \
        return validate_config(device, problem, style, values);              \
    }                                                                        \
    DEFINE_PASS(style, name, forward)                                        \
    DEFINE_PASS(style, name, inference)                                      \
    DEFINE_PASS(style, name, backward)                                       \
    DEFINE_PASS(style, name, fold)
DEFINE_STYLE(ROWS, rows)
DEFINE_STYLE(VECTORS, vectors)
DEFINE_STYLE(VECTORS_TREE, tree)

#define ROW(label, tunables_, prefix, pass)                                            \
    {                                                                                  \
        .name = label, .tunables = tunables_, .applicability = prefix##_applicability, \
        .validate_config = prefix##_validate_config, .record = prefix##_##pass,        \
        .sources = {                                                                   \
            "batch_norm.cl"                                                            \
        }                                                                              \
    }
#define STYLE(label, prefix, partials_, values_)                         \
    {                                                                    \
        [BATCH_NORM_FORWARD] = ROW(label, partials_, prefix, forward),   \
        [BATCH_NORM_INFERENCE] = ROW(label, values_, prefix, inference), \
        [BATCH_NORM_BACKWARD] = ROW(label, partials_, prefix, backward), \
        [BATCH_NORM_FOLD] = ROW(label, values_, prefix, fold),           \
    }

const struct ocl_algorithm batch_norm_rows[BATCH_NORM_PASSES] =
    STYLE("rows", rows, rows_tunables, rows_values_tunables);
const struct ocl_algorithm batch_norm_vectors[BATCH_NORM_PASSES] =
    STYLE("vectors", vectors, vectors_tunables, vectors_values_tunables);
const struct ocl_algorithm batch_norm_vectors_tree[BATCH_NORM_PASSES] =
    STYLE("vectors-tree", tree, tree_tunables, vectors_values_tunables);
