/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers and 1x1 convolutions, family `vec`: three products by one kernel,
 * cl/gemm_vec.cl. */
#include "vec.h"

#include <string.h>

/* c[m][n] = a[m][k] b[k][n] and what goes with it. */
struct product {
    int m, n, k;
    bool a_turned, b_turned;
    struct weft_view a, b, bias, gate, c, sums;
    struct weft_activation activation; /* of c, or what made `gate` */
};

/* The tunables, in the order of their table. DEPTH: how much of k is taken at a time, and
 * so how much of a and b is copied where they are packed; 0: all of it. */
enum { WIDTH, VECTORS, TILE, ROW_TILES, COLUMN_TILES, DEPTH, PACK_A, PACK_B };

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

enum {
    B_PIECE = 8192, /* floats of a copied piece of b: the first-level cache */
    WIDEST = 16,    /* column tiles: long runs of c where k is short */
    /* n or k is narrow and the other long: each row of a or c is a stream of its own
     * pages, with little to do for what it brings. Few rows then, and long runs. */
    NARROW = 64,
    LONG = 1024,
    NARROW_TILE = 6,
    NARROW_WIDEST = 32,
    NARROW_PIECE = 4 * B_PIECE,
    DEEPEST = 192,
    A_DEEPEST = 64, /* where a is copied too */
    ROWS = 96,      /* whose sums wait, or which are copied */
    WHOLE_ROW_TILES = 48
};

static bool is_whole(const struct product *p, const int *values)
{
    return !values[DEPTH] || p->k <= values[DEPTH];
}

/* Row tiles that private memory has room for. */
static int row_room(const struct product *p, const int *values)
{
    bool kept = values[PACK_A] || values[PACK_B] || !is_whole(p, values);
    return kept && values[TILE] < ROWS ? ROWS / values[TILE] : 1;
}

static bool is_narrow(const struct product *p)
{
    int least = p->n < p->k ? p->n : p->k, most = p->n > p->k ? p->n : p->k;
    return !p->a_turned && least <= NARROW && most >= LONG;
}

/* Figures from products of `seed`, batch 512, on 2-core Zen 3 and Zen 4 with PoCL.
 * Programs depend on the tiling alone, not on m, n and k, so that layers share them. */
static void choose(const struct ocl_device *device, const struct product *p, int *values)
{
    int width = vec_width(device, p->n), registers = width >= 16 ? 24 : 12;
    int columns = div_up(p->n, width), units = (int)device->units;
    int vectors = columns == 1 ? 1 : columns == 3 ? 3 : 2;
    bool narrow = device->is_cpu && is_narrow(p);
    int tile =
        at_most(registers / vectors, narrow && p->m > NARROW_TILE ? NARROW_TILE : p->m);
    int tiles = div_up(p->m, tile), blocks = div_up(columns, vectors);
    values[WIDTH] = width;
    values[VECTORS] = vectors;
    values[TILE] = tile;
    values[ROW_TILES] = values[COLUMN_TILES] = 1;
    values[DEPTH] = p->b_turned ? A_DEEPEST : 0;
    values[PACK_A] = 0;
    values[PACK_B] = p->b_turned;
    if (!device->is_cpu || (tiles < 4 && !p->b_turned)) /* copies would not pay */
        return;

    int block = width * vectors;
    bool wide = narrow && p->n > p->k;
    int piece = wide ? NARROW_PIECE : B_PIECE, widest = wide ? NARROW_WIDEST : WIDEST;
    int column_tiles = at_most(piece / (block * at_most(p->k, 128)), widest);
    if (!p->b_turned && column_tiles > blocks)
        column_tiles = blocks < 2 ? 2 : blocks;
    values[COLUMN_TILES] = column_tiles;
    values[PACK_A] = p->a_turned;
    values[PACK_B] = p->b_turned || p->a_turned || column_tiles < blocks;
    values[DEPTH] =
        at_most(piece / (block * column_tiles), p->a_turned ? A_DEEPEST : DEEPEST);
    int items = narrow && !wide ? 10 : 4; /* of a unit: few columns want to be even */
    int even = tiles * div_up(blocks, column_tiles) / (items * units);
    int most =
        is_whole(p, values) && !p->a_turned ? WHOLE_ROW_TILES : row_room(p, values);
    int row_tiles = at_most(even, most);
    values[ROW_TILES] = div_up(tiles, div_up(tiles, row_tiles < 1 ? 1 : row_tiles));
}

static bool allows(const struct ocl_device *device, const struct product *p,
                   const int *values)
{
    const int least[] = {1, 1, 1, 1, 1, 0, 0, 0},
              most[] = {16, 3, 24, 256, 64, 256, 1, 1};
    for (int i = 0; i < (int)WEFT_COUNT(least); i++)
        if (values[i] < least[i] || values[i] > most[i])
            return false;
    int block = values[WIDTH] * values[VECTORS];
    bool packed = values[PACK_A] || values[PACK_B];
    bool kept = values[PACK_A] || !is_whole(p, values);
    if (!vec_width_allowed(device, values[WIDTH]) ||
        values[VECTORS] * values[TILE] > 24 || (values[PACK_A] && !p->a_turned) ||
        (p->b_turned && !values[PACK_B]) || (packed && !values[DEPTH]))
        return false;
    if (!device->is_cpu)
        return values[ROW_TILES] == 1 && values[COLUMN_TILES] == 1 && !values[PACK_A] &&
               values[PACK_B] == p->b_turned;
    return (!kept || values[ROW_TILES] <= row_room(p, values)) &&
           (!values[PACK_B] ||
            values[DEPTH] * values[COLUMN_TILES] * block <= 4 * B_PIECE) &&
           (is_whole(p, values) || values[COLUMN_TILES] * block <= 1024);
}

/* A processor widens what is float16 as it copies it: a number is used more often than it
 * is read. The tiling is made to fit the copies. */
static void pack_halves(const struct product *p, int *values)
{
    int block = values[WIDTH] * values[VECTORS];
    bool a = p->a.type == WEFT_FLOAT16, b = p->b.type == WEFT_FLOAT16;
    if (!a && !b)
        return;
    values[COLUMN_TILES] = at_most(values[COLUMN_TILES], 1024 / block);
    values[ROW_TILES] = at_most(values[ROW_TILES], ROWS / values[TILE]);
    bool fits = values[PACK_B] && values[DEPTH]; /* b's copy, as it is */
    values[PACK_A] = a;
    values[PACK_B] = values[PACK_B] || (b && values[ROW_TILES] > 1);
    if (!values[PACK_A] && !values[PACK_B])
        return;
    int depth = values[DEPTH] ? values[DEPTH] : DEEPEST;
    if (values[PACK_B] && !fits)
        depth = at_most(depth, B_PIECE / (block * values[COLUMN_TILES]));
    values[DEPTH] = depth < 1 ? 1 : depth;
}

static enum weft_status multiply(struct weft_list *list, const struct product *p,
                                 const int *given)
{
    struct ocl_options options = {""};
    int values[OCL_MAX_TUNABLES];
    memcpy(values, given, sizeof(values));
    if (ocl_of(list)->is_cpu)
        pack_halves(p, values);
    ocl_define(&options, "A_TURNED", p->a_turned);
    ocl_define(&options, "B_TURNED", p->b_turned);
    ocl_define(&options, "A_PACKED", values[PACK_A]);
    ocl_define(&options, "B_PACKED", values[PACK_B]);
    ocl_define(&options, "BIAS", p->bias.mem != NULL);
    ocl_define(&options, "GATE", p->gate.mem != NULL);
    ocl_define(&options, "COLUMN_SUMS", p->sums.mem != NULL);
    ocl_define(&options, "ACT", (long)p->activation.act);
    ocl_define(&options, "VW", values[WIDTH]);
    ocl_define(&options, "NV", values[VECTORS]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "ROW_TILES", row_room(p, values));
    ocl_define_type(&options, "X_HALF", p->a);
    ocl_define_type(&options, "W_HALF", p->b);
    ocl_define_type(&options, "GATE_HALF", p->gate);
    ocl_define_type(&options, "Y_HALF", p->c);
    ocl_define(&options, "COLUMN_TILES", values[COLUMN_TILES]);
    ocl_define(&options, "WHOLE", is_whole(p, values));
    ocl_define(&options, "DEPTH", values[DEPTH] ? values[DEPTH] : 1);
    int columns = values[WIDTH] * values[VECTORS] * values[COLUMN_TILES];
    int rows = values[TILE] * values[ROW_TILES];
    struct ocl_launch launch = {
        .source = "gemm_vec.cl",
        .kernel = "gemm",
        .global = {(size_t)div_up(p->n, columns), (size_t)div_up(p->m, rows)},
        .arg_count = 11,
        .args = {OCL_VIEW(p->a), OCL_VIEW(p->b), OCL_VIEW(p->bias), OCL_VIEW(p->gate),
                 OCL_VIEW(p->c), OCL_VIEW(p->sums), OCL_INT(p->m), OCL_INT(p->n),
                 OCL_INT(p->k), OCL_INT(values[ROW_TILES]),
                 OCL_FLOAT(p->activation.slope)},
    };
    vec_local(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static int rows_of(const struct weft_conv *c)
{
    return c->n * c->h * c->w;
}

static struct product forward(const struct weft_conv_args *args)
{
    return (struct product){
        .m = rows_of(&args->conv),
        .n = args->conv.k,
        .k = args->conv.c,
        .a = args->x,
        .b = args->w,
        .bias = args->bias,
        .c = args->y,
        .activation = args->activation,
    };
}

static struct product backward_data(const struct weft_conv_args *args)
{
    bool gated = args->gate.activation.act != WEFT_ACT_identity;
    return (struct product){
        .m = rows_of(&args->conv),
        .n = args->conv.c,
        .k = args->conv.k,
        .a = args->dy,
        .b = args->w,
        .b_turned = true,
        .gate = gated ? args->gate.output : (struct weft_view){0},
        .c = args->dx,
        .activation = args->gate.activation,
    };
}

static struct product backward_weights(const struct weft_conv_args *args)
{
    return (struct product){
        .m = args->conv.c,
        .n = args->conv.k,
        .k = rows_of(&args->conv),
        .a = args->x,
        .a_turned = true,
        .b = args->dy,
        .c = args->dw,
        .sums = args->dbias,
    };
}

/* Many more rows than columns on either side, as 1x1 convolutions have them: a direct
 * convolution arranges their weights once, where a product copies them for every piece of
 * rows, and deals their gradient's sums over the rows to work-items, of which a product
 * has too few. Measured: 1.02 to 1.3 and 1.1 to 2.5 times as fast. */
static bool is_tall(const struct weft_conv_args *args)
{
    enum { TALL = 4, LEAST_WORK = 1 << 22 };
    const struct weft_conv *c = &args->conv;
    long rows = rows_of(c), columns = c->c > c->k ? c->c : c->k;
    return rows >= TALL * columns && (double)rows * c->c * c->k >= LEAST_WORK;
}

/* Long rows whose sums one tile of 8 to 12 rows holds: a direct convolution takes them
 * from end to end, where a product stops at every piece of k. With 16 lanes 1.07 to
 * 1.2 times as fast; slower with shorter rows, and with more streams than 12. */
static bool is_deep(const struct ocl_device *device, const struct weft_conv_args *args)
{
    enum { LEAST_DEPTH = 4096, LEAST_ROWS = 128 };
    const struct weft_conv *c = &args->conv;
    int width = vec_width(device, c->k);
    return width == 16 && c->k > width && c->k <= 3 * width && c->c >= LEAST_DEPTH &&
           rows_of(c) >= LEAST_ROWS && args->x.type == WEFT_FLOAT32;
}

#define SLOT(slot, unfit)                                                             \
    static enum ocl_fit slot##_fit(const struct ocl_device *device,                   \
                                   const struct weft_conv_args *args, int *values)    \
    {                                                                                 \
        struct product p = slot(args);                                                \
        if (!ocl_is_product(&args->conv) || args->pool.r)                             \
            return OCL_FIT_NONE;                                                      \
        choose(device, &p, values);                                                   \
        return device->is_cpu && (unfit) ? OCL_FIT_POSSIBLE : OCL_FIT_PREFERRED;      \
    }                                                                                 \
    static bool slot##_allows(const struct ocl_device *device,                        \
                              const struct weft_conv_args *args, const int *values)   \
    {                                                                                 \
        struct product p = slot(args);                                                \
        return allows(device, &p, values);                                            \
    }                                                                                 \
    static enum weft_status slot##_record(                                            \
        struct weft_list *list, const struct weft_conv_args *args, const int *values) \
    {                                                                                 \
        struct product p = slot(args);                                                \
        return multiply(list, &p, values);                                            \
    }
SLOT(forward, is_deep(device, args))
SLOT(backward_data, is_tall(args))
SLOT(backward_weights, is_tall(args))

#define ROW(slot)                                               \
    {                                                           \
        "gemm",                                                 \
            {                                                   \
                {"width", 3, {4, 8, 16}},                       \
                {"vectors", 3, {1, 2, 3}},                      \
                {"tile", 8, {1, 2, 4, 5, 6, 8, 10, 12}},        \
                {"row-tiles", 8, {1, 2, 4, 8, 12, 16, 24, 48}}, \
                {"column-tiles", 6, {1, 2, 4, 6, 8, 16}},       \
                {"depth", 7, {0, 32, 64, 96, 128, 192, 256}},   \
                {"pack-a", 2, {0, 1}},                          \
                {"pack-b", 2, {0, 1}},                          \
            },                                                  \
            slot##_fit, slot##_allows, slot##_record            \
    }

const struct ocl_algorithm vec_gemm[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = ROW(forward),
    [OCL_BACKWARD_DATA] = ROW(backward_data),
    [OCL_BACKWARD_WEIGHTS] = ROW(backward_weights),
};
