/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a kernel config, and the primitives that are recorded by one. */
#include "opencl/select/dispatch.h"

#include "opencl/runtime/primitives.h"
#include "opencl/select/trust.h"

#include "shared/random.h"
#include "util/hash.h"

#include <stddef.h>
#include <string.h>

struct ocl_kernel_config ocl_select_default_config(const struct ocl_device *device,
                                                   const struct weft_problem *problem)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_list_algorithms(device, problem->call.primitive, all);
    enum ocl_applicability best = OCL_NOT_APPLICABLE;
    enum ocl_trust best_trust = OCL_TRUST_REFUTED;
    struct ocl_kernel_config config = {NULL, {0}};
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES] = {0};
        enum ocl_applicability applicability =
            all[i]->applicability(device, problem, values);
        enum ocl_trust trust =
            applicability ? ocl_trust_of(device, problem, all[i]) : OCL_TRUST_REFUTED;
        if (!applicability || trust < best_trust ||
            (trust == best_trust && applicability <= best))
            continue;
        best = applicability;
        best_trust = trust;
        config.algorithm = all[i];
        memcpy(config.values, values, sizeof(values));
    }
    return config;
}

struct ocl_kernel_config ocl_select_config(const struct ocl_device *device,
                                           const struct weft_problem *problem)
{
    struct ocl_kernel_config config;
    if (ocl_select_tuned_config(device, problem, &config))
        return config;
    return ocl_select_default_config(device, problem);
}

/* Random numbers that depend on a seed and a problem. */
struct random_state {
    uint32_t seed, problem, count;
};

static uint32_t random_below(struct random_state *d, uint32_t limit)
{
    struct weft_random r =
        weft_philox(d->seed, 0, d->problem, d->count++, 0, RANDOM_VERIFY);
    return r.v[0] % limit;
}

/* A random applicable algorithm with random values of its tunables; with its defaults
 * where 30 attempts find no valid combination. */
static struct ocl_kernel_config select_random_config(const struct ocl_device *device,
                                                     const struct weft_problem *problem,
                                                     uint32_t seed)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_list_algorithms(device, problem->call.primitive, all), possible = 0;
    struct random_state d = {seed, weft_problem_hash(problem), 0};
    struct ocl_kernel_config config = {NULL, {0}};
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES];
        if (!all[i]->applicability(device, problem, values))
            continue;
        if (random_below(&d, (uint32_t)++possible) == 0) {
            config.algorithm = all[i];
            memcpy(config.values, values, sizeof(values));
        }
    }
    for (int tries = 0; config.algorithm && tries < 30; tries++) {
        const struct ocl_tunable *tunable = config.algorithm->tunables;
        int values[OCL_MAX_TUNABLES];
        for (int i = 0; tunable[i].name; i++)
            values[i] = tunable[i].values[random_below(&d, (uint32_t)tunable[i].count)];
        if (config.algorithm->validate_config(device, problem, values)) {
            memcpy(config.values, values, sizeof(values));
            break;
        }
    }
    return config;
}

/* The config of the same call of another list. */
static bool take_config(const struct ocl_device *device,
                        const struct weft_problem *problem,
                        const struct weft_command_list *list,
                        struct ocl_kernel_config *out)
{
    const struct weft_command_list *like = list->params.like;
    int at = list->call_count - 1;
    struct weft_launch_description launch;
    if (at < 0 || at >= like->call_count ||
        like->calls[at].call.primitive != list->calls[at].call.primitive ||
        like->calls[at].first == like->calls[at].end)
        return false;
    like->device->backend->describe_launch(like, like->calls[at].end - 1, &launch);
    return ocl_config_parse(device, problem, launch.config, out);
}

/* The config that the list's parameters demand. */
static enum weft_status select_for_list(const struct weft_command_list *list,
                                        const struct weft_problem *problem,
                                        struct ocl_kernel_config *out)
{
    struct ocl_device *device = ocl_device_of(list);
    const char *given = list->params.config;
    char text[WEFT_PROBLEM_TEXT];
    if (list->params.like && take_config(device, problem, list, out))
        return WEFT_OK;
    if (given) {
        if (ocl_config_parse(device, problem, given, out))
            return WEFT_OK;
    } else {
        *out =
            list->params.random_config_seed
                ? select_random_config(device, problem, list->params.random_config_seed)
                : ocl_select_config(device, problem);
        if (out->algorithm) {
            ocl_warn_of_distrusted(device, problem, out->algorithm);
            return WEFT_OK;
        }
    }
    weft_problem_format(problem, text);
    return weft_fail(device->base.context, WEFT_ERR_BUILD,
                     "opencl: %s has no kernel for %s%s%s%s%s", device->base.info.name,
                     text, given ? " by " : "", given ? given : "",
                     device->avoided ? ", without those to be avoided: " : "",
                     device->avoided ? device->avoided : "");
}

/* Arguments of convolutions that may be float16; 0 after the last. */
#define ARG(name) offsetof(struct weft_conv_args, name)
static const struct {
    size_t reads[4], writes;
} conv_args[WEFT_PRIMITIVE_COUNT] = {
    [WEFT_PRIMITIVE_conv_forward] = {{ARG(x), ARG(w)}, ARG(y)},
    [WEFT_PRIMITIVE_conv_backward_data] = {{ARG(dy), ARG(w), ARG(act_grad.output)},
                                           ARG(dx)},
    [WEFT_PRIMITIVE_conv_backward_weights] = {{ARG(x), ARG(dy)}, ARG(dw)},
};

static struct weft_view *arg_at(struct weft_problem *problem, size_t offset)
{
    return (struct weft_view *)(void *)((char *)&problem->call.args + offset);
}

/* Records on float32 copies of the arguments. */
static enum weft_status record_copies(struct weft_command_list *list,
                                      struct weft_problem *problem,
                                      const struct ocl_kernel_config *config,
                                      const char *text)
{
    enum weft_primitive primitive = problem->call.primitive;
    struct weft_view *to = arg_at(problem, conv_args[primitive].writes), written = *to;
    ocl_begin_primitive(list);
    for (const size_t *at = conv_args[primitive].reads; *at; at++)
        WEFT_TRY(ocl_cast_to_fp32(list, arg_at(problem, *at), *at == ARG(w)));
    *to = ocl_fp32_output(list, written);
    ocl_begin_algorithm(list, text, config->algorithm->sources);
    WEFT_TRY(config->algorithm->record(list, problem, config->values));
    ocl_end_algorithm(list);
    return ocl_cast_from_fp32(list, *to, written);
}

static void log_config(weft_context *ctx, const struct weft_problem *problem,
                       const char *config)
{
    char text[WEFT_PROBLEM_TEXT];
    if (!ctx->log || ctx->log_level < WEFT_LOG_DEBUG)
        return;
    weft_problem_format(problem, text);
    weft_log_message(ctx, WEFT_LOG_DEBUG, "opencl: %s: %s", text, config);
}

static enum weft_status record(struct weft_command_list *list,
                               const struct weft_primitive_call *call)
{
    char text[OCL_CONFIG_TEXT];
    struct weft_problem problem;
    struct ocl_kernel_config config = {NULL, {0}};
    weft_problem_of(list->device, call, &problem);
    problem.constant_weights = list->params.constant_weights;
    WEFT_TRY(select_for_list(list, &problem, &config));
    ocl_config_format(&config, text);
    log_config(list->device->context, &problem, text);
    list->info.config_hash = weft_hash_add(list->info.config_hash, text);
    if (config.algorithm->fp32_only)
        return record_copies(list, &problem, &config, text);
    ocl_begin_primitive(list);
    ocl_begin_algorithm(list, text, config.algorithm->sources);
    WEFT_TRY(config.algorithm->record(list, &problem, config.values));
    ocl_end_algorithm(list);
    return WEFT_OK;
}

#define SELECTED(name_, args_)                                                        \
    enum weft_status ocl_##name_(struct weft_command_list *list,                      \
                                 const struct weft_##args_##_args *args)              \
    {                                                                                 \
        const struct weft_primitive_call call = {.primitive = WEFT_PRIMITIVE_##name_, \
                                                 .args.name_ = *args};                \
        return record(list, &call);                                                   \
    }
SELECTED(conv_forward, conv)
SELECTED(conv_backward_data, conv)
SELECTED(conv_backward_weights, conv)
SELECTED(dense_forward, dense)
SELECTED(dense_backward_data, dense)
SELECTED(dense_backward_weights, dense)
SELECTED(pool_forward, pool)
SELECTED(pool_backward, pool)
SELECTED(batch_norm_forward, batch_norm)
SELECTED(batch_norm_inference, batch_norm)
SELECTED(batch_norm_backward, batch_norm)
SELECTED(fold_batch_norm, fold_batch_norm)
SELECTED(copy_channels, copy_channels)
SELECTED(scale, scale)
SELECTED(scale_gradient, scale_gradient)
SELECTED(channel_shuffle, channel_shuffle)
SELECTED(prelu_forward, prelu)
SELECTED(prelu_backward, prelu)
SELECTED(layer_norm_forward, layer_norm)
SELECTED(layer_norm_backward, layer_norm)
SELECTED(softmax, softmax)
SELECTED(loss, loss)
SELECTED(optimizer_step, optimizer_step)
SELECTED(make_batch, batch)
