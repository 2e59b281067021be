/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL backend's configs, as src/tune sees them. */
#include "device/tuning_table.h"
#include "opencl/select/bundled_tuning.h"
#include "opencl/select/dispatch.h"

#include <string.h>

static const char *bundled(const struct weft_device *device)
{
    return ocl_bundled_tuning_for((const struct ocl_device *)device);
}

/* The problem of a text, if it is one of this device's family. */
static bool parse(const struct weft_device *device, const char *text,
                  struct weft_problem *out)
{
    return weft_problem_parse(text, out) && out->family == device->family;
}

/* Appends a config unless it is present or the array is full. */
static int append(const struct ocl_device *device, const struct ocl_kernel_config *config,
                  struct weft_kernel_config *out, int count)
{
    struct weft_kernel_config one;
    if (count == WEFT_MAX_CONFIGS)
        return count;
    ocl_config_format(config, one.text);
    for (int i = 0; i < count; i++)
        if (!strcmp(out[i].text, one.text))
            return count;
    one.fingerprint = ocl_config_fingerprint(device, config);
    out[count++] = one;
    return count;
}

/* The configs with the next smaller or larger value of one tunable. */
static int neighbours(const struct ocl_device *device, const struct weft_problem *problem,
                      const struct ocl_kernel_config *from,
                      struct weft_kernel_config *out)
{
    int count = 0;
    const struct ocl_algorithm *algorithm = from->algorithm;
    for (int i = 0; algorithm->tunables[i].name; i++) {
        const struct ocl_tunable *tunable = &algorithm->tunables[i];
        int now = from->values[i], below = -1, above = -1;
        for (int k = 0; k < tunable->count; k++) {
            if (tunable->values[k] < now)
                below = tunable->values[k];
            if (tunable->values[k] > now && above < 0)
                above = tunable->values[k];
        }
        const int beside[] = {above, below};
        for (size_t k = 0; k < WEFT_ARRAY_SIZE(beside); k++) {
            struct ocl_kernel_config config = *from;
            config.values[i] = beside[k];
            if (beside[k] >= 0 &&
                algorithm->validate_config(device, problem, config.values))
                count = append(device, &config, out, count);
        }
    }
    return count;
}

static int configs(struct weft_device *base, const char *text, const char *near,
                   struct weft_kernel_config out[WEFT_MAX_CONFIGS])
{
    const struct ocl_device *device = (const struct ocl_device *)base;
    struct weft_problem problem;
    struct ocl_kernel_config config;
    if (!parse(base, text, &problem))
        return 0;
    if (near)
        return ocl_config_parse(device, &problem, near, &config)
                   ? neighbours(device, &problem, &config, out)
                   : 0;
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int many = ocl_list_algorithms(device, problem.call.primitive, all), count = 0;
    config = ocl_select_default_config(device, &problem);
    if (!config.algorithm)
        return 0;
    count = append(device, &config, out, count);
    for (int i = 0; i < many; i++) {
        config = (struct ocl_kernel_config){.algorithm = all[i]};
        if (all[i]->applicability(device, &problem, config.values))
            count = append(device, &config, out, count);
    }
    return count;
}

static uint64_t fingerprint(struct weft_device *base, const char *text,
                            const char *config_text)
{
    const struct ocl_device *device = (const struct ocl_device *)base;
    struct weft_problem problem;
    struct ocl_kernel_config config;
    return parse(base, text, &problem) &&
                   ocl_config_parse(device, &problem, config_text, &config)
               ? ocl_config_fingerprint(device, &config)
               : 0;
}

const struct weft_tuner ocl_tuner = {
    .bundled = bundled,
    .configs = configs,
    .fingerprint = fingerprint,
};
