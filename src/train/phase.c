/* SPDX-License-Identifier: Apache-2.0 */
/* The next phase of a training: other lists over the same buffers. */
#include "device/process.h"
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

/* True if both have the same params at the same places. */
static bool same_params(const struct weft_graph *a, const struct weft_graph *b)
{
    if (a->count != b->count || a->weights != b->weights ||
        a->statistics != b->statistics)
        return false;
    for (int i = 0; i < a->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *x = &a->nodes[i].params[role],
                                    *y = &b->nodes[i].params[role];
            if (x->at != y->at || x->count != y->count)
                return false;
        }
    return true;
}

/* The phase continues what `t` has: the data, the batch, the seed. */
static enum weft_status check_phase(const struct weft_trainer *t, const weft_net *net,
                                    const weft_dataset *data, struct weft_train_params *p)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    p->batch = t->batch;
    p->accumulate = t->parts;
    p->seed = t->seed;
    WEFT_TRY(weft_trainer_check_params(net, data, p));
    if (!same_params(&t->net->graph, &net->graph))
        return weft_fail(net->ctx, WEFT_ERR_ARG,
                         "%s: has other layers than %s, which the phase before trained; "
                         "create a trainer from its model",
                         net->name, t->net->name);
    if (info.hash != t->data_hash || info.count != t->count)
        return weft_fail(net->ctx, WEFT_ERR_ARG,
                         "%s: is other data than those of the phase before", info.source);
    return WEFT_OK;
}

enum weft_status weft_trainer_clear(struct weft_trainer *t, struct weft_mem *const *mems,
                                    size_t count)
{
    size_t bytes = t->net->graph.weights * sizeof(float);
    enum weft_status status = WEFT_OK;
    float *zeros = calloc(1, bytes + 1);
    if (!zeros)
        return weft_out_of_memory(t->device->context, "trainer", bytes);
    for (size_t i = 0; i < count && !status; i++)
        if (mems[i])
            status = t->device->backend->write(t->device, mems[i], 0, zeros, bytes);
    free(zeros);
    return status;
}

static void move(struct weft_mem **to, struct weft_mem **from)
{
    *to = *from;
    *from = NULL;
}

/* The buffers of `old`, which can only be destroyed afterwards. */
static void take(struct weft_trainer *t, struct weft_trainer *old)
{
    t->device = old->device;
    t->info = old->info;
    t->activation_bytes = old->activation_bytes;
    move(&t->buffers.activations, &old->buffers.activations);
    move(&t->buffers.weights, &old->buffers.weights);
    move(&t->buffers.gradients, &old->buffers.gradients);
    move(&t->moment1, &old->moment1);
    move(&t->moment2, &old->moment2);
    move(&t->gradient_sums, &old->gradient_sums);
    if (!old->features.head) {
        t->images = old->images;
        old->images = NULL;
    }
}

/* The weights of `old`; gradients of weights that are frozen from now on are 0, as in a
 * new trainer. */
static enum weft_status begin_from(struct weft_trainer *t, struct weft_trainer *old)
{
    struct weft_mem *const cleared[] = {old->moment1, old->moment2,
                                        old->buffers.gradients, old->gradient_sums};
    size_t bytes = weft_graph_floats(&old->net->graph) * sizeof(float);
    t->initial = malloc(bytes);
    if (!t->initial)
        return weft_out_of_memory(old->device->context, "weights", bytes);
    WEFT_TRY(old->device->backend->read(old->device, t->initial,
                                        weft_trainer_weights(old), 0, bytes));
    return weft_trainer_clear(old, cleared, WEFT_ARRAY_SIZE(cleared));
}

enum weft_status weft_trainer_begin_phase(weft_device *device, const weft_net *net,
                                          const weft_dataset *data,
                                          struct weft_train_params *p, weft_trainer **out)
{
    struct weft_trainer *old = *p->after, *t;
    weft_context *ctx = device->context;
    WEFT_REQUIRE(ctx, old->device == device, "a phase has the device of the one before");
    WEFT_TRY(check_phase(old, net, data, p));
    WEFT_TRY(weft_trainer_collect_metrics(old));
    enum weft_type type = old->plan->type;
    if (!(t = calloc(1, sizeof(*t))))
        return weft_out_of_memory(ctx, "trainer", sizeof(*t));
    enum weft_status status = begin_from(t, old);
    take(t, old);
    weft_trainer_destroy(p->after);
    if (!status)
        status = weft_trainer_build(t, net, data, p, type, NULL);
    if (status)
        weft_trainer_destroy(&t);
    else
        *out = t;
    return status;
}
