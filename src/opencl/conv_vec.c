/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, family `vec`: forward and the data gradient, which is a convolution of the
 * gradient with turned weights. Kernels: cl/conv_vec.cl, cl/conv_prepare_vec.cl. */
#include "vec.h"

struct vec_shape vec_shape_of(const struct weft_conv *conv)
{
    struct vec_shape shape = {
        .n = conv->n,
        .in = conv->c,
        .out = conv->k,
        .groups = conv->groups,
        .r = conv->r,
        .s = conv->s,
        .stride_y = conv->stride_y,
        .stride_x = conv->stride_x,
        .dilation_y = conv->dilation_y,
        .dilation_x = conv->dilation_x,
        .in_h = conv->h,
        .in_w = conv->w,
        .out_h = conv->out_h,
        .out_w = conv->out_w,
    };
    return vec_shape_grouped(shape);
}

struct vec_shape vec_shape_grouped(struct vec_shape shape)
{
    shape.depthwise =
        shape.groups > 1 && shape.groups == shape.in && shape.in == shape.out;
    shape.group_in = shape.in / shape.groups;
    shape.group_out = shape.depthwise ? shape.out : shape.out / shape.groups;
    shape.blocks_of = shape.depthwise ? 1 : shape.groups;
    return shape;
}

bool vec_pool_touches(const struct weft_pool *pool)
{
    return pool->r > 0 && pool->stride_y == pool->r && pool->stride_x == pool->s &&
           !pool->pad_top && !pool->pad_left && pool->out_h * pool->r <= pool->h &&
           pool->out_w * pool->s <= pool->w;
}

void vec_define_shape(struct ocl_options *options, const struct vec_shape *shape)
{
    ocl_define(options, "IN", shape->in);
    ocl_define(options, "OUT", shape->out);
    ocl_define(options, "GROUP_IN", shape->group_in);
    ocl_define(options, "GROUP_OUT", shape->group_out);
    ocl_define(options, "DEPTHWISE", shape->depthwise);
    ocl_define(options, "IN_H", shape->in_h);
    ocl_define(options, "IN_W", shape->in_w);
    ocl_define(options, "OUT_H", shape->out_h);
    ocl_define(options, "OUT_W", shape->out_w);
    ocl_define(options, "R", shape->r);
    ocl_define(options, "S", shape->s);
    ocl_define(options, "STRIDE_Y", shape->stride_y);
    ocl_define(options, "STRIDE_X", shape->stride_x);
    ocl_define(options, "DILATION_Y", shape->dilation_y);
    ocl_define(options, "DILATION_X", shape->dilation_x);
}

void vec_define_pool(struct ocl_options *options, const struct weft_pool *pool)
{
    if (!pool->r)
        return;
    ocl_define(options, "POOL_R", pool->r);
    ocl_define(options, "POOL_S", pool->s);
    ocl_define(options, "POOL_STRIDE_Y", pool->stride_y);
    ocl_define(options, "POOL_STRIDE_X", pool->stride_x);
    ocl_define(options, "POOL_TOP", pool->pad_top);
    ocl_define(options, "POOL_LEFT", pool->pad_left);
    ocl_define(options, "POOL_H", pool->out_h);
    ocl_define(options, "POOL_W", pool->out_w);
}

int vec_width(const struct ocl_device *device, int channels)
{
    int width = 1;
    while (width < device->vector && width < channels)
        width *= 2;
    return width;
}

bool vec_width_allowed(const struct ocl_device *device, int width)
{
    return width >= 1 && width <= 16 && width <= 2 * device->vector &&
           !(width & (width - 1));
}

enum weft_status vec_pad(struct weft_list *list, const struct weft_conv *conv,
                         struct vec_shape *shape, struct ocl_arg *x)
{
    int h = (conv->out_h - 1) * conv->stride_y + (conv->r - 1) * conv->dilation_y + 1;
    int w = (conv->out_w - 1) * conv->stride_x + (conv->s - 1) * conv->dilation_x + 1;
    bool widened = ocl_arg_is_half(x) && ocl_of(list)->is_cpu;
    if (!conv->pad_top && !conv->pad_left && h <= conv->h && w <= conv->w && !widened)
        return WEFT_OK;
    shape->in_h = h;
    shape->in_w = w;
    struct ocl_options options = {""};
    ocl_define(&options, "CHANNELS", conv->c);
    ocl_define(&options, "HEIGHT", conv->h);
    ocl_define(&options, "WIDTH", conv->w);
    ocl_define(&options, "PAD_H", h);
    ocl_define(&options, "PAD_W", w);
    ocl_define(&options, "TOP", conv->pad_top);
    ocl_define(&options, "LEFT", conv->pad_left);
    ocl_define_arg(&options, "X_HALF", x);
    if (ocl_arg_is_half(x))
        ocl_define(&options, "VW", ocl_of(list)->vector);
    struct ocl_arg padded = OCL_SCRATCH(ocl_scratch(
        list, sizeof(float) * (size_t)conv->n * (size_t)h * (size_t)w * (size_t)conv->c));
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "pad",
        .global = {(size_t)h, (size_t)conv->n},
        .arg_count = 2,
        .args = {*x, padded},
    };
    vec_local(list, &launch);
    *x = padded;
    return ocl_launch(list, options.text, &launch);
}

void vec_local(const struct weft_list *list, struct ocl_launch *launch)
{
    if (ocl_of(list)->is_cpu)
        for (int i = 0; i < 3; i++)
            launch->local[i] = 1;
}

/* One convolution of an input that is padded already. */
struct job {
    struct vec_shape shape;
    struct ocl_arg x, w, y;
    struct weft_view bias, gate, argmax;
    struct weft_activation activation; /* of the output, or what made `gate` */
    const struct weft_pool *pool;      /* NULL: none, or after it */
    bool turned;                       /* w is the forward weights, to be turned */
    bool frozen;                       /* weights are arranged once */
};

/* The tunables, in the order of their table. */
enum { WIDTH, VECTORS, TILE, PIECE, UNROLL };

/* What follows from them. */
struct tiling {
    int block, blocks; /* channels of a block; blocks of all groups */
    int count;         /* tiles in all */
};

static int window_of(const struct job *job)
{
    return job->pool ? job->pool->r * job->pool->s : 0;
}

static long pixels_of(const struct job *job)
{
    const struct vec_shape *s = &job->shape;
    return job->pool ? (long)s->n * job->pool->out_h * job->pool->out_w * window_of(job)
                     : (long)s->n * s->out_h * s->out_w;
}

static struct tiling tiling_of(const struct job *job, const int *values)
{
    const struct vec_shape *s = &job->shape;
    struct tiling t = {.block = values[WIDTH] * values[VECTORS]};
    t.blocks = s->blocks_of * ((s->group_out + t.block - 1) / t.block);
    t.count = (int)((pixels_of(job) + values[TILE] - 1) / values[TILE]);
    return t;
}

/* Accumulators: 12 of the 16 vector registers of AVX2 and its like, 24 of AVX-512's 32.
 * 6 x 2 runs at 81-100 % of peak in the first-level cache, 4 x 3 as well, 7 x 2 and more
 * spill. Fewer than 8 accumulators do not fill the multiply-adders' latency. */
static void choose(const struct ocl_device *device, const struct job *job, int *values)
{
    const struct vec_shape *s = &job->shape;
    int width = vec_width(device, s->group_out);
    int registers = width >= 16 ? 24 : 12, best = 0, window = window_of(job);
    int columns = (s->group_out + width - 1) / width;
    values[WIDTH] = width;
    for (int vectors = 1; vectors <= 3 && vectors <= columns; vectors++) {
        int tile = window ? window : registers / vectors;
        if (vectors * tile > registers && vectors > 1)
            break;
        int used = vectors * tile < 8 ? 8 : vectors * tile;
        int cost =
            (columns + vectors - 1) / vectors * (used + tile + vectors) * 60 / tile;
        if (best && cost >= best)
            continue;
        best = cost;
        values[VECTORS] = vectors;
        values[TILE] = tile;
    }
    /* Few pixels are dealt evenly. */
    long pixels = pixels_of(job), tiles = (pixels + values[TILE] - 1) / values[TILE];
    if (!window && tiles < values[TILE])
        values[TILE] = (int)((pixels + tiles - 1) / tiles);

    /* Many tiles of a work-item find the weights in the first-level cache, and its cost
     * small; too many leave compute units idle at the end. */
    struct tiling t = tiling_of(job, values);
    long even = (long)t.count * t.blocks / (8 * (long)device->units);
    long most = 32 + 4000 / ((long)s->r * s->s * s->group_in);
    values[PIECE] = !device->is_cpu || even < 1 ? 1 : (int)(even < most ? even : most);
    values[UNROLL] = 4;
}

static bool allows(const struct ocl_device *device, const struct job *job,
                   const int *values)
{
    int window = window_of(job);
    return vec_width_allowed(device, values[WIDTH]) && values[VECTORS] >= 1 &&
           values[VECTORS] <= 3 && values[TILE] >= 1 &&
           values[VECTORS] * values[TILE] <= 24 && (!window || values[TILE] == window) &&
           values[PIECE] >= 1 && values[PIECE] <= 4096 && values[UNROLL] >= 1 &&
           values[UNROLL] <= 8;
}

static enum weft_status arrange(struct weft_list *list, struct job *job,
                                const struct tiling *t)
{
    const struct vec_shape *s = &job->shape;
    struct ocl_options options = {""};
    ocl_define(&options, "R", s->r);
    ocl_define(&options, "S", s->s);
    ocl_define(&options, "GROUPS", s->blocks_of);
    ocl_define(&options, "GROUP_IN", s->group_in);
    ocl_define(&options, "GROUP_OUT", s->group_out);
    ocl_define(&options, "BLOCK", t->block);
    ocl_define(&options, "TURNED", job->turned);
    ocl_define_arg(&options, "W_HALF", &job->w);
    size_t taps = (size_t)s->r * (size_t)s->s;
    size_t floats = taps * (size_t)s->group_in * (size_t)(t->block * t->blocks);
    struct ocl_arg arranged = ocl_kept(list, sizeof(float) * floats);
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "arrange",
        .global = {taps, (size_t)t->blocks},
        .arg_count = 2,
        .args = {job->w, arranged},
        .of_weights = true,
    };
    vec_local(list, &launch);
    job->w = arranged;
    return ocl_launch(list, options.text, &launch);
}

static enum weft_status convolve(struct weft_list *list, struct job *job,
                                 const int *values)
{
    const struct vec_shape *s = &job->shape;
    struct tiling t = tiling_of(job, values);
    /* Weights of a block that are scattered over more than a quarter of the first-level
     * cache are worth a copy, if many pixels use it, or it costs nothing. */
    long block_floats = (long)s->r * s->s * s->group_in * t.block;
    bool widened = ocl_arg_is_half(&job->w) && ocl_of(list)->is_cpu;
    bool arranged = job->turned || widened ||
                    (block_floats > 2048 && s->out > t.block &&
                     (job->frozen || (long)t.count * values[TILE] >= 256));
    if (arranged)
        WEFT_TRY(arrange(list, job, &t));

    struct ocl_options options = {""};
    vec_define_shape(&options, s);
    ocl_define(&options, "VW", values[WIDTH]);
    ocl_define(&options, "NV", values[VECTORS]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "UNROLL", values[UNROLL]);
    ocl_define(&options, "ARRANGED", arranged);
    ocl_define_arg(&options, "X_HALF", &job->x);
    ocl_define_arg(&options, "W_HALF", &job->w);
    ocl_define_arg(&options, "Y_HALF", &job->y);
    ocl_define(&options, "BIAS", job->bias.mem != NULL);
    ocl_define(&options, "GATE", job->gate.mem != NULL);
    ocl_define(&options, "ACT", (long)job->activation.act);
    struct ocl_launch launch = {
        .source = "conv_vec.cl",
        .kernel = "conv_forward",
        .global = {(size_t)t.blocks,
                   (size_t)((t.count + values[PIECE] - 1) / values[PIECE])},
        .arg_count = 8,
        .args = {job->x, job->w, OCL_VIEW(job->bias), OCL_VIEW(job->gate), job->y,
                 OCL_INT((long)s->n * s->out_h * s->out_w), OCL_INT(values[PIECE]),
                 OCL_FLOAT(job->activation.slope)},
    };
    if (job->pool) {
        ocl_define(&options, "ARGMAX", job->argmax.mem != NULL);
        ocl_define(&options, "POOL_R", job->pool->r);
        ocl_define(&options, "POOL_S", job->pool->s);
        ocl_define(&options, "POOL_H", job->pool->out_h);
        ocl_define(&options, "POOL_W", job->pool->out_w);
        launch.kernel = "conv_pool";
        launch.args[3] = job->y;
        launch.args[4] = (struct ocl_arg)OCL_VIEW(job->argmax);
        launch.args[5] = (struct ocl_arg)OCL_INT(t.count);
    }
    vec_local(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static struct job forward_job(const struct weft_conv_args *args)
{
    const struct weft_pool *pool = &args->pool;
    bool fused = vec_pool_touches(pool) && pool->r * pool->s <= 12;
    return (struct job){
        .shape = vec_shape_of(&args->conv),
        .x = OCL_VIEW(args->x),
        .w = OCL_VIEW(args->w),
        .bias = args->bias,
        .y = OCL_VIEW(args->y),
        .argmax = args->argmax,
        .activation = args->activation,
        .pool = fused ? pool : NULL,
        .frozen = args->frozen,
    };
}

static enum weft_status forward(struct weft_list *list, const struct weft_conv_args *args,
                                const int *values)
{
    const struct weft_conv *conv = &args->conv;
    struct job job = forward_job(args);
    WEFT_TRY(vec_pad(list, conv, &job.shape, &job.x));
    if (!args->pool.r || job.pool)
        return convolve(list, &job, values);
    job.y = (struct ocl_arg)OCL_SCRATCH(
        ocl_scratch(list, sizeof(float) * (size_t)conv->n * (size_t)conv->out_h *
                              (size_t)conv->out_w * (size_t)conv->k));
    WEFT_TRY(convolve(list, &job, values));
    return ocl_pool_max(list, &args->pool, job.y, (struct ocl_arg)OCL_VIEW(args->y),
                        args->argmax);
}

/* Brings dy to where the turned window finds it: one step of the forward convolution is
 * one row or column further. */
static enum weft_status spread(struct weft_list *list, const struct weft_conv_args *args,
                               struct vec_shape *shape, struct ocl_arg *x)
{
    const struct weft_conv *conv = &args->conv;
    int top = (conv->r - 1) * conv->dilation_y - conv->pad_top;
    int left = (conv->s - 1) * conv->dilation_x - conv->pad_left;
    shape->in_h = conv->h + (conv->r - 1) * conv->dilation_y;
    shape->in_w = conv->w + (conv->s - 1) * conv->dilation_x;
    if (!args->pool.r && !top && !left && conv->stride_y == 1 && conv->stride_x == 1 &&
        shape->in_h == conv->out_h && shape->in_w == conv->out_w)
        return WEFT_OK;
    struct ocl_options options = {""};
    ocl_define(&options, "CHANNELS", conv->k);
    ocl_define(&options, "HEIGHT", conv->out_h);
    ocl_define(&options, "WIDTH", conv->out_w);
    ocl_define(&options, "PAD_H", shape->in_h);
    ocl_define(&options, "PAD_W", shape->in_w);
    ocl_define(&options, "TOP", top);
    ocl_define(&options, "LEFT", left);
    ocl_define(&options, "STRIDE_Y", conv->stride_y);
    ocl_define(&options, "STRIDE_X", conv->stride_x);
    vec_define_pool(&options, &args->pool);
    *x = (struct ocl_arg)OCL_SCRATCH(
        ocl_scratch(list, sizeof(float) * (size_t)conv->n * (size_t)shape->in_h *
                              (size_t)shape->in_w * (size_t)conv->k));
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "spread",
        .global = {(size_t)shape->in_h, (size_t)conv->n},
        .arg_count = 3,
        .args = {OCL_VIEW(args->dy), OCL_VIEW(args->argmax), *x},
    };
    vec_local(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static struct job data_job(const struct weft_conv_args *args)
{
    const struct weft_conv *conv = &args->conv;
    struct vec_shape shape = {
        .n = conv->n,
        .in = conv->k,
        .out = conv->c,
        .groups = conv->groups,
        .r = conv->r,
        .s = conv->s,
        .stride_y = 1,
        .stride_x = 1,
        .dilation_y = conv->dilation_y,
        .dilation_x = conv->dilation_x,
        .out_h = conv->h,
        .out_w = conv->w,
    };
    struct job job = {
        .shape = vec_shape_grouped(shape),
        .x = OCL_VIEW(args->dy),
        .w = OCL_VIEW(args->w),
        .y = OCL_VIEW(args->dx),
        .gate = args->gate.output,
        .activation = args->gate.activation,
        .turned = true,
    };
    if (job.activation.act == WEFT_ACT_identity)
        job.gate.mem = NULL;
    return job;
}

static enum weft_status backward_data(struct weft_list *list,
                                      const struct weft_conv_args *args,
                                      const int *values)
{
    struct job job = data_job(args);
    WEFT_TRY(spread(list, args, &job.shape, &job.x));
    return convolve(list, &job, values);
}

#define FIT(direction)                                                                   \
    static enum ocl_fit direction##_fit(const struct ocl_device *device,                 \
                                        const struct weft_conv_args *args, int *values)  \
    {                                                                                    \
        struct job job = direction##_job(args);                                          \
        choose(device, &job, values);                                                    \
        return OCL_FIT_POSSIBLE;                                                         \
    }                                                                                    \
    static bool direction##_allows(const struct ocl_device *device,                      \
                                   const struct weft_conv_args *args, const int *values) \
    {                                                                                    \
        struct job job = direction##_job(args);                                          \
        return allows(device, &job, values);                                             \
    }
FIT(forward)
FIT(data)

#define TUNABLES                                              \
    {                                                         \
        {"width", 3, {4, 8, 16}}, {"vectors", 3, {1, 2, 3}},  \
            {"tile", 8, {1, 2, 3, 4, 6, 8, 9, 12}},           \
            {"piece", 9, {1, 2, 4, 8, 16, 32, 64, 128, 256}}, \
            {"unroll", 4, {1, 2, 4, 8}},                      \
    }

const struct ocl_algorithm vec_direct_forward = {"direct",       TUNABLES, forward_fit,
                                                 forward_allows, forward,  true};
const struct ocl_algorithm vec_direct_data = {"direct", TUNABLES, data_fit, data_allows,
                                              backward_data};

static const struct ocl_algorithm *const forward_algorithms[] = {
    &vec_gemm[OCL_FORWARD],   &vec_direct_forward,      &vec_winograd_forward[0],
    &vec_winograd_forward[1], &vec_winograd_forward[2], NULL};
static const struct ocl_algorithm *const data_algorithms[] = {
    &vec_gemm[OCL_BACKWARD_DATA], &vec_direct_data,      &vec_winograd_data[0],
    &vec_winograd_data[1],        &vec_winograd_data[2], NULL};
static const struct ocl_algorithm *const weights_algorithms[] = {
    &vec_gemm[OCL_BACKWARD_WEIGHTS],
    &vec_pooled_weights,
    &vec_direct_weights,
    &vec_winograd_weights[0],
    &vec_winograd_weights[1],
    &vec_winograd_weights[2],
    NULL};

const struct ocl_family ocl_family_vec = {
    .algorithms = {[OCL_FORWARD] = forward_algorithms,
                   [OCL_BACKWARD_DATA] = data_algorithms,
                   [OCL_BACKWARD_WEIGHTS] = weights_algorithms},
};
