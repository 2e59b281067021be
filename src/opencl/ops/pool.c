/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling, all families: cl/ops/pool.cl, one launch for each pass. */
#include "opencl/runtime/ocl.h"

/* Work distribution. */
struct work_split {
    int vector_width; /* channels */
    bool rows;        /* a row for each work-item, else a vector of one pixel */
    size_t local;
};

/* CPUs: rows of wide vectors, one work-item in a work-group. GPUs: one short vector for
 * each work-item. Vectors never exceed a pixel's channels, so that all are aligned,
 * except for odd numbers of channels on CPUs. */
static struct work_split split_pixels(const struct weft_command_list *list, int channels)
{
    const struct ocl_device *device = ocl_device_of(list);
    bool rows = device->is_cpu && list->device->family == WEFT_FAMILY_VEC;
    struct work_split split = {.vector_width = 1, .rows = rows, .local = 1};
    int widest = rows ? device->vector_width : 4;
    while (split.vector_width < widest && channels % (2 * split.vector_width) == 0)
        split.vector_width *= 2;
    if (!rows)
        split.local = device->max_work_group_size < 64 ? device->max_work_group_size : 64;
    else if (channels > widest)
        split.vector_width = widest;
    return split;
}

/* Kernels by kind. argmax is the second view of a kernel that reads it, the third of one
 * that writes it. */
static const struct {
    const char *forward, *backward;
    bool argmax;
} kinds[] = {
    [WEFT_POOL_MAX] = {"max_forward", "max_backward", true},
    [WEFT_POOL_MEAN] = {"avg_forward", "avg_backward", false},
};

static struct ocl_options options_of(const struct weft_pool *pool,
                                     const struct work_split *split)
{
    struct ocl_options options = {""};
    ocl_define(&options, "H", pool->h);
    ocl_define(&options, "W", pool->w);
    ocl_define(&options, "C", pool->c);
    ocl_define_pool(&options, pool);
    ocl_define(&options, "VW", split->vector_width);
    ocl_define(&options, "ROWS", split->rows);
    return options;
}

static enum weft_status launch(struct weft_command_list *list,
                               const struct weft_pool *pool, bool forward,
                               struct ocl_arg from, struct ocl_arg to,
                               struct weft_view argmax)
{
    size_t lines = (size_t)pool->n * (size_t)(forward ? pool->out_h : pool->h);
    size_t width = (size_t)(forward ? pool->out_w : pool->w);
    struct work_split split = split_pixels(list, pool->c);
    size_t vectors = (size_t)((pool->c + split.vector_width - 1) / split.vector_width);
    size_t items = split.rows ? lines : lines * width * vectors;
    struct ocl_options options = options_of(pool, &split);
    ocl_define(&options, "ARGMAX", argmax.mem != NULL);
    ocl_define_arg_fp16(&options, "X_HALF", &from);
    ocl_define_arg_fp16(&options, "Y_HALF", &to);

    struct ocl_launch launch = {
        .source = "pool.cl",
        .kernel = forward ? kinds[pool->kind].forward : kinds[pool->kind].backward,
        .global = {items},
        .local = {split.local},
        .args = {from},
    };
    int n = 1;
    if (kinds[pool->kind].argmax && !forward)
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(argmax);
    launch.args[n++] = to;
    if (kinds[pool->kind].argmax && forward)
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(argmax);
    launch.args[n++] = (struct ocl_arg)OCL_INT(items);
    launch.arg_count = n;
    return ocl_launch(list, options.text, &launch);
}

enum weft_status ocl_pool_max(struct weft_command_list *list,
                              const struct weft_pool *pool, struct ocl_arg x,
                              struct ocl_arg y, struct weft_view argmax)
{
    return launch(list, pool, true, x, y, argmax);
}

enum weft_status ocl_pool_scatter(struct weft_command_list *list,
                                  const struct weft_pool *pool, struct ocl_arg dy,
                                  struct weft_view argmax, struct ocl_arg dx)
{
    return launch(list, pool, false, dy, dx, argmax);
}

enum weft_status ocl_pool_forward(struct weft_command_list *list,
                                  const struct weft_pool_args *args)
{
    ocl_begin_primitive(list);
    return ocl_pool_max(list, &args->pool, (struct ocl_arg)OCL_VIEW(args->x),
                        (struct ocl_arg)OCL_VIEW(args->y), args->argmax);
}

enum weft_status ocl_pool_backward(struct weft_command_list *list,
                                   const struct weft_pool_args *args)
{
    ocl_begin_primitive(list);
    return ocl_pool_scatter(list, &args->pool, (struct ocl_arg)OCL_VIEW(args->dy),
                            args->argmax, (struct ocl_arg)OCL_VIEW(args->dx));
}
