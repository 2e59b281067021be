/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient of a convolution's weights and bias, family `vec`: parts of the batch give
 * planes of partial sums, a second launch adds the planes in order. Kernels:
 * cl/conv_weights_vec.cl. */
#include "vec.h"

/* The tunables, in the order of their table: SPLIT is the pictures of a part, PER_ITEM
 * the blocks of channels of a work-item, SLAB the pixels of a slab. */
enum { WIDTH, VECTORS, TILE, SPLIT, PER_ITEM, SLAB, UNROLL };

/* What follows from them. */
struct tiling {
    int blocks, splits; /* blocks of channels of all groups; parts of the batch */
    int slab_rows, slab_pictures;
    size_t rows, plane, slab; /* weights a plane has room for; floats */
};

static int div_up(long a, long b)
{
    return (int)((a + b - 1) / b);
}

/* Tiles of `most` weights or fewer, so that little of the last one is wasted. A tile's
 * own cost is about `overhead` weights. */
static int tile_of(int taps, int least, int most, int overhead)
{
    int tile = most, best = 0;
    for (int t = most; t >= least; t--) {
        int cost = div_up(taps, t) * (t + overhead);
        if (best && cost >= best)
            continue;
        best = cost;
        tile = t;
    }
    return tile;
}

static int taps_of(const struct vec_shape *s)
{
    return s->r * s->s * s->group_in;
}

static struct tiling tiling_of(const struct vec_shape *s, const int *values)
{
    int block = values[WIDTH] * values[VECTORS];
    struct tiling t = {
        .blocks = s->blocks_of * div_up(s->group_out, block),
        .splits = div_up(s->n, values[SPLIT]),
        .rows = (size_t)div_up(taps_of(s), values[TILE]) * (size_t)values[TILE],
    };
    t.plane = (t.rows + 1) * (size_t)block * (size_t)t.blocks;
    t.slab_rows = values[SLAB] < s->out_w ? 1 : values[SLAB] / s->out_w;
    t.slab_pictures = t.slab_rows / s->out_h;
    if (t.slab_rows > s->out_h)
        t.slab_rows = s->out_h;
    if (t.slab_pictures < 1)
        t.slab_pictures = 1;
    if (t.slab_pictures > values[SPLIT])
        t.slab_pictures = values[SPLIT];
    t.slab = (size_t)t.slab_pictures * (size_t)t.slab_rows * (size_t)(s->out_w * block);
    return t;
}

/* Enough work-items to keep all units busy to the end, from parts of the batch first, but
 * no more than 1 MiB of planes while blocks of channels can make up for it. */
static void deal(const struct ocl_device *device, const struct vec_shape *s, int *values)
{
    enum { PLANES = 1 << 18 };
    long items = (device->is_cpu ? 4 : 8) * (long)device->units;
    values[SPLIT] = 1;
    struct tiling t = tiling_of(s, values);
    long splits = s->n < items ? s->n : items;
    while (splits > 1 && t.plane * (size_t)splits > PLANES &&
           (long)t.blocks * (splits / 2) >= items)
        splits /= 2;
    values[SPLIT] = div_up(s->n, splits);
    long spare = (long)t.blocks * div_up(s->n, values[SPLIT]) / items;
    values[PER_ITEM] = spare < 1 ? 1 : spare < t.blocks ? (int)spare : t.blocks;
}

static enum ocl_fit fit(const struct ocl_device *device,
                        const struct weft_conv_args *args, int *values)
{
    enum { SLAB_FLOATS = 4096 }; /* 16 KiB: half of a usual first-level cache */
    struct vec_shape s = vec_shape_of(&args->conv);
    int width = vec_width(device, s.group_out), registers = width >= 16 ? 24 : 12;
    values[WIDTH] = width;
    values[VECTORS] = s.group_out > width ? 2 : 1;
    values[TILE] = tile_of(taps_of(&s), 1, registers / values[VECTORS], 1);
    values[SLAB] = SLAB_FLOATS / (width * values[VECTORS]);
    values[UNROLL] = 2;
    deal(device, &s, values);
    return OCL_FIT_POSSIBLE;
}

static enum ocl_fit pooled_fit(const struct ocl_device *device,
                               const struct weft_conv_args *args, int *values)
{
    const struct weft_pool *pool = &args->pool;
    struct vec_shape s = vec_shape_of(&args->conv);
    if (!vec_pool_touches(pool) || pool->r * pool->s > 4 || taps_of(&s) > 32)
        return OCL_FIT_NONE;
    int width = vec_width(device, s.group_out), registers = width >= 16 ? 24 : 12;
    values[WIDTH] = width;
    values[VECTORS] = 1;
    values[TILE] = tile_of(taps_of(&s), 1, registers * 3 / 4, 3);
    values[SLAB] = 1;
    values[UNROLL] = 1;
    deal(device, &s, values);
    return OCL_FIT_PREFERRED;
}

static bool allows(const struct ocl_device *device, const struct weft_conv_args *args,
                   const int *values)
{
    enum { MOST_PLANES = 1 << 26 }; /* floats */
    struct vec_shape s = vec_shape_of(&args->conv);
    if (!vec_width_allowed(values[WIDTH]) || values[VECTORS] < 1 || values[VECTORS] > 3 ||
        values[TILE] < 1 || values[VECTORS] * values[TILE] > 24 || values[SPLIT] < 1 ||
        values[SPLIT] > 65536 || values[PER_ITEM] < 1 || values[PER_ITEM] > 4096 ||
        values[SLAB] < 1 || values[SLAB] > 65536 || values[UNROLL] < 1 ||
        values[UNROLL] > 8)
        return false;
    struct tiling t = tiling_of(&s, values);
    size_t items = (size_t)div_up(t.blocks, values[PER_ITEM]) * (size_t)t.splits;
    size_t most = (size_t)device->max_alloc / sizeof(float);
    most = most < MOST_PLANES ? most : MOST_PLANES;
    return t.splits == 1 || t.plane * (size_t)t.splits + t.slab * items <= most;
}

static bool pooled_allows(const struct ocl_device *device,
                          const struct weft_conv_args *args, const int *values)
{
    return values[VECTORS] == 1 && values[TILE] <= 16 && allows(device, args, values);
}

/* Adds the planes of all parts in order. */
static enum weft_status sum_planes(struct weft_list *list, struct ocl_options *options,
                                   const struct weft_conv_args *args,
                                   const struct tiling *t, struct ocl_arg planes)
{
    enum { SUM_ROWS = 16 };
    struct ocl_launch sum = {
        .source = "conv_weights_vec.cl",
        .kernel = "conv_weights_sum",
        .global = {(size_t)div_up((long)t->rows + 1, SUM_ROWS), (size_t)t->blocks},
        .arg_count = 4,
        .args = {planes, OCL_VIEW(args->dw), OCL_VIEW(args->dbias), OCL_INT(t->splits)},
    };
    vec_local(list, &sum);
    return ocl_launch(list, options->text, &sum);
}

static enum weft_status record_either(struct weft_list *list,
                                      const struct weft_conv_args *args,
                                      const int *values, bool pooled)
{
    struct vec_shape shape = vec_shape_of(&args->conv);
    struct ocl_arg x = OCL_VIEW(args->x);
    WEFT_TRY(vec_pad(list, &args->conv, &shape, &x));
    struct tiling t = tiling_of(&shape, values);
    size_t per_split = (size_t)div_up(t.blocks, values[PER_ITEM]);
    size_t splits = (size_t)t.splits;

    struct ocl_options options = {""};
    vec_define_shape(&options, &shape);
    vec_define_pool(&options, &args->pool);
    ocl_define(&options, "SUM_ROWS", 16);
    ocl_define(&options, "GROUPS", shape.blocks_of);
    ocl_define(&options, "VW", values[WIDTH]);
    ocl_define(&options, "NV", values[VECTORS]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "PER_ITEM", values[PER_ITEM]);
    ocl_define(&options, "SLAB_ROWS", t.slab_rows);
    ocl_define(&options, "SLAB_PICTURES", t.slab_pictures);
    ocl_define(&options, "UNROLL", values[UNROLL]);
    ocl_define(&options, "BIAS", args->dbias.mem != NULL);

    struct ocl_arg planes =
        OCL_SCRATCH(ocl_scratch(list, sizeof(float) * t.plane * splits));
    struct ocl_launch launch = {
        .source = "conv_weights_vec.cl",
        .kernel = "conv_weights_pooled",
        .global = {per_split, splits},
        .arg_count = 6,
        .args = {x, OCL_VIEW(args->dy), OCL_VIEW(args->argmax), planes, OCL_INT(shape.n),
                 OCL_INT(values[SPLIT])},
    };
    if (!pooled) {
        launch.kernel = "conv_weights";
        launch.arg_count = 7;
        launch.args[4] = (struct ocl_arg)OCL_SCRATCH(
            ocl_scratch(list, sizeof(float) * t.slab * per_split * splits));
        launch.args[5] = (struct ocl_arg)OCL_INT(shape.n);
        launch.args[6] = (struct ocl_arg)OCL_INT(values[SPLIT]);
    }
    vec_local(list, &launch);
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    return sum_planes(list, &options, args, &t, planes);
}

static enum weft_status record(struct weft_list *list, const struct weft_conv_args *args,
                               const int *values)
{
    return record_either(list, args, values, false);
}

static enum weft_status pooled_record(struct weft_list *list,
                                      const struct weft_conv_args *args,
                                      const int *values)
{
    return record_either(list, args, values, true);
}

#define TUNABLES                                                                        \
    {                                                                                   \
        {"width", 3, {4, 8, 16}}, {"vectors", 3, {1, 2, 3}},                            \
            {"tile", 8, {1, 2, 3, 4, 6, 8, 9, 12}},                                     \
            {"split", 8, {1, 2, 4, 8, 16, 32, 64, 128}},                                \
            {"per-item", 5, {1, 2, 4, 8, 16}},                                          \
            {"slab", 7, {16, 64, 128, 256, 512, 1024, 2048}}, {"unroll", 3, {1, 2, 4}}, \
    }

const struct ocl_algorithm vec_direct_weights = {"direct", TUNABLES, fit, allows, record};
const struct ocl_algorithm vec_pooled_weights = {"pooled", TUNABLES, pooled_fit,
                                                 pooled_allows, pooled_record};
