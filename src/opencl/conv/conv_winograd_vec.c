/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution, family `vec`, forward and data gradient of 3x3 filters. The
 * algorithms "winograd-2", "-3" and "-4" are named by the side of their output tiles.
 * Kernels: cl/conv/conv_winograd_vec.cl. */
#include "opencl/conv/winograd.h"
#include "shared/workspace_layout.h"

/* Tunables, in the order of their table. */
enum { VECTOR_WIDTH, VECTORS, TILE, TILES, BLOCKS_PER_ITEM, UNROLL };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("vectors", 1, 2, 3),
    OCL_TUNABLE("tile", 1, 2, 3, 4, 6, 8, 12),
    OCL_TUNABLE("tiles-per-item", 4, 6, 12, 24, 48),
    OCL_TUNABLE("blocks-per-item", 1, 2, 4, 8, 16, 64),
    OCL_TUNABLE("unroll", 1, 2, 4, 8),
    {0},
};

static int block_of(const int *values)
{
    return values[VECTOR_WIDTH] * values[VECTORS];
}

/* Bytes of a work-item's private arrays. Second-level caches hold half a megabyte; the
 * stacks of a driver's threads hold far more. */
enum { MAX_PRIVATE = 512 << 10 };

static long private_bytes(const struct winograd *job, const int *values)
{
    int channels = div_up(job->shape.c, values[VECTOR_WIDTH]) * values[VECTOR_WIDTH];
    return 4 * winograd_transform_elements(job) *
           (WINOGRAD_PLANE((long)values[TILES], channels) +
            WINOGRAD_PLANE((long)values[TILES], block_of(values)));
}

/* Vector operations of a work-item, as in cost_of. Fewer than 8 accumulators do not hide
 * the latency of multiply-adds; loads of operands are as fast as their multiplication. */
static double item_cost(const struct winograd *job, const int *values)
{
    double in = job->shape.c, tile = values[TILE], sums = tile * values[VECTORS];
    double products = (sums < 8 ? 8 : sums) + tile + values[VECTORS];
    return (double)winograd_transform_elements(job) *
           (7 * tile * in + values[BLOCKS_PER_ITEM] *
                                (in * values[VECTOR_WIDTH] * products +
                                 7 * tile * values[VECTOR_WIDTH] * values[VECTORS]));
}

/* Work distribution for few tiles: the one with the least time. Work-items that share
 * tiles, for other output channels, transform the same inputs again. */
static void partition_work(const struct ocl_device *device, const struct winograd *job,
                           int *values)
{
    int most = values[TILE], blocks = div_up(job->shape.k, block_of(values));
    double best = 0;
    int found[OCL_MAX_TUNABLES] = {0};
    for (values[TILE] = 1; values[TILE] <= most; values[TILE]++)
        for (values[BLOCKS_PER_ITEM] = 1; values[BLOCKS_PER_ITEM] <= blocks;
             values[BLOCKS_PER_ITEM]++) {
            int items = div_up(winograd_tiles(job), values[TILE]) *
                        div_up(blocks, values[BLOCKS_PER_ITEM]);
            double time = div_up(items, (int)device->compute_units) *
                          (item_cost(job, values) + 2000);
            if (best > 0 && time >= best)
                continue;
            best = time;
            found[TILE] = values[TILE];
            found[BLOCKS_PER_ITEM] = values[BLOCKS_PER_ITEM];
        }
    values[TILES] = values[TILE] = found[TILE];
    values[BLOCKS_PER_ITEM] = found[BLOCKS_PER_ITEM];
}

/* Few tiles in a work-item leave most of the second-level cache to the weights; weights
 * that exceed it anyway should be reused by more tiles. */
static void choose(const struct ocl_device *device, const struct winograd *job,
                   int *values)
{
    enum { STREAMED = 3 << 19, MIN_TILE = 4 };
    const struct weft_conv *s = &job->shape;
    long tiles = winograd_tiles(job), items = 4 * (long)device->compute_units;
    values[VECTOR_WIDTH] = vec_width(device, s->k);
    values[VECTORS] = s->k > values[VECTOR_WIDTH] ? 2 : 1;
    values[UNROLL] = 4;
    int registers = values[VECTOR_WIDTH] >= 16 ? 24 : 12,
        tile = registers / values[VECTORS];
    values[TILE] = tiles < tile ? (int)tiles : tile;
    values[TILES] = values[TILE];
    while (values[TILE] > MIN_TILE && private_bytes(job, values) > MAX_PRIVATE)
        values[TILES] = --values[TILE];
    if (4 * winograd_transform_elements(job) * s->c * s->k > STREAMED)
        for (int more = 4; more > 1 && values[TILES] == values[TILE]; more /= 2) {
            values[TILES] = more * values[TILE];
            if (tiles < items * values[TILES] || private_bytes(job, values) > MAX_PRIVATE)
                values[TILES] = values[TILE];
        }
    if (tiles < items * values[TILES]) {
        partition_work(device, job, values);
        return;
    }
    int blocks = div_up(s->k, block_of(values));
    int parts = div_up(items, div_up(tiles, values[TILES]));
    values[BLOCKS_PER_ITEM] = div_up(blocks, parts < blocks ? parts : blocks);
}

static bool validate_config(const struct ocl_device *device, const struct winograd *job,
                            const int *values)
{
    return ocl_vector_width_valid(device, values[VECTOR_WIDTH]) && values[VECTORS] >= 1 &&
           values[VECTORS] <= 3 && values[TILE] >= 1 &&
           values[TILE] * values[VECTORS] <= 24 && values[TILES] >= values[TILE] &&
           values[TILES] <= 256 && values[TILES] % values[TILE] == 0 &&
           values[BLOCKS_PER_ITEM] >= 1 && values[BLOCKS_PER_ITEM] <= 4096 &&
           values[UNROLL] >= 1 && values[UNROLL] <= 8 &&
           private_bytes(job, values) <= MAX_PRIVATE;
}

/* Vector operations, two a cycle: multiplications; input and output transforms, about 7
 * for each element; transforms of weights, about 30, since they go to memory, or 3 for
 * loading weights that are transformed once. */
static double cost_of(const struct winograd *job)
{
    const struct weft_conv *s = &job->shape;
    double in = s->c, out = s->k, elements = (double)winograd_transform_elements(job);
    return (double)winograd_tiles(job) * elements * (in * out + 7 * (in + out)) +
           (job->constant_weights ? 3 : 30) * elements * in * out;
}

static double direct_cost(const struct winograd *job)
{
    const struct weft_conv *s = &job->shape;
    return 9.0 * s->n * s->out_h * s->out_w * s->c * s->k;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            enum ocl_conv_pass pass,
                                            const struct weft_problem *problem,
                                            int outputs, int *values)
{
    if (!device->is_cpu || !winograd_applicable(&ocl_conv_args(problem)->conv))
        return OCL_NOT_APPLICABLE;
    struct winograd job = winograd_of(pass, problem, outputs);
    choose(device, &job, values);
    if (private_bytes(&job, values) > MAX_PRIVATE)
        return OCL_NOT_APPLICABLE;
    double cost = cost_of(&job);
    bool preferred = job.shape.c >= 8 && job.shape.k >= 8 && cost < direct_cost(&job);
    for (int other = 2; other <= 4 && preferred; other++) {
        struct winograd candidate = winograd_of(pass, problem, other);
        preferred = other == outputs || cost_of(&candidate) > cost;
    }
    return preferred ? OCL_PREFERRED : OCL_APPLICABLE;
}

static void define(struct ocl_options *options, const struct winograd *job,
                   const int *values)
{
    winograd_define(options, job);
    ocl_define(options, "VW", values[VECTOR_WIDTH]);
    ocl_define(options, "NV", values[VECTORS]);
}

/* Transforms the weights. */
static enum weft_status prepare(struct weft_command_list *list,
                                const struct winograd *job, const int *values,
                                struct ocl_arg *u)
{
    const struct weft_conv *s = &job->shape;
    size_t blocks = (size_t)div_up(s->k, block_of(values));
    size_t plane = WINOGRAD_PLANE((size_t)s->c, (size_t)block_of(values));
    struct ocl_options options = {""};
    define(&options, job, values);
    *u = ocl_persistent_workspace(
        list, sizeof(float) * blocks * (size_t)winograd_transform_elements(job) * plane);
    struct ocl_launch launch = {
        .source = "conv_winograd_vec.cl",
        .kernel = "winograd_transform_weights",
        .global = {(size_t)s->c, blocks},
        .arg_count = 2,
        .args = {job->w, *u},
        .weights_only = true,
    };
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static enum weft_status convolve(struct weft_command_list *list,
                                 const struct winograd *job, const int *values)
{
    struct ocl_arg u;
    WEFT_TRY(prepare(list, job, values, &u));
    long tiles = winograd_tiles(job);
    int blocks = div_up(job->shape.k, block_of(values));
    struct ocl_options options = {""};
    define(&options, job, values);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "TILES", values[TILES]);
    ocl_define(&options, "BLOCKS_PER_ITEM", values[BLOCKS_PER_ITEM]);
    ocl_define(&options, "UNROLL", values[UNROLL]);
    winograd_define_epilogue(&options, job);
    struct ocl_launch launch = {
        .source = "conv_winograd_vec.cl",
        .kernel = "winograd_conv",
        .global = {(size_t)div_up(blocks, values[BLOCKS_PER_ITEM]),
                   (size_t)div_up(tiles, values[TILES])},
        .arg_count = 9,
        .args = {job->x, OCL_VIEW(job->from), u, OCL_VIEW(job->bias),
                 OCL_VIEW(job->act_grad), job->y, OCL_VIEW(job->argmax), OCL_INT(tiles),
                 OCL_ACT_PARAMS(job->activation)},
    };
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

WINOGRAD_DEFINE_ALGORITHMS(vec, tunables, "conv_winograd_vec.cl", "pool.cl")
