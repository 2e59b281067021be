/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization, all families: cl/ops/batch_norm.cl. Three launches for each pass:
 * partial sums over chunks of rows, their merge, and the rows again. */
#include "opencl/runtime/runtime.h"
#include "shared/workspace_layout.h"

/* Work distribution over rows of channels. */
struct work_split {
    int vector_width; /* VW */
    int rows;         /* of a work-item */
    size_t across;    /* work-items that share a row */
    size_t local[3];
    struct ocl_options options;
};

enum { WORK_GROUP_SIZE = 64, MAX_CHUNKS = 512 };

static bool is_row_major_cpu(const struct weft_command_list *list)
{
    return ocl_device_of(list)->is_cpu && list->device->family == WEFT_FAMILY_VEC;
}

/* Vectors never exceed a row, so that all are aligned, except for odd numbers of
 * channels on CPUs. A CPU's work-item processes whole rows; on a GPU neighbouring
 * work-items process neighbouring vectors of a row. */
static struct work_split split_rows(const struct weft_command_list *list, int channels,
                                    long rows)
{
    const struct ocl_device *device = ocl_device_of(list);
    struct work_split split = {.vector_width = 1, .across = 1, .local = {1, 1, 1}};
    int widest = is_row_major_cpu(list) ? device->vector_width : 4;
    while (split.vector_width < widest && channels % (2 * split.vector_width) == 0)
        split.vector_width *= 2;
    if (is_row_major_cpu(list) && channels > widest)
        split.vector_width = widest;
    split.rows = (int)rows;
    if (!is_row_major_cpu(list)) {
        size_t most = device->max_work_group_size < WORK_GROUP_SIZE
                          ? device->max_work_group_size
                          : WORK_GROUP_SIZE;
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

/* The launches that write y or dx: 16 KiB for each work-item of a CPU. */
static struct work_split split_values(const struct weft_command_list *list,
                                      const struct weft_batch_norm_args *a)
{
    long rows = is_row_major_cpu(list) ? 4096 / a->channels : 1;
    struct work_split split = split_rows(list, a->channels, rows < 1 ? 1 : rows);
    ocl_define(&split.options, "ACT", a->activation.act);
    return split;
}

/* The launches that compute partial sums. On a CPU a chunk is read twice and fits the
 * first-level cache; a GPU needs many chunks. `vectors`: of channels, summed together by
 * a work-item of a CPU. */
static struct work_split split_reduction(const struct weft_command_list *list,
                                         const struct weft_batch_norm_args *a,
                                         int vectors)
{
    long rows = is_row_major_cpu(list) ? 6144 / a->channels : 16,
         least = a->rows / MAX_CHUNKS + 1;
    rows = rows < 8 ? 8 : rows;
    struct work_split split = split_rows(list, a->channels, rows < least ? least : rows);
    int blocks = (int)ocl_vector_count((size_t)a->channels, split.vector_width);
    while (blocks % vectors || !is_row_major_cpu(list))
        if (vectors == 1)
            break;
        else
            vectors /= 2;
    ocl_define(&split.options, "NV", vectors);
    ocl_define(&split.options, "ACT", a->activation.act);
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

/* The launch that merges partials: a work-item for each vector, or a work-group for each
 * channel. */
static enum weft_status launch_merge(struct weft_command_list *list,
                                     struct work_split *split,
                                     const struct weft_batch_norm_args *a,
                                     const char *serial, const char *tree,
                                     struct ocl_launch *launch)
{
    size_t group = 1, most = ocl_device_of(list)->max_work_group_size;
    bool tree_merge = list->device->family != WEFT_FAMILY_VEC;
    while (tree_merge && group < WORK_GROUP_SIZE && 2 * group <= most)
        group *= 2;
    if (tree_merge)
        ocl_define(&split->options, "WORK_GROUP_SIZE", (long)group);
    launch->source = "batch_norm.cl";
    launch->kernel = tree_merge ? tree : serial;
    launch->global[0] = tree_merge
                            ? group * (size_t)a->channels
                            : ocl_vector_count((size_t)a->channels, split->vector_width);
    launch->local[0] = group;
    return ocl_launch(list, split->options.text, launch);
}

static enum weft_status apply(struct weft_command_list *list,
                              const struct weft_batch_norm_args *a)
{
    struct work_split split = split_values(list, a);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    ocl_define_view_fp16(&split.options, "Y_HALF", a->y);
    return launch_rows(list, &split, (size_t)a->rows,
                       &(struct ocl_launch){
                           .kernel = "bn_apply",
                           .arg_count = 7,
                           .args = {OCL_VIEW(a->x), OCL_VIEW(a->mean), OCL_VIEW(a->scale),
                                    OCL_VIEW(a->bias), OCL_VIEW(a->y), OCL_INT(a->rows),
                                    OCL_FLOAT(a->activation.negative_slope)},
                       });
}

enum weft_status ocl_batch_norm_inference(struct weft_command_list *list,
                                          const struct weft_batch_norm_args *args)
{
    ocl_begin_primitive(list);
    return apply(list, args);
}

enum weft_status ocl_batch_norm_forward(struct weft_command_list *list,
                                        const struct weft_batch_norm_args *args)
{
    const struct weft_batch_norm_args *a = args;
    ocl_begin_primitive(list);
    struct work_split split = split_reduction(list, a, 4);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    struct ocl_arg parts = alloc_partials(list, &split, a);
    WEFT_TRY(launch_rows(list, &split, (size_t)a->rows,
                         &(struct ocl_launch){
                             .kernel = "bn_stats_partials",
                             .arg_count = 3,
                             .args = {OCL_VIEW(a->x), parts, OCL_INT(a->rows)},
                         }));
    WEFT_TRY(launch_merge(
        list, &split, a, "bn_stats_merge_serial", "bn_stats_merge_tree",
        &(struct ocl_launch){
            .arg_count = 10,
            .args = {parts, OCL_VIEW(a->weight), OCL_VIEW(a->running_mean),
                     OCL_VIEW(a->running_variance), OCL_VIEW(a->mean),
                     OCL_VIEW(a->inverse), OCL_VIEW(a->scale), OCL_INT(a->rows),
                     OCL_FLOAT(a->momentum), OCL_FLOAT(a->epsilon)},
        }));
    return apply(list, a);
}

enum weft_status ocl_batch_norm_backward(struct weft_command_list *list,
                                         const struct weft_batch_norm_args *args)
{
    const struct weft_batch_norm_args *a = args;
    ocl_begin_primitive(list);
    struct work_split split = split_reduction(list, a, 2);
    ocl_define_view_fp16(&split.options, "X_HALF", a->x);
    ocl_define_view_fp16(&split.options, "OTHER_HALF", a->dy);
    struct ocl_arg parts = alloc_partials(list, &split, a);
    WEFT_TRY(launch_rows(
        list, &split, (size_t)a->rows,
        &(struct ocl_launch){
            .kernel = "bn_grad_partials",
            .arg_count = 8,
            .args = {OCL_VIEW(a->x), OCL_VIEW(a->dy), OCL_VIEW(a->mean),
                     OCL_VIEW(a->scale), OCL_VIEW(a->bias), parts, OCL_INT(a->rows),
                     OCL_FLOAT(a->activation.negative_slope)},
        }));
    WEFT_TRY(launch_merge(list, &split, a, "bn_grad_merge_serial", "bn_grad_merge_tree",
                          &(struct ocl_launch){
                              .arg_count = 5,
                              .args = {parts, OCL_VIEW(a->inverse), OCL_VIEW(a->dweight),
                                       OCL_VIEW(a->dbias), OCL_INT(a->rows)},
                          }));
    if (!a->dx.mem)
        return WEFT_OK;
    struct work_split values = split_values(list, a);
    ocl_define_view_fp16(&values.options, "X_HALF", a->x);
    ocl_define_view_fp16(&values.options, "OTHER_HALF", a->dy);
    ocl_define_view_fp16(&values.options, "Y_HALF", a->dx);
    return launch_rows(
        list, &values, (size_t)a->rows,
        &(struct ocl_launch){
            .kernel = "bn_bwd_data",
            .arg_count = 11,
            .args = {OCL_VIEW(a->x), OCL_VIEW(a->dy), OCL_VIEW(a->mean),
                     OCL_VIEW(a->inverse), OCL_VIEW(a->scale), OCL_VIEW(a->bias),
                     OCL_VIEW(a->dweight), OCL_VIEW(a->dbias), OCL_VIEW(a->dx),
                     OCL_INT(a->rows), OCL_FLOAT(a->activation.negative_slope)},
        });
}

enum weft_status ocl_fold_batch_norm(struct weft_command_list *list,
                                     const struct weft_fold_batch_norm_args *args)
{
    const struct weft_fold_batch_norm_args *a = args;
    struct work_split split =
        split_rows(list, a->channels, is_row_major_cpu(list) ? 64 : 1);
    ocl_begin_primitive(list);
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
