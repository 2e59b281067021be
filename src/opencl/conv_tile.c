/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `tile` family: all three directions are matrix products through
 * local memory (cl/gemm_tile.cl). Here a product's tile is chosen, and into how many
 * parts its sum is split where there is too little else to do for the device. */
#include "algorithm.h"

#include <assert.h>

/* As in cl/gather_tile.h. */
enum op { FORWARD, DATA, WEIGHTS };

/* m x n of the result for a work-group, `depth` of the sum at a time; rm x rn of them
 * for a work-item. `worth`: how fast a device full of such work-groups is, roughly, in
 * percent of its peak: what is read from local memory for a multiplication, and from
 * global memory. */
struct tile {
    int m, n, depth, rm, rn, worth;
};

static const struct tile tiles[] = {
    {128, 128, 8, 8, 8, 80}, {128, 64, 8, 8, 8, 75}, {64, 64, 8, 8, 8, 65},
    {128, 32, 16, 8, 4, 58}, {64, 32, 16, 4, 4, 45}, {32, 32, 16, 4, 4, 40},
    {64, 16, 16, 4, 4, 35},  {16, 64, 16, 4, 4, 35},
};

/* A product: out[m][n] summed over `depth`, `batch` times (groups, parts of a stride). */
struct product {
    enum op op;
    struct weft_conv conv;
    struct weft_activation activation; /* of the result, or of the gate */
    struct weft_pool pool;             /* r == 0: dz is not pooled, or lies in scratch */
    size_t m, n, depth, batch, count;  /* count: floats of `out` */
    struct ocl_arg a, b, out;
    struct weft_view argmax, extra, sums;
};

/* How it is done. */
struct plan {
    const struct tile *tile;
    int buffers;
    size_t tiles, splits, span; /* a split sums `span` of the depth */
    size_t tail, plane;         /* where a plane's sums lie, how long it is; in floats */
};

enum {
    GROUPS_PER_UNIT = 4, /* work-groups that keep a compute unit busy */
    MAX_SPLITS = 256,
    TILES_PER_SPLIT = 4, /* at least: a split has to be worth its plane */
    MAX_PLANES_BYTES = 256 << 20
};

static size_t up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t items_of(const struct tile *tile)
{
    return (size_t)(tile->m / tile->rm * (tile->n / tile->rn));
}

/* Local memory for one buffer, with the padding of the operands that are turned. */
static size_t local_bytes(const struct tile *tile, enum op op)
{
    int padding = op == FORWARD ? 4 : op == DATA ? 8 : 0;
    return (size_t)(tile->depth * (tile->m + tile->n + padding)) * sizeof(cl_float);
}

static size_t tiles_of(const struct product *p, const struct tile *tile)
{
    return up(p->m, (size_t)tile->m) * up(p->n, (size_t)tile->n) * p->batch;
}

/* As many splits as bring the device to `GROUPS_PER_UNIT`. */
static size_t splits_of(const struct ocl_device *device, const struct product *p,
                        const struct tile *tile, size_t plane)
{
    size_t wanted = GROUPS_PER_UNIT * (size_t)device->units / tiles_of(p, tile);
    size_t bytes = least(MAX_PLANES_BYTES, (size_t)device->max_alloc / 2);
    size_t splits = least(wanted, p->depth / (size_t)(TILES_PER_SPLIT * tile->depth));
    splits = least(least(splits, MAX_SPLITS), bytes / (plane * sizeof(cl_float)));
    return splits ? splits : 1;
}

static size_t plane_of(const struct product *p)
{
    return up(p->count, 16) * 16 + (p->sums.mem ? up((size_t)p->conv.k, 16) * 16 : 0);
}

/* The tunables, in the order of their table. */
enum { TILE, SPLITS };

static bool tile_fits(const struct ocl_device *device, const struct product *p,
                      const struct tile *tile)
{
    return items_of(tile) <= device->max_group &&
           local_bytes(tile, p->op) <= device->local_bytes;
}

/* The tile with the least time: the work with its tiles' waste, over how fast the tile
 * is and how much of the device is busy. */
static enum ocl_fit choose(const struct ocl_device *device, const struct product *p,
                           int *values)
{
    double best = 0;
    for (size_t i = 0; i < WEFT_COUNT(tiles); i++) {
        const struct tile *tile = &tiles[i];
        if (!tile_fits(device, p, tile))
            continue;
        size_t count = tiles_of(p, tile),
               splits = splits_of(device, p, tile, plane_of(p));
        double busy =
            (double)(count * splits) / (GROUPS_PER_UNIT * (double)device->units);
        double work = (double)count * tile->m * tile->n *
                      (double)(up(p->depth, (size_t)tile->depth) * (size_t)tile->depth);
        double time = work / tile->worth / (busy < 1 ? busy : 1);
        if (best > 0 && time >= best)
            continue;
        best = time;
        values[TILE] = (int)i + 1;
        values[SPLITS] = (int)splits;
    }
    assert(best > 0); /* the device was opened: the smallest fits */
    return OCL_FIT_PREFERRED;
}

static bool allows(const struct ocl_device *device, const struct product *p,
                   const int *values)
{
    if (values[TILE] < 1 || values[TILE] > (int)WEFT_COUNT(tiles) || values[SPLITS] < 1 ||
        values[SPLITS] > MAX_SPLITS)
        return false;
    const struct tile *tile = &tiles[values[TILE] - 1];
    size_t splits = (size_t)values[SPLITS];
    size_t bytes = least(MAX_PLANES_BYTES, (size_t)device->max_alloc / 2);
    return tile_fits(device, p, tile) &&
           (splits == 1 || (splits * (size_t)tile->depth <= p->depth &&
                            splits * plane_of(p) * sizeof(cl_float) <= bytes));
}

static struct plan plan_product(const struct ocl_device *device, const struct product *p,
                                const int *values)
{
    struct plan plan = {
        .tile = &tiles[values[TILE] - 1],
        .splits = (size_t)values[SPLITS],
        .tail = up(p->count, 16) * 16,
        .plane = plane_of(p),
    };
    size_t depth = (size_t)plan.tile->depth;
    plan.tiles = tiles_of(p, plan.tile) / p->batch;
    plan.buffers = 2 * local_bytes(plan.tile, p->op) <= device->local_bytes / 2 ? 2 : 1;
    plan.span = up(up(p->depth, plan.splits), depth) * depth;
    plan.splits = up(p->depth, plan.span);
    return plan;
}

/* How far apart the taps lie that reach one pixel of x. */
static int tap_step(int stride, int dilation)
{
    int a = stride, b = dilation;
    while (b) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return stride / a;
}

static void define_product(struct ocl_options *options, const struct product *p,
                           const struct plan *plan)
{
    const struct weft_conv *c = &p->conv;
    ocl_define(options, "OP", p->op);
    ocl_define(options, "H", c->h);
    ocl_define(options, "W", c->w);
    ocl_define(options, "C", c->c);
    ocl_define(options, "K", c->k);
    ocl_define(options, "R", c->r);
    ocl_define(options, "S", c->s);
    ocl_define(options, "STRIDE_Y", c->stride_y);
    ocl_define(options, "STRIDE_X", c->stride_x);
    ocl_define(options, "DILATION_Y", c->dilation_y);
    ocl_define(options, "DILATION_X", c->dilation_x);
    ocl_define(options, "PAD_TOP", c->pad_top);
    ocl_define(options, "PAD_LEFT", c->pad_left);
    ocl_define(options, "GROUPS", c->groups);
    ocl_define(options, "OUT_H", c->out_h);
    ocl_define(options, "OUT_W", c->out_w);
    ocl_define(options, "TAP_STEP_Y", tap_step(c->stride_y, c->dilation_y));
    ocl_define(options, "TAP_STEP_X", tap_step(c->stride_x, c->dilation_x));
    if (p->pool.r) {
        ocl_define(options, "POOL_R", p->pool.r);
        ocl_define(options, "POOL_S", p->pool.s);
        ocl_define(options, "POOL_STRIDE_Y", p->pool.stride_y);
        ocl_define(options, "POOL_STRIDE_X", p->pool.stride_x);
        ocl_define(options, "POOL_PAD_TOP", p->pool.pad_top);
        ocl_define(options, "POOL_PAD_LEFT", p->pool.pad_left);
        ocl_define(options, "POOL_OUT_H", p->pool.out_h);
        ocl_define(options, "POOL_OUT_W", p->pool.out_w);
    }
    ocl_define(options, "EXTRA", p->extra.mem || p->sums.mem);
    ocl_define(options, "SPLIT", plan->splits > 1);
    ocl_define(options, "MT", plan->tile->m);
    ocl_define(options, "NT", plan->tile->n);
    ocl_define(options, "KT", plan->tile->depth);
    ocl_define(options, "RM", plan->tile->rm);
    ocl_define(options, "RN", plan->tile->rn);
    ocl_define(options, "BUFFERS", plan->buffers);
    ocl_define(options, "ACT", (long)p->activation.act);
}

static enum weft_status sum_planes(struct weft_list *list, struct ocl_options *options,
                                   const struct product *p, const struct plan *plan,
                                   size_t planes)
{
    size_t slices = 4;
    while (slices < 16 && slices < plan->splits && 32 * slices <= ocl_of(list)->max_group)
        slices *= 2;
    ocl_define(options, "SLICES", (long)slices);
    struct ocl_launch launch = {
        .source = "gemm_tile.cl",
        .kernel = "gemm_sum",
        .global = {up(plan->plane, 64) * 16, slices},
        .local = {16, slices},
        .arg_count = 9,
        .args = {OCL_SCRATCH(planes), OCL_VIEW(p->extra), p->out, OCL_VIEW(p->sums),
                 OCL_INT(plan->splits), OCL_INT(plan->plane), OCL_INT(p->count),
                 OCL_INT(plan->tail), OCL_FLOAT(p->activation.slope)},
    };
    return ocl_launch(list, options->text, &launch);
}

static enum weft_status launch_product(struct weft_list *list, const struct product *p,
                                       const int *values)
{
    const size_t limit = INT32_MAX / 2; /* the kernel counts pixels in ints */
    if (p->m > limit || p->depth > limit)
        return weft_fail(
            list->device->context, WEFT_ERR_NOMEM,
            "opencl: a layer of %d pictures has %zu pixels, but kernels count "
            "to %zu; use a smaller batch",
            p->conv.n, p->m > limit ? p->m : p->depth, limit);
    struct plan plan = plan_product(ocl_of(list), p, values);
    struct ocl_options options = {""};
    define_product(&options, p, &plan);

    struct ocl_arg out = p->out, sums = OCL_VIEW(p->sums);
    size_t planes = 0;
    if (plan.splits > 1) {
        planes = ocl_scratch(list, plan.splits * plan.plane * sizeof(cl_float));
        out = (struct ocl_arg)OCL_SCRATCH(planes);
        sums = (struct ocl_arg)OCL_SCRATCH(planes + plan.tail * sizeof(cl_float));
    }
    struct ocl_launch launch = {
        .source = "gemm_tile.cl",
        .kernel = "gemm",
        .global = {plan.tiles * items_of(plan.tile), plan.splits, p->batch},
        .local = {items_of(plan.tile), 1, 1},
        .arg_count = 10,
        .args = {p->a, p->b, OCL_VIEW(p->argmax), OCL_VIEW(p->extra), out, sums,
                 OCL_INT(p->conv.n), OCL_INT(plan.span), OCL_INT(plan.plane),
                 OCL_FLOAT(p->activation.slope)},
    };
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    return plan.splits > 1 ? sum_planes(list, &options, p, &plan, planes) : WEFT_OK;
}

static size_t pixels_out(const struct weft_conv *c)
{
    return (size_t)c->n * (size_t)c->out_h * (size_t)c->out_w;
}

static size_t taps(const struct weft_conv *c)
{
    return (size_t)c->r * (size_t)c->s;
}

/* dz for the product that reads it: dy itself; dy with argmax where the kernel can tell
 * the place's one window from it; else it is spread out in scratch first. */
static enum weft_status find_dz(struct weft_list *list, const struct weft_conv_args *args,
                                struct product *p, struct ocl_arg *dz)
{
    const struct weft_pool *pool = &args->pool;
    *dz = (struct ocl_arg)OCL_VIEW(args->dy);
    if (!pool->r)
        return WEFT_OK;
    if (pool->stride_y >= pool->r && pool->stride_x >= pool->s) {
        p->pool = *pool;
        p->argmax = args->argmax;
        return WEFT_OK;
    }
    size_t floats = pixels_out(&args->conv) * (size_t)args->conv.k;
    *dz = (struct ocl_arg)OCL_SCRATCH(ocl_scratch(list, floats * sizeof(cl_float)));
    return ocl_pool_spread(list, pool, (struct ocl_arg)OCL_VIEW(args->dy), args->argmax,
                           *dz);
}

static struct product forward_product(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct product){
        .op = FORWARD,
        .conv = *c,
        .activation = args->activation,
        .m = pixels_out(c),
        .n = (size_t)(c->k / c->groups),
        .depth = taps(c) * (size_t)(c->c / c->groups),
        .batch = (size_t)c->groups,
        .count = pixels_out(c) * (size_t)c->k,
        .a = OCL_VIEW(args->x),
        .b = OCL_VIEW(args->w),
        .out = OCL_VIEW(args->y),
        .extra = args->bias,
    };
}

static enum weft_status forward(struct weft_list *list, const struct weft_conv_args *args,
                                const int *values)
{
    struct product p = forward_product(args);
    if (!args->pool.r)
        return launch_product(list, &p, values);
    size_t z = ocl_scratch(list, p.count * sizeof(cl_float));
    p.out = (struct ocl_arg)OCL_SCRATCH(z);
    WEFT_TRY(launch_product(list, &p, values));
    return ocl_pool_max(list, &args->pool, p.out, (struct ocl_arg)OCL_VIEW(args->y),
                        args->argmax);
}

static struct product data_product(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    size_t rows = up((size_t)c->h, (size_t)c->stride_y);
    size_t columns = up((size_t)c->w, (size_t)c->stride_x);
    size_t taps_down = up((size_t)c->r, (size_t)tap_step(c->stride_y, c->dilation_y));
    size_t taps_across = up((size_t)c->s, (size_t)tap_step(c->stride_x, c->dilation_x));
    return (struct product){
        .op = DATA,
        .conv = *c,
        .activation = args->gate.activation,
        .m = (size_t)c->n * rows * columns,
        .n = (size_t)(c->c / c->groups),
        .depth = taps_down * taps_across * (size_t)(c->k / c->groups),
        .batch = (size_t)(c->groups * c->stride_y * c->stride_x),
        .count = (size_t)c->n * (size_t)c->h * (size_t)c->w * (size_t)c->c,
        .b = OCL_VIEW(args->w),
        .out = OCL_VIEW(args->dx),
        .extra = args->gate.output,
    };
}

static enum weft_status backward_data(struct weft_list *list,
                                      const struct weft_conv_args *args,
                                      const int *values)
{
    struct product p = data_product(args);
    WEFT_TRY(find_dz(list, args, &p, &p.a));
    return launch_product(list, &p, values);
}

static struct product weights_product(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct product){
        .op = WEIGHTS,
        .conv = *c,
        .m = taps(c) * (size_t)(c->c / c->groups),
        .n = (size_t)(c->k / c->groups),
        .depth = pixels_out(c),
        .batch = (size_t)c->groups,
        .count = taps(c) * (size_t)(c->c / c->groups) * (size_t)c->k,
        .a = OCL_VIEW(args->x),
        .out = OCL_VIEW(args->dw),
        .sums = args->dbias,
    };
}

static enum weft_status backward_weights(struct weft_list *list,
                                         const struct weft_conv_args *args,
                                         const int *values)
{
    struct product p = weights_product(args);
    WEFT_TRY(find_dz(list, args, &p, &p.b));
    return launch_product(list, &p, values);
}

/* What fits and what is allowed follow from the product. */
#define FIT(direction)                                                                   \
    static enum ocl_fit direction##_fit(const struct ocl_device *device,                 \
                                        const struct weft_conv_args *args, int *values)  \
    {                                                                                    \
        struct product p = direction##_product(args);                                    \
        return choose(device, &p, values);                                               \
    }                                                                                    \
    static bool direction##_allows(const struct ocl_device *device,                      \
                                   const struct weft_conv_args *args, const int *values) \
    {                                                                                    \
        struct product p = direction##_product(args);                                    \
        return allows(device, &p, values);                                               \
    }
FIT(forward)
FIT(data)
FIT(weights)

#define TUNABLES                                                                        \
    {                                                                                   \
        {"tile", 8, {1, 2, 3, 4, 5, 6, 7, 8}}, {"splits", 7, {1, 2, 4, 8, 16, 32, 64}}, \
    }

static const struct ocl_algorithm gemm[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = {"gemm", TUNABLES, forward_fit, forward_allows, forward},
    [OCL_BACKWARD_DATA] = {"gemm", TUNABLES, data_fit, data_allows, backward_data},
    [OCL_BACKWARD_WEIGHTS] = {"gemm", TUNABLES, weights_fit, weights_allows,
                              backward_weights},
};

const struct ocl_family ocl_family_tile = {
    .algorithms =
        {
            [OCL_FORWARD] =
                (const struct ocl_algorithm *const[]){&gemm[OCL_FORWARD], NULL},
            [OCL_BACKWARD_DATA] =
                (const struct ocl_algorithm *const[]){&gemm[OCL_BACKWARD_DATA], NULL},
            [OCL_BACKWARD_WEIGHTS] =
                (const struct ocl_algorithm *const[]){&gemm[OCL_BACKWARD_WEIGHTS], NULL},
        },
};
