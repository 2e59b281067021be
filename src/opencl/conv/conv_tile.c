/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `tile` family: all three passes as GEMM through local memory
 * (cl/gemm/gemm_tile.cl), and the selection of its tile. */
#include "opencl/conv/tile.h"

#include "shared/workspace_layout.h"

#include <assert.h>
#include <string.h>

/* Tunables, in the order of tile_tunables. */
enum { MWG, NWG, KWG, MWI, NWI, BUFFERS, SPLIT_K };

const struct ocl_tunable tile_tunables[] = {
    OCL_TUNABLE("mwg", 16, 32, 64, 96, 128),
    OCL_TUNABLE("nwg", 16, 32, 64, 96, 128),
    OCL_TUNABLE("kwg", 8, 16, 32),
    OCL_TUNABLE("mwi", 4, 8),
    OCL_TUNABLE("nwi", 4, 8),
    OCL_TUNABLE("buffers", 1, 2),
    OCL_TUNABLE("split-k", 1, 2, 4, 8, 16, 32, 64),
    {0},
};

/* Candidate tiles. `worth`: estimated speed of a device fully occupied by such
 * work-groups, in percent of its peak; limited by reads of local memory for each
 * multiplication, and of global memory. */
struct tile {
    int m, n, depth, rows, columns, worth;
    const char *vendor; /* for devices of this vendor; NULL: all */
};

static const struct tile tiles[] = {
    {128, 128, 16, 8, 8, 82, "NVIDIA"}, {128, 128, 8, 8, 8, 80, NULL},
    {128, 64, 8, 8, 8, 75, NULL},       {64, 64, 16, 8, 8, 67, "NVIDIA"},
    {64, 64, 8, 8, 8, 65, NULL},        {64, 64, 8, 8, 4, 60, "Intel"},
    {128, 32, 16, 8, 4, 58, NULL},      {64, 32, 16, 8, 4, 55, NULL},
    {64, 32, 16, 4, 4, 45, NULL},       {32, 32, 16, 4, 4, 40, NULL},
    {64, 16, 16, 4, 4, 35, NULL},       {16, 64, 16, 4, 4, 35, NULL},
    {16, 32, 16, 4, 4, 33, NULL},
};

/* Most accumulators of a work-item that compilers keep in registers, with vector loads of
 * A and with scalar ones, which take more registers. */
static const struct {
    const char *vendor;
    int accumulators, with_scalar_loads;
} register_limits[] = {{"Apple", 16, 16}, {"Intel", 32, 16}, {"", 64, 64}};

static int max_accumulators(const struct ocl_device *device, const struct ocl_gemm *p)
{
    int channels = p->pass == OCL_PASS_BWD_DATA ? p->conv.k : p->conv.c;
    bool scalar_loads = channels / p->conv.groups % 4 != 0;
    size_t i = 0;
    while (!strstr(device->base.info.vendor, register_limits[i].vendor))
        i++;
    return scalar_loads ? register_limits[i].with_scalar_loads
                        : register_limits[i].accumulators;
}

static int items_of(const int *values)
{
    return values[MWG] / values[MWI] * (values[NWG] / values[NWI]);
}

/* Including the padding of transposed operands (cl/lib/gemm_stage.h). */
static size_t local_mem_bytes(const struct ocl_gemm *p, const int *values)
{
    static const int transposed[OCL_PASS_COUNT] = {
        [OCL_PASS_FORWARD] = 1, [OCL_PASS_BWD_DATA] = 2};
    int padding = LDS_PAD_TRANSPOSED * transposed[p->pass];
    return (size_t)(values[BUFFERS] * values[KWG] *
                    (values[MWG] + values[NWG] + padding)) *
           sizeof(cl_float);
}

static bool in_range(int value, int low, int high)
{
    return value >= low && value <= high;
}

/* Requirements of cl/gemm/gemm_tile.cl and cl/lib/gemm_stage.h, and the device's limits.
 */
static bool tile_fits(const struct ocl_device *device, const struct ocl_gemm *p,
                      const int *values)
{
    if (!in_range(values[MWG], 4, 256) || !in_range(values[NWG], 4, 256) ||
        !in_range(values[KWG], 4, 64) || !in_range(values[MWI], 4, 16) ||
        !in_range(values[NWI], 4, 16) || !in_range(values[BUFFERS], 1, 2) ||
        values[MWI] % 4 || values[NWI] % 4 || values[MWG] % values[MWI] ||
        values[NWG] % values[NWI])
        return false;
    int items = items_of(values);
    return values[MWG] * values[KWG] % (4 * items) == 0 &&
           values[NWG] * values[KWG] % (4 * items) == 0 && items % values[KWG] == 0 &&
           values[NWG] <= items && (size_t)items <= device->max_work_group_size &&
           values[MWI] * values[NWI] <= max_accumulators(device, p) &&
           local_mem_bytes(p, values) <= device->local_mem_bytes;
}

bool tile_validate_config(const struct ocl_device *device, const struct ocl_gemm *p,
                          const int *values)
{
    return tile_fits(device, p, values) &&
           ocl_gemm_split_k_valid(device, p, values[SPLIT_K], values[KWG]);
}

/* Two buffers if two work-groups still fit the local memory of a compute unit. */
static void config_of_tile(const struct ocl_device *device, const struct ocl_gemm *p,
                           const struct tile *tile, int *values)
{
    values[MWG] = tile->m;
    values[NWG] = tile->n;
    values[KWG] = tile->depth;
    values[MWI] = tile->rows;
    values[NWI] = tile->columns;
    values[BUFFERS] = 2;
    if (local_mem_bytes(p, values) > device->local_mem_bytes / 2)
        values[BUFFERS] = 1;
}

/* Estimated time in multiply-adds at the device's peak: rounds of work-groups over the
 * compute units, of which each needs BUSY_ITEMS, with the waste of partial tiles and of
 * the first loads and the last stores, as deep as EDGE; and partial sums. */
static double time_of(const struct ocl_device *device, const struct ocl_gemm *p,
                      const struct tile *tile, const int *values, int splits)
{
    enum { BUSY_ITEMS = 256, EDGE = 16 };
    size_t groups = ocl_gemm_work_groups(p, tile->m, tile->n) * (size_t)splits;
    size_t units = (size_t)device->compute_units, rounds = (groups + units - 1) / units;
    size_t span = (p->depth + (size_t)splits - 1) / (size_t)splits;
    size_t steps = (span + (size_t)tile->depth - 1) / (size_t)tile->depth;
    double items = (double)rounds * items_of(values);
    double busy = items < BUSY_ITEMS ? items / BUSY_ITEMS : 1;
    double work = (double)(rounds * units) * tile->m * tile->n *
                  ((double)steps * tile->depth + EDGE);
    return 100 * work / tile->worth / busy + ocl_gemm_split_k_macs(device, p, splits);
}

/* The tile and the number of splits with the least estimated time. */
void tile_select_config(const struct ocl_device *device, const struct ocl_gemm *p,
                        int *values)
{
    double best = 0;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tiles); i++) {
        const struct tile *tile = &tiles[i];
        int taken[OCL_MAX_TUNABLES] = {0};
        config_of_tile(device, p, tile, taken);
        if ((tile->vendor && !strstr(device->base.info.vendor, tile->vendor)) ||
            !tile_fits(device, p, taken))
            continue;
        int most = ocl_gemm_max_split_k(device, p, tile->depth);
        for (int splits = 1; splits <= most; splits++) {
            double time = time_of(device, p, tile, taken, splits);
            if (best > 0 && time >= best)
                continue;
            best = time;
            memcpy(values, taken, sizeof(taken));
            values[SPLIT_K] = splits;
        }
    }
    assert(best > 0); /* the device was opened: the smallest tile fits */
}

int tile_split_k(const struct ocl_device *device, const struct ocl_gemm *p)
{
    int values[OCL_MAX_TUNABLES] = {0};
    tile_select_config(device, p, values);
    return values[SPLIT_K];
}

struct ocl_gemm_tiling tile_gemm_tiling(const int *values)
{
    struct ocl_gemm_tiling tiling = {
        .source = "gemm_tile.cl",
        .m = values[MWG],
        .n = values[NWG],
        .step = values[KWG],
        .items = items_of(values),
        .splits = values[SPLIT_K],
    };
    ocl_define(&tiling.options, "MWG", values[MWG]);
    ocl_define(&tiling.options, "NWG", values[NWG]);
    ocl_define(&tiling.options, "KWG", values[KWG]);
    ocl_define(&tiling.options, "MWI", values[MWI]);
    ocl_define(&tiling.options, "NWI", values[NWI]);
    ocl_define(&tiling.options, "BUFFERS", values[BUFFERS]);
    return tiling;
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct ocl_gemm *p, int *values)
{
    tile_select_config(device, p, values);
    return OCL_PREFERRED;
}

static enum weft_status record(struct weft_command_list *list, enum ocl_conv_pass pass,
                               const struct weft_conv_args *args, const int *values)
{
    struct ocl_gemm_tiling tiling = tile_gemm_tiling(values);
    return ocl_gemm_record(list, pass, args, &tiling);
}

OCL_GEMM_DEFINE_PASS(OCL_PASS_FORWARD, forward, applicability, tile_validate_config,
                     record)
OCL_GEMM_DEFINE_PASS(OCL_PASS_BWD_DATA, data, applicability, tile_validate_config, record)
OCL_GEMM_DEFINE_PASS(OCL_PASS_BWD_WEIGHTS, weights, applicability, tile_validate_config,
                     record)

const struct ocl_algorithm ocl_gemm_tile[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] =
        OCL_GEMM_ROW("gemm", tile_tunables, forward, "gemm_tile.cl", false),
    [OCL_PASS_BWD_DATA] =
        OCL_GEMM_ROW("gemm", tile_tunables, data, "gemm_tile.cl", false),
    [OCL_PASS_BWD_WEIGHTS] =
        OCL_GEMM_ROW("gemm", tile_tunables, weights, "gemm_tile.cl", false),
};

/* The default is the first algorithm that prefers the problem. */
#define WINOGRAD(rows) &rows[0], &rows[1], &rows[2]

static const struct ocl_algorithm *const forward_algorithms[] = {
    &ocl_depthwise_forward, WINOGRAD(tile_winograd_forward),
    &ocl_gemm_tile[OCL_PASS_FORWARD], NULL};
static const struct ocl_algorithm *const data_algorithms[] = {
    &ocl_depthwise_bwd_data, WINOGRAD(tile_winograd_bwd_data),
    &ocl_gemm_tile[OCL_PASS_BWD_DATA], NULL};
static const struct ocl_algorithm *const weights_algorithms[] = {
    &ocl_depthwise_bwd_weights_tile, WINOGRAD(tile_winograd_bwd_weights),
    &ocl_gemm_tile[OCL_PASS_BWD_WEIGHTS], NULL};

const struct ocl_family ocl_family_tile = {
    .algorithms = {[WEFT_PRIMITIVE_conv_forward] = forward_algorithms,
                   [WEFT_PRIMITIVE_conv_backward_data] = data_algorithms,
                   [WEFT_PRIMITIVE_conv_backward_weights] = weights_algorithms},
};
