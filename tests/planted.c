/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that the checks can fail: the CPU backend is wrapped so that one primitive is
 * wrong in one way (planted_faults.c), and weft_verify must report it. */
#include "planted.h"

#include "check/check.h"

#include <stdio.h>
#include <string.h>

enum { CASES = 60 };

static const struct fault *planted;
static struct launch launches[2 * CHECK_MAX_RUNS]; /* `list` NULL: a free place */

static struct launch *find_launch(const struct weft_list *list)
{
    for (size_t i = 0; i < WEFT_COUNT(launches); i++)
        if (launches[i].list == list)
            return &launches[i];
    return NULL;
}

/* Keeps what the fault needs, and twists a copy for the CPU backend. */
static union arguments plant(struct weft_list *list, enum slot slot, const void *args,
                             size_t size, struct weft_view out)
{
    union arguments copy = {0};
    memcpy(&copy, args, size);
    if (slot != planted->slot)
        return copy;
    struct launch *l = find_launch(NULL);
    if (l)
        *l = (struct launch){
            .list = list, .args = copy, .device = list->device, .out = out};
    if (planted->twist)
        planted->twist(&copy);
    return copy;
}

#define WRAP(slot, field, primitive, output)                                            \
    static enum weft_status wrapped_##primitive(struct weft_list *list,                 \
                                                const struct weft_##field##_args *args) \
    {                                                                                   \
        union arguments copy = plant(list, slot, args, sizeof(*args), args->output);    \
        return weft_backend_cpu.primitive(list, &copy.field);                           \
    }
WRAP(CONV_FORWARD, conv, conv_forward, y)
WRAP(CONV_DATA, conv, conv_backward_data, dx)
WRAP(CONV_WEIGHTS, conv, conv_backward_weights, dw)
WRAP(DENSE_FORWARD, dense, dense_forward, y)
WRAP(DENSE_DATA, dense, dense_backward_data, dx)
WRAP(DENSE_WEIGHTS, dense, dense_backward_weights, dw)
WRAP(POOL_FORWARD, pool, pool_forward, y)
WRAP(POOL_BACKWARD, pool, pool_backward, dx)
WRAP(ACT_FORWARD, act, act_forward, y)
WRAP(ACT_BACKWARD, act, act_backward, dx)
WRAP(ADD, add, add, y)
WRAP(NORM_FORWARD, norm, norm_forward, y)
WRAP(NORM_APPLY, norm, norm_apply, y)
WRAP(NORM_BACKWARD, norm, norm_backward, dx)
WRAP(FOLD, fold, fold, out_w)
WRAP(DROPOUT, dropout, dropout, y)
WRAP(SOFTMAX, softmax, softmax, y)
WRAP(LOSS, loss, loss, loss)
WRAP(INPUT, input, input, x)
WRAP(UPDATE, update, update, w)

static enum weft_status wrapped_replay(struct weft_list *list)
{
    struct launch *l = find_launch(list);
    if (l && planted->before)
        planted->before(l);
    enum weft_status status = weft_backend_cpu.replay(list);
    if (l && planted->after)
        planted->after(l);
    if (l)
        l->replays++;
    return status;
}

static void wrapped_list_destroy(struct weft_list *list)
{
    struct launch *l = find_launch(list);
    if (l)
        l->list = NULL;
    weft_backend_cpu.list_destroy(list);
}

static struct weft_backend wrap(void)
{
    struct weft_backend b = weft_backend_cpu;
    b.replay = wrapped_replay;
    b.list_destroy = wrapped_list_destroy;
    b.conv_forward = wrapped_conv_forward;
    b.conv_backward_data = wrapped_conv_backward_data;
    b.conv_backward_weights = wrapped_conv_backward_weights;
    b.dense_forward = wrapped_dense_forward;
    b.dense_backward_data = wrapped_dense_backward_data;
    b.dense_backward_weights = wrapped_dense_backward_weights;
    b.pool_forward = wrapped_pool_forward;
    b.pool_backward = wrapped_pool_backward;
    b.act_forward = wrapped_act_forward;
    b.act_backward = wrapped_act_backward;
    b.add = wrapped_add;
    b.norm_forward = wrapped_norm_forward;
    b.norm_apply = wrapped_norm_apply;
    b.norm_backward = wrapped_norm_backward;
    b.fold = wrapped_fold;
    b.dropout = wrapped_dropout;
    b.softmax = wrapped_softmax;
    b.loss = wrapped_loss;
    b.input = wrapped_input;
    b.update = wrapped_update;
    return b;
}

struct first {
    char what[96], detail[1200], op[32];
    int number;
};

static void keep_first(void *priv, const struct weft_verdict *verdict)
{
    struct first *first = priv;
    if (verdict->passed || first->what[0])
        return;
    snprintf(first->what, sizeof(first->what), "%s", verdict->what);
    snprintf(first->detail, sizeof(first->detail), "%s", verdict->detail);
    snprintf(first->op, sizeof(first->op), "%s", verdict->op);
    first->number = verdict->number;
}

/* Whether weft_verify says what it should: with both sides at fault, a gradient's check
 * and nothing before it. */
static bool prove(struct weft_device *device, struct weft_device *reference,
                  const struct fault *fault)
{
    struct first first = {0};
    struct weft_verify_result result;
    const struct weft_verify_params params = {
        .op = fault->op,
        .cases = CASES,
        .small = true,
        .precision = fault->half ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32,
        .seed = 1,
        .report = keep_first,
        .priv = &first};
    planted = fault;
    enum weft_status status = check_verify(device, reference, &params, &result);
    bool found = status == WEFT_ERR_CHECK && result.failed > 0 &&
                 (!fault->both || !strncmp(first.what, "gradient", 8));
    if (fault->slot == NO_SLOT)
        found = status == WEFT_OK && result.passed > 0;
    printf("%s %s: %s: %d of %d; %s: %s\n", found ? "ok  " : "FAIL",
           fault->op ? fault->op : "all", fault->name, result.failed,
           result.failed + result.passed, first.what, first.detail);
    return found;
}

/* A fault that sweeps meet among all ops is met again by its op and number alone. */
static bool prove_sweeps(struct weft_device *device, struct weft_device *reference,
                         const struct fault *fault)
{
    struct first met = {0}, again = {0};
    struct weft_verify_result result;
    struct weft_verify_params params = {
        .sweeps = 200, .small = true, .seed = 3, .report = keep_first, .priv = &met};
    planted = fault;
    enum weft_status status = check_verify(device, reference, &params, &result);
    params = (struct weft_verify_params){.op = met.op,
                                         .first = met.number,
                                         .cases = 1,
                                         .small = true,
                                         .seed = 3,
                                         .report = keep_first,
                                         .priv = &again};
    bool found = status == WEFT_ERR_CHECK && !strcmp(met.op, fault->op) &&
                 check_verify(device, reference, &params, &result) == WEFT_ERR_CHECK &&
                 !strcmp(met.detail, again.detail);
    printf("%s sweeps: %s: met %s, again %s\n", found ? "ok  " : "FAIL", fault->name,
           met.detail, again.detail);
    return found;
}

static enum weft_status open_two(weft_context *context, struct weft_device *two[2])
{
    int index;
    WEFT_TRY(weft_device_find(context, "cpu", &index, NULL));
    for (int i = 0; i < 2; i++)
        WEFT_TRY(weft_device_open(context, index, NULL, &two[i]));
    return WEFT_OK;
}

int main(void)
{
    static const struct fault none = {.name = "nothing planted", .slot = NO_SLOT};
    static const struct fault none_half = {
        .name = "nothing planted, float16", .slot = NO_SLOT, .half = true};
    static const struct fault *const lists[] = {faults, half_faults};
    const struct weft_backend wrapped = wrap();
    struct weft_device *two[2] = {NULL, NULL};
    weft_context *context = NULL;
    int failed = 0, count = 0;
    if (weft_context_create(&context, weft_context_params(.no_opencl = true)) ||
        open_two(context, two)) {
        printf("FAIL %s\n", weft_error(context));
        weft_context_destroy(&context);
        return 1;
    }
    two[0]->backend = &wrapped;
    failed += !prove(two[0], two[1], &none) + !prove(two[0], two[1], &none_half);
    for (size_t i = 0; i < WEFT_COUNT(lists); i++)
        for (const struct fault *fault = lists[i]; fault->name; fault++, count++) {
            two[1]->backend = fault->both ? &wrapped : &weft_backend_cpu;
            failed += !prove(two[0], two[1], fault);
        }
    two[1]->backend = &weft_backend_cpu;
    failed += !prove_sweeps(two[0], two[1], &faults[0]);
    printf("%d faults planted, %d not told\n", count, failed);
    for (int i = 0; i < 2; i++)
        weft_device_close(&two[i]);
    weft_context_destroy(&context);
    return failed ? 1 : 0;
}
