/* SPDX-License-Identifier: Apache-2.0 */
/* weft_tune and the tuning table of the public API. */
#include "tune/tune.h"
#include "device/process.h"

#include "net/lower.h"
#include "util/clock.h"

#include <string.h>

/* The launches around a plan: the batch, and in training the optimizer step. */
static enum weft_status collect_ends(struct weft_command_list *list,
                                     const struct weft_net *net, int batch, bool training,
                                     struct weft_mem *any)
{
    size_t weights = net->graph.weights;
    struct weft_batch_args input = {
        .n = batch,
        .pixels = (int)weft_shape_count(net->input),
        .channels = net->input.c,
        .state.mem = training ? any : NULL,
        .labels.mem = training ? any : NULL,
    };
    struct weft_optimizer_step_args step = {
        .optimizer = net->optimizer, .w = {any, 0, weights}, .n = batch};
    WEFT_TRY(list->primitives->make_batch(list, &input));
    return training ? list->primitives->optimizer_step(list, &step) : WEFT_OK;
}

/* Records a plan into a collector. Nothing will run, so any memory stands in for the
 * network's. */
static enum weft_status collect(struct weft_device *device, const struct weft_net *net,
                                int batch, bool training, struct tune_problems *problems)
{
    const struct weft_backend *backend = device->backend;
    struct weft_plan *plan = NULL;
    struct tune_collector collector = {0};
    struct weft_command_list *list = &collector.list;
    struct weft_mem *any = NULL;
    tune_collector_init(&collector, device, problems);
    enum weft_status status =
        weft_plan_create(net, batch, training, false, WEFT_FLOAT32, &plan);
    if (!status)
        status = backend->alloc(device, WEFT_ALIGN, &any);
    if (!status) {
        struct weft_buffers roles = {any, any, any, any, any};
        status = weft_lower_forward(plan, &roles, list);
        if (!status && training)
            status = weft_lower_backward(plan, &roles, list);
        if (!status)
            status = collect_ends(list, net, batch, training, any);
    }
    weft_command_list_finish(list);
    if (any)
        backend->free(device, any);
    weft_plan_destroy(&plan);
    return status;
}

static enum weft_status collect_all(struct tune_search *s, const struct weft_net *net)
{
    const struct weft_tune_params *p = s->params;
    for (int i = 0; i < p->training_count; i++)
        WEFT_TRY(collect(s->device, net, p->training[i], true, &s->problems));
    for (int i = 0; i < p->inference_count; i++)
        WEFT_TRY(collect(s->device, net, p->inference[i], false, &s->problems));
    return WEFT_OK;
}

static enum weft_status check_params(weft_context *ctx, const struct weft_device *device,
                                     const struct weft_tune_params *p)
{
    if (!device->backend->tuner)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: there is nothing to tune; it has one way to do each thing",
                         device->info.name);
    if (!device->tuning)
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: was opened to be left no_tuning",
                         device->info.name);
    WEFT_REQUIRE(ctx, p->training || p->training_count <= 0,
                 "training must not be NULL with a training_count");
    WEFT_REQUIRE(ctx, p->inference || p->inference_count <= 0,
                 "inference must not be NULL with an inference_count");
    for (int i = 0; i < p->training_count; i++)
        WEFT_REQUIRE(ctx, p->training[i] > 0,
                     "each batch of `training` must be 1 or more");
    for (int i = 0; i < p->inference_count; i++)
        WEFT_REQUIRE(ctx, p->inference[i] > 0,
                     "each batch of `inference` must be 1 or more");
    WEFT_REQUIRE(ctx, p->seconds >= 0 && p->trial_timeout >= 0,
                 "seconds and trial_timeout must be 0 or more");
    return WEFT_OK;
}

enum weft_status(weft_tune)(weft_device *device, const weft_net *net,
                            const struct weft_tune_params *params,
                            struct weft_tune_result *out, size_t size)
{
    /* One of the 20 s documented for quick tuning is for start and end. */
    enum { QUICK_SECONDS = 19, FULL_SECONDS = 900 };
    WEFT_REQUIRE_DEVICE(device);
    weft_context *ctx = device->context;
    struct weft_tune_params own, *p = &own;
    struct weft_tune_result result = {0};
    WEFT_REQUIRE_POINTER(ctx, net, "net");
    WEFT_REQUIRE_POINTER(ctx, params, "params");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    WEFT_TRY(check_params(ctx, device, p));
    double limit = p->seconds > 0 ? p->seconds : p->full ? FULL_SECONDS : QUICK_SECONDS;
    double now = weft_clock_seconds();
    struct tune_search search = {
        .device = device,
        .params = p,
        .result = &result,
        .worker = {.ctx = ctx, .command = p->worker, .in_process.device = device},
        .progress = {.problem = "", .config = "", .time_limit = limit},
        .begin = now,
        .end = now + limit,
    };
    int lock;
    WEFT_TRY(weft_tuning_lock(ctx, device->tuning, &lock));
    enum weft_status status = weft_journal_replay(ctx, device->tuning);
    if (!status)
        status = collect_all(&search, net);
    if (!status)
        status = tune_search_run(&search);
    tune_worker_process_stop(&search.worker);
    tune_problems_free(&search.problems);
    weft_tuning_unlock(lock);
    WEFT_WRITE_INFO(out, size, &result);
    return status;
}

enum weft_status(weft_tuning_row)(weft_device *device, int index,
                                  struct weft_tuning_row *out, size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, device, "device");
    WEFT_REQUIRE_POINTER(device->context, out, "out");
    const struct weft_tuning *t = device->tuning;
    if (!t || index < 0 || index >= t->count)
        return WEFT_ERR_ARG;
    const struct weft_tuning_entry *row = &t->rows[index];
    const struct weft_tuning_row result = {
        .problem = row->problem,
        .config = row->config,
        .state = weft_tuning_entry_states[row->state],
        .seconds = row->seconds,
        .baseline = row->baseline,
        .outdated = row->state != WEFT_TUNING_BUNDLED &&
                    device->backend->tuner->fingerprint(device, row->problem,
                                                        row->config) != row->fingerprint,
    };
    WEFT_WRITE_INFO(out, size, &result);
    return WEFT_OK;
}

const char *weft_tuning_path(const weft_device *device)
{
    return device && device->tuning ? device->tuning->path : NULL;
}

enum weft_status weft_tuning_reset(weft_device *device)
{
    WEFT_REQUIRE_POINTER(NULL, device, "device");
    struct weft_tuning *tuning = device->tuning;
    if (!tuning)
        return WEFT_OK;
    weft_tuning_forget(tuning);
    weft_journal_clear(tuning);
    return weft_tuning_remove(device->context, tuning);
}
