/* SPDX-License-Identifier: Apache-2.0 */
/* weft_verify: the table of checks, and the loop over cases. */
#include "check.h"

#include <stdio.h>
#include <string.h>

static const struct check_op *const ops[] = {
    &check_conv,    &check_dense, &check_pool,    &check_act,       &check_dropout,
    &check_softmax, &check_loss,  &check_input,   &check_optimizer, &check_add,
    &check_norm,    &check_fold,  &check_convert, &check_memory,
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
    const struct {
        const char *what;
        int count;
    } counts[] = {{"cases", params->cases},
                  {"sweeps", params->sweeps},
                  {"cases before the first", params->first}};
    for (size_t i = 0; i < WEFT_COUNT(counts); i++)
        if (counts[i].count < 0 || counts[i].count > MAX_CASES)
            return weft_fail(ctx, WEFT_ERR_ARG, "verify: %d %s, must be 0 to %d",
                             counts[i].count, counts[i].what, MAX_CASES);
    return WEFT_OK;
}

static bool is_asked(const struct check *k, int op)
{
    const struct check_op *o = ops[op];
    return (!k->params->op || !strcmp(k->params->op, o->name)) &&
           (o->halves || !check_halves(k));
}

/* Cases take far less, so that a device that tells of more has room for each. */
enum { ROOM_FOR_ANY = 256 << 20 };

/* A case that does not fit the device's memory is skipped; other failures of the device
 * end the run. */
static enum weft_status run_case(struct check *k)
{
    k->drawn = 0;
    if (k->params->draw)
        k->device[CHECK_DEVICE]->draw =
            (uint32_t)k->params->seed * 1000003u + (uint32_t)k->number + 1;
    enum weft_status status = ops[k->op]->run(k);
    if (status != WEFT_ERR_NOMEM ||
        k->device[CHECK_DEVICE]->info.max_alloc_bytes >= ROOM_FOR_ANY)
        return status;
    k->result->skipped++;
    return WEFT_OK;
}

static enum weft_status run_ops(struct check *k)
{
    int count = k->params->cases ? k->params->cases : DEFAULT_CASES;
    k->end = k->params->first + count;
    for (k->op = 0; k->op < (int)WEFT_COUNT(ops); k->op++)
        for (k->number = k->params->first; k->number < k->end; k->number++)
            if (is_asked(k, k->op))
                WEFT_TRY(run_case(k));
    return WEFT_OK;
}

/* Each is the case of its number of some op: with that op and number alone it is the
 * same. */
static enum weft_status run_sweeps(struct check *k)
{
    int asked[WEFT_COUNT(ops)], count = 0;
    for (int op = 0; op < (int)WEFT_COUNT(ops); op++)
        if (is_asked(k, op))
            asked[count++] = op;
    k->end = k->params->first + k->params->sweeps;
    for (k->number = k->params->first; k->number < k->end && count; k->number++) {
        k->op = (int)WEFT_COUNT(ops); /* a stream of numbers that no op has */
        k->drawn = 0;
        k->op = asked[check_range(k, 0, count - 1)];
        WEFT_TRY(run_case(k));
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
    enum weft_status status = params->sweeps ? run_sweeps(&k) : run_ops(&k);
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
