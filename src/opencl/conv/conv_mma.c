/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `mma` family: GEMM on matrix units (cl/gemm/gemm_mma.cl), and the
 * algorithms of `tile`. */
#include "opencl/runtime/mma_probe.h"
#include "opencl/conv/tile.h"

/* Tunables, in the order of their table: MWG x NWG of the result for a work-group, KWG of
 * the depth at a time, MWI x NWI of the result for a warp. */
enum { MWG, NWG, KWG, MWI, NWI, BUFFERS, SPLIT_K };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("mwg", 16, 32, 64, 128),
    OCL_TUNABLE("nwg", 16, 32, 64, 96, 128),
    OCL_TUNABLE("kwg", 8, 16, 32),
    OCL_TUNABLE("mwi", 16, 32, 64),
    OCL_TUNABLE("nwi", 8, 16, 32, 64),
    OCL_TUNABLE("buffers", 1, 2),
    OCL_TUNABLE("split-k", 1, 2, 4, 8, 16, 32, 64),
    {0},
};

enum { MAX_ACCUMULATORS = 64 }; /* floats of a lane */

static int items_of(const int *values)
{
    return values[MWG] / values[MWI] * (values[NWG] / values[NWI]) * WARP;
}

/* Staged tiles with padded rows; the emulation exchanges operands through local memory.
 */
static size_t local_mem_bytes(const struct ocl_device *device, const int *values)
{
    int tiles =
        values[BUFFERS] * values[KWG] * (values[MWG] + values[NWG] + 2 * MMA_LDS_PAD);
    int emulation = device->mma_path == OCL_MMA_EMULATED
                        ? items_of(values) / WARP * MMA_TILE_FLOATS
                        : 1;
    return (size_t)(tiles + emulation) * sizeof(cl_float);
}

static bool divides(int part, int whole)
{
    return part > 0 && whole > 0 && whole % part == 0;
}

/* Requirements of cl/gemm/gemm_mma.cl and cl/lib/gemm_stage.h, and the device's limits.
 */
static bool fits(const struct ocl_device *device, const int *values)
{
    if (!divides(values[MWI], values[MWG]) || !divides(values[NWI], values[NWG]) ||
        !divides(MMA_M, values[MWI]) || !divides(MMA_N, values[NWI]) ||
        !divides(MMA_K, values[KWG]) || values[MWG] > 256 || values[NWG] > 256 ||
        values[KWG] > 64 || values[BUFFERS] < 1 || values[BUFFERS] > 2)
        return false;
    int items = items_of(values);
    return values[MWG] * values[KWG] % (4 * items) == 0 &&
           values[NWG] * values[KWG] % (4 * items) == 0 && items % values[KWG] == 0 &&
           values[NWG] <= items && (size_t)items <= device->max_work_group_size &&
           values[MWI] * values[NWI] / WARP <= MAX_ACCUMULATORS &&
           local_mem_bytes(device, values) <= device->local_mem_bytes;
}

static bool validate_config(const struct ocl_device *device, const struct ocl_gemm *p,
                            const int *values)
{
    return fits(device, values) &&
           ocl_gemm_split_k_valid(device, p, values[SPLIT_K], values[KWG]);
}

/* The largest tile that still occupies the device, else the smallest. */
static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct ocl_gemm *p, int *values)
{
    static const struct {
        int m, n, depth, rows, columns;
    } tiles[] = {{128, 128, 16, 64, 32},
                 {128, 64, 16, 32, 32},
                 {64, 64, 16, 32, 32},
                 {32, 32, 16, 16, 32},
                 {16, 32, 8, 16, 32}};
    enum ocl_applicability found = OCL_NOT_APPLICABLE;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tiles); i++) {
        const int taken[] = {
            tiles[i].m,
            tiles[i].n,
            tiles[i].depth,
            tiles[i].rows,
            tiles[i].columns,
            1,
            ocl_gemm_choose_split_k(device, p, tiles[i].m, tiles[i].n, tiles[i].depth)};
        if (!fits(device, taken))
            continue;
        for (size_t k = 0; k < WEFT_ARRAY_SIZE(taken); k++)
            values[k] = taken[k];
        found = OCL_PREFERRED;
        if (ocl_gemm_work_groups(p, tiles[i].m, tiles[i].n) * (size_t)taken[SPLIT_K] >=
            OCL_WORK_GROUPS_PER_COMPUTE_UNIT * (size_t)device->compute_units)
            break;
    }
    return found;
}

static enum weft_status record(struct weft_command_list *list, enum ocl_conv_pass pass,
                               const struct weft_conv_args *args, const int *values)
{
    struct ocl_gemm_tiling tiling = {
        .source = "gemm_mma.cl",
        .m = values[MWG],
        .n = values[NWG],
        .step = values[KWG],
        .items = items_of(values),
        .splits = values[SPLIT_K],
    };
    ocl_define(&tiling.options, "MMA_PATH", (long)ocl_device_of(list)->mma_path);
    ocl_define(&tiling.options, "MWG", values[MWG]);
    ocl_define(&tiling.options, "NWG", values[NWG]);
    ocl_define(&tiling.options, "KWG", values[KWG]);
    ocl_define(&tiling.options, "WARP_TILE_M", values[MWI]);
    ocl_define(&tiling.options, "WARP_TILE_N", values[NWI]);
    ocl_define(&tiling.options, "BUFFERS", values[BUFFERS]);
    list->info.tf32x3 = true;
    return ocl_gemm_record(list, pass, args, &tiling);
}

OCL_GEMM_DEFINE_PASS(OCL_PASS_FORWARD, forward, applicability, validate_config, record)
OCL_GEMM_DEFINE_PASS(OCL_PASS_BWD_DATA, data, applicability, validate_config, record)
OCL_GEMM_DEFINE_PASS(OCL_PASS_BWD_WEIGHTS, weights, applicability, validate_config,
                     record)

static const struct ocl_algorithm gemm[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] =
        OCL_GEMM_ROW("matrix-unit", tunables, forward, "gemm_mma.cl", false),
    [OCL_PASS_BWD_DATA] =
        OCL_GEMM_ROW("matrix-unit", tunables, data, "gemm_mma.cl", false),
    [OCL_PASS_BWD_WEIGHTS] =
        OCL_GEMM_ROW("matrix-unit", tunables, weights, "gemm_mma.cl", false),
};

const struct ocl_family ocl_family_mma = OCL_GEMM_FAMILY(gemm);
