/* SPDX-License-Identifier: Apache-2.0 */
/* weft_verify: the table of checks, and the loop over cases. */
#include "check.h"

#include <stdio.h>
#include <string.h>

static const struct check_op *const ops[] = {
    &check_conv,    &check_dense, &check_pool,    &check_act,       &check_dropout,
    &check_softmax, &check_loss,  &check_input,   &check_optimizer, &check_add,
    &check_norm,    &check_fold,  &check_convert,
};

enum { DEFAULT_CASES = 40, MAX_CASES = 1000000 };

const char *weft_verify_op(int index)
{
    return index >= 0 && index < (int)WEFT_COUNT(ops) ? ops[index]->name : NULL;
}

static enum weft_status require_params(weft_context *ctx,
                                       const struct weft_verify_params *params)
{
    char names[160] = "";
    bool known = !params->op;
    for (size_t i = 0, used = 0; i < WEFT_COUNT(ops); i++) {
        known = known || !strcmp(params->op, ops[i]->name);
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 i ? ", " : "", ops[i]->name);
    }
    if (!known)
        return weft_fail(ctx, WEFT_ERR_ARG, "verify: no op \"%s\"; there are %s",
                         params->op, names);
    if (params->cases < 0 || params->cases > MAX_CASES)
        return weft_fail(ctx, WEFT_ERR_ARG, "verify: %d cases, must be 0 to %d",
                         params->cases, MAX_CASES);
    return WEFT_OK;
}

/* A case that does not fit the device's memory is skipped; other failures of the device
 * end the run. */
static enum weft_status run_op(struct check *k)
{
    k->cases = k->params->cases ? k->params->cases : DEFAULT_CASES;
    if (check_halves(k) && !ops[k->op]->halves)
        return WEFT_OK;
    for (k->number = 0; k->number < k->cases; k->number++) {
        k->drawn = 0;
        if (k->params->draw)
            k->device[CHECK_DEVICE]->draw =
                (uint32_t)k->params->seed * 1000003u + (uint32_t)k->number + 1;
        enum weft_status status = ops[k->op]->run(k);
        if (status == WEFT_ERR_NOMEM)
            k->result->skipped++;
        else
            WEFT_TRY(status);
    }
    return WEFT_OK;
}

enum weft_status check_verify(struct weft_device *device, struct weft_device *reference,
                              const struct weft_verify_params *params,
                              struct weft_verify_result *out)
{
    weft_context *ctx = device->context;
    struct check k = {.device = {device, reference}, .params = params, .result = out};
    *out = (struct weft_verify_result){0};
    WEFT_TRY(require_params(ctx, params));
    enum weft_status status = WEFT_OK;
    for (k.op = 0; k.op < (int)WEFT_COUNT(ops) && !status; k.op++)
        if (!params->op || !strcmp(params->op, ops[k.op]->name))
            status = run_op(&k);
    device->draw = 0;
    WEFT_TRY(status);
    if (out->failed)
        return weft_fail(
            ctx, WEFT_ERR_CHECK, "verify: %d of %d checks failed on %s; the first: %s",
            out->failed, out->failed + out->passed, device->info.name, k.first_fault);
    return WEFT_OK;
}

enum weft_status weft_verify(weft_device *device, const struct weft_verify_params *params,
                             struct weft_verify_result *out)
{
    static const struct weft_verify_params none = {0};
    struct weft_device *reference = NULL;
    WEFT_REQUIRE(device->context, out);
    WEFT_TRY(weft_device_open_builtin(device->context, &reference));
    enum weft_status status =
        check_verify(device, reference, params ? params : &none, out);
    weft_device_close(&reference);
    return status;
}
