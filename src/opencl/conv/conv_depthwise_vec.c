/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution, family `vec`: forward and the data gradient, limited by memory
 * alone. Kernel: cl/conv/conv_depthwise_vec.cl. */
#include "opencl/conv/vec.h"

/* The tunables, in the order of their table: TILE rows at once, tiles of rows and
 * vectors of channels of a work-item. */
enum { VECTOR_WIDTH, TILE, TILES, VECTORS };

enum { MOST_TILE = 8 }; /* more rows are more streams than processors follow */

/* y = x * w as the kernel sees it. */
struct depthwise_conv {
    int n, c, in_h, in_w, out_h, out_w;
    int stride_y, stride_x, upsample_y, upsample_x, pad_top, pad_left;
    bool rotated_180;
    struct weft_view x, bias, gate, y;
    struct weft_activation activation; /* of y, or what made `gate` */
};

static struct depthwise_conv forward_job(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct depthwise_conv){
        .n = c->n,
        .c = c->c,
        .in_h = c->h,
        .in_w = c->w,
        .out_h = c->out_h,
        .out_w = c->out_w,
        .stride_y = c->stride_y,
        .stride_x = c->stride_x,
        .upsample_y = 1,
        .upsample_x = 1,
        .pad_top = c->pad_top,
        .pad_left = c->pad_left,
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
    return (struct depthwise_conv){
        .n = c->n,
        .c = c->c,
        .in_h = c->out_h,
        .in_w = c->out_w,
        .out_h = c->h,
        .out_w = c->w,
        .stride_y = 1,
        .stride_x = 1,
        .upsample_y = c->stride_y,
        .upsample_x = c->stride_x,
        .pad_top = (c->r - 1) * c->dilation_y - c->pad_top,
        .pad_left = (c->s - 1) * c->dilation_x - c->pad_left,
        .rotated_180 = true,
        .x = args->dy,
        .gate = has_act_grad ? args->act_grad.output : (struct weft_view){0},
        .y = args->dx,
        .activation = args->act_grad.activation,
    };
}

/* Rows of x that a tile reads. */
static int span_of(const struct weft_conv *conv, const struct depthwise_conv *job,
                   int tile)
{
    return ((tile - 1) * job->stride_y + (conv->r - 1) * conv->dilation_y) /
               job->upsample_y +
           1;
}

/* The tile that costs least in loads, multiply-adds and stores. What its sums, rows and
 * weights take beyond the registers is stored and loaded again. */
static int tile_of(const struct weft_conv *conv, const struct depthwise_conv *job,
                   int registers)
{
    int best = 0, tile = job->upsample_y;
    for (int t = job->upsample_y; t <= MOST_TILE; t += job->upsample_y) {
        int span = span_of(conv, job, t), beyond = t + span + conv->r - registers;
        if (span > VEC_DEPTHWISE_MAX_ROWS)
            break;
        int column = span + conv->r + conv->r * t / job->upsample_y;
        int each = conv->s * (column + (beyond > 0 ? 2 * beyond : 0)) + 2 * t;
        int cost = div_up(job->out_h, t) * each;
        if (best && cost >= best)
            continue;
        best = cost;
        tile = t;
    }
    return tile;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_conv_args *args,
                                            const struct depthwise_conv *job, int *values)
{
    const struct weft_conv *conv = &args->conv;
    if (!vec_conv_shape_of(conv).depthwise || args->pool.r ||
        job->upsample_y > MOST_TILE ||
        span_of(conv, job, job->upsample_y) > VEC_DEPTHWISE_MAX_ROWS)
        return OCL_NOT_APPLICABLE;
    int width = vec_width(device, job->c);
    values[VECTOR_WIDTH] = width;
    values[TILE] = tile_of(conv, job, width >= 16 ? 30 : 14);
    int tiles = div_up(job->out_h, values[TILE]);
    int pieces = div_up(4 * (int)device->compute_units, job->n);
    values[TILES] = device->is_cpu ? div_up(tiles, pieces) : 1;
    values[VECTORS] = device->is_cpu ? div_up(job->c, width) : 1;
    return OCL_PREFERRED;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_conv_args *args,
                            const struct depthwise_conv *job, const int *values)
{
    return vec_width_valid(device, values[VECTOR_WIDTH]) && values[TILE] >= 1 &&
           values[TILE] <= MOST_TILE && values[TILE] % job->upsample_y == 0 &&
           span_of(&args->conv, job, values[TILE]) <= VEC_DEPTHWISE_MAX_ROWS &&
           values[TILES] >= 1 && values[TILES] <= 65536 && values[VECTORS] >= 1 &&
           values[VECTORS] <= 65536;
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_conv_args *args,
                               const struct depthwise_conv *job, const int *values)
{
    struct ocl_options options = {""};
    ocl_define(&options, "C", job->c);
    ocl_define(&options, "H", job->in_h);
    ocl_define(&options, "W", job->in_w);
    ocl_define(&options, "OUT_H", job->out_h);
    ocl_define(&options, "OUT_W", job->out_w);
    ocl_define(&options, "R", args->conv.r);
    ocl_define(&options, "S", args->conv.s);
    ocl_define(&options, "STRIDE_Y", job->stride_y);
    ocl_define(&options, "STRIDE_X", job->stride_x);
    ocl_define(&options, "UPSAMPLE_Y", job->upsample_y);
    ocl_define(&options, "UPSAMPLE_X", job->upsample_x);
    ocl_define(&options, "DILATION_Y", args->conv.dilation_y);
    ocl_define(&options, "DILATION_X", args->conv.dilation_x);
    ocl_define(&options, "PAD_TOP", job->pad_top);
    ocl_define(&options, "PAD_LEFT", job->pad_left);
    ocl_define(&options, "PAD_ROWS",
               job->pad_top < 0 ? -(-job->pad_top / job->upsample_y)
                                : div_up(job->pad_top, job->upsample_y));
    ocl_define(&options, "ROTATED_180", job->rotated_180);
    ocl_define(&options, "BIAS", job->bias.mem != NULL);
    ocl_define(&options, "ACT_GRAD", job->gate.mem != NULL);
    ocl_define(&options, "ACT", (long)job->activation.act);
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "TILES_PER_ITEM", values[TILES]);
    ocl_define(&options, "VECTORS_PER_ITEM", values[VECTORS]);
    ocl_define_view_fp16(&options, "X_HALF", job->x);
    ocl_define_view_fp16(&options, "W_HALF", args->w);
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", job->gate);
    ocl_define_view_fp16(&options, "Y_HALF", job->y);
    struct ocl_launch launch = {
        .source = "conv_depthwise_vec.cl",
        .kernel = "conv_depthwise",
        .global = {(size_t)div_up(job->c, values[VECTOR_WIDTH] * values[VECTORS]),
                   (size_t)div_up(job->out_h, values[TILE] * values[TILES]),
                   (size_t)job->n},
        .arg_count = 6,
        .args = {OCL_VIEW(job->x), OCL_VIEW(args->w), OCL_VIEW(job->bias),
                 OCL_VIEW(job->gate), OCL_VIEW(job->y),
                 OCL_FLOAT(job->activation.negative_slope)},
    };
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

#define DEFINE_PASS(direction)                                                           \
    static enum ocl_applicability direction##_applicability(                             \
        const struct ocl_device *device, const struct weft_conv_args *args, int *values) \
    {                                                                                    \
        struct depthwise_conv job = direction##_job(args);                               \
        return applicability(device, args, &job, values);                                \
    }                                                                                    \
    static bool direction##_validate_config(const struct ocl_device *device,             \
                                            const struct weft_conv_args *args,           \
                                            const int *values)                           \
    {                                                                                    \
        struct depthwise_conv job = direction##_job(args);                               \
        return validate_config(device, args, &job, values);                              \
    }                                                                                    \
    static enum weft_status direction##_record(struct weft_command_list *list,           \
                                               const struct weft_conv_args *args,        \
                                               const int *values)                        \
    {                                                                                    \
        struct depthwise_conv job = direction##_job(args);                               \
        return record(list, args, &job, values);                                         \
    }
DEFINE_PASS(forward)
DEFINE_PASS(data)

#define TUNABLES                                                                       \
    {                                                                                  \
        {"vector-width", 3, {4, 8, 16}}, {"tile", 8, {1, 2, 3, 4, 5, 6, 7, 8}},        \
            {"tiles-per-item", 4, {1, 2, 4, 8}}, {"vectors", 6, {1, 2, 4, 8, 16, 64}}, \
    }

const struct ocl_algorithm vec_depthwise_forward = {
    "depthwise", TUNABLES, forward_applicability, forward_validate_config,
    forward_record};
const struct ocl_algorithm vec_depthwise_bwd_data = {
    "depthwise", TUNABLES, data_applicability, data_validate_config, data_record};
