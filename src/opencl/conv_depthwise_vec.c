/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution, family `vec`: forward and the data gradient, limited by memory
 * alone. Kernel: cl/conv_depthwise_vec.cl. */
#include "vec.h"

/* The tunables, in the order of their table: TILE rows at once, tiles of rows and
 * vectors of channels of a work-item. */
enum { WIDTH, TILE, TILES, VECTORS };

enum { MOST_TILE = 8 }; /* more rows are more streams than processors follow */

/* y = x * w as the kernel sees it. */
struct job {
    int n, c, in_h, in_w, out_h, out_w;
    int stride_y, stride_x, spread_y, spread_x, pad_top, pad_left;
    bool turned;
    struct weft_view x, bias, gate, y;
    struct weft_activation activation; /* of y, or what made `gate` */
};

static struct job forward_job(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct job){
        .n = c->n,
        .c = c->c,
        .in_h = c->h,
        .in_w = c->w,
        .out_h = c->out_h,
        .out_w = c->out_w,
        .stride_y = c->stride_y,
        .stride_x = c->stride_x,
        .spread_y = 1,
        .spread_x = 1,
        .pad_top = c->pad_top,
        .pad_left = c->pad_left,
        .x = args->x,
        .bias = args->bias,
        .y = args->y,
        .activation = args->activation,
    };
}

static struct job data_job(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    bool gated = args->gate.activation.act != WEFT_ACT_identity;
    return (struct job){
        .n = c->n,
        .c = c->c,
        .in_h = c->out_h,
        .in_w = c->out_w,
        .out_h = c->h,
        .out_w = c->w,
        .stride_y = 1,
        .stride_x = 1,
        .spread_y = c->stride_y,
        .spread_x = c->stride_x,
        .pad_top = (c->r - 1) * c->dilation_y - c->pad_top,
        .pad_left = (c->s - 1) * c->dilation_x - c->pad_left,
        .turned = true,
        .x = args->dy,
        .gate = gated ? args->gate.output : (struct weft_view){0},
        .y = args->dx,
        .activation = args->gate.activation,
    };
}

/* Rows of x that a tile reads. */
static int span_of(const struct weft_conv *conv, const struct job *job, int tile)
{
    return ((tile - 1) * job->stride_y + (conv->r - 1) * conv->dilation_y) /
               job->spread_y +
           1;
}

/* The tile that costs least in loads, multiply-adds and stores. What its sums, rows and
 * weights take beyond the registers is stored and loaded again. */
static int tile_of(const struct weft_conv *conv, const struct job *job, int registers)
{
    int best = 0, tile = job->spread_y;
    for (int t = job->spread_y; t <= MOST_TILE; t += job->spread_y) {
        int span = span_of(conv, job, t), beyond = t + span + conv->r - registers;
        if (span > VEC_DEPTHWISE_SPAN)
            break;
        int column = span + conv->r + conv->r * t / job->spread_y;
        int each = conv->s * (column + (beyond > 0 ? 2 * beyond : 0)) + 2 * t;
        int cost = div_up(job->out_h, t) * each;
        if (best && cost >= best)
            continue;
        best = cost;
        tile = t;
    }
    return tile;
}

static enum ocl_fit fit(const struct ocl_device *device,
                        const struct weft_conv_args *args, const struct job *job,
                        int *values)
{
    const struct weft_conv *conv = &args->conv;
    if (!vec_shape_of(conv).depthwise || args->pool.r || job->spread_y > MOST_TILE ||
        span_of(conv, job, job->spread_y) > VEC_DEPTHWISE_SPAN)
        return OCL_FIT_NONE;
    int width = vec_width(device, job->c);
    values[WIDTH] = width;
    values[TILE] = tile_of(conv, job, width >= 16 ? 30 : 14);
    int tiles = div_up(job->out_h, values[TILE]);
    int pieces = div_up(4 * (int)device->units, job->n);
    values[TILES] = device->is_cpu ? div_up(tiles, pieces) : 1;
    values[VECTORS] = device->is_cpu ? div_up(job->c, width) : 1;
    return OCL_FIT_PREFERRED;
}

static bool allows(const struct ocl_device *device, const struct weft_conv_args *args,
                   const struct job *job, const int *values)
{
    return vec_width_allowed(device, values[WIDTH]) && values[TILE] >= 1 &&
           values[TILE] <= MOST_TILE && values[TILE] % job->spread_y == 0 &&
           span_of(&args->conv, job, values[TILE]) <= VEC_DEPTHWISE_SPAN &&
           values[TILES] >= 1 && values[TILES] <= 65536 && values[VECTORS] >= 1 &&
           values[VECTORS] <= 65536;
}

static enum weft_status record(struct weft_list *list, const struct weft_conv_args *args,
                               const struct job *job, const int *values)
{
    struct ocl_options options = {""};
    ocl_define(&options, "C", job->c);
    ocl_define(&options, "IN_H", job->in_h);
    ocl_define(&options, "IN_W", job->in_w);
    ocl_define(&options, "OUT_H", job->out_h);
    ocl_define(&options, "OUT_W", job->out_w);
    ocl_define(&options, "R", args->conv.r);
    ocl_define(&options, "S", args->conv.s);
    ocl_define(&options, "STRIDE_Y", job->stride_y);
    ocl_define(&options, "STRIDE_X", job->stride_x);
    ocl_define(&options, "SPREAD_Y", job->spread_y);
    ocl_define(&options, "SPREAD_X", job->spread_x);
    ocl_define(&options, "DILATION_Y", args->conv.dilation_y);
    ocl_define(&options, "DILATION_X", args->conv.dilation_x);
    ocl_define(&options, "PAD_TOP", job->pad_top);
    ocl_define(&options, "PAD_LEFT", job->pad_left);
    ocl_define(&options, "BEFORE",
               job->pad_top < 0 ? -(-job->pad_top / job->spread_y)
                                : div_up(job->pad_top, job->spread_y));
    ocl_define(&options, "TURNED", job->turned);
    ocl_define(&options, "BIAS", job->bias.mem != NULL);
    ocl_define(&options, "GATE", job->gate.mem != NULL);
    ocl_define(&options, "ACT", (long)job->activation.act);
    ocl_define(&options, "VW", values[WIDTH]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "TILES", values[TILES]);
    ocl_define(&options, "VECTORS", values[VECTORS]);
    ocl_define_type(&options, "X_HALF", job->x);
    ocl_define_type(&options, "W_HALF", args->w);
    ocl_define_type(&options, "GATE_HALF", job->gate);
    ocl_define_type(&options, "Y_HALF", job->y);
    struct ocl_launch launch = {
        .source = "conv_depthwise_vec.cl",
        .kernel = "conv_depthwise",
        .global = {(size_t)div_up(job->c, values[WIDTH] * values[VECTORS]),
                   (size_t)div_up(job->out_h, values[TILE] * values[TILES]),
                   (size_t)job->n},
        .arg_count = 6,
        .args = {OCL_VIEW(job->x), OCL_VIEW(args->w), OCL_VIEW(job->bias),
                 OCL_VIEW(job->gate), OCL_VIEW(job->y), OCL_FLOAT(job->activation.slope)},
    };
    vec_local(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

#define SLOT(direction)                                                                  \
    static enum ocl_fit direction##_fit(const struct ocl_device *device,                 \
                                        const struct weft_conv_args *args, int *values)  \
    {                                                                                    \
        struct job job = direction##_job(args);                                          \
        return fit(device, args, &job, values);                                          \
    }                                                                                    \
    static bool direction##_allows(const struct ocl_device *device,                      \
                                   const struct weft_conv_args *args, const int *values) \
    {                                                                                    \
        struct job job = direction##_job(args);                                          \
        return allows(device, args, &job, values);                                       \
    }                                                                                    \
    static enum weft_status direction##_record(                                          \
        struct weft_list *list, const struct weft_conv_args *args, const int *values)    \
    {                                                                                    \
        struct job job = direction##_job(args);                                          \
        return record(list, args, &job, values);                                         \
    }
SLOT(forward)
SLOT(data)

#define TUNABLES                                                              \
    {                                                                         \
        {"width", 3, {4, 8, 16}}, {"tile", 8, {1, 2, 3, 4, 5, 6, 7, 8}},      \
            {"tiles", 4, {1, 2, 4, 8}}, {"vectors", 6, {1, 2, 4, 8, 16, 64}}, \
    }

const struct ocl_algorithm vec_depthwise_forward = {"depthwise", TUNABLES, forward_fit,
                                                    forward_allows, forward_record};
const struct ocl_algorithm vec_depthwise_data = {"depthwise", TUNABLES, data_fit,
                                                 data_allows, data_record};
