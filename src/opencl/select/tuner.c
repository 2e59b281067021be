/* SPDX-License-Identifier: Apache-2.0 */
/* What the OpenCL backend offers to tuning: the configs there are, and what ships with
 * weft. */
#include "opencl/select/algorithm.h"
#include "opencl/select/bundled_tuning.h"
#include "opencl/select/trial.h"

#include <string.h>

static const char *bundled(const struct weft_device *device)
{
    return ocl_bundled_tuning_for((const struct ocl_device *)device);
}

static bool call(const struct weft_device *base, const char *text,
                 struct weft_primitive_call *out)
{
    static const enum weft_primitive primitives[OCL_PASS_COUNT] = {
        [OCL_PASS_FORWARD] = WEFT_PRIMITIVE_conv_forward,
        [OCL_PASS_BWD_DATA] = WEFT_PRIMITIVE_conv_backward_data,
        [OCL_PASS_BWD_WEIGHTS] = WEFT_PRIMITIVE_conv_backward_weights,
    };
    struct ocl_problem problem;
    if (!ocl_trial_problem((const struct ocl_device *)base, text, &problem))
        return false;
    out->primitive = primitives[problem.pass];
    out->args.conv_forward = problem.args;
    return true;
}

/* Appends a config unless there is no more room or it is there already. */
static int append(struct ocl_device *device, const struct ocl_problem *problem,
                  const struct ocl_kernel_config *config, struct weft_kernel_config *out,
                  int count)
{
    struct weft_kernel_config one;
    if (count == WEFT_MAX_CONFIGS)
        return count;
    ocl_config_format(config, one.text);
    for (int i = 0; i < count; i++)
        if (!strcmp(out[i].text, one.text))
            return count;
    one.fingerprint =
        ocl_config_fingerprint(device, problem->pass, &problem->args, config);
    if (one.fingerprint)
        out[count++] = one;
    return count;
}

/* The values on both sides of the present one. */
static int neighbours(struct ocl_device *device, const struct ocl_problem *problem,
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
                algorithm->validate_config(device, &problem->args, config.values))
                count = append(device, problem, &config, out, count);
        }
    }
    return count;
}

static int configs(struct weft_device *base, const char *text, const char *near,
                   struct weft_kernel_config out[WEFT_MAX_CONFIGS])
{
    struct ocl_device *device = (struct ocl_device *)base;
    struct ocl_problem problem;
    struct ocl_kernel_config config;
    if (!ocl_trial_problem(device, text, &problem))
        return 0;
    if (near)
        return ocl_config_parse(device, problem.pass, &problem.args, near, &config)
                   ? neighbours(device, &problem, &config, out)
                   : 0;
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int many = ocl_list_algorithms(device, problem.pass, all), count = 0;
    config = ocl_select_default_config(device, problem.pass, &problem.args);
    if (!config.algorithm)
        return 0;
    count = append(device, &problem, &config, out, count);
    for (int i = 0; i < many; i++) {
        config = (struct ocl_kernel_config){.algorithm = all[i]};
        if (all[i]->applicability(device, &problem.args, config.values))
            count = append(device, &problem, &config, out, count);
    }
    return count;
}

static uint64_t fingerprint(struct weft_device *base, const char *text,
                            const char *choice_text)
{
    struct ocl_device *device = (struct ocl_device *)base;
    struct ocl_problem problem;
    struct ocl_kernel_config config;
    return ocl_trial_problem(device, text, &problem) &&
                   ocl_config_parse(device, problem.pass, &problem.args, choice_text,
                                    &config)
               ? ocl_config_fingerprint(device, problem.pass, &problem.args, &config)
               : 0;
}

const struct weft_tuner ocl_tuner = {
    .bundled = bundled,
    .call = call,
    .configs = configs,
    .fingerprint = fingerprint,
    .trial_create = ocl_trial_create,
    .trial_destroy = ocl_trial_destroy,
    .trial_run = ocl_trial_run,
};
