/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution, all families: forward and data gradient, both memory-bound.
 * Kernel: cl/conv/conv_depthwise.cl. */
#include "opencl/conv/vec.h"

/* Tunables, in the order of their table: TILE rows together; tiles of rows, vectors of
 * channels and columns of a work-item. */
enum { VECTOR_WIDTH, TILE, TILES, VECTORS, COLUMNS };

enum { MAX_TILE = 8 }; /* CPUs do not prefetch more streams */

/* y = x * w as the kernel computes it. */
struct depthwise_conv {
    struct weft_conv conv; /* of a data gradient: stride 1, of dy */
    int upsample_y, upsample_x;
    bool rotated_180;
    struct weft_view x, bias, act_grad, y;
    struct weft_activation activation; /* of y, or of `act_grad` */
};

static struct depthwise_conv forward_job(const struct weft_conv_args *args)
{
    return (struct depthwise_conv){
        .conv = args->conv,
        .upsample_y = 1,
        .upsample_x = 1,
        .x = args->x,
        .bias = args->bias,
        .y = args->y,
        .activation = args->activation,
    };
}

static struct depthwise_conv data_job(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    bool has_act_grad = args->act_grad.activation.act != WEFT_ACT_identity;
    struct weft_conv conv = *c;
    conv.h = c->out_h;
    conv.w = c->out_w;
    conv.out_h = c->h;
    conv.out_w = c->w;
    conv.stride_y = conv.stride_x = 1;
    conv.pad_top = (c->r - 1) * c->dilation_y - c->pad_top;
    conv.pad_left = (c->s - 1) * c->dilation_x - c->pad_left;
    return (struct depthwise_conv){
        .conv = conv,
        .upsample_y = c->stride_y,
        .upsample_x = c->stride_x,
        .rotated_180 = true,
        .x = args->dy,
        .act_grad = has_act_grad ? args->act_grad.output : (struct weft_view){0},
        .y = args->dx,
        .activation = args->act_grad.activation,
    };
}

/* Rows of x that a tile reads. */
static int source_rows_of(const struct depthwise_conv *job, int tile)
{
    const struct weft_conv *c = &job->conv;
    return ((tile - 1) * c->stride_y + (c->r - 1) * c->dilation_y) / job->upsample_y + 1;
}

/* The tile with the least cost in loads, multiply-adds and stores; accumulators, rows
 * and weights spilled the registers are spilled. */
static int tile_of(const struct depthwise_conv *job, int registers)
{
    const struct weft_conv *conv = &job->conv;
    int best = 0, tile = job->upsample_y;
    for (int t = job->upsample_y; t <= MAX_TILE; t += job->upsample_y) {
        int source_rows = source_rows_of(job, t),
            spilled = t + source_rows + conv->r - registers;
        if (source_rows > VEC_DEPTHWISE_MAX_ROWS)
            break;
        int column = source_rows + conv->r + conv->r * t / job->upsample_y;
        int each = conv->s * (column + (spilled > 0 ? 2 * spilled : 0)) + 2 * t;
        int cost = div_up(conv->out_h, t) * each;
        if (best && cost >= best)
            continue;
        best = cost;
        tile = t;
    }
    return tile;
}

/* Columns of a work-item of a GPU: several, so that the window's columns are read again
 * from the first-level cache, while there are work-items to fill the device. */
static int columns_of(const struct ocl_device *device, const struct weft_conv *conv,
                      int width, int tile)
{
    enum { ITEMS_PER_COMPUTE_UNIT = 2048, MOST = 4 };
    long rows = (long)conv->n * div_up(conv->out_h, tile) * div_up(conv->c, width);
    int columns = MOST;
    while (columns > 1 && rows * div_up(conv->out_w, columns) <
                              ITEMS_PER_COMPUTE_UNIT * (long)device->compute_units)
        columns /= 2;
    return columns;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_conv_args *args,
                                            const struct depthwise_conv *job, int *values)
{
    const struct weft_conv *conv = &job->conv;
    if (!vec_is_depthwise(conv) || args->pool.r || job->upsample_y > MAX_TILE ||
        source_rows_of(job, job->upsample_y) > VEC_DEPTHWISE_MAX_ROWS)
        return OCL_NOT_APPLICABLE;
    int width = vec_width(device, conv->c);
    values[VECTOR_WIDTH] = width;
    values[TILE] = tile_of(job, width >= 16 ? 30 : 14);
    int tiles = div_up(conv->out_h, values[TILE]);
    int items_per_image = div_up(4 * (int)device->compute_units, conv->n);
    values[TILES] = device->is_cpu ? div_up(tiles, items_per_image) : 1;
    values[VECTORS] = device->is_cpu ? div_up(conv->c, width) : 1;
    values[COLUMNS] =
        device->is_cpu ? conv->out_w : columns_of(device, conv, width, values[TILE]);
    return OCL_PREFERRED;
}

static bool validate_config(const struct ocl_device *device,
                            const struct depthwise_conv *job, const int *values)
{
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) && values[TILE] >= 1 &&
           values[TILE] <= MAX_TILE && values[TILE] % job->upsample_y == 0 &&
           source_rows_of(job, values[TILE]) <= VEC_DEPTHWISE_MAX_ROWS &&
           values[TILES] >= 1 && values[TILES] <= 65536 && values[VECTORS] >= 1 &&
           values[VECTORS] <= 65536 && values[COLUMNS] >= 1 && values[COLUMNS] <= 65536;
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_conv_args *args,
                               const struct depthwise_conv *job, const int *values)
{
    const struct weft_conv *conv = &job->conv;
    const int pad_top = conv->pad_top;
    struct ocl_options options = {""};
    ocl_define_conv(&options, conv);
    ocl_define(&options, "UPSAMPLE_Y", job->upsample_y);
    ocl_define(&options, "UPSAMPLE_X", job->upsample_x);
    ocl_define(&options, "PAD_ROWS",
               pad_top < 0 ? -(-pad_top / job->upsample_y)
                           : div_up(pad_top, job->upsample_y));
    ocl_define(&options, "ROTATED_180", job->rotated_180);
    ocl_define(&options, "BIAS", job->bias.mem != NULL);
    ocl_define(&options, "ACT_GRAD", job->act_grad.mem != NULL);
    ocl_define_activation(&options, job->activation);
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "TILES_PER_ITEM", values[TILES]);
    ocl_define(&options, "VECTORS_PER_ITEM", values[VECTORS]);
    ocl_define(&options, "COLUMNS_PER_ITEM", values[COLUMNS]);
    ocl_define_view_fp16(&options, "X_HALF", job->x);
    ocl_define_view_fp16(&options, "W_HALF", args->w);
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", job->act_grad);
    ocl_define_view_fp16(&options, "Y_HALF", job->y);
    struct ocl_launch launch = {
        .source = "conv_depthwise.cl",
        .kernel = "conv_depthwise",
        .global = {(size_t)div_up(conv->c, values[VECTOR_WIDTH] * values[VECTORS]) *
                       (size_t)div_up(conv->out_w, values[COLUMNS]),
                   (size_t)div_up(conv->out_h, values[TILE] * values[TILES]),
                   (size_t)conv->n},
        .arg_count = 6,
        .args = {OCL_VIEW(job->x), OCL_VIEW(args->w), OCL_VIEW(job->bias),
                 OCL_VIEW(job->act_grad), OCL_VIEW(job->y),
                 OCL_ACT_PARAMS(job->activation)},
    };
    if (!ocl_device_of(list)->is_cpu)
        launch.local[0] = ocl_default_work_group(ocl_device_of(list));
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

#define DEFINE_PASS(direction)                                                     \
    static enum ocl_applicability direction##_applicability(                       \
        const struct ocl_device *device, const struct weft_problem *problem,       \
        int *values)                                                               \
    {                                                                              \
        struct depthwise_conv job = direction##_job(ocl_conv_args(problem));       \
        return applicability(device, ocl_conv_args(problem), &job, values);        \
    }                                                                              \
    static bool direction##_validate_config(const struct ocl_device *device,       \
                                            const struct weft_problem *problem,    \
                                            const int *values)                     \
    {                                                                              \
        struct depthwise_conv job = direction##_job(ocl_conv_args(problem));       \
        return validate_config(device, &job, values);                              \
    }                                                                              \
    static enum weft_status direction##_record(struct weft_command_list *list,     \
                                               const struct weft_problem *problem, \
                                               const int *values)                  \
    {                                                                              \
        struct depthwise_conv job = direction##_job(ocl_conv_args(problem));       \
        return record(list, ocl_conv_args(problem), &job, values);                 \
    }
DEFINE_PASS(forward)
DEFINE_PASS(data)

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("tile", 1, 2, 3, 4, 5, 6, 7, 8),
    OCL_TUNABLE("tiles-per-item", 1, 2, 4, 8),
    OCL_TUNABLE("vectors", 1, 2, 4, 8, 16, 64),
    OCL_TUNABLE("columns", 1, 2, 3, 4, 8, 16, 64),
    {0},
};

const struct ocl_algorithm ocl_depthwise_forward = {
    .name = "depthwise",
    .tunables = tunables,
    .applicability = forward_applicability,
    .validate_config = forward_validate_config,
    .record = forward_record,
    .sources = {"conv_depthwise.cl"},
};
const struct ocl_algorithm ocl_depthwise_bwd_data = {
    .name = "depthwise",
    .tunables = tunables,
    .applicability = data_applicability,
    .validate_config = data_validate_config,
    .record = data_record,
    .sources = {"conv_depthwise.cl"},
};
