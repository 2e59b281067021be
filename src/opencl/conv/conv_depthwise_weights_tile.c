/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a depthwise convolution, families with work-groups: a
 * product of the window's taps and all channels, whose depth is columns of rows of dz.
 * Kernel: cl/conv/conv_depthwise_weights_tile.cl. */
#include "opencl/conv/implicit_gemm.h"
#include "opencl/conv/vec.h"

#include "shared/workspace_layout.h"

/* Tunables, in the order of their table: TILE rows of dz together, TAP_COLUMNS columns of
 * the window and LANES vectors of channels of a work-group of ITEMS. */
enum { TILE, TAP_COLUMNS, LANES, ITEMS, SPLIT_K };

/* Width of the kernel's vectors; most vectors that a work-item keeps in registers. */
enum { WIDTH = 4, MAX_VECTORS_KEPT = 22, MAX_SUMS = 10 };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("tile", 1, 2, 3, 4, 6, 8),
    OCL_TUNABLE("tap-columns", 1, 2, 3, 5),
    OCL_TUNABLE("lanes", 1, 2, 4, 8, 16),
    OCL_TUNABLE("work-group", 32, 64, 128, 256),
    OCL_TUNABLE("split-k", 1, 2, 4, 8, 16, 32, 64, 128, 256),
    {0},
};

static int source_rows_of(const struct weft_conv *c, int tile)
{
    return CONV_EXTENT(tile, c->stride_y, c->r, c->dilation_y);
}

static struct ocl_gemm gemm_of(const struct weft_problem *problem, int tile)
{
    struct ocl_gemm p = ocl_gemm_of(OCL_PASS_BWD_WEIGHTS, ocl_conv_args(problem));
    p.b = (struct ocl_arg)OCL_VIEW(ocl_conv_args(problem)->dy);
    p.m = (size_t)p.conv.s;
    p.n = (size_t)p.conv.k;
    p.depth =
        (size_t)p.conv.n * (size_t)div_up(p.conv.out_h, tile) * (size_t)p.conv.out_w;
    p.batch = 1;
    return p;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    const struct weft_conv *c = &ocl_conv_args(problem)->conv;
    int items = values[ITEMS], lanes = values[LANES];
    if (values[TILE] < 1 || values[TILE] > 16 || values[TAP_COLUMNS] < 1 ||
        values[TAP_COLUMNS] > c->s || values[TAP_COLUMNS] * c->r > 64 ||
        source_rows_of(c, values[TILE]) > VEC_DEPTHWISE_MAX_ROWS || lanes < 1 ||
        !ocl_work_group_valid(device, items) || items % lanes)
        return false;
    struct ocl_gemm p = gemm_of(problem, values[TILE]);
    return sizeof(float) * WIDTH * (size_t)(c->r * items) <= device->local_mem_bytes &&
           ocl_gemm_split_k_valid(device, &p, values[SPLIT_K], items / lanes);
}

/* The rows of dz with the fewest loads for a row, while all vectors fit the registers. */
static int tile_of(const struct weft_conv *c, int tap_columns)
{
    int best = 0, tile = 1;
    for (int t = 1; t <= 4; t++) {
        int source_rows = source_rows_of(c, t);
        if (t > 1 && tap_columns * c->r + source_rows + t > MAX_VECTORS_KEPT)
            break;
        int cost = div_up(c->out_h, t) * (tap_columns * source_rows + t);
        if (best && cost >= best)
            continue;
        best = cost;
        tile = t;
    }
    return tile;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *c = &args->conv;
    enum { USUAL_ITEMS = 256, USUAL_LANES = 8 };
    if (!vec_is_depthwise(c) || args->pool.r)
        return OCL_NOT_APPLICABLE;
    values[TAP_COLUMNS] = c->s;
    while (values[TAP_COLUMNS] > 1 && values[TAP_COLUMNS] * c->r > MAX_SUMS)
        values[TAP_COLUMNS] = div_up(values[TAP_COLUMNS], 2);
    values[TILE] = tile_of(c, values[TAP_COLUMNS]);
    values[LANES] = 1;
    while (values[LANES] < USUAL_LANES && values[LANES] * WIDTH < c->c)
        values[LANES] *= 2;
    values[ITEMS] = USUAL_ITEMS;
    values[SPLIT_K] = 1;
    while (values[ITEMS] > values[LANES] && !validate_config(device, problem, values))
        values[ITEMS] /= 2;
    if (!validate_config(device, problem, values))
        return OCL_NOT_APPLICABLE;
    struct ocl_gemm p = gemm_of(problem, values[TILE]);
    values[SPLIT_K] =
        ocl_gemm_choose_split_k(device, &p, values[TAP_COLUMNS], WIDTH * values[LANES],
                                values[ITEMS] / values[LANES]);
    return OCL_PREFERRED;
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_problem *problem, const int *values)
{
    struct ocl_gemm p = gemm_of(problem, values[TILE]);
    struct ocl_gemm_tiling tiling = {
        .source = "conv_depthwise_weights_tile.cl",
        .kernel = "conv_bwd_weights_depthwise_tile",
        .m = values[TAP_COLUMNS],
        .n = WIDTH * values[LANES],
        .step = values[ITEMS] / values[LANES],
        .items = values[ITEMS],
        .splits = values[SPLIT_K],
    };
    ocl_define(&tiling.options, "TILE", values[TILE]);
    ocl_define(&tiling.options, "TAP_COLUMNS", values[TAP_COLUMNS]);
    ocl_define(&tiling.options, "LANES", values[LANES]);
    ocl_define(&tiling.options, "STRANDS", values[ITEMS] / values[LANES]);
    return ocl_gemm_record_kernels(list, &p, &tiling);
}

const struct ocl_algorithm ocl_depthwise_bwd_weights_tile = {
    .name = "depthwise",
    .tunables = tunables,
    .applicability = applicability,
    .validate_config = validate_config,
    .record = record,
    .sources = {"conv_depthwise_weights_tile.cl", "gemm_sum.cl"},
};
