/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `mma` family: matrix products by matrix units (cl/gemm_mma.cl), and
 * what `tile` has. */
#include "matrix_unit.h"
#include "tile.h"

/* The tunables, in the order of their table: m x n of the result for a work-group, DEPTH
 * of the sum at a time, ROWS x COLUMNS of the result for a warp. */
enum { M, N, DEPTH, ROWS, COLUMNS, BUFFERS, SPLITS };

#define TUNABLES                                                      \
    {                                                                 \
        {"m", 4, {16, 32, 64, 128}}, {"n", 5, {16, 32, 64, 96, 128}}, \
            {"depth", 3, {8, 16, 32}}, {"rows", 3, {16, 32, 64}},     \
            {"columns", 4, {8, 16, 32, 64}}, {"buffers", 2, {1, 2}},  \
            {"splits", 7, {1, 2, 4, 8, 16, 32, 64}},                  \
    }

/* A warp's lanes, and floats that each may have as sums. */
enum { WARP = 32, MOST_SUMS = 64 };

static int items_of(const int *values)
{
    return values[M] / values[ROWS] * (values[N] / values[COLUMNS]) * WARP;
}

/* Rows are 8 floats longer than they need be; where there is no unit, a warp shows its
 * operands, 16x8 and 8x8. */
static size_t local_bytes(const struct ocl_device *device, const int *values)
{
    int tiles = values[BUFFERS] * values[DEPTH] * (values[M] + values[N] + 2 * 8);
    int shown = device->matrix_way ? 1 : items_of(values) / WARP * (16 * 8 + 8 * 8);
    return (size_t)(tiles + shown) * sizeof(cl_float);
}

static bool divides(int part, int whole)
{
    return part > 0 && whole > 0 && whole % part == 0;
}

/* What cl/gemm_mma.cl and cl/gemm_stage.h ask of their numbers, and the device's
 * limits. */
static bool fits(const struct ocl_device *device, const int *values)
{
    if (!divides(values[ROWS], values[M]) || !divides(values[COLUMNS], values[N]) ||
        !divides(16, values[ROWS]) || !divides(8, values[COLUMNS]) ||
        !divides(8, values[DEPTH]) || values[M] > 256 || values[N] > 256 ||
        values[DEPTH] > 64 || values[BUFFERS] < 1 || values[BUFFERS] > 2)
        return false;
    int items = items_of(values);
    return values[M] * values[DEPTH] % (4 * items) == 0 &&
           values[N] * values[DEPTH] % (4 * items) == 0 && items % values[DEPTH] == 0 &&
           values[N] <= items && (size_t)items <= device->max_group &&
           values[ROWS] * values[COLUMNS] / WARP <= MOST_SUMS &&
           local_bytes(device, values) <= device->local_bytes;
}

static bool allows(const struct ocl_device *device, const struct product *p,
                   const int *values)
{
    return fits(device, values) &&
           ocl_product_splits_allowed(device, p, values[SPLITS], values[DEPTH]);
}

/* The largest tile of which the device still gets enough, or else the smallest. */
static enum ocl_fit fit(const struct ocl_device *device, const struct product *p,
                        int *values)
{
    static const struct {
        int m, n, depth, rows, columns;
    } tiles[] = {{128, 128, 16, 64, 32},
                 {128, 64, 16, 32, 32},
                 {64, 64, 16, 32, 32},
                 {32, 32, 16, 16, 32},
                 {16, 32, 8, 16, 32}};
    enum ocl_fit found = OCL_FIT_NONE;
    for (size_t i = 0; i < WEFT_COUNT(tiles); i++) {
        const int taken[] = {
            tiles[i].m,
            tiles[i].n,
            tiles[i].depth,
            tiles[i].rows,
            tiles[i].columns,
            1,
            ocl_product_splits(device, p, tiles[i].m, tiles[i].n, tiles[i].depth)};
        if (!fits(device, taken))
            continue;
        for (size_t k = 0; k < WEFT_COUNT(taken); k++)
            values[k] = taken[k];
        found = OCL_FIT_PREFERRED;
        if (ocl_product_groups(p, tiles[i].m, tiles[i].n) * (size_t)taken[SPLITS] >=
            OCL_GROUPS_PER_UNIT * (size_t)device->units)
            break;
    }
    return found;
}

static enum weft_status record(struct weft_list *list, enum ocl_slot slot,
                               const struct weft_conv_args *args, const int *values)
{
    struct ocl_grid grid = {
        .source = "gemm_mma.cl",
        .m = values[M],
        .n = values[N],
        .step = values[DEPTH],
        .items = items_of(values),
        .splits = values[SPLITS],
    };
    ocl_define(&grid.options, "WAY", (long)ocl_of(list)->matrix_way);
    ocl_define(&grid.options, "MT", values[M]);
    ocl_define(&grid.options, "NT", values[N]);
    ocl_define(&grid.options, "KT", values[DEPTH]);
    ocl_define(&grid.options, "WM", values[ROWS]);
    ocl_define(&grid.options, "WN", values[COLUMNS]);
    ocl_define(&grid.options, "BUFFERS", values[BUFFERS]);
    list->split_floats = true;
    return ocl_product_record(list, slot, args, &grid);
}

OCL_PRODUCT_SLOT(OCL_FORWARD, forward, fit, allows, record)
OCL_PRODUCT_SLOT(OCL_BACKWARD_DATA, data, fit, allows, record)
OCL_PRODUCT_SLOT(OCL_BACKWARD_WEIGHTS, weights, fit, allows, record)

static const struct ocl_algorithm gemm[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = {"matrix-unit", TUNABLES, forward_fit, forward_allows,
                     forward_record},
    [OCL_BACKWARD_DATA] = {"matrix-unit", TUNABLES, data_fit, data_allows, data_record},
    [OCL_BACKWARD_WEIGHTS] = {"matrix-unit", TUNABLES, weights_fit, weights_allows,
                              weights_record},
};

#define ROW(slot)                                  \
    [slot] = (const struct ocl_algorithm *const[]) \
    {                                              \
        &gemm[slot], &ocl_gemm_tile[slot], NULL    \
    }

const struct ocl_family ocl_family_mma = {
    .algorithms = {ROW(OCL_FORWARD), ROW(OCL_BACKWARD_DATA), ROW(OCL_BACKWARD_WEIGHTS)},
};
