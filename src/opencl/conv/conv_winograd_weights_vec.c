/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of 3x3 convolutions by Winograd's algorithm, family `vec`:
 * splits of the tiles give sums of products, a second launch adds them in order and
 * transforms them back. The algorithms "winograd-2", "-3" and "-4" are named by the side
 * of their output tiles. Kernels: cl/conv/conv_winograd_weights_vec.cl. */
#include "opencl/conv/winograd.h"
#include "shared/workspace_layout.h"

/* Tunables, in the order of their table: TILES transformed at a time, BLOCKS of output
 * channels of a part, SPLIT tiles of a work-item. */
enum { VECTOR_WIDTH, VECTORS, TILE, TILES, BLOCKS, SPLIT, UNROLL };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("vector-width", 4, 8, 16),
    OCL_TUNABLE("vectors", 1, 2, 3),
    OCL_TUNABLE("tile", 1, 2, 4, 6, 8, 10, 11, 12),
    OCL_TUNABLE("tiles-per-item", 4, 8, 12, 24, 48),
    OCL_TUNABLE("blocks-per-item", 1, 2, 4, 8, 16),
    OCL_TUNABLE("split-size", 16, 64, 256, 1024, 4096, 16384),
    OCL_TUNABLE("unroll", 1, 2, 4),
    {0},
};

static long round_up(long a, long b)
{
    return div_up(a, b) * b;
}

static int side_of(int outputs)
{
    return outputs + 2;
}

static long tiles_of(const struct weft_conv *s, int outputs)
{
    return s->n * div_up(s->out_h, outputs) * div_up(s->out_w, outputs);
}

/* Sizes for given tunables, as in the kernels. A part is the output channels of a
 * work-item. */
struct layout {
    long tiles, parts, splits;
    long sums, workspace; /* floats of a work-item */
};

static struct layout layout_of(const struct weft_conv *s, int outputs, const int *values)
{
    long elements = side_of(outputs) * side_of(outputs);
    long part = (long)values[VECTOR_WIDTH] * values[VECTORS] * values[BLOCKS];
    long rows = round_up(s->c, values[TILE]);
    struct layout l = {.tiles = tiles_of(s, outputs), .parts = div_up(s->k, part)};
    l.splits = div_up(l.tiles, values[SPLIT]);
    l.sums = elements * WINOGRAD_PLANE(rows, part) + part;
    l.workspace =
        elements * (WINOGRAD_PLANE(values[TILES], round_up(rows, values[VECTOR_WIDTH])) +
                    WINOGRAD_PLANE(values[TILES], part));
    return l;
}

/* Rows of the register tile that divide the input channels with little waste. The fixed
 * cost of a tile is about that of a row. */
static int tile_of(int in, int most)
{
    int tile = most;
    for (int t = most; t > 0; t--)
        if (div_up(in, t) * (t + 1) < div_up(in, tile) * (tile + 1))
            tile = t;
    return tile;
}

/* The second-level cache holds the sums of a part and the transforms of as many tiles as
 * possible, or at least the transforms. */
static void choose(const struct ocl_device *device, const struct weft_conv *s,
                   int outputs, int *values)
{
    enum { MAX_SUMS = 5 << 17, MAX_WORKSPACE = 7 << 14, MIN_TILES = 8, MAX_TILES = 48 };
    long tiles = tiles_of(s, outputs);
    int width = vec_width(device, s->k), registers = width >= 16 ? 24 : 12;
    values[VECTOR_WIDTH] = width;
    values[VECTORS] = s->k > width ? 2 : 1;
    values[TILE] = tile_of(s->c, registers / values[VECTORS]);
    values[TILES] = MIN_TILES;
    values[UNROLL] = 4;
    values[SPLIT] = (int)tiles;
    values[BLOCKS] = (int)div_up(s->k, width * values[VECTORS]);
    while (values[BLOCKS] > 1 && layout_of(s, outputs, values).sums > MAX_SUMS)
        values[BLOCKS] = (int)div_up(values[BLOCKS], 2);
    while (values[TILES] < MAX_TILES) {
        values[TILES] += 4;
        if (layout_of(s, outputs, values).workspace > MAX_WORKSPACE) {
            values[TILES] -= 4;
            break;
        }
    }
    long parts = layout_of(s, outputs, values).parts;
    long splits = div_up(2 * (long)device->compute_units, parts);
    values[SPLIT] = (int)round_up(div_up(tiles, splits), values[TILES]);
}

static bool is_possible(const struct ocl_device *device,
                        const struct weft_conv_args *args)
{
    return device->is_cpu && winograd_applicable(&args->conv) &&
           (!args->pool.r || pool_is_nonoverlapping(&args->pool));
}

/* Vector operations, two a cycle: multiplications, with loads and stores of the sums for
 * every TILES tiles; transforms, about 8 for each element; the reduction of the sums. */
static double cost_of(const struct weft_conv *s, int outputs, const int *values)
{
    struct layout l = layout_of(s, outputs, values);
    double elements = side_of(outputs) * side_of(outputs), weights = (double)s->c * s->k;
    double rows = (double)round_up(s->c, values[TILE]) * s->k;
    return elements * ((double)l.tiles * (rows * (1 + 4.0 / values[TILES]) +
                                          8.0 * ((double)l.parts * s->c + s->k)) +
                       (double)(4 + 2 * l.splits) * weights);
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_conv_args *args,
                                            int *values, int outputs)
{
    struct weft_conv s = args->conv;
    if (!is_possible(device, args))
        return OCL_NOT_APPLICABLE;
    double direct = 10.0 * s.n * s.out_h * s.out_w * s.c * s.k;
    double best = direct;
    for (int other = 2; other <= 4; other++) {
        choose(device, &s, other, values);
        double cost = cost_of(&s, other, values);
        best = cost < best ? cost : best;
    }
    choose(device, &s, outputs, values);
    bool preferred =
        s.c >= 8 && s.k >= 8 && cost_of(&s, outputs, values) <= best && best < direct;
    return preferred ? OCL_PREFERRED : OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_conv_args *args, const int *values,
                            int outputs)
{
    enum { MAX_FLOATS = 1 << 26 };
    struct weft_conv s = args->conv;
    if (!ocl_vector_width_valid(device, values[VECTOR_WIDTH]) || values[VECTORS] < 1 ||
        values[VECTORS] > 3 || values[TILE] < 1 || values[VECTORS] * values[TILE] > 24 ||
        values[TILES] < 1 || values[TILES] > 256 || values[BLOCKS] < 1 ||
        values[BLOCKS] > 1024 || values[SPLIT] < 1 || values[UNROLL] < 1 ||
        values[UNROLL] > 8)
        return false;
    struct layout l = layout_of(&s, outputs, values);
    long most = device->max_alloc / sizeof(float) < MAX_FLOATS
                    ? (long)(device->max_alloc / sizeof(float))
                    : MAX_FLOATS;
    return l.parts * l.splits <= most / (l.sums + l.workspace);
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_conv_args *args, const int *values,
                               int outputs)
{
    struct weft_conv s = args->conv;
    struct layout l = layout_of(&s, outputs, values);
    size_t items = (size_t)(l.parts * l.splits);
    struct ocl_options options = {""};
    ocl_define_conv(&options, &s);
    ocl_define_pool(&options, &args->pool);
    ocl_define(&options, "OUTPUT_TILE", outputs);
    ocl_define(&options, "VW", values[VECTOR_WIDTH]);
    ocl_define(&options, "NV", values[VECTORS]);
    ocl_define(&options, "TILE", values[TILE]);
    ocl_define(&options, "TILES", values[TILES]);
    ocl_define(&options, "K_BLOCK",
               (long)values[VECTOR_WIDTH] * values[VECTORS] * values[BLOCKS]);
    ocl_define(&options, "UNROLL", values[UNROLL]);
    ocl_define(&options, "BIAS", args->dbias.mem != NULL);
    ocl_define_view_fp16(&options, "X_HALF", args->x);
    ocl_define_view_fp16(&options, "OTHER_HALF", args->dy);
    struct ocl_arg sums =
        OCL_WORKSPACE(ocl_workspace(list, sizeof(float) * (size_t)l.sums * items));
    struct ocl_arg workspace =
        OCL_WORKSPACE(ocl_workspace(list, sizeof(float) * (size_t)l.workspace * items));
    struct ocl_launch products = {
        .source = "conv_winograd_weights_vec.cl",
        .kernel = "winograd_bwd_weights_gemm",
        .global = {(size_t)l.parts, (size_t)l.splits},
        .arg_count = 7,
        .args = {OCL_VIEW(args->x), OCL_VIEW(args->dy), OCL_VIEW(args->argmax), sums,
                 workspace, OCL_INT(l.tiles), OCL_INT(values[SPLIT])},
    };
    struct ocl_launch windows = {
        .source = "conv_winograd_weights_vec.cl",
        .kernel = "winograd_bwd_weights_reduce",
        .global = {(size_t)l.parts, (size_t)s.c},
        .arg_count = 4,
        .args = {sums, OCL_VIEW(args->dw), OCL_VIEW(args->dbias), OCL_INT(l.splits)},
    };
    if (list->info.winograd < outputs)
        list->info.winograd = outputs;
    vec_set_local_size(list, &products);
    WEFT_TRY(ocl_launch(list, options.text, &products));
    vec_set_local_size(list, &windows);
    return ocl_launch(list, options.text, &windows);
}

#define DEFINE_ALGORITHM(outputs)                                                \
    static enum ocl_applicability applicability_##outputs(                       \
        const struct ocl_device *device, const struct weft_problem *problem,     \
        int *values)                                                             \
    {                                                                            \
        return applicability(device, ocl_conv_args(problem), values, outputs);   \
    }                                                                            \
    static bool validate_config_##outputs(const struct ocl_device *device,       \
                                          const struct weft_problem *problem,    \
                                          const int *values)                     \
    {                                                                            \
        return validate_config(device, ocl_conv_args(problem), values, outputs); \
    }                                                                            \
    static enum weft_status record_##outputs(struct weft_command_list *list,     \
                                             const struct weft_problem *problem, \
                                             const int *values)                  \
    {                                                                            \
        return record(list, ocl_conv_args(problem), values, outputs);            \
    }
DEFINE_ALGORITHM(2)
DEFINE_ALGORITHM(3)
DEFINE_ALGORITHM(4)

#define ROW(outputs)                                                              \
    {                                                                             \
        .name = "winograd-" #outputs, .tunables = tunables,                       \
        .applicability = applicability_##outputs,                                 \
        .validate_config = validate_config_##outputs, .record = record_##outputs, \
        .sources = {                                                              \
            "conv_winograd_weights_vec.cl"                                        \
        }                                                                         \
    }

const struct ocl_algorithm vec_winograd_bwd_weights[3] = {ROW(2), ROW(3), ROW(4)};
