/* SPDX-License-Identifier: Apache-2.0 */
/* Lookup of a problem in the device's tuning. */
#include "device/tuning_table.h"
#include "opencl/select/dispatch.h"
#include "opencl/select/trust.h"

/* The farthest batch whose winner is reused. */
static const double max_batch_ratio = 4;

/* True if the row's config is valid for this problem, and still trusted. */
static bool is_usable(const struct ocl_device *device, const struct weft_problem *problem,
                      const struct weft_tuning_entry *row, struct ocl_kernel_config *out)
{
    if (!ocl_config_parse(device, problem, row->config, out) ||
        ocl_trust_of(device, problem, out->algorithm) != OCL_TRUST_TRUSTED)
        return false;
    uint64_t fingerprint = ocl_config_fingerprint(device, out);
    return (row->state == WEFT_TUNING_BUNDLED || row->fingerprint == fingerprint) &&
           !weft_tuning_rejects(device->base.tuning, problem, row->config, fingerprint);
}

/* The usable row with the nearest batch among rows from `begin` up to `end`. */
static bool find_nearest(const struct ocl_device *device,
                         const struct weft_problem *problem, int begin, int end,
                         struct ocl_kernel_config *out)
{
    double nearest = 2 * max_batch_ratio;
    for (int i = begin; i < end; i++) {
        const struct weft_tuning_entry *row = &device->base.tuning->rows[i];
        struct ocl_kernel_config config;
        if (!row->parsed || weft_tuning_entry_rejected(row))
            continue;
        double ratio = weft_problem_batch_ratio(problem, row->parsed);
        if (ratio < 1 || ratio > max_batch_ratio || ratio >= nearest ||
            !is_usable(device, problem, row, &config))
            continue;
        nearest = ratio;
        *out = config;
    }
    return nearest <= max_batch_ratio;
}

bool ocl_select_tuned_config(const struct ocl_device *device,
                             const struct weft_problem *problem,
                             struct ocl_kernel_config *out)
{
    const struct weft_tuning *tuning = device->base.tuning;
    if (!tuning || device->base.gemm != WEFT_GEMM_NATIVE)
        return false;
    /* Measured rows stand behind the bundled ones, and win over them at any distance. */
    return find_nearest(device, problem, tuning->bundled, tuning->count, out) ||
           find_nearest(device, problem, 0, tuning->bundled, out);
}
