/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient of a convolution's weights and bias, family `vec`: parts of the batch give
 * planes of partial sums, a second launch adds the planes in order. Kernels:
 * cl/conv_weights_vec.cl. */
#include "vec.h"

struct tiling {
    int width, vectors, tile; /* VW, NV, TILE */
    int blocks, per_item;     /* blocks of channels of all groups, of a work-item */
    int splits, split;        /* parts of the batch; pictures of a part */
    int slab_rows, slab_pictures;
    size_t rows, plane, slab; /* weights a plane has room for; floats */
    bool pooled;              /* conv_weights_pooled */
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

/* Enough work-items to keep all units busy to the end, from parts of the batch first, but
 * no more than 1 MiB of planes while blocks of channels can make up for it. */
static void deal(const struct ocl_device *device, int n, struct tiling *t)
{
    enum { PLANES = 1 << 18 };
    long items = (device->is_cpu ? 4 : 8) * (long)device->units;
    t->splits = n < items ? n : (int)items;
    while (t->splits > 1 && t->plane * (size_t)t->splits > PLANES &&
           (long)t->blocks * (t->splits / 2) >= items)
        t->splits /= 2;
    t->split = div_up(n, t->splits);
    t->splits = div_up(n, t->split);
    long spare = (long)t->blocks * t->splits / items;
    t->per_item = spare < 1 ? 1 : spare < t->blocks ? (int)spare : t->blocks;
}

static struct tiling choose(const struct ocl_device *device, const struct vec_shape *s,
                            const struct weft_pool *pool)
{
    enum { SLAB = 4096 }; /* 16 KiB: half of a usual first-level cache */
    int taps = s->r * s->s * s->group_in;
    struct tiling t = {.width = vec_width(device, s->group_out), .vectors = 1};
    int registers = t.width >= 16 ? 24 : 12;
    t.pooled = vec_pool_touches(pool) && pool->r * pool->s <= 4 && taps <= 32;
    if (t.pooled) {
        t.tile = tile_of(taps, 1, registers * 3 / 4, 3);
    } else {
        t.vectors = s->group_out > t.width ? 2 : 1;
        t.tile = tile_of(taps, 1, registers / t.vectors, 1);
    }
    int block = t.width * t.vectors;
    t.blocks = s->blocks_of * div_up(s->group_out, block);
    t.rows = (size_t)div_up(taps, t.tile) * (size_t)t.tile;
    t.plane = (t.rows + 1) * (size_t)block * (size_t)t.blocks;
    deal(device, s->n, &t);

    int row = s->out_w * block;
    t.slab_rows = row > SLAB ? 1 : SLAB / row;
    t.slab_pictures = t.slab_rows / s->out_h;
    if (t.slab_rows > s->out_h)
        t.slab_rows = s->out_h;
    if (t.slab_pictures < 1)
        t.slab_pictures = 1;
    if (t.slab_pictures > t.split)
        t.slab_pictures = t.split;
    t.slab = (size_t)t.slab_pictures * (size_t)t.slab_rows * (size_t)row;
    return t;
}

enum weft_status vec_conv_backward_weights(struct weft_list *list,
                                           const struct weft_conv_args *args)
{
    struct vec_shape shape = vec_shape_of(&args->conv);
    struct ocl_arg x = OCL_VIEW(args->x);
    ocl_begin(list);
    WEFT_TRY(vec_pad(list, &args->conv, &shape, &x));
    struct tiling t = choose(ocl_of(list), &shape, &args->pool);
    size_t per_split = (size_t)div_up(t.blocks, t.per_item), splits = (size_t)t.splits;

    enum { SUM_ROWS = 16 };
    struct ocl_options options = {""};
    vec_define_shape(&options, &shape);
    vec_define_pool(&options, &args->pool);
    ocl_define(&options, "SUM_ROWS", SUM_ROWS);
    ocl_define(&options, "GROUPS", shape.blocks_of);
    ocl_define(&options, "VW", t.width);
    ocl_define(&options, "NV", t.vectors);
    ocl_define(&options, "TILE", t.tile);
    ocl_define(&options, "PER_ITEM", t.per_item);
    ocl_define(&options, "SLAB_ROWS", t.slab_rows);
    ocl_define(&options, "SLAB_PICTURES", t.slab_pictures);
    ocl_define(&options, "BIAS", args->dbias.mem != NULL);

    struct ocl_arg planes =
        OCL_SCRATCH(ocl_scratch(list, sizeof(float) * t.plane * splits));
    struct ocl_launch launch = {
        .source = "conv_weights_vec.cl",
        .kernel = "conv_weights_pooled",
        .global = {per_split, splits},
        .arg_count = 6,
        .args = {x, OCL_VIEW(args->dy), OCL_VIEW(args->argmax), planes, OCL_INT(shape.n),
                 OCL_INT(t.split)},
    };
    if (!t.pooled) {
        launch.kernel = "conv_weights";
        launch.arg_count = 7;
        launch.args[4] = (struct ocl_arg)OCL_SCRATCH(
            ocl_scratch(list, sizeof(float) * t.slab * per_split * splits));
        launch.args[5] = (struct ocl_arg)OCL_INT(shape.n);
        launch.args[6] = (struct ocl_arg)OCL_INT(t.split);
    }
    vec_local(list, &launch);
    WEFT_TRY(ocl_launch(list, options.text, &launch));

    struct ocl_launch sum = {
        .source = "conv_weights_vec.cl",
        .kernel = "conv_weights_sum",
        .global = {(size_t)div_up((long)t.rows + 1, SUM_ROWS), (size_t)t.blocks},
        .arg_count = 4,
        .args = {planes, OCL_VIEW(args->dw), OCL_VIEW(args->dbias), OCL_INT(t.splits)},
    };
    vec_local(list, &sum);
    return ocl_launch(list, options.text, &sum);
}
