/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as matrix products: what is multiplied, and how its sum is split where
 * there is too little else to do for the device. */
#include "product.h"

#include "../../cl/parts.h"

/* How the depth is split: a split sums `span` of it and writes a plane. */
struct split {
    size_t count, span;
    size_t tail, plane; /* where a plane's sums lie, how long it is; in floats */
};

enum {
    STEPS_PER_SPLIT = 4, /* at least: a split has to be worth its plane */
    MAX_PLANES_BYTES = 256 << 20,
    MAX_LEFT_BYTES = 64 << 20 /* of a product, where the update adds them */
};

static size_t up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t pixels_out(const struct weft_conv *c)
{
    return (size_t)c->n * (size_t)c->out_h * (size_t)c->out_w;
}

static size_t taps(const struct weft_conv *c)
{
    return (size_t)c->r * (size_t)c->s;
}

static struct product forward_product(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct product){
        .slot = OCL_FORWARD,
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

static struct product data_product(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    size_t rows = up((size_t)c->h, (size_t)c->stride_y);
    size_t columns = up((size_t)c->w, (size_t)c->stride_x);
    size_t taps_down =
        up((size_t)c->r, (size_t)weft_tap_step(c->stride_y, c->dilation_y));
    size_t taps_across =
        up((size_t)c->s, (size_t)weft_tap_step(c->stride_x, c->dilation_x));
    return (struct product){
        .slot = OCL_BACKWARD_DATA,
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

static struct product weights_product(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct product){
        .slot = OCL_BACKWARD_WEIGHTS,
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

struct product ocl_product_of(enum ocl_slot slot, const struct weft_conv_args *args)
{
    static struct product (*const products[OCL_SLOT_COUNT])(
        const struct weft_conv_args *args) = {
        [OCL_FORWARD] = forward_product,
        [OCL_BACKWARD_DATA] = data_product,
        [OCL_BACKWARD_WEIGHTS] = weights_product,
    };
    return products[slot](args);
}

size_t ocl_product_groups(const struct product *p, int m, int n)
{
    return up(p->m, (size_t)m) * up(p->n, (size_t)n) * p->batch;
}

static size_t tail_of(const struct product *p)
{
    return up(p->count, 16) * 16;
}

static size_t plane_of(const struct product *p)
{
    return tail_of(p) + (p->sums.mem ? up((size_t)p->conv.k, 16) * 16 : 0);
}

static size_t most_planes(const struct ocl_device *device, const struct product *p)
{
    size_t bytes = least(MAX_PLANES_BYTES, (size_t)device->max_alloc / 2);
    return least(OCL_MAX_SPLITS, bytes / (plane_of(p) * sizeof(cl_float)));
}

int ocl_product_splits(const struct ocl_device *device, const struct product *p, int m,
                       int n, int step)
{
    size_t wanted =
        OCL_GROUPS_PER_UNIT * (size_t)device->units / ocl_product_groups(p, m, n);
    size_t worth = p->depth / (size_t)(STEPS_PER_SPLIT * step);
    size_t splits = least(least(wanted, worth), most_planes(device, p));
    return splits ? (int)splits : 1;
}

bool ocl_product_splits_allowed(const struct ocl_device *device, const struct product *p,
                                int splits, int step)
{
    return splits == 1 || (splits > 1 && (size_t)splits * (size_t)step <= p->depth &&
                           (size_t)splits <= most_planes(device, p));
}

static struct split split_of(const struct product *p, const struct ocl_grid *grid)
{
    size_t splits = (size_t)grid->splits, step = (size_t)grid->step;
    size_t span = up(up(p->depth, splits), step) * step;
    return (struct split){up(p->depth, span), span, tail_of(p), plane_of(p)};
}

static void define_product(struct ocl_options *options, const struct product *p)
{
    const struct weft_conv *c = &p->conv;
    ocl_define(options, "OP", (long)p->slot);
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
    ocl_define(options, "TAP_STEP_Y", weft_tap_step(c->stride_y, c->dilation_y));
    ocl_define(options, "TAP_STEP_X", weft_tap_step(c->stride_x, c->dilation_x));
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
    ocl_define(options, "ACT", (long)p->activation.act);
}

static enum weft_status sum_planes(struct weft_list *list, const struct product *p,
                                   const struct split *split, struct ocl_arg planes)
{
    struct ocl_options options = {""};
    size_t slices = 4;
    while (slices < 16 && slices < split->count && 32 * slices <= ocl_of(list)->max_group)
        slices *= 2;
    define_product(&options, p);
    ocl_define_type(&options, "GATE_HALF", p->extra);
    ocl_define_arg(&options, "Y_HALF", &p->out);
    ocl_define(&options, "SLICES", (long)slices);
    struct ocl_launch launch = {
        .source = "gemm_sum.cl",
        .kernel = "gemm_sum",
        .global = {up(split->plane, 64) * 16, slices},
        .local = {16, slices},
        .arg_count = 9,
        .args = {planes, OCL_VIEW(p->extra), p->out, OCL_VIEW(p->sums),
                 OCL_INT(split->count), OCL_INT(split->plane), OCL_INT(p->count),
                 OCL_INT(split->tail), OCL_FLOAT(p->activation.slope)},
    };
    return ocl_launch(list, options.text, &launch);
}

/* Leaves them to the update. */
static enum weft_status leave_planes(struct weft_list *list, const struct product *p,
                                     const struct split *split, struct ocl_arg planes)
{
    size_t from = planes.bytes / sizeof(cl_float);
    struct ocl_planes left = {p->out.view, from, split->plane, split->count};
    WEFT_TRY(ocl_leave_planes(list, &left));
    if (!p->sums.mem)
        return WEFT_OK;
    left.to = p->sums;
    left.from = from + split->tail;
    return ocl_leave_planes(list, &left);
}

enum weft_status ocl_product_multiply(struct weft_list *list, const struct product *p,
                                      const struct ocl_grid *grid)
{
    const size_t limit = INT32_MAX / 2; /* kernels count pixels in ints */
    if (p->m > limit || p->depth > limit)
        return weft_fail(
            list->device->context, WEFT_ERR_NOMEM,
            "opencl: a layer of %d pictures has %zu pixels, but kernels count "
            "to %zu; use a smaller batch",
            p->conv.n, p->m > limit ? p->m : p->depth, limit);
    struct split split = split_of(p, grid);
    struct ocl_options options = grid->options;
    define_product(&options, p);
    ocl_define(&options, "SPLIT", split.count > 1);

    struct ocl_arg out = p->out, sums = OCL_VIEW(p->sums);
    size_t bytes = split.count * split.plane * sizeof(cl_float);
    bool later = p->slot == OCL_BACKWARD_WEIGHTS && list->sums_later &&
                 p->out.kind == OCL_ARG_VIEW && bytes <= MAX_LEFT_BYTES;
    if (split.count > 1) {
        out = later ? (struct ocl_arg)OCL_KEPT(ocl_keep(list, bytes))
                    : (struct ocl_arg)OCL_SCRATCH(ocl_scratch(list, bytes));
        sums = out;
        sums.bytes += split.tail * sizeof(cl_float);
    }
    ocl_define_arg(&options, "X_HALF", &p->a);
    ocl_define_arg(&options, "W_HALF", &p->b);
    ocl_define_type(&options, "GATE_HALF", p->extra);
    ocl_define_arg(&options, "Y_HALF", &out);
    size_t groups = ocl_product_groups(p, grid->m, grid->n) / p->batch;
    struct ocl_launch launch = {
        .source = grid->source,
        .kernel = "gemm",
        .global = {groups * (size_t)grid->items, split.count, p->batch},
        .local = {(size_t)grid->items, 1, 1},
        .arg_count = 10,
        .args = {p->a, p->b, OCL_VIEW(p->argmax), OCL_VIEW(p->extra), out, sums,
                 OCL_INT(p->conv.n), OCL_INT(split.span), OCL_INT(split.plane),
                 OCL_FLOAT(p->activation.slope)},
    };
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    if (split.count == 1)
        return WEFT_OK;
    return later ? leave_planes(list, p, &split, out) : sum_planes(list, p, &split, out);
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

enum weft_status ocl_product_record(struct weft_list *list, enum ocl_slot slot,
                                    const struct weft_conv_args *args,
                                    const struct ocl_grid *grid)
{
    struct product p = ocl_product_of(slot, args);
    if (slot == OCL_BACKWARD_DATA)
        WEFT_TRY(find_dz(list, args, &p, &p.a));
    if (slot == OCL_BACKWARD_WEIGHTS)
        WEFT_TRY(find_dz(list, args, &p, &p.b));
    if (slot != OCL_FORWARD || !args->pool.r)
        return ocl_product_multiply(list, &p, grid);
    p.out = (struct ocl_arg)OCL_SCRATCH(ocl_scratch(list, p.count * sizeof(cl_float)));
    WEFT_TRY(ocl_product_multiply(list, &p, grid));
    return ocl_pool_max(list, &args->pool, p.out, (struct ocl_arg)OCL_VIEW(args->y),
                        args->argmax);
}
