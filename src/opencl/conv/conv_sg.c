/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `sg` family: GEMM by sub-groups (cl/gemm/gemm_sg.cl), and the
 * algorithms of `tile`. */
#include "opencl/conv/implicit_gemm.h"
#include "opencl/runtime/subgroup_probe.h"

/* Tunables, in the order of their table: a sub-group of LANES computes MWI x (NWI *
 * LANES) of the result, a work-group is SUBGROUPS of them. */
enum { LANES, MWI, NWI, SUBGROUPS, SPLIT_K };

static const struct ocl_tunable tunables[] = {
    OCL_TUNABLE("subgroup-size", 8, 16, 32),
    OCL_TUNABLE("mwi", 4, 8, 16),
    OCL_TUNABLE("nwi", 1, 2, 4),
    OCL_TUNABLE("subgroups", 1, 2, 4, 8),
    OCL_TUNABLE("split-k", 1, 2, 4, 8, 16, 32, 64),
    {0},
};

enum { MAX_ACCUMULATORS = 64 }; /* of a lane */

static bool validate_config(const struct ocl_device *device, const struct ocl_gemm *p,
                            const int *values)
{
    int lanes = values[LANES], rows = values[MWI], subgroups = values[SUBGROUPS];
    if ((lanes != 8 && lanes != 16 && lanes != 32) ||
        !(device->subgroup_sizes & (unsigned)lanes) || rows < 1 || lanes % rows ||
        values[NWI] < 1 || subgroups < 1 || subgroups > 16 ||
        rows * values[NWI] > MAX_ACCUMULATORS)
        return false;
    size_t local_bytes = (size_t)(rows * subgroups * lanes) * sizeof(cl_float);
    return (size_t)(subgroups * lanes) <= device->max_work_group_size &&
           (device->subgroup_ext != OCL_SUBGROUP_EMULATED ||
            local_bytes <= device->local_mem_bytes) &&
           ocl_gemm_split_k_valid(device, p, values[SPLIT_K], lanes);
}

/* 8 rows of two registers a lane fit the registers of Intel's GPUs; fewer for a small
 * result. */
static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct ocl_gemm *p, int *values)
{
    values[LANES] = device->subgroup_sizes & 16  ? 16
                    : device->subgroup_sizes & 8 ? 8
                                                 : 32;
    values[MWI] = 8;
    values[NWI] = p->n > (size_t)values[LANES] ? 2 : 1;
    values[SUBGROUPS] = p->m > 8 ? 2 : 1;
    values[SPLIT_K] = ocl_gemm_choose_split_k(device, p, values[MWI] * values[SUBGROUPS],
                                              values[NWI] * values[LANES], values[LANES]);
    return validate_config(device, p, values) ? OCL_PREFERRED : OCL_NOT_APPLICABLE;
}

static enum weft_status record(struct weft_command_list *list, enum ocl_conv_pass pass,
                               const struct weft_conv_args *args, const int *values)
{
    struct ocl_gemm_tiling tiling = {
        .source = "gemm_sg.cl",
        .m = values[MWI] * values[SUBGROUPS],
        .n = values[NWI] * values[LANES],
        .step = values[LANES],
        .items = values[SUBGROUPS] * values[LANES],
        .splits = values[SPLIT_K],
    };
    ocl_define(&tiling.options, "SUBGROUP_EXT", (long)ocl_device_of(list)->subgroup_ext);
    ocl_define(&tiling.options, "LANES", values[LANES]);
    ocl_define(&tiling.options, "MWI", values[MWI]);
    ocl_define(&tiling.options, "NWI", values[NWI]);
    ocl_define(&tiling.options, "SUBGROUPS", values[SUBGROUPS]);
    return ocl_gemm_record(list, pass, args, &tiling);
}

OCL_GEMM_DEFINE_PASS(OCL_PASS_FORWARD, forward, applicability, validate_config, record)
OCL_GEMM_DEFINE_PASS(OCL_PASS_BWD_DATA, data, applicability, validate_config, record)
OCL_GEMM_DEFINE_PASS(OCL_PASS_BWD_WEIGHTS, weights, applicability, validate_config,
                     record)

static const struct ocl_algorithm gemm[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] =
        OCL_GEMM_ROW("sub-groups", tunables, forward, "gemm_sg.cl", true),
    [OCL_PASS_BWD_DATA] = OCL_GEMM_ROW("sub-groups", tunables, data, "gemm_sg.cl", true),
    [OCL_PASS_BWD_WEIGHTS] =
        OCL_GEMM_ROW("sub-groups", tunables, weights, "gemm_sg.cl", true),
};

const struct ocl_family ocl_family_sg = OCL_GEMM_FAMILY(gemm);
