/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `tile` family: all three directions are matrix products through
 * local memory (cl/gemm_tile.cl). Here a product's tile is chosen. */
#include "tile.h"

#include <assert.h>
#include <string.h>

/* The tunables, in the order of their table. */
enum { M, N, DEPTH, ROWS, COLUMNS, BUFFERS, SPLITS };

/* Tiles to start from. `worth`: how fast a device full of such work-groups is, roughly,
 * in percent of its peak: what is read from local memory for a multiplication, and from
 * global memory. */
struct tile {
    int m, n, depth, rows, columns, worth;
    const char *vendor; /* whose devices it is for; NULL: all */
};

static const struct tile tiles[] = {
    {128, 128, 16, 8, 8, 82, "NVIDIA"}, {128, 128, 8, 8, 8, 80, NULL},
    {128, 64, 8, 8, 8, 75, NULL},       {64, 64, 16, 8, 8, 67, "NVIDIA"},
    {64, 64, 8, 8, 8, 65, NULL},        {128, 32, 16, 8, 4, 58, NULL},
    {64, 32, 16, 4, 4, 45, NULL},       {32, 32, 16, 4, 4, 40, NULL},
    {64, 16, 16, 4, 4, 35, NULL},       {16, 64, 16, 4, 4, 35, NULL},
};

/* Sums of a work-item: Apple's compiler spills more. */
static int most_sums(const struct ocl_device *device)
{
    return strstr(device->base.info.vendor, "Apple") ? 16 : 64;
}

static int items_of(const int *values)
{
    return values[M] / values[ROWS] * (values[N] / values[COLUMNS]);
}

/* With the padding of the operands that are turned. */
static size_t local_bytes(const struct product *p, const int *values)
{
    int padding = p->slot == OCL_FORWARD ? 4 : p->slot == OCL_BACKWARD_DATA ? 8 : 0;
    return (size_t)(values[BUFFERS] * values[DEPTH] * (values[M] + values[N] + padding)) *
           sizeof(cl_float);
}

static bool in_range(int value, int low, int high)
{
    return value >= low && value <= high;
}

/* What cl/gemm_tile.cl asks of its numbers, and the device's limits. */
static bool tile_fits(const struct ocl_device *device, const struct product *p,
                      const int *values)
{
    if (!in_range(values[M], 4, 256) || !in_range(values[N], 4, 256) ||
        !in_range(values[DEPTH], 4, 64) || !in_range(values[ROWS], 4, 16) ||
        !in_range(values[COLUMNS], 4, 16) || !in_range(values[BUFFERS], 1, 2) ||
        values[ROWS] % 4 || values[COLUMNS] % 4 || values[M] % values[ROWS] ||
        values[N] % values[COLUMNS])
        return false;
    int items = items_of(values);
    return values[M] * values[DEPTH] % (4 * items) == 0 &&
           values[N] * values[DEPTH] % (4 * items) == 0 && items % values[DEPTH] == 0 &&
           values[N] <= items && (size_t)items <= device->max_group &&
           values[ROWS] * values[COLUMNS] <= most_sums(device) &&
           local_bytes(p, values) <= device->local_bytes;
}

bool tile_allows(const struct ocl_device *device, const struct product *p,
                 const int *values)
{
    return tile_fits(device, p, values) &&
           ocl_product_splits_allowed(device, p, values[SPLITS], values[DEPTH]);
}

/* Two buffers where two work-groups still share the local memory. */
static void take(const struct ocl_device *device, const struct product *p,
                 const struct tile *tile, int *values)
{
    values[M] = tile->m;
    values[N] = tile->n;
    values[DEPTH] = tile->depth;
    values[ROWS] = tile->rows;
    values[COLUMNS] = tile->columns;
    values[BUFFERS] = 2;
    if (local_bytes(p, values) > device->local_bytes / 2)
        values[BUFFERS] = 1;
    values[SPLITS] = ocl_product_splits(device, p, tile->m, tile->n, tile->depth);
}

/* The time of a tile: the work with its tiles' waste, over how fast the tile is and how
 * much of the device is busy. */
void tile_choose(const struct ocl_device *device, const struct product *p, int *values)
{
    double best = 0;
    for (size_t i = 0; i < WEFT_COUNT(tiles); i++) {
        const struct tile *tile = &tiles[i];
        int taken[OCL_MAX_TUNABLES] = {0};
        take(device, p, tile, taken);
        if ((tile->vendor && !strstr(device->base.info.vendor, tile->vendor)) ||
            !tile_fits(device, p, taken))
            continue;
        double groups = (double)ocl_product_groups(p, tile->m, tile->n);
        double steps =
            (double)((p->depth + (size_t)tile->depth - 1) / (size_t)tile->depth);
        double busy =
            groups * taken[SPLITS] / (OCL_GROUPS_PER_UNIT * (double)device->units);
        double work = groups * tile->m * tile->n * steps * tile->depth;
        double time = work / tile->worth / (busy < 1 ? busy : 1);
        if (best > 0 && time >= best)
            continue;
        best = time;
        memcpy(values, taken, sizeof(taken));
    }
    assert(best > 0); /* the device was opened: the smallest fits */
}

struct ocl_grid tile_grid(const int *values)
{
    struct ocl_grid grid = {
        .source = "gemm_tile.cl",
        .m = values[M],
        .n = values[N],
        .step = values[DEPTH],
        .items = items_of(values),
        .splits = values[SPLITS],
    };
    ocl_define(&grid.options, "MT", values[M]);
    ocl_define(&grid.options, "NT", values[N]);
    ocl_define(&grid.options, "KT", values[DEPTH]);
    ocl_define(&grid.options, "RM", values[ROWS]);
    ocl_define(&grid.options, "RN", values[COLUMNS]);
    ocl_define(&grid.options, "BUFFERS", values[BUFFERS]);
    return grid;
}

static enum ocl_fit fit(const struct ocl_device *device, const struct product *p,
                        int *values)
{
    tile_choose(device, p, values);
    return OCL_FIT_PREFERRED;
}

static enum weft_status record(struct weft_list *list, enum ocl_slot slot,
                               const struct weft_conv_args *args, const int *values)
{
    struct ocl_grid grid = tile_grid(values);
    return ocl_product_record(list, slot, args, &grid);
}

OCL_PRODUCT_SLOT(OCL_FORWARD, forward, fit, tile_allows, record)
OCL_PRODUCT_SLOT(OCL_BACKWARD_DATA, data, fit, tile_allows, record)
OCL_PRODUCT_SLOT(OCL_BACKWARD_WEIGHTS, weights, fit, tile_allows, record)

const struct ocl_algorithm ocl_gemm_tile[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = {"gemm", TILE_TUNABLES, forward_fit, forward_allows, forward_record},
    [OCL_BACKWARD_DATA] = {"gemm", TILE_TUNABLES, data_fit, data_allows, data_record},
    [OCL_BACKWARD_WEIGHTS] = {"gemm", TILE_TUNABLES, weights_fit, weights_allows,
                              weights_record},
};

/* Winograd's are done where tuning found them to be faster. */
#define WINOGRAD(rows) &rows[0], &rows[1], &rows[2]

const struct ocl_family ocl_family_tile = {
    .algorithms =
        {
            [OCL_FORWARD] =
                (const struct ocl_algorithm *const[]){
                    &ocl_gemm_tile[OCL_FORWARD], WINOGRAD(tile_winograd_forward), NULL},
            [OCL_BACKWARD_DATA] =
                (const struct ocl_algorithm *const[]){&ocl_gemm_tile[OCL_BACKWARD_DATA],
                                                      WINOGRAD(tile_winograd_data), NULL},
            [OCL_BACKWARD_WEIGHTS] =
                (const struct ocl_algorithm *const[]){
                    &ocl_gemm_tile[OCL_BACKWARD_WEIGHTS], NULL},
        },
};
