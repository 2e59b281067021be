/* SPDX-License-Identifier: Apache-2.0 */
/* Which algorithm does a problem. */
#include "opencl/select/algorithm.h"

#include "shared/random.h"
#include "util/hash.h"

#include <stddef.h>
#include <string.h>

const char *const ocl_conv_pass_names[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] = "forward",
    [OCL_PASS_BWD_DATA] = "backward-data",
    [OCL_PASS_BWD_WEIGHTS] = "backward-weights",
};

static const struct ocl_family *const families[] = {
    [WEFT_FAMILY_VEC] = &ocl_family_vec,
    [WEFT_FAMILY_TILE] = &ocl_family_tile,
    [WEFT_FAMILY_SUBGROUP] = &ocl_family_sg,
    [WEFT_FAMILY_MMA] = &ocl_family_mma,
};

int ocl_list_algorithms(const struct ocl_device *device, enum ocl_conv_pass pass,
                        const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS])
{
    const struct ocl_algorithm *const *own =
        families[device->base.family]->algorithms[pass];
    int count = 0;
    out[count++] = &ocl_clblast[pass];
    while (*own && count < OCL_MAX_ALGORITHMS)
        out[count++] = *own++;
    return count;
}

/* Random words of a problem, for checks. */
struct random_state {
    uint32_t seed, problem, count;
};

static uint32_t random_below(struct random_state *d, uint32_t limit)
{
    struct weft_random r =
        weft_philox(d->seed, 0, d->problem, d->count++, 0, RANDOM_VERIFY);
    return r.v[0] % limit;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* One of all that can do the problem, with tunables among their values; where 30 draws
 * bring none that are allowed together, with its defaults. */
static void random_config(const struct ocl_device *device, enum ocl_conv_pass pass,
                          const struct weft_conv_args *args, uint32_t seed,
                          struct ocl_kernel_config *config)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_list_algorithms(device, pass, all), possible = 0;
    char text[OCL_PROBLEM_KEY_BYTES];
    ocl_problem_key_format(device, pass, args, text);
    struct random_state d = {seed, hash_text(text), 0};
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES];
        if (!all[i]->applicability(device, args, values))
            continue;
        if (random_below(&d, (uint32_t)++possible) == 0) {
            config->algorithm = all[i];
            memcpy(config->values, values, sizeof(values));
        }
    }
    for (int tries = 0; config->algorithm && tries < 30; tries++) {
        const struct ocl_tunable *tunable = config->algorithm->tunables;
        int values[OCL_MAX_TUNABLES];
        for (int i = 0; tunable[i].name; i++)
            values[i] = tunable[i].values[random_below(&d, (uint32_t)tunable[i].count)];
        if (config->algorithm->validate_config(device, args, values)) {
            memcpy(config->values, values, sizeof(values));
            return;
        }
    }
}

struct ocl_kernel_config ocl_select_config(const struct ocl_device *device,
                                           enum ocl_conv_pass pass,
                                           const struct weft_conv_args *args)
{
    struct ocl_kernel_config config = {NULL, {0}};
    if (ocl_select_tuned_config(device, pass, args, &config))
        return config;
    return ocl_select_default_config(device, pass, args);
}

struct ocl_kernel_config ocl_select_default_config(const struct ocl_device *device,
                                                   enum ocl_conv_pass pass,
                                                   const struct weft_conv_args *args)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_list_algorithms(device, pass, all);
    enum ocl_applicability best = OCL_NOT_APPLICABLE;
    struct ocl_kernel_config config = {NULL, {0}};
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES] = {0};
        enum ocl_applicability applicability =
            all[i]->applicability(device, args, values);
        if (applicability <= best)
            continue;
        best = applicability;
        config.algorithm = all[i];
        memcpy(config.values, values, sizeof(values));
    }
    return config;
}

/* Multiply-adds. */
static double work_of(const struct weft_conv *c)
{
    return (double)c->n * c->out_h * c->out_w * c->k * c->r * c->s * (c->c / c->groups);
}

/* What a pass reads and writes that may be float16; 0 after the last. */
#define ARG(name) offsetof(struct weft_conv_args, name)
static const struct {
    size_t reads[4], writes;
} passes[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] = {{ARG(x), ARG(w)}, ARG(y)},
    [OCL_PASS_BWD_DATA] = {{ARG(dy), ARG(w), ARG(act_grad.output)}, ARG(dx)},
    [OCL_PASS_BWD_WEIGHTS] = {{ARG(x), ARG(dy)}, ARG(dw)},
};

static struct weft_view *arg_at(struct weft_conv_args *args, size_t offset)
{
    return (struct weft_view *)(void *)((char *)args + offset);
}

/* On copies in float32. */
static enum weft_status record_copies(struct weft_command_list *list,
                                      enum ocl_conv_pass pass,
                                      struct weft_conv_args *args,
                                      const struct ocl_kernel_config *config,
                                      const char *text)
{
    struct weft_view *to = arg_at(args, passes[pass].writes), written = *to;
    ocl_begin_primitive(list);
    for (const size_t *at = passes[pass].reads; *at; at++)
        WEFT_TRY(ocl_cast_to_fp32(list, arg_at(args, *at), *at == ARG(w)));
    *to = ocl_fp32_output(list, written);
    ocl_begin_algorithm(list, text);
    WEFT_TRY(config->algorithm->record(list, args, config->values));
    return ocl_cast_from_fp32(list, *to, written);
}

enum weft_status ocl_record_conv(struct weft_command_list *list, enum ocl_conv_pass pass,
                                 const struct weft_conv_args *given)
{
    struct weft_conv_args with_list = *given;
    const struct weft_conv_args *args = &with_list;
    with_list.constant_weights = list->params.constant_weights;
    const struct ocl_device *device = ocl_device_of(list);
    weft_context *ctx = list->device->context;
    char problem[OCL_PROBLEM_KEY_BYTES], text[OCL_PROBLEM_KEY_BYTES];
    struct ocl_kernel_config config = {NULL, {0}};
    ocl_problem_key_format(device, pass, args, problem);
    if (list->params.problems)
        return weft_problems_add(ctx, list->params.problems, problem,
                                 work_of(&args->conv));
    if (list->params.random_config_seed)
        random_config(device, pass, args, list->params.random_config_seed, &config);
    else if (!list->params.config)
        config = ocl_select_config(device, pass, args);
    else if (!ocl_config_parse(device, pass, args, list->params.config, &config))
        return weft_fail(ctx, WEFT_ERR_BUILD, "opencl: %s cannot be done by %s", problem,
                         list->params.config);
    if (!config.algorithm)
        return weft_fail(ctx, WEFT_ERR_BUILD, "opencl: %s has no kernel for %s",
                         list->device->info.name, problem);
    ocl_config_format(&config, text);
    weft_log_message(ctx, WEFT_LOG_DEBUG, "opencl: %s: %s", problem, text);
    list->info.config_hash = weft_hash_add(list->info.config_hash, text);
    if (config.algorithm->fp32_only)
        return record_copies(list, pass, &with_list, &config, text);
    ocl_begin_primitive(list);
    ocl_begin_algorithm(list, text);
    return config.algorithm->record(list, args, config.values);
}
