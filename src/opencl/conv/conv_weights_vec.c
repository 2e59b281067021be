/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a convolution, family `vec`: splits of the batch give
 * partial sums, a second launch adds them in order. Kernels:
 * cl/conv/conv_weights_vec.cl, cl/conv/conv_weights_pooled_vec.h,
 * cl/conv/conv_depthwise_weights_vec.cl, cl/lib/split_batch_reduction.h. */
#include "opencl/conv/vec.h"
#include "shared/partial_sums.h"
#include "shared/workspace_layout.h"

/* Tunables, in the order of their table: C_SLICE input channels of a slice, SPLIT images
 * of a split, BLOCKS_PER_ITEM blocks of channels of a work-item, CHUNK pixels of a block
 * of a panel, PANEL such blocks of a panel. */
enum {
    VECTOR_WIDTH,
    VECTORS,
    TILE,
    C_SLICE,
    SPLIT,
    BLOCKS_PER_ITEM,
    CHUNK,
    PANEL,
    UNROLL
};

struct image_block {
    int rows, images;
};

/* Tiling for given tunables. */
struct weights_tiling {
    int blocks, splits; /* blocks of channels of all groups; splits */
    struct image_block chunk, panel;
    size_t rows, partial_floats; /* weights of a partial; its floats */
    size_t panel_floats;
};

/* The tile of at most `most` weights that wastes least of the last tile. The fixed cost
 * of a tile is about that of `overhead` weights. */
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

static int taps_of(const struct weft_conv *s)
{
    return s->r * s->s * vec_c_per_group(s);
}

/* Floats of `rows` rows of an image in a panel: x of one slice, and dz. */
static long x_floats(const struct weft_conv *s, const int *values, int rows)
{
    long step =
        vec_is_depthwise(s) ? values[VECTOR_WIDTH] * values[VECTORS] : values[C_SLICE];
    return step * CONV_EXTENT(rows, s->stride_y, s->r, s->dilation_y) *
           CONV_EXTENT(s->out_w, s->stride_x, s->s, s->dilation_x);
}

static long dz_floats(const struct weft_conv *s, const int *values, int rows)
{
    return (long)values[VECTOR_WIDTH] * values[VECTORS] * rows * s->out_w;
}

/* Rows of an image, or whole images, with about this number of pixels. */
static struct image_block image_block_of(const struct weft_conv *s, const int *values,
                                         long pixels)
{
    long rows = pixels < s->out_w ? 1 : pixels / s->out_w, images = rows / s->out_h;
    if (images > values[SPLIT])
        images = values[SPLIT];
    return (struct image_block){(int)(rows < s->out_h ? rows : s->out_h),
                                (int)(images < 1 ? 1 : images)};
}

static struct weights_tiling tiling_of(const struct weft_conv *s, const int *values)
{
    int block = values[VECTOR_WIDTH] * values[VECTORS];
    int slices = div_up(vec_c_per_group(s), values[C_SLICE]);
    int tiles = div_up(s->r * s->s * values[C_SLICE], values[TILE]);
    struct weights_tiling t = {
        .blocks = vec_block_groups(s) * div_up(vec_k_per_block_group(s), block),
        .splits = div_up(s->n, values[SPLIT]),
        .rows = (size_t)slices * (size_t)tiles * (size_t)values[TILE],
    };
    t.partial_floats = PARTIAL_FLOATS(t.rows, (size_t)block) * (size_t)t.blocks;
    t.chunk = image_block_of(s, values, values[CHUNK]);
    t.panel = image_block_of(s, values, values[CHUNK] * values[PANEL]);
    t.panel_floats =
        (size_t)PANEL_FLOATS(t.panel.images, slices, x_floats(s, values, t.panel.rows),
                             dz_floats(s, values, t.panel.rows), values[VECTOR_WIDTH]);
    return t;
}

/* Enough work-items to occupy all compute units to the end, by splitting the batch
 * first, but at most 1 MiB of partial sums while blocks of channels can provide
 * work-items instead. */
static void partition_work(const struct ocl_device *device, const struct weft_conv *s,
                           int *values)
{
    enum { MAX_PARTIAL_FLOATS = 1 << 18 };
    long items = (device->is_cpu ? 4 : 8) * (long)device->compute_units;
    values[SPLIT] = 1;
    struct weights_tiling t = tiling_of(s, values);
    long splits = s->n < items ? s->n : items;
    while (splits > 1 && t.partial_floats * (size_t)splits > MAX_PARTIAL_FLOATS &&
           (long)t.blocks * (splits / 2) >= items)
        splits /= 2;
    values[SPLIT] = div_up(s->n, splits);
    long spare = (long)t.blocks * div_up(s->n, values[SPLIT]) / items;
    values[BLOCKS_PER_ITEM] = spare < 1 ? 1 : spare < t.blocks ? (int)spare : t.blocks;
}

/* Slices of at most a cache line with little waste in the last tile and the last slice.
 */
static void select_c_slice(const struct weft_conv *s, int registers, int *values)
{
    enum { LINE = 16 };
    long best = 0;
    for (int size = vec_c_per_group(s) < LINE ? vec_c_per_group(s) : LINE; size > 0;
         size--) {
        int taps = s->r * s->s * size;
        int tile = tile_of(taps, 1, registers / values[VECTORS], 1);
        long cost =
            (long)div_up(vec_c_per_group(s), size) * div_up(taps, tile) * (tile + 1);
        if (best && cost >= best)
            continue;
        best = cost;
        values[C_SLICE] = size;
        values[TILE] = tile;
    }
}

/* The part of an image, or number of images, that the first-level cache holds beside the
 * accumulators, in equal parts. */
static int select_block(const struct weft_conv *s, const int *values)
{
    enum { FLOATS = 4096, IMAGES_FLOATS = 3072 }; /* 16 and 12 KiB of 32 */
    int rows = 1;
    while (rows < s->out_h &&
           x_floats(s, values, rows + 1) + dz_floats(s, values, rows + 1) <= FLOATS)
        rows++;
    rows = div_up(s->out_h, div_up(s->out_h, rows));
    long image = x_floats(s, values, rows) + dz_floats(s, values, rows);
    int images = rows < s->out_h ? 1 : (int)(IMAGES_FLOATS / image);
    return rows * s->out_w * (images < 1 ? 1 : images);
}

/* A whole row, or equal parts of it: each loop iteration may be mispredicted. */
static int select_unroll(int row)
{
    enum { MOST = 14 };
    for (int part = row < MOST ? row : MOST; part >= 4; part--)
        if (row % part == 0)
            return part;
    return row < 4 ? row : 4;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct weft_conv s = args->conv;
    int width = vec_width(device, vec_k_per_block_group(&s));
    values[VECTOR_WIDTH] = width;
    values[VECTORS] = vec_k_per_block_group(&s) > width ? 2 : 1;
    select_c_slice(&s, width >= 16 ? 24 : 12, values);
    values[CHUNK] = select_block(&s, values);
    values[PANEL] = 1;
    values[UNROLL] = select_unroll(s.out_w);
    partition_work(device, &s, values);
    return OCL_APPLICABLE;
}

static enum ocl_applicability pooled_applicability(const struct ocl_device *device,
                                                   const struct weft_problem *problem,
                                                   int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_pool *pool = &args->pool;
    struct weft_conv s = args->conv;
    if (!pool_is_nonoverlapping(pool) || pool->r * pool->s > 4 || taps_of(&s) > 32)
        return OCL_NOT_APPLICABLE;
    int width = vec_width(device, vec_k_per_block_group(&s)),
        registers = width >= 16 ? 24 : 12;
    values[VECTOR_WIDTH] = width;
    values[VECTORS] = 1;
    values[TILE] = tile_of(taps_of(&s), 1, registers * 3 / 4, 3);
    values[C_SLICE] = vec_c_per_group(&s);
    values[CHUNK] = 1;
    values[PANEL] = 1;
    values[UNROLL] = 1;
    partition_work(device, &s, values);
    return OCL_PREFERRED;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    enum { PARTIAL_FLOATS_LIMIT = 1 << 26 }; /* floats */
    struct weft_conv s = args->conv;
    if (!ocl_vector_width_valid(device, values[VECTOR_WIDTH]) || values[VECTORS] < 1 ||
        values[VECTORS] > 3 || values[TILE] < 1 || values[VECTORS] * values[TILE] > 24 ||
        values[SPLIT] < 1 || values[SPLIT] > 65536 || values[BLOCKS_PER_ITEM] < 1 ||
        values[BLOCKS_PER_ITEM] > 4096 || values[CHUNK] < 1 || values[CHUNK] > 65536 ||
        values[PANEL] < 1 || values[PANEL] > 64 || values[C_SLICE] < 1 ||
        values[C_SLICE] > vec_c_per_group(&s) || values[UNROLL] < 1 ||
        values[UNROLL] > 16)
        return false;
    struct weights_tiling t = tiling_of(&s, values);
    size_t items = (size_t)div_up(t.blocks, values[BLOCKS_PER_ITEM]) * (size_t)t.splits;
    size_t most = (size_t)device->max_alloc / sizeof(float);
    most = most < PARTIAL_FLOATS_LIMIT ? most : PARTIAL_FLOATS_LIMIT;
    return t.splits == 1 ||
           t.partial_floats * (size_t)t.splits + t.panel_floats * items <= most;
}

static bool pooled_validate_config(const struct ocl_device *device,
                                   const struct weft_problem *problem, const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    return values[VECTORS] == 1 && values[TILE] <= 16 &&
           values[C_SLICE] == args->conv.c / args->conv.groups &&
           validate_config(device, problem, values);
}

static void define(struct ocl_options *options, const struct weft_conv *shape,
                   const struct weft_conv_args *args, const int *values)
{
    struct weights_tiling t = tiling_of(shape, values);
    ocl_define_conv(options, shape);
    ocl_define_pool(options, &args->pool);
    ocl_define(options, "VW", values[VECTOR_WIDTH]);
    ocl_define(options, "NV", values[VECTORS]);
    ocl_define(options, "TILE", values[TILE]);
    ocl_define(options, "C_SLICE", values[C_SLICE]);
    ocl_define(options, "BLOCKS_PER_ITEM", values[BLOCKS_PER_ITEM]);
    ocl_define(options, "UNROLL", values[UNROLL]);
    ocl_define(options, "BLOCK_ROWS", t.chunk.rows);
    ocl_define(options, "BLOCK_IMAGES", t.chunk.images);
    ocl_define(options, "PACK_PANEL_ROWS", t.panel.rows);
    ocl_define(options, "PACK_PANEL_IMAGES", t.panel.images);
    ocl_define(options, "BIAS", args->dbias.mem != NULL);
    ocl_define_view_fp16(options, "OTHER_HALF", args->dy);
}

/* Appends the launch that fills the partials, and their reduction. */
static enum weft_status
launch_and_reduce(struct weft_command_list *list, struct ocl_launch *launch,
                  const struct ocl_options *options, const struct weft_conv_args *args,
                  struct ocl_arg partials, const struct weights_tiling *t)
{
    struct ocl_launch sum = {
        .source = launch->source,
        .kernel = "conv_bwd_weights_reduce",
        .global = {(size_t)div_up((long)t->rows + 1, REDUCE_ROWS), (size_t)t->blocks},
        .arg_count = 4,
        .args = {partials, OCL_VIEW(args->dw), OCL_VIEW(args->dbias), OCL_INT(t->splits)},
    };
    vec_set_local_size(list, launch);
    WEFT_TRY(ocl_launch(list, options->text, launch));
    vec_set_local_size(list, &sum);
    return ocl_launch(list, options->text, &sum);
}

static struct ocl_arg alloc_partials(struct weft_command_list *list,
                                     const struct weights_tiling *t)
{
    return (struct ocl_arg)OCL_WORKSPACE(
        ocl_workspace(list, sizeof(float) * t->partial_floats * (size_t)t->splits));
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_problem *problem, const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct weft_conv shape = args->conv;
    struct weights_tiling t = tiling_of(&shape, values);
    struct ocl_options options = {""};
    define(&options, &shape, args, values);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    size_t per_split = (size_t)div_up(t.blocks, values[BLOCKS_PER_ITEM]);
    size_t items = per_split * (size_t)t.splits;
    struct ocl_arg partials = alloc_partials(list, &t);
    struct ocl_launch launch = {
        .source = "conv_weights_vec.cl",
        .kernel = "conv_bwd_weights",
        .global = {per_split, (size_t)t.splits},
        .arg_count = 7,
        .args = {OCL_VIEW(args->x), OCL_VIEW(args->dy), OCL_VIEW(args->argmax), partials,
                 OCL_WORKSPACE(
                     ocl_workspace(list, sizeof(float) * t.panel_floats * items)),
                 OCL_INT(shape.n), OCL_INT(values[SPLIT])},
    };
    return launch_and_reduce(list, &launch, &options, args, launch.args[3], &t);
}

static enum weft_status pooled_record(struct weft_command_list *list,
                                      const struct weft_problem *problem,
                                      const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct weft_conv shape = args->conv;
    struct ocl_arg x = OCL_VIEW(args->x);
    WEFT_TRY(vec_pad_input(list, &args->conv, &shape, &x));
    struct weights_tiling t = tiling_of(&shape, values);
    struct ocl_options options = {""};
    define(&options, &shape, args, values);
    ocl_define_arg_fp16(&options, "X_HALF", &x);
    ocl_define(&options, "FUSED_POOL", 1);
    struct ocl_launch launch = {
        .source = "conv_weights_vec.cl",
        .kernel = "conv_bwd_weights_pooled",
        .global = {(size_t)div_up(t.blocks, values[BLOCKS_PER_ITEM]), (size_t)t.splits},
        .arg_count = 6,
        .args = {x, OCL_VIEW(args->dy), OCL_VIEW(args->argmax), alloc_partials(list, &t),
                 OCL_INT(shape.n), OCL_INT(values[SPLIT])},
    };
    return launch_and_reduce(list, &launch, &options, args, launch.args[3], &t);
}

/* Rows of x that `rows` rows of dz read. */
static int source_rows_of(const struct weft_conv *s, int rows)
{
    return CONV_EXTENT(rows, s->stride_y, s->r, s->dilation_y);
}

enum { MAX_ROWS = 8 }; /* CPUs do not prefetch more streams */

/* Rows of dz together with the least cost; operands spilled the registers are spilled. */
static int dz_rows(const struct weft_conv *s, int registers)
{
    int best = 0, rows = 1;
    for (int t = 1; t <= MAX_ROWS; t++) {
        int source_rows = source_rows_of(s, t), spilled = t + source_rows + 2 - registers;
        if (source_rows > VEC_DEPTHWISE_MAX_ROWS)
            break;
        int column = source_rows + (t + 2) * s->r + (spilled > 0 ? 2 * spilled : 0);
        int cost = div_up(s->out_h, t) * (t + s->s * column);
        if (best && cost >= best)
            continue;
        best = cost;
        rows = t;
    }
    return rows;
}

static enum ocl_applicability depthwise_applicability(const struct ocl_device *device,
                                                      const struct weft_problem *problem,
                                                      int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct weft_conv s = args->conv;
    if (!vec_is_depthwise(&s) || args->pool.r ||
        source_rows_of(&s, 1) > VEC_DEPTHWISE_MAX_ROWS)
        return OCL_NOT_APPLICABLE;
    int width = vec_width(device, vec_k_per_block_group(&s));
    values[VECTOR_WIDTH] = width;
    values[TILE] = dz_rows(&s, width >= 16 ? 30 : 14);
    values[VECTORS] = values[C_SLICE] = 1;
    values[CHUNK] = values[PANEL] = values[UNROLL] = 1;
    partition_work(device, &s, values);
    return OCL_PREFERRED;
}

static bool depthwise_validate_config(const struct ocl_device *device,
                                      const struct weft_problem *problem,
                                      const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct weft_conv s = args->conv;
    return values[VECTORS] == 1 && values[C_SLICE] == 1 && values[TILE] <= MAX_ROWS &&
           source_rows_of(&s, values[TILE]) <= VEC_DEPTHWISE_MAX_ROWS &&
           validate_config(device, problem, values);
}

static enum weft_status depthwise_record(struct weft_command_list *list,
                                         const struct weft_problem *problem,
                                         const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    struct weft_conv shape = args->conv;
    struct weights_tiling t = tiling_of(&shape, values);
    struct ocl_options options = {""};
    define(&options, &shape, args, values);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    struct ocl_launch launch = {
        .source = "conv_depthwise_weights_vec.cl",
        .kernel = "conv_bwd_weights_depthwise",
        .global = {(size_t)div_up(t.blocks, values[BLOCKS_PER_ITEM]), (size_t)t.splits},
        .arg_count = 5,
        .args = {OCL_VIEW(args->x), OCL_VIEW(args->dy), alloc_partials(list, &t),
                 OCL_INT(shape.n), OCL_INT(values[SPLIT])},
    };
    return launch_and_reduce(list, &launch, &options, args, launch.args[2], &t);
}

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("vectors", 1, 2, 3),
    OCL_TUNABLE("tile", 1, 2, 3, 4, 6, 8, 9, 12),
    OCL_TUNABLE("c-slice", 4, 8, 12, 16),
    OCL_TUNABLE("split-size", 1, 2, 4, 8, 16, 32, 64, 128),
    OCL_TUNABLE("blocks-per-item", 1, 2, 4, 8, 16),
    OCL_TUNABLE("block-pixels", 16, 64, 128, 256, 512, 1024, 2048),
    OCL_TUNABLE("panel-blocks", 1, 2, 4, 8),
    OCL_TUNABLE("unroll", 1, 2, 4, 6, 7, 13, 14),
    {0},
};

const struct ocl_algorithm vec_direct_bwd_weights = {
    .name = "direct",
    .tunables = tunables,
    .applicability = applicability,
    .validate_config = validate_config,
    .record = record,
    .sources = {"conv_weights_vec.cl"},
};
const struct ocl_algorithm vec_pooled_bwd_weights = {
    .name = "pooled",
    .tunables = tunables,
    .applicability = pooled_applicability,
    .validate_config = pooled_validate_config,
    .record = pooled_record,
    .sources = {"conv_weights_vec.cl", "conv_prepare_vec.cl"},
};
const struct ocl_algorithm vec_depthwise_bwd_weights = {
    .name = "depthwise",
    .tunables = tunables,
    .applicability = depthwise_applicability,
    .validate_config = depthwise_validate_config,
    .record = depthwise_record,
    .sources = {"conv_depthwise_weights_vec.cl"},
};
