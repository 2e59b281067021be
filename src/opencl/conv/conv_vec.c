/* SPDX-License-Identifier: Apache-2.0 */
/* Direct convolution, family `vec`: forward, and the data gradient as a convolution of
 * dy with rotated filters. Kernels: cl/conv/conv_vec.cl, cl/conv/conv_prepare_vec.cl. */
#include "shared/strided_dgrad.h"
#include "opencl/conv/vec.h"
#include "opencl/runtime/primitives.h"
#include "opencl/runtime/quirk.h"

/* A convolution of an input that is padded already. */
struct direct_conv {
    struct weft_conv shape;
    struct ocl_arg x, w, y;
    struct weft_view bias, act_grad, argmax;
    struct weft_activation activation; /* of the output, or of `act_grad` */
    const struct weft_pool *pool;      /* NULL: none, or a launch of its own */
    bool constant_weights;             /* weights are packed once */
    /* Data gradient: the forward convolution, whose strides give y in phases
     * (cl/shared/strided_dgrad.h); else NULL. The first row and column of dy are at
     * (top, left) in x. */
    const struct weft_conv *forward;
    int top, left;
};

/* A data gradient along one axis, all phases together. */
struct phase_range {
    int step;       /* from tap to tap in dy */
    int first, end; /* rows of dy that are read; may be outside dy */
};

static struct weft_conv_axis rows_of(const struct weft_conv *c)
{
    return (struct weft_conv_axis){c->r, c->stride_y, c->dilation_y, c->pad_top};
}

static struct weft_conv_axis columns_of(const struct weft_conv *c)
{
    return (struct weft_conv_axis){c->s, c->stride_x, c->dilation_x, c->pad_left};
}

static struct phase_range phase_range_of(struct weft_conv_axis axis, int size)
{
    struct phase_range range = {
        .step = axis.dilation * weft_tap_step(axis.stride, axis.dilation) / axis.stride};
    bool any = false;
    for (int i = 0; i < axis.stride; i++) {
        struct weft_dgrad_phase part = weft_dgrad_phase(axis, i);
        int end = part.first + div_up(size, axis.stride) + (part.taps - 1) * range.step;
        if (!part.taps)
            continue;
        if (!any || part.first < range.first)
            range.first = part.first;
        if (!any || end > range.end)
            range.end = end;
        any = true;
    }
    return range;
}

/* Tunables, in the order of their table. */
enum { VECTOR_WIDTH, VECTORS, TILE, TILES_PER_ITEM, UNROLL };

/* Tiling for given tunables. */
struct tiling {
    int block, blocks; /* channels of a block; blocks of all groups */
    int count;         /* tiles of a phase */
};

static int window_of(const struct direct_conv *job)
{
    return job->pool ? job->pool->r * job->pool->s : 0;
}

/* Pixels of each phase. */
static long pixels_of(const struct direct_conv *job)
{
    const struct weft_conv *s = &job->shape;
    if (job->pool)
        return (long)s->n * job->pool->out_h * job->pool->out_w * window_of(job);
    if (!job->forward)
        return (long)s->n * s->out_h * s->out_w;
    return (long)s->n * div_up(s->out_h, job->forward->stride_y) *
           div_up(s->out_w, job->forward->stride_x);
}

static struct tiling tiling_of(const struct direct_conv *job, const int *values)
{
    const struct weft_conv *s = &job->shape;
    struct tiling t = {.block = values[VECTOR_WIDTH] * values[VECTORS]};
    t.blocks = vec_block_groups(s) * ((vec_k_per_block_group(s) + t.block - 1) / t.block);
    t.count = (int)((pixels_of(job) + values[TILE] - 1) / values[TILE]);
    return t;
}

/* Accumulators: 12 of the 16 vector registers of AVX2 and alike, 24 of the 32 of
 * AVX-512. 6 x 2 reaches 81-100 % of peak in the first-level cache, 4 x 3 as well; 7 x 2
 * and more spill. Fewer than 8 accumulators do not hide the latency of multiply-adds. */
static void choose(const struct ocl_device *device, const struct direct_conv *job,
                   int *values)
{
    const struct weft_conv *s = &job->shape;
    int width = vec_width(device, vec_k_per_block_group(s));
    int registers = width >= 16 ? 24 : 12, best = 0, window = window_of(job);
    int columns = (vec_k_per_block_group(s) + width - 1) / width;
    values[VECTOR_WIDTH] = width;
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
    /* With few pixels, balance the tiles. */
    long pixels = pixels_of(job), tiles = (pixels + values[TILE] - 1) / values[TILE];
    if (!window && tiles < values[TILE])
        values[TILE] = (int)((pixels + tiles - 1) / tiles);

    /* Many tiles in a work-item reuse the weights in the first-level cache and amortize
     * its start; too many leave compute units idle at the end. */
    struct tiling t = tiling_of(job, values);
    long even = (long)t.count * t.blocks / (8 * (long)device->compute_units);
    long most = 32 + 4000 / ((long)s->r * s->s * vec_c_per_group(s));
    values[TILES_PER_ITEM] =
        !device->is_cpu || even < 1 ? 1 : (int)(even < most ? even : most);
    values[UNROLL] = 4;
}

static bool validate_config(const struct ocl_device *device,
                            const struct direct_conv *job, const int *values)
{
    int window = window_of(job);
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) && values[VECTORS] >= 1 &&
           values[VECTORS] <= 3 && values[TILE] >= 1 &&
           values[VECTORS] * values[TILE] <= 24 && (!window || values[TILE] == window) &&
           values[TILES_PER_ITEM] >= 1 && values[TILES_PER_ITEM] <= 4096 &&
           values[UNROLL] >= 1 && values[UNROLL] <= 8;
}

/* The convolution as pack_weights reads it. The order of a data gradient's taps follows
 * from the forward convolution; forward it depends on neither stride nor dilation, so
 * that layers share the program. */
static struct weft_conv packed_filter(const struct direct_conv *job)
{
    const struct weft_conv *s = &job->shape, *forward = job->forward;
    struct weft_conv filter = *s;
    filter.stride_y = forward ? forward->stride_y : 1;
    filter.stride_x = forward ? forward->stride_x : 1;
    filter.dilation_y = forward ? forward->dilation_y : 1;
    filter.dilation_x = forward ? forward->dilation_x : 1;
    return filter;
}

static enum weft_status pack_weights(struct weft_command_list *list,
                                     struct direct_conv *job, const struct tiling *t)
{
    const struct weft_conv *s = &job->shape;
    struct ocl_options options = {""};
    struct weft_conv filter = packed_filter(job);
    ocl_define_filter(&options, &filter);
    ocl_define(&options, "BLOCK", t->block);
    ocl_define(&options, "ROTATED_180", job->forward != NULL);
    ocl_define_arg_fp16(&options, "W_HALF", &job->w);
    size_t taps = (size_t)s->r * (size_t)s->s;
    size_t floats = taps * (size_t)vec_c_per_group(s) * (size_t)(t->block * t->blocks);
    struct ocl_arg packed = ocl_persistent_workspace(list, sizeof(float) * floats);
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "pack_weights",
        .global = {taps, (size_t)t->blocks},
        .arg_count = 2,
        .args = {job->w, packed},
        .weights_only = true,
    };
    vec_set_local_size(list, &launch);
    job->w = packed;
    return ocl_launch(list, options.text, &launch);
}

/* Defines the phases of a strided data gradient; returns their number. */
static size_t define_phases(struct ocl_options *options, const struct direct_conv *job)
{
    const struct weft_conv *c = job->forward;
    ocl_define(options, "PHASES_Y", c->stride_y);
    ocl_define(options, "PHASES_X", c->stride_x);
    ocl_define(options, "HALO_TOP", job->top);
    ocl_define(options, "HALO_LEFT", job->left);
    ocl_define(options, "STEP_Y", phase_range_of(rows_of(c), c->h).step);
    ocl_define(options, "STEP_X", phase_range_of(columns_of(c), c->w).step);
    return (size_t)(c->stride_y * c->stride_x);
}

/* True if the pixels of a tile, and tiles, are consecutive in x. */
static bool reads_in_order(const struct direct_conv *job)
{
    const struct weft_conv *s = &job->shape;
    const struct weft_pool *pool = job->pool;
    return s->r * s->s == 1 && vec_c_per_group(s) == s->c && s->stride_y == 1 &&
           s->stride_x == 1 && (!pool || (pool->r == 1 && pool->s * pool->out_w == s->w));
}

static enum weft_status convolve(struct weft_command_list *list, struct direct_conv *job,
                                 const int *values)
{
    const struct weft_conv *s = &job->shape;
    struct tiling t = tiling_of(job, values);
    /* Packing pays for blocks of weights that are spread over more than a quarter of the
     * first-level cache, if many pixels use them, or if it is done once. */
    long block_floats = (long)s->r * s->s * vec_c_per_group(s) * t.block;
    bool widened = vec_needs_fp32_copy(list, &job->w);
    bool packed = job->forward || widened ||
                  (block_floats > 2048 && s->k > t.block &&
                   (job->constant_weights || (long)t.count * values[TILE] >= 256));
    if (packed)
        WEFT_TRY(pack_weights(list, job, &t));

    struct ocl_options options = {""};
    ocl_define_conv(&options, s);
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "NV", values[VECTORS]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "UNROLL", values[UNROLL]);
    ocl_define(&options, "PACKED_WEIGHTS", packed);
    if (ocl_device_of(list)->quirks & OCL_QUIRK_HAS_PREFETCH)
        ocl_define(&options, "PREFETCH", reads_in_order(job));
    ocl_define_arg_fp16(&options, "X_HALF", &job->x);
    ocl_define_arg_fp16(&options, "W_HALF", &job->w);
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", job->act_grad);
    ocl_define_arg_fp16(&options, "Y_HALF", &job->y);
    ocl_define(&options, "BIAS", job->bias.mem != NULL);
    ocl_define(&options, "ACT_GRAD", job->act_grad.mem != NULL);
    ocl_define_activation(&options, job->activation);
    size_t parts = 1;
    if (job->forward && job->forward->stride_y * job->forward->stride_x > 1)
        parts = define_phases(&options, job);
    struct ocl_launch launch = {
        .source = "conv_vec.cl",
        .kernel = "conv_forward",
        .global = {(size_t)t.blocks,
                   (size_t)((t.count + values[TILES_PER_ITEM] - 1) /
                            values[TILES_PER_ITEM]),
                   parts},
        .arg_count = 8,
        .args = {job->x, job->w, OCL_VIEW(job->bias), OCL_VIEW(job->act_grad), job->y,
                 OCL_INT(pixels_of(job)), OCL_INT(values[TILES_PER_ITEM]),
                 OCL_ACT_PARAMS(job->activation)},
    };
    if (job->pool) {
        ocl_define(&options, "ARGMAX", job->argmax.mem != NULL);
        ocl_define_pool(&options, job->pool);
        launch.kernel = "conv_pool";
        launch.args[3] = job->y;
        launch.args[4] = (struct ocl_arg)OCL_VIEW(job->argmax);
        launch.args[5] = (struct ocl_arg)OCL_INT(t.count);
    }
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static struct direct_conv forward_job(const struct weft_problem *problem)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_pool *pool = &args->pool;
    bool fused = pool_is_nonoverlapping(pool) && pool->r * pool->s <= 12;
    return (struct direct_conv){
        .shape = args->conv,
        .x = OCL_VIEW(args->x),
        .w = OCL_VIEW(args->w),
        .bias = args->bias,
        .y = OCL_VIEW(args->y),
        .argmax = args->argmax,
        .activation = args->activation,
        .pool = fused ? pool : NULL,
        .constant_weights = problem->constant_weights,
    };
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_problem *problem, const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *conv = &args->conv;
    struct direct_conv job = forward_job(problem);
    WEFT_TRY(vec_pad_input(list, conv, &job.shape, &job.x));
    if (!args->pool.r || job.pool)
        return convolve(list, &job, values);
    job.y = (struct ocl_arg)OCL_WORKSPACE(
        ocl_workspace(list, sizeof(float) * (size_t)conv->n * (size_t)conv->out_h *
                                (size_t)conv->out_w * (size_t)conv->k));
    WEFT_TRY(convolve(list, &job, values));
    return ocl_pool_max(list, &args->pool, job.y, (struct ocl_arg)OCL_VIEW(args->y),
                        args->argmax);
}

/* Pads dy for the rotated filters. */
static enum weft_status pad_gradient(struct weft_command_list *list,
                                     const struct weft_conv_args *args,
                                     struct direct_conv *job)
{
    const struct weft_conv *conv = &args->conv;
    struct weft_conv *shape = &job->shape;
    struct phase_range rows = phase_range_of(rows_of(conv), conv->h),
                       columns = phase_range_of(columns_of(conv), conv->w);
    job->top = -rows.first;
    job->left = -columns.first;
    shape->h = conv->out_h;
    shape->w = conv->out_w;
    if (!args->pool.r && !job->top && !job->left && rows.end <= conv->out_h &&
        columns.end <= conv->out_w && !vec_needs_fp32_copy(list, &job->x))
        return WEFT_OK;
    shape->h = rows.end - rows.first;
    shape->w = columns.end - columns.first;
    struct ocl_options options = {""};
    ocl_define(&options, "C", conv->k);
    ocl_define(&options, "H", conv->out_h);
    ocl_define(&options, "W", conv->out_w);
    ocl_define(&options, "PADDED_H", shape->h);
    ocl_define(&options, "PADDED_W", shape->w);
    ocl_define(&options, "HALO_TOP", job->top);
    ocl_define(&options, "HALO_LEFT", job->left);
    ocl_define_arg_fp16(&options, "X_HALF", &job->x);
    ocl_define_pool(&options, &args->pool);
    struct ocl_arg dy = job->x;
    job->x = (struct ocl_arg)OCL_WORKSPACE(
        ocl_workspace(list, sizeof(float) * (size_t)conv->n * (size_t)shape->h *
                                (size_t)shape->w * (size_t)conv->k));
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "pad_gradient",
        .global = {(size_t)shape->h, (size_t)conv->n},
        .arg_count = 3,
        .args = {dy, OCL_VIEW(args->argmax), job->x},
    };
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static struct direct_conv data_job(const struct weft_problem *problem)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *conv = &args->conv;
    struct weft_conv shape = *conv; /* h and w: see pad_gradient */
    shape.c = conv->k;
    shape.k = conv->c;
    shape.stride_y = shape.stride_x = 1;
    shape.out_h = conv->h;
    shape.out_w = conv->w;
    struct direct_conv job = {
        .shape = shape,
        .x = OCL_VIEW(args->dy),
        .w = OCL_VIEW(args->w),
        .y = OCL_VIEW(args->dx),
        .act_grad = args->act_grad.output,
        .activation = args->act_grad.activation,
        .forward = conv,
    };
    if (job.activation.act == WEFT_ACT_identity)
        job.act_grad.mem = NULL;
    return job;
}

static enum weft_status backward_data(struct weft_command_list *list,
                                      const struct weft_problem *problem,
                                      const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct direct_conv job = data_job(problem);
    WEFT_TRY(pad_gradient(list, args, &job));
    return convolve(list, &job, values);
}

#define DEFINE_PASS(direction)                                                  \
    static enum ocl_applicability direction##_applicability(                    \
        const struct ocl_device *device, const struct weft_problem *problem,    \
        int *values)                                                            \
    {                                                                           \
        struct direct_conv job = direction##_job(problem);                      \
        choose(device, &job, values);                                           \
        return OCL_APPLICABLE;                                                  \
    }                                                                           \
    static bool direction##_validate_config(const struct ocl_device *device,    \
                                            const struct weft_problem *problem, \
                                            const int *values)                  \
    {                                                                           \
        struct direct_conv job = direction##_job(problem);                      \
        return validate_config(device, &job, values);                           \
    }
DEFINE_PASS(forward)
DEFINE_PASS(data)

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("vectors", 1, 2, 3),
    OCL_TUNABLE("tile", 1, 2, 3, 4, 6, 8, 9, 12),
    OCL_TUNABLE("tiles-per-item", 1, 2, 4, 8, 16, 32, 64, 128, 256),
    OCL_TUNABLE("unroll", 1, 2, 4, 8),
    {0},
};

const struct ocl_algorithm vec_direct_forward = {
    .name = "direct",
    .tunables = tunables,
    .applicability = forward_applicability,
    .validate_config = forward_validate_config,
    .record = forward,
    .sources = {"conv_vec.cl", "conv_prepare_vec.cl", "pool.cl"},
};
const struct ocl_algorithm vec_direct_bwd_data = {
    .name = "direct",
    .tunables = tunables,
    .applicability = data_applicability,
    .validate_config = data_validate_config,
    .record = backward_data,
    .sources = {"conv_vec.cl", "conv_prepare_vec.cl"},
};
