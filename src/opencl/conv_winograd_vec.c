/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution by Winograd's algorithm, family `vec`: forward and the data gradient of
 * windows of 3x3. The algorithms "winograd-2", "-3" and "-4" differ in the side of their
 * tiles. Kernels: cl/conv_winograd_vec.cl. */
#include "vec.h"

/* The tunables, in the order of their table. */
enum { WIDTH, VECTORS, TILE, TILES, PER_ITEM, UNROLL };

#define TUNABLES                                                                   \
    {                                                                              \
        {"width", 3, {4, 8, 16}}, {"vectors", 3, {1, 2, 3}},                       \
            {"tile", 7, {1, 2, 3, 4, 6, 8, 12}}, {"tiles", 5, {4, 6, 12, 24, 48}}, \
            {"blocks", 6, {1, 2, 4, 8, 16, 64}}, {"unroll", 4, {1, 2, 4, 8}},      \
    }

/* One convolution with its tiles. */
struct job {
    struct vec_shape shape;
    int outputs, top, left; /* a tile's side; zeros before the picture */
    struct ocl_arg x, w, y;
    struct weft_view from; /* argmax of the pool whose gradient x is */
    struct weft_view bias, gate, argmax;
    struct weft_activation activation; /* of the output, or what made `gate` */
    const struct weft_pool *pool;      /* NULL: neither fused nor spread */
    bool turned;                       /* the data gradient */
    bool frozen;                       /* the weights were transformed before */
};

static int div_up(long a, long b)
{
    return (int)((a + b - 1) / b);
}

static bool is_possible(const struct ocl_device *device, const struct weft_conv *c)
{
    return device->is_cpu && c->r == 3 && c->s == 3 && c->stride_y == 1 &&
           c->stride_x == 1 && c->dilation_y == 1 && c->dilation_x == 1 && c->groups == 1;
}

static struct job forward_job(const struct weft_conv_args *args, int outputs)
{
    const struct weft_pool *pool = &args->pool;
    bool fused =
        vec_pool_touches(pool) && outputs % pool->r == 0 && outputs % pool->s == 0;
    return (struct job){
        .shape = vec_shape_of(&args->conv),
        .outputs = outputs,
        .top = args->conv.pad_top,
        .left = args->conv.pad_left,
        .x = OCL_VIEW(args->x),
        .w = OCL_VIEW(args->w),
        .y = OCL_VIEW(args->y),
        .bias = args->bias,
        .argmax = args->argmax,
        .activation = args->activation,
        .pool = fused ? pool : NULL,
        .frozen = args->frozen,
    };
}

static struct job data_job(const struct weft_conv_args *args, int outputs)
{
    const struct weft_conv *conv = &args->conv;
    struct vec_shape shape = vec_shape_of(conv);
    shape.in = conv->k;
    shape.out = conv->c;
    shape.in_h = conv->out_h;
    shape.in_w = conv->out_w;
    shape.out_h = conv->h;
    shape.out_w = conv->w;
    struct job job = {
        .shape = vec_shape_grouped(shape),
        .outputs = outputs,
        .top = 2 - conv->pad_top,
        .left = 2 - conv->pad_left,
        .x = OCL_VIEW(args->dy),
        .w = OCL_VIEW(args->w),
        .y = OCL_VIEW(args->dx),
        .from = args->argmax,
        .gate = args->gate.output,
        .activation = args->gate.activation,
        .pool = vec_pool_touches(&args->pool) ? &args->pool : NULL,
        .turned = true,
    };
    if (job.activation.act == WEFT_ACT_identity)
        job.gate.mem = NULL;
    return job;
}

static long tiles_of(const struct job *job)
{
    const struct vec_shape *s = &job->shape;
    bool pooled = job->pool && !job->turned;
    int h = pooled ? job->pool->out_h * job->pool->r : s->out_h;
    int w = pooled ? job->pool->out_w * job->pool->s : s->out_w;
    return (long)s->n * div_up(h, job->outputs) * div_up(w, job->outputs);
}

static long places_of(const struct job *job)
{
    return (long)(job->outputs + 2) * (job->outputs + 2);
}

static int block_of(const int *values)
{
    return values[WIDTH] * values[VECTORS];
}

/* Bytes of an item's private arrays. Half a megabyte is what second-level caches hold;
 * the stacks of a driver's threads hold far more. */
enum { MOST_PRIVATE = 512 << 10 };

static long private_bytes(const struct job *job, const int *values)
{
    int channels = div_up(job->shape.in, values[WIDTH]) * values[WIDTH];
    return 4 * places_of(job) *
           ((long)values[TILES] * (channels + block_of(values)) + 2 * 16);
}

/* Few tiles an item leave most of the second-level cache to the weights; where these are
 * too many for it anyway, they are worth being used more often. */
static void choose(const struct ocl_device *device, const struct job *job, int *values)
{
    enum { STREAMED = 3 << 19, FEWEST = 4 };
    const struct vec_shape *s = &job->shape;
    long tiles = tiles_of(job), items = 4 * (long)device->units;
    values[WIDTH] = vec_width(device, s->out);
    values[VECTORS] = s->out > values[WIDTH] ? 2 : 1;
    values[UNROLL] = 4;
    int registers = values[WIDTH] >= 16 ? 24 : 12, tile = registers / values[VECTORS];
    values[TILE] = tiles < tile ? (int)tiles : tile;
    values[TILES] = values[TILE];
    while (values[TILE] > FEWEST && private_bytes(job, values) > MOST_PRIVATE)
        values[TILES] = --values[TILE];
    if (4 * places_of(job) * s->in * s->out > STREAMED)
        for (int more = 4; more > 1 && values[TILES] == values[TILE]; more /= 2) {
            values[TILES] = more * values[TILE];
            if (tiles < items * values[TILES] ||
                private_bytes(job, values) > MOST_PRIVATE)
                values[TILES] = values[TILE];
        }
    int blocks = div_up(s->out, block_of(values));
    int parts = div_up(items, div_up(tiles, values[TILES]));
    values[PER_ITEM] = div_up(blocks, parts < blocks ? parts : blocks);
}

static bool allows(const struct ocl_device *device, const struct job *job,
                   const int *values)
{
    return vec_width_allowed(device, values[WIDTH]) && values[VECTORS] >= 1 &&
           values[VECTORS] <= 3 && values[TILE] >= 1 &&
           values[TILE] * values[VECTORS] <= 24 && values[TILES] >= values[TILE] &&
           values[TILES] <= 256 && values[TILES] % values[TILE] == 0 &&
           values[PER_ITEM] >= 1 && values[PER_ITEM] <= 4096 && values[UNROLL] >= 1 &&
           values[UNROLL] <= 8 && private_bytes(job, values) <= MOST_PRIVATE;
}

/* Vector operations, two of which take a cycle: products; the transforms, about 7 a place
 * for input and output; those of the weights, about 30, for they go to memory, or 3 where
 * they were made before, to fetch them. */
static double cost_of(const struct job *job)
{
    const struct vec_shape *s = &job->shape;
    double in = s->in, out = s->out, places = (double)places_of(job);
    return (double)tiles_of(job) * places * (in * out + 7 * (in + out)) +
           (job->frozen ? 3 : 30) * places * in * out;
}

static double direct_cost(const struct job *job)
{
    const struct vec_shape *s = &job->shape;
    return 9.0 * s->n * s->out_h * s->out_w * s->in * s->out;
}

static enum ocl_fit fit(const struct ocl_device *device,
                        const struct weft_conv_args *args, int *values, int outputs,
                        struct job (*job_of)(const struct weft_conv_args *, int))
{
    if (!is_possible(device, &args->conv))
        return OCL_FIT_NONE;
    struct job job = job_of(args, outputs);
    choose(device, &job, values);
    if (private_bytes(&job, values) > MOST_PRIVATE)
        return OCL_FIT_NONE;
    double cost = cost_of(&job);
    bool preferred = job.shape.in >= 8 && job.shape.out >= 8 && cost < direct_cost(&job);
    for (int other = 2; other <= 4 && preferred; other++) {
        struct job rival = job_of(args, other);
        preferred = other == outputs || cost_of(&rival) > cost;
    }
    return preferred ? OCL_FIT_PREFERRED : OCL_FIT_POSSIBLE;
}

static void define(struct ocl_options *options, const struct job *job, const int *values)
{
    vec_define_shape(options, &job->shape);
    ocl_define(options, "OUTPUTS", job->outputs);
    ocl_define(options, "VW", values[WIDTH]);
    ocl_define(options, "NV", values[VECTORS]);
    ocl_define(options, "TURNED", job->turned);
}

/* The weights, transformed. */
static enum weft_status prepare(struct weft_list *list, const struct job *job,
                                const int *values, struct ocl_arg *u)
{
    const struct vec_shape *s = &job->shape;
    size_t blocks = (size_t)div_up(s->out, block_of(values));
    size_t plane = (size_t)s->in * (size_t)block_of(values) + 16;
    struct ocl_options options = {""};
    define(&options, job, values);
    *u = ocl_kept(list, sizeof(float) * blocks * (size_t)places_of(job) * plane);
    struct ocl_launch launch = {
        .source = "conv_winograd_vec.cl",
        .kernel = "winograd_weights",
        .global = {(size_t)s->in, blocks},
        .arg_count = 2,
        .args = {job->w, *u},
        .of_weights = true,
    };
    vec_local(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static enum weft_status convolve(struct weft_list *list, const struct job *job,
                                 const int *values)
{
    struct ocl_arg u;
    WEFT_TRY(prepare(list, job, values, &u));
    long tiles = tiles_of(job);
    int blocks = div_up(job->shape.out, block_of(values));
    struct ocl_options options = {""};
    define(&options, job, values);
    ocl_define(&options, "TOP", job->top);
    ocl_define(&options, "LEFT", job->left);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "TILES", values[TILES]);
    ocl_define(&options, "PER_ITEM", values[PER_ITEM]);
    ocl_define(&options, "UNROLL", values[UNROLL]);
    ocl_define(&options, "BIAS", job->bias.mem != NULL);
    ocl_define(&options, "GATE", job->gate.mem != NULL);
    ocl_define(&options, "ACT", (long)job->activation.act);
    if (job->pool) {
        vec_define_pool(&options, job->pool);
        ocl_define(&options, job->turned ? "SPREAD" : "POOLED", 1);
        ocl_define(&options, "ARGMAX", job->argmax.mem != NULL);
    }
    struct ocl_launch launch = {
        .source = "conv_winograd_vec.cl",
        .kernel = "winograd",
        .global = {(size_t)div_up(blocks, values[PER_ITEM]),
                   (size_t)div_up(tiles, values[TILES])},
        .arg_count = 9,
        .args = {job->x, OCL_VIEW(job->from), u, OCL_VIEW(job->bias), OCL_VIEW(job->gate),
                 job->y, OCL_VIEW(job->argmax), OCL_INT(tiles),
                 OCL_FLOAT(job->activation.slope)},
    };
    vec_local(list, &launch);
    if (list->winograd < job->outputs)
        list->winograd = job->outputs;
    return ocl_launch(list, options.text, &launch);
}

static enum weft_status forward(struct weft_list *list, const struct weft_conv_args *args,
                                const int *values, int outputs)
{
    const struct weft_conv *conv = &args->conv;
    struct job job = forward_job(args, outputs);
    if (!args->pool.r || job.pool)
        return convolve(list, &job, values);
    job.y = (struct ocl_arg)OCL_SCRATCH(
        ocl_scratch(list, sizeof(float) * (size_t)conv->n * (size_t)conv->out_h *
                              (size_t)conv->out_w * (size_t)conv->k));
    WEFT_TRY(convolve(list, &job, values));
    return ocl_pool_max(list, &args->pool, job.y, (struct ocl_arg)OCL_VIEW(args->y),
                        args->argmax);
}

static enum weft_status backward_data(struct weft_list *list,
                                      const struct weft_conv_args *args,
                                      const int *values, int outputs)
{
    const struct weft_conv *conv = &args->conv;
    struct job job = data_job(args, outputs);
    if (args->pool.r && !job.pool) {
        job.x = (struct ocl_arg)OCL_SCRATCH(
            ocl_scratch(list, sizeof(float) * (size_t)conv->n * (size_t)conv->out_h *
                                  (size_t)conv->out_w * (size_t)conv->k));
        WEFT_TRY(ocl_pool_spread(list, &args->pool, (struct ocl_arg)OCL_VIEW(args->dy),
                                 args->argmax, job.x));
    }
    return convolve(list, &job, values);
}

#define ALGORITHM(name, outputs, job_of, record_)                                      \
    static enum ocl_fit name##_fit(const struct ocl_device *device,                    \
                                   const struct weft_conv_args *args, int *values)     \
    {                                                                                  \
        return fit(device, args, values, outputs, job_of);                             \
    }                                                                                  \
    static bool name##_allows(const struct ocl_device *device,                         \
                              const struct weft_conv_args *args, const int *values)    \
    {                                                                                  \
        struct job job = job_of(args, outputs);                                        \
        return allows(device, &job, values);                                           \
    }                                                                                  \
    static enum weft_status name(struct weft_list *list,                               \
                                 const struct weft_conv_args *args, const int *values) \
    {                                                                                  \
        return record_(list, args, values, outputs);                                   \
    }
ALGORITHM(forward_2, 2, forward_job, forward)
ALGORITHM(forward_3, 3, forward_job, forward)
ALGORITHM(forward_4, 4, forward_job, forward)
ALGORITHM(data_2, 2, data_job, backward_data)
ALGORITHM(data_3, 3, data_job, backward_data)
ALGORITHM(data_4, 4, data_job, backward_data)

const struct ocl_algorithm vec_winograd_forward[3] = {
    {"winograd-2", TUNABLES, forward_2_fit, forward_2_allows, forward_2},
    {"winograd-3", TUNABLES, forward_3_fit, forward_3_allows, forward_3},
    {"winograd-4", TUNABLES, forward_4_fit, forward_4_allows, forward_4},
};
const struct ocl_algorithm vec_winograd_data[3] = {
    {"winograd-2", TUNABLES, data_2_fit, data_2_allows, data_2},
    {"winograd-3", TUNABLES, data_3_fit, data_3_allows, data_3},
    {"winograd-4", TUNABLES, data_4_fit, data_4_allows, data_4},
};
