/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling, all families: cl/primitives/pool.cl, one launch for each pass. */
#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"
#include "opencl/select/dispatch.h"

enum { VECTOR_WIDTH, WORK_GROUP };

static const struct ocl_tunable rows_tunables[] = {
    OCL_TUNABLE("vector-width", 1, 2, 4, 8, 16),
    OCL_TUNABLE("work-group", 1, 2, 4),
    {0},
};
static const struct ocl_tunable pixels_tunables[] = {
    OCL_TUNABLE("vector-width", 1, 2, 4, 8, 16),
    OCL_TUNABLE("work-group", 16, 32, 64, 128, 256),
    {0},
};

/* Vectors never exceed a pixel's channels, so that all are aligned, except for odd
 * numbers of channels on CPUs. */
static int default_vector_width(int channels, int widest)
{
    int width = 1;
    while (width < widest && channels % (2 * width) == 0)
        width *= 2;
    return width;
}

/* CPUs: rows of wide vectors, one work-item in a work-group. */
static enum ocl_applicability rows_applicability(const struct ocl_device *device,
                                                 const struct weft_problem *problem,
                                                 int *values)
{
    int channels = problem->call.args.pool_forward.pool.c, widest = device->vector_width;
    if (!device->is_cpu)
        return OCL_NOT_APPLICABLE;
    values[VECTOR_WIDTH] =
        channels > widest ? widest : default_vector_width(channels, widest);
    values[WORK_GROUP] = 1;
    return OCL_PREFERRED;
}

/* GPUs: one short vector for each work-item. */
static enum ocl_applicability pixels_applicability(const struct ocl_device *device,
                                                   const struct weft_problem *problem,
                                                   int *values)
{
    values[VECTOR_WIDTH] =
        default_vector_width(problem->call.args.pool_forward.pool.c, 4);
    values[WORK_GROUP] = (int)ocl_default_work_group(device);
    return OCL_APPLICABLE;
}

static bool pixels_validate_config(const struct ocl_device *device,
                                   const struct weft_problem *problem, const int *values)
{
    int width = values[VECTOR_WIDTH];
    return ocl_vector_width_valid(device, width) &&
           problem->call.args.pool_forward.pool.c % width == 0 &&
           ocl_work_group_valid(device, values[WORK_GROUP]);
}

static bool rows_validate_config(const struct ocl_device *device,
                                 const struct weft_problem *problem, const int *values)
{
    int width = values[VECTOR_WIDTH], channels = problem->call.args.pool_forward.pool.c;
    return ocl_vector_width_valid(device, width) &&
           (channels % width == 0 || channels > width) &&
           ocl_work_group_valid(device, values[WORK_GROUP]);
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

/* The arguments of a launch; x and y, or dy and dx, may be in the workspace. */
struct pool_launch {
    const struct weft_pool *pool;
    bool forward, rows;
    struct ocl_arg from, to;
    struct weft_view argmax;
};

static enum weft_status launch(struct weft_command_list *list,
                               const struct pool_launch *l, const int *values)
{
    const struct weft_pool *pool = l->pool;
    bool forward = l->forward;
    struct ocl_arg from = l->from, to = l->to;
    struct weft_view argmax = l->argmax;
    size_t lines = (size_t)pool->n * (size_t)(forward ? pool->out_h : pool->h);
    size_t width = (size_t)(forward ? pool->out_w : pool->w);
    size_t vectors = ocl_vector_count((size_t)pool->c, values[VECTOR_WIDTH]);
    size_t items = l->rows ? lines : lines * width * vectors;
    struct ocl_options options = {""};
    ocl_define(&options, "H", pool->h);
    ocl_define(&options, "W", pool->w);
    ocl_define(&options, "C", pool->c);
    ocl_define_pool(&options, pool);
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "ROWS", l->rows);
    ocl_define(&options, "ARGMAX", argmax.mem != NULL);
    ocl_define_arg_fp16(&options, "X_HALF", &from);
    ocl_define_arg_fp16(&options, "Y_HALF", &to);

    struct ocl_launch launch = {
        .source = "pool.cl",
        .kernel = forward ? kinds[pool->kind].forward : kinds[pool->kind].backward,
        .global = {items},
        .local = {(size_t)values[WORK_GROUP]},
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

/* A launch inside another algorithm, by the default config. */
static enum weft_status launch_default(struct weft_command_list *list,
                                       const struct weft_pool *pool,
                                       enum weft_primitive primitive, struct ocl_arg from,
                                       struct ocl_arg to, struct weft_view argmax)
{
    const struct weft_problem problem = {
        .family = list->device->family,
        .call = {.primitive = primitive, .args.pool_forward.pool = *pool}};
    struct ocl_kernel_config config =
        ocl_select_default_config(ocl_device_of(list), &problem);
    const struct pool_launch l = {
        .pool = pool,
        .forward = primitive == WEFT_PRIMITIVE_pool_forward,
        .rows = config.algorithm->applicability == rows_applicability,
        .from = from,
        .to = to,
        .argmax = argmax,
    };
    return launch(list, &l, config.values);
}

enum weft_status ocl_pool_max(struct weft_command_list *list,
                              const struct weft_pool *pool, struct ocl_arg x,
                              struct ocl_arg y, struct weft_view argmax)
{
    return launch_default(list, pool, WEFT_PRIMITIVE_pool_forward, x, y, argmax);
}

enum weft_status ocl_pool_scatter(struct weft_command_list *list,
                                  const struct weft_pool *pool, struct ocl_arg dy,
                                  struct weft_view argmax, struct ocl_arg dx)
{
    return launch_default(list, pool, WEFT_PRIMITIVE_pool_backward, dy, dx, argmax);
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_problem *problem, bool rows,
                               const int *values)
{
    const struct weft_pool_args *args = &problem->call.args.pool_forward;
    bool forward = problem->call.primitive == WEFT_PRIMITIVE_pool_forward;
    const struct pool_launch l = {
        .pool = &args->pool,
        .forward = forward,
        .rows = rows,
        .from = OCL_VIEW(forward ? args->x : args->dy),
        .to = OCL_VIEW(forward ? args->y : args->dx),
        .argmax = args->argmax,
    };
    return launch(list, &l, values);
}

static enum weft_status record_rows(struct weft_command_list *list,
                                    const struct weft_problem *problem, const int *values)
{
    return record(list, problem, true, values);
}

static enum weft_status record_pixels(struct weft_command_list *list,
                                      const struct weft_problem *problem,
                                      const int *values)
{
    return record(list, problem, false, values);
}

const struct ocl_algorithm pool_rows = {
    .name = "rows",
    .tunables = rows_tunables,
    .applicability = rows_applicability,
    .validate_config = rows_validate_config,
    .record = record_rows,
    .sources = {"pool.cl"},
};
const struct ocl_algorithm pool_pixels = {
    .name = "pixels",
    .tunables = pixels_tunables,
    .applicability = pixels_applicability,
    .validate_config = pixels_validate_config,
    .record = record_pixels,
    .sources = {"pool.cl"},
};
