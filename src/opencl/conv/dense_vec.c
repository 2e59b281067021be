/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers and 1x1 convolutions as GEMM, family `vec`: all passes by one kernel,
 * cl/gemm/gemm_vec.cl. */
#include "opencl/conv/vec.h"

#include <string.h>

/* c[m][n] = a[m][k] b[k][n], with epilogue or bias gradient. */
struct vec_gemm_problem {
    int m, n, k;
    bool trans_a, trans_b;
    struct weft_view a, b, bias, act_grad, c, bias_grad;
    struct weft_activation activation; /* of c, or of `act_grad` */
};

/* Tunables, in the order of the table. BLOCK_K: elements of k processed, and packed, at
 * a time; 0: all. */
enum {
    VECTOR_WIDTH,
    VECTORS,
    TILE,
    BLOCK_TILES_M,
    BLOCK_TILES_N,
    BLOCK_K,
    PACK_A,
    PACK_B
};

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

enum {
    PACKED_B_FLOATS = 8192, /* floats of a packed block of b: the first-level cache */
    MAX_COLUMN_TILES = 16,  /* column tiles: long rows of c where k is short */
    /* Skinny: n or k is narrow and the other one long. Each row of a or c is then a
     * stream of pages of its own with little work for each byte, so tiles have few, long
     * rows. */
    NARROW = 64,
    LONG = 1024,
    SKINNY_TILE = 6,
    SKINNY_MAX_COLUMN_TILES = 32,
    SKINNY_PACKED_B_FLOATS = 4 * PACKED_B_FLOATS,
    MAX_BLOCK_K = 192,
    MAX_BLOCK_K_PACK_A = 64, /* where a is packed too */
    MAX_PACKED_ROWS = 96,    /* whose accumulators are spilled, or which are packed */
    MAX_ROW_TILES = 48
};

static bool has_single_k_block(const struct vec_gemm_problem *p, const int *values)
{
    return !values[BLOCK_K] || p->k <= values[BLOCK_K];
}

/* Most row tiles of a work-item that fit private memory. */
static int max_row_tiles(const struct vec_gemm_problem *p, const int *values)
{
    bool bounded = values[PACK_A] || values[PACK_B] || !has_single_k_block(p, values);
    return bounded && values[TILE] < MAX_PACKED_ROWS ? MAX_PACKED_ROWS / values[TILE] : 1;
}

static bool is_skinny(const struct vec_gemm_problem *p)
{
    int least = p->n < p->k ? p->n : p->k, most = p->n > p->k ? p->n : p->k;
    return !p->trans_a && least <= NARROW && most >= LONG;
}

/* Numbers from the GEMMs of the network `small`, batch 512, on 2-core Zen 3 and Zen 4
 * with PoCL. Programs depend on the tiling alone, not on m, n and k, so that layers
 * share them. */
static void choose(const struct ocl_device *device, const struct vec_gemm_problem *p,
                   int *values)
{
    int width = vec_width(device, p->n), registers = width >= 16 ? 24 : 12;
    int columns = div_up(p->n, width), units = (int)device->compute_units;
    int vectors = columns == 1 ? 1 : columns == 3 ? 3 : 2;
    bool narrow = device->is_cpu && is_skinny(p);
    int tile =
        at_most(registers / vectors, narrow && p->m > SKINNY_TILE ? SKINNY_TILE : p->m);
    int tiles = div_up(p->m, tile), blocks = div_up(columns, vectors);
    values[VECTOR_WIDTH] = width;
    values[VECTORS] = vectors;
    values[TILE] = tile;
    values[BLOCK_TILES_M] = values[BLOCK_TILES_N] = 1;
    values[BLOCK_K] = p->trans_b ? MAX_BLOCK_K_PACK_A : 0;
    values[PACK_A] = 0;
    values[PACK_B] = p->trans_b;
    if (!device->is_cpu || (tiles < 4 && !p->trans_b)) /* packing would not pay */
        return;

    int block = width * vectors;
    bool wide = narrow && p->n > p->k;
    int packed_floats = wide ? SKINNY_PACKED_B_FLOATS : PACKED_B_FLOATS,
        max_column_tiles = wide ? SKINNY_MAX_COLUMN_TILES : MAX_COLUMN_TILES;
    int column_tiles =
        at_most(packed_floats / (block * at_most(p->k, 128)), max_column_tiles);
    if (!p->trans_b && column_tiles > blocks)
        column_tiles = blocks < 2 ? 2 : blocks;
    values[BLOCK_TILES_N] = column_tiles;
    values[PACK_A] = p->trans_a;
    values[PACK_B] = p->trans_b || p->trans_a || column_tiles < blocks;
    values[BLOCK_K] = at_most(packed_floats / (block * column_tiles),
                              p->trans_a ? MAX_BLOCK_K_PACK_A : MAX_BLOCK_K);
    /* Work-items of a compute unit: few columns need more for balance. */
    int items = narrow && !wide ? 10 : 4;
    int even = tiles * div_up(blocks, column_tiles) / (items * units);
    int most = has_single_k_block(p, values) && !p->trans_a ? MAX_ROW_TILES
                                                            : max_row_tiles(p, values);
    int row_tiles = at_most(even, most);
    values[BLOCK_TILES_M] = div_up(tiles, div_up(tiles, row_tiles < 1 ? 1 : row_tiles));
}

static bool validate_config(const struct ocl_device *device,
                            const struct vec_gemm_problem *p, const int *values)
{
    const int least[] = {1, 1, 1, 1, 1, 0, 0, 0},
              most[] = {16, 3, 24, 256, 64, 256, 1, 1};
    for (int i = 0; i < (int)WEFT_ARRAY_SIZE(least); i++)
        if (values[i] < least[i] || values[i] > most[i])
            return false;
    int block = values[VECTOR_WIDTH] * values[VECTORS];
    bool packed = values[PACK_A] || values[PACK_B];
    bool bounded = values[PACK_A] || !has_single_k_block(p, values);
    if (!ocl_vector_width_valid(device, values[VECTOR_WIDTH]) ||
        values[VECTORS] * values[TILE] > 24 || (values[PACK_A] && !p->trans_a) ||
        (p->trans_b && !values[PACK_B]) || (packed && !values[BLOCK_K]))
        return false;
    if (!device->is_cpu)
        return values[BLOCK_TILES_M] == 1 && values[BLOCK_TILES_N] == 1 &&
               !values[PACK_A] && values[PACK_B] == p->trans_b;
    return (!bounded || values[BLOCK_TILES_M] <= max_row_tiles(p, values)) &&
           (!values[PACK_B] ||
            values[BLOCK_K] * values[BLOCK_TILES_N] * block <= 4 * PACKED_B_FLOATS) &&
           (has_single_k_block(p, values) || values[BLOCK_TILES_N] * block <= 1024);
}

/* On CPUs float16 operands are converted while they are packed, since each element is
 * used several times. Adapts the tiling to the packed blocks. */
static void pack_fp16_operands(const struct vec_gemm_problem *p, int *values)
{
    int block = values[VECTOR_WIDTH] * values[VECTORS];
    bool a = p->a.type == WEFT_FLOAT16, b = p->b.type == WEFT_FLOAT16;
    if (!a && !b)
        return;
    values[BLOCK_TILES_N] = at_most(values[BLOCK_TILES_N], 1024 / block);
    values[BLOCK_TILES_M] =
        at_most(values[BLOCK_TILES_M], MAX_PACKED_ROWS / values[TILE]);
    bool fits = values[PACK_B] && values[BLOCK_K]; /* packed b, unchanged */
    values[PACK_A] = a;
    values[PACK_B] = values[PACK_B] || (b && values[BLOCK_TILES_M] > 1);
    if (!values[PACK_A] && !values[PACK_B])
        return;
    int depth = values[BLOCK_K] ? values[BLOCK_K] : MAX_BLOCK_K;
    if (values[PACK_B] && !fits)
        depth = at_most(depth, PACKED_B_FLOATS / (block * values[BLOCK_TILES_N]));
    values[BLOCK_K] = depth < 1 ? 1 : depth;
}

static enum weft_status multiply(struct weft_command_list *list,
                                 const struct vec_gemm_problem *p, const int *given)
{
    struct ocl_options options = {""};
    int values[OCL_MAX_TUNABLES];
    memcpy(values, given, sizeof(values));
    if (ocl_device_of(list)->is_cpu)
        pack_fp16_operands(p, values);
    ocl_define(&options, "TRANS_A", p->trans_a);
    ocl_define(&options, "TRANS_B", p->trans_b);
    ocl_define(&options, "PACK_A", values[PACK_A]);
    ocl_define(&options, "PACK_B", values[PACK_B]);
    ocl_define(&options, "BIAS", p->bias.mem != NULL);
    ocl_define(&options, "ACT_GRAD", p->act_grad.mem != NULL);
    ocl_define(&options, "BIAS_GRAD", p->bias_grad.mem != NULL);
    ocl_define_activation(&options, p->activation);
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "NV", values[VECTORS]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "BLOCK_TILES_M", max_row_tiles(p, values));
    ocl_define_view_fp16(&options, "X_HALF", p->a);
    ocl_define_view_fp16(&options, "W_HALF", p->b);
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", p->act_grad);
    ocl_define_view_fp16(&options, "Y_HALF", p->c);
    ocl_define(&options, "BLOCK_TILES_N", values[BLOCK_TILES_N]);
    ocl_define(&options, "SINGLE_K_BLOCK", has_single_k_block(p, values));
    ocl_define(&options, "BLOCK_K", values[BLOCK_K] ? values[BLOCK_K] : 1);
    int columns = values[VECTOR_WIDTH] * values[VECTORS] * values[BLOCK_TILES_N];
    int rows = values[TILE] * values[BLOCK_TILES_M];
    struct ocl_launch launch = {
        .source = "gemm_vec.cl",
        .kernel = "gemm",
        .global = {(size_t)div_up(p->n, columns), (size_t)div_up(p->m, rows)},
        .arg_count = 11,
        .args = {OCL_VIEW(p->a), OCL_VIEW(p->b), OCL_VIEW(p->bias), OCL_VIEW(p->act_grad),
                 OCL_VIEW(p->c), OCL_VIEW(p->bias_grad), OCL_INT(p->m), OCL_INT(p->n),
                 OCL_INT(p->k), OCL_INT(values[BLOCK_TILES_M]),
                 OCL_ACT_PARAMS(p->activation)},
    };
    vec_set_local_size(list, &launch);
    return ocl_launch(list, options.text, &launch);
}

static int rows_of(const struct weft_conv *c)
{
    return c->n * c->h * c->w;
}

static struct vec_gemm_problem forward(const struct weft_conv_args *args)
{
    return (struct vec_gemm_problem){
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

static struct vec_gemm_problem backward_data(const struct weft_conv_args *args)
{
    bool has_act_grad = args->act_grad.activation.act != WEFT_ACT_identity;
    return (struct vec_gemm_problem){
        .m = rows_of(&args->conv),
        .n = args->conv.c,
        .k = args->conv.k,
        .a = args->dy,
        .b = args->w,
        .trans_b = true,
        .act_grad = has_act_grad ? args->act_grad.output : (struct weft_view){0},
        .c = args->dx,
        .activation = args->act_grad.activation,
    };
}

static struct vec_gemm_problem backward_weights(const struct weft_conv_args *args)
{
    return (struct vec_gemm_problem){
        .m = args->conv.c,
        .n = args->conv.k,
        .k = rows_of(&args->conv),
        .a = args->x,
        .trans_a = true,
        .b = args->dy,
        .c = args->dw,
        .bias_grad = args->dbias,
    };
}

/* Tall: many more rows than columns on either side, as in 1x1 convolutions. Direct
 * convolution packs their weights once, where GEMM packs them for every block of rows,
 * and splits the rows of their weight gradient, of which GEMM makes too few work-items.
 * Measured: 1.02 to 1.3 and 1.1 to 2.5 times as fast. */
static bool is_tall(const struct weft_conv_args *args)
{
    enum { TALL = 4, LEAST_WORK = 1 << 22 };
    const struct weft_conv *c = &args->conv;
    long rows = rows_of(c), columns = c->c > c->k ? c->c : c->k;
    return rows >= TALL * columns && (double)rows * c->c * c->k >= LEAST_WORK;
}

/* Deep: long rows whose results fit one tile of 8 to 12 rows. Direct convolution
 * processes them from end to end, where GEMM stops at every block of k. With 16 lanes
 * 1.07 to 1.2 times as fast; slower with shorter rows, and with more than 12 streams. */
static bool is_deep(const struct ocl_device *device, const struct weft_conv_args *args)
{
    enum { LEAST_DEPTH = 4096, LEAST_ROWS = 128 };
    const struct weft_conv *c = &args->conv;
    int width = vec_width(device, c->k);
    return width == 16 && c->k > width && c->k <= 3 * width && c->c >= LEAST_DEPTH &&
           rows_of(c) >= LEAST_ROWS && args->x.type == WEFT_FLOAT32;
}

#define DEFINE_PASS(pass, unfit)                                              \
    static enum ocl_applicability pass##_applicability(                       \
        const struct ocl_device *device, const struct weft_problem *problem,  \
        int *values)                                                          \
    {                                                                         \
        struct vec_gemm_problem p = pass(ocl_conv_args(problem));             \
        if (!ocl_is_gemm(&ocl_conv_args(problem)->conv) ||                    \
            ocl_conv_args(problem)->pool.r)                                   \
            return OCL_NOT_APPLICABLE;                                        \
        choose(device, &p, values);                                           \
        return device->is_cpu && (unfit) ? OCL_APPLICABLE : OCL_PREFERRED;    \
    }                                                                         \
    static bool pass##_validate_config(const struct ocl_device *device,       \
                                       const struct weft_problem *problem,    \
                                       const int *values)                     \
    {                                                                         \
        struct vec_gemm_problem p = pass(ocl_conv_args(problem));             \
        return validate_config(device, &p, values);                           \
    }                                                                         \
    static enum weft_status pass##_record(struct weft_command_list *list,     \
                                          const struct weft_problem *problem, \
                                          const int *values)                  \
    {                                                                         \
        struct vec_gemm_problem p = pass(ocl_conv_args(problem));             \
        return multiply(list, &p, values);                                    \
    }
DEFINE_PASS(forward, is_deep(device, ocl_conv_args(problem)))
DEFINE_PASS(backward_data, is_tall(ocl_conv_args(problem)))
DEFINE_PASS(backward_weights, is_tall(ocl_conv_args(problem)))

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("vectors", 1, 2, 3),
    OCL_TUNABLE("tile", 1, 2, 4, 5, 6, 8, 10, 12),
    OCL_TUNABLE("block-tiles-m", 1, 2, 4, 8, 12, 16, 24, 48),
    OCL_TUNABLE("block-tiles-n", 1, 2, 4, 6, 8, 16),
    OCL_TUNABLE("block-k", 0, 32, 64, 96, 128, 192, 256),
    OCL_TUNABLE("pack-a", 0, 1),
    OCL_TUNABLE("pack-b", 0, 1),
    {0},
};

#define ROW(pass)                                                                        \
    {                                                                                    \
        .name = "gemm", .tunables = tunables, .applicability = pass##_applicability,     \
        .validate_config = pass##_validate_config, .record = pass##_record, .sources = { \
            "gemm_vec.cl"                                                                \
        }                                                                                \
    }

const struct ocl_algorithm vec_gemm[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] = ROW(forward),
    [OCL_PASS_BWD_DATA] = ROW(backward_data),
    [OCL_PASS_BWD_WEIGHTS] = ROW(backward_weights),
};
