/* SPDX-License-Identifier: Apache-2.0 */
/* weft_verify: the table of checks, and the loop over cases. */
#include "verify/verify.h"
#include "device/process.h"
#include "util/hash.h"

#include <stdio.h>
#include <string.h>

static const struct verify_check *const checks[] = {
#define VERIFY_CHECK(name) &verify_##name,
#include "verify/checks.def"
#undef VERIFY_CHECK
};

enum { DEFAULT_CASES = 40, MAX_CASES = 1000000 };

const char *weft_verify_op_name(int index)
{
    return index >= 0 && index < (int)WEFT_ARRAY_SIZE(checks) ? checks[index]->name
                                                              : NULL;
}

static enum weft_status require_params(weft_context *ctx,
                                       const struct weft_verify_params *params)
{
    char names[256] = "";
    bool known = !params->op;
    for (size_t i = 0, used = 0; i < WEFT_ARRAY_SIZE(checks); i++) {
        known = known || !strcmp(params->op, checks[i]->name);
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 i ? ", " : "", checks[i]->name);
    }
    if (!known)
        return weft_fail(ctx, WEFT_ERR_ARG, "verify: no op \"%s\"; there are %s",
                         params->op, names);
    const struct {
        const char *what;
        int count;
    } counts[] = {{"cases", params->cases},
                  {"mixed cases", params->mixed_cases},
                  {"cases before the first", params->first_case}};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(counts); i++)
        if (counts[i].count < 0 || counts[i].count > MAX_CASES)
            return weft_fail(ctx, WEFT_ERR_ARG, "verify: %d %s, must be 0 to %d",
                             counts[i].count, counts[i].what, MAX_CASES);
    return WEFT_OK;
}

static bool is_op_selected(const struct verify_context *k, int op)
{
    const struct verify_check *o = checks[op];
    return (!k->params->op || !strcmp(k->params->op, o->name)) &&
           (o->supports_fp16 || !is_fp16_run(k));
}

/* Cases need far less, so that a device with more memory has room for each. */
enum { ANY_CASE_COUNT = 256 << 20 };

/* The stream of a case is that of its op's name: another op in the table changes none. */
static struct lab_random begin_random(const struct verify_context *k, const char *name)
{
    return lab_random_begin(k->params->seed, k->number,
                            (int)(uint32_t)weft_hash64(name, strlen(name)));
}

/* A case that does not fit the device's memory is skipped; other failures of the device
 * end the run. */
static enum weft_status run_case(struct verify_context *k)
{
    k->random = begin_random(k, checks[k->op]->name);
    if (k->params->random_kernels)
        k->random_config_seed =
            (uint32_t)k->params->seed * 1000003u + (uint32_t)k->number + 1;
    enum weft_status status = checks[k->op]->run(k);
    if (status != WEFT_ERR_NOMEM ||
        k->device[LAB_DEVICE]->info.max_alloc_bytes >= ANY_CASE_COUNT)
        return status;
    k->result->skipped++;
    return WEFT_OK;
}

static enum weft_status run_ops(struct verify_context *k)
{
    int count = k->params->cases ? k->params->cases : DEFAULT_CASES;
    k->end = k->params->first_case + count;
    for (k->op = 0; k->op < (int)WEFT_ARRAY_SIZE(checks); k->op++)
        for (k->number = k->params->first_case; k->number < k->end; k->number++)
            if (is_op_selected(k, k->op))
                WEFT_TRY(run_case(k));
    return WEFT_OK;
}

/* Each case is that of its number of a random op, and can be repeated by op and number
 * alone. */
static enum weft_status run_mixed_cases(struct verify_context *k)
{
    int asked[WEFT_ARRAY_SIZE(checks)], count = 0;
    for (int op = 0; op < (int)WEFT_ARRAY_SIZE(checks); op++)
        if (is_op_selected(k, op))
            asked[count++] = op;
    k->end = k->params->first_case + k->params->mixed_cases;
    for (k->number = k->params->first_case; k->number < k->end && count; k->number++) {
        struct lab_random random = begin_random(k, ""); /* no op has this name */
        k->op = asked[lab_random_int(&random, 0, count - 1)];
        WEFT_TRY(run_case(k));
    }
    return WEFT_OK;
}

enum weft_status verify_with_reference(struct weft_device *device,
                                       struct weft_device *reference,
                                       const struct weft_verify_params *params,
                                       struct weft_verify_result *out)
{
    weft_context *ctx = device->context;
    struct verify_context k = {
        .device = {device, reference}, .params = params, .result = out};
    *out = (struct weft_verify_result){0};
    WEFT_TRY(require_params(ctx, params));
    enum weft_status status = params->mixed_cases ? run_mixed_cases(&k) : run_ops(&k);
    WEFT_TRY(status);
    if (out->failed && out->failed == out->build_failures)
        return weft_fail(
            ctx, WEFT_ERR_BUILD,
            "verify: kernels of %d of %d checks do not build on %s; the first: %s",
            out->failed, out->failed + out->passed, device->info.name, k.first_fault);
    if (out->failed)
        return weft_fail(
            ctx, WEFT_ERR_MISMATCH, "verify: %d of %d checks failed on %s; the first: %s",
            out->failed, out->failed + out->passed, device->info.name, k.first_fault);
    return WEFT_OK;
}

enum weft_status(weft_verify)(weft_device *device,
                              const struct weft_verify_params *params,
                              struct weft_verify_result *out, size_t size)
{
    struct weft_verify_params own;
    struct weft_verify_result result = {0};
    struct weft_device *reference = NULL;
    WEFT_REQUIRE_DEVICE(device);
    WEFT_REQUIRE_POINTER(device->context, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(device->context, params, &own));
    WEFT_TRY(weft_device_open(device->context, WEFT_HOST_DEVICE, NULL, &reference));
    enum weft_status status = verify_with_reference(device, reference, &own, &result);
    weft_device_close(&reference);
    WEFT_WRITE_INFO(out, size, &result);
    return status;
}
