/* SPDX-License-Identifier: Apache-2.0 */
/* The known-answer test of a trainer's kernels, at their first use on a driver. */
#include "lab/random.h"
#include "train/trainer.h"
#include "verify/known_answers.h"
#include "verify/trace_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_IMAGES = 2 };

static bool is_proven(const struct weft_trainer *t)
{
    struct weft_command_list *const lists[] = {t->gradients, t->update, t->averager};
    return verify_is_proven(lists, WEFT_ARRAY_SIZE(lists));
}

static void set_proven(const struct weft_trainer *t)
{
    struct weft_command_list *const lists[] = {t->gradients, t->update, t->averager};
    verify_set_proven(lists, WEFT_ARRAY_SIZE(lists));
}

static int images_to_check(const struct weft_trainer *t)
{
    double flops = 0;
    for (int i = 0; i < t->plan->graph.count; i++)
        flops += 3 * t->plan->graph.nodes[i].op->flops(&t->plan->graph.nodes[i]);
    return verify_known_answers_batch(flops, LEAST_IMAGES, t->plan->batch) * t->parts;
}

void weft_trainer_borrow_weights(struct weft_trainer *t,
                                 const struct weft_trainer *lender)
{
    t->borrows = true;
    t->buffers.weights = lender->buffers.weights;
    t->buffers.gradients = lender->buffers.gradients;
    t->moment1 = lender->moment1;
    t->moment2 = lender->moment2;
    t->average = lender->average;
}

/* From the initial weights of `from`. The step is one of the second epoch. */
static enum weft_status disturb_weights(struct weft_trainer *t,
                                        const struct weft_trainer *from)
{
    enum weft_status status = weft_write_test_weights(
        t->device, &t->net->graph, from->buffers.weights, t->buffers.weights);
    int64_t step = t->steps_per_epoch + 1;
    if (!status)
        status = weft_trainer_set_state(t, step, powf(t->optimizer.beta1, 5),
                                        powf(t->optimizer.beta2, 5));
    return status;
}

/* Two parts of a batch, if it has parts. The update runs twice: the second time from
 * moments that are not zero. */
static enum weft_status trace_step(struct weft_trainer *t,
                                   const struct weft_trainer *from,
                                   struct verify_trace *trace)
{
    struct weft_command_list *const lists[] = {t->gradients, t->gradients, t->update,
                                               t->update, t->averager};
    size_t count = t->averager ? 5 : 4;
    WEFT_TRY(disturb_weights(t, from));
    for (size_t i = t->parts == 1; i < count && !trace->wrong; i++)
        WEFT_TRY(verify_trace_run(trace, lists[i]));
    return WEFT_OK;
}

/* Weights and average from `kept`, which is zero afterwards as the moments are. */
static enum weft_status restore_weights(struct weft_trainer *t, float *kept)
{
    const struct weft_backend *backend = t->device->backend;
    size_t all = weft_graph_floats(&t->net->graph) * sizeof(float);
    size_t trained = t->net->graph.weights * sizeof(float);
    WEFT_TRY(backend->write(t->device, t->buffers.weights, 0, kept, all));
    if (t->average)
        WEFT_TRY(backend->write(t->device, t->average, 0, kept, all));
    memset(kept, 0, all);
    WEFT_TRY(backend->write(t->device, t->moment1, 0, kept, trained));
    return t->moment2 ? backend->write(t->device, t->moment2, 0, kept, trained) : WEFT_OK;
}

/* On few images, by a trainer that uses the memory of `t`. */
static enum weft_status trace_small(struct weft_trainer *t, struct weft_trainer *small,
                                    struct verify_trace *trace)
{
    size_t all = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *kept = verify_take_block(trace, all);
    if (!kept)
        return weft_out_of_memory(t->device->context, "weights", all);
    enum weft_status status =
        t->device->backend->read(t->device, kept, t->buffers.weights, 0, all);
    if (!status)
        status = trace_step(small, t, trace);
    if (!status)
        status = restore_weights(t, kept);
    verify_give_block(trace, kept);
    return status;
}

enum weft_status weft_trainer_trace_kernels(struct weft_trainer *t,
                                            const weft_dataset *data,
                                            const struct weft_train_params *params,
                                            struct verify_trace *trace,
                                            struct verify_wrong_call *wrong)
{
    struct weft_train_params few = *params;
    weft_trainer *small = NULL, *checked = t;
    few.batch = images_to_check(t);
    few.first_epoch = 0;
    few.epochs = 2; /* more steps than those of the run may be too many */
    if (few.batch < t->batch) {
        WEFT_TRY(weft_trainer_create_with_type(t->device, t->net, data, &few,
                                               t->plan->type, t, &small));
        checked = small;
    }
    struct weft_command_list *const own[] = {t->gradients, t->update, t->averager};
    struct weft_command_list *const lists[] = {checked->gradients, checked->update,
                                               checked->averager};
    enum weft_status status =
        small ? trace_small(t, small, trace) : trace_step(t, t, trace);
    if (!status)
        verify_find_wrong(trace, lists, own, WEFT_ARRAY_SIZE(lists), wrong);
    if (!status && wrong->call)
        wrong->layer =
            wrong->call->node < 0 ? "step" : t->plan->graph.nodes[wrong->call->node].name;
    if (!status && !small)
        status = weft_trainer_restart(t);
    weft_trainer_destroy(&small);
    return status;
}

/* Records the lists again, without the algorithm that was wrong. */
static enum weft_status record_again(struct weft_trainer *t)
{
    const struct weft_backend *backend = t->device->backend;
    t->device_bytes -=
        t->gradients->info.workspace_bytes + t->update->info.workspace_bytes;
    if (t->averager)
        backend->list_destroy(t->averager);
    t->averager = NULL;
    backend->list_destroy(t->update);
    t->update = NULL;
    backend->list_destroy(t->gradients);
    t->gradients = NULL;
    return weft_trainer_record_step(t, NULL);
}

/* One test. *again: an algorithm was replaced. */
static enum weft_status check_once(struct weft_trainer *t, const weft_dataset *data,
                                   const struct weft_train_params *params, bool *again)
{
    struct verify_wrong_call wrong;
    struct verify_trace trace;
    verify_known_answers_init(&trace);
    enum weft_status status = weft_trainer_trace_kernels(t, data, params, &trace, &wrong);
    *again = !status && wrong.call;
    if (*again)
        status = verify_reject(&wrong);
    if (*again && !status)
        status = record_again(t);
    verify_trace_finish(&trace);
    return status;
}

enum weft_status weft_trainer_check_kernels(struct weft_trainer *t,
                                            const weft_dataset *data,
                                            const struct weft_train_params *params)
{
    bool again = true;
    while (again && !is_proven(t)) {
        WEFT_TRY(check_once(t, data, params, &again));
        if (!again)
            set_proven(t);
    }
    return WEFT_OK;
}
