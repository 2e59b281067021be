/* SPDX-License-Identifier: Apache-2.0 */
/* Creation of a trainer in the requested precision; AUTO measures both. */
#include "lab/timing.h"
#include "device/process.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum weft_status check_data(weft_context *ctx, const struct weft_net *net,
                                   const struct weft_dataset_info *info)
{
    int outputs = net->graph.nodes[net->graph.count - 1].out.c;
    if (info->height != net->input.h || info->width != net->input.w ||
        info->channels != net->input.c)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: images of %dx%dx%d do not fit %s for %dx%dx%d",
                         info->source, info->height, info->width, info->channels,
                         net->name, net->input.h, net->input.w, net->input.c);
    if (info->classes != outputs)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: %d classes, but %s has %d outputs; its last dense must "
                         "be \"dense %d\"",
                         info->source, info->classes, net->name, outputs, info->classes);
    return WEFT_OK;
}

/* A batch that is larger than the data is reduced to what has whole parts. */
static enum weft_status check_parts(weft_context *ctx, const struct weft_net *net,
                                    const struct weft_dataset_info *info,
                                    const struct weft_train_params *p)
{
    int batch = p->batch ? p->batch : net->batch ? net->batch : 128;
    WEFT_REQUIRE(ctx, p->accumulate >= 0, "accumulate must be 0 or more");
    WEFT_REQUIRE(ctx, p->first_epoch >= 0, "first_epoch must be 0 or more");
    if (p->accumulate > info->count ||
        (p->accumulate > 1 && batch <= info->count && batch % p->accumulate))
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: a batch of %d has no %d equal parts for accumulation; "
                         "choose a batch that %d divides",
                         info->source, batch < info->count ? batch : info->count,
                         p->accumulate, p->accumulate);
    return WEFT_OK;
}

static enum weft_status check_trained(const struct weft_net *net)
{
    for (int i = 0; i < net->graph.count; i++)
        if (weft_node_is_trained(&net->graph.nodes[i]))
            return WEFT_OK;
    return weft_fail(net->ctx, WEFT_ERR_ARG,
                     "%s: there is nothing to train: every layer is frozen; remove "
                     "\"frozen=yes\" from one",
                     net->name);
}

/* The first moments after a step from moments of zero are the gradients times a
 * constant. */
static enum weft_status run_for_gradients(weft_trainer *t, float *gradients)
{
    WEFT_TRY(weft_trainer_run(t, 1));
    return t->device->backend->read(t->device, gradients, t->moment1, 0,
                                    t->net->graph.weights * sizeof(float));
}

/* Sets `second` to the gradients of the next batch, with the weights as they are. */
static enum weft_status run_both_batches(weft_trainer *t, float *weights, float *first,
                                         float *second)
{
    const struct weft_backend *backend = t->device->backend;
    size_t bytes = t->net->graph.weights * sizeof(float);
    WEFT_TRY(backend->read(t->device, weights, t->buffers.weights, 0, bytes));
    WEFT_TRY(run_for_gradients(t, first));
    memset(second, 0, bytes);
    WEFT_TRY(backend->write(t->device, t->moment1, 0, second, bytes));
    WEFT_TRY(backend->write(t->device, t->buffers.weights, 0, weights, bytes));
    return run_for_gradients(t, second);
}

/* |a - b| / |b| */
static double relative_distance(const float *a, const float *b, size_t count)
{
    double off = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        off += d * d;
        length += (double)b[i] * (double)b[i];
    }
    return sqrt(off / length);
}

/* Relative error of the gradients of the first step in float16, and their noise: the
 * standard deviation that the choice of a batch's images gives them, from two batches. */
static enum weft_status compare_gradients(weft_trainer *full, weft_trainer *half,
                                          struct weft_trainer_info *found)
{
    size_t count = full->net->graph.weights;
    float *room = malloc(3 * count * sizeof(float));
    if (!room)
        return weft_out_of_memory(full->device->context, "trainer",
                                  3 * count * sizeof(float));
    float *first = room, *second = room + count, *other = room + 2 * count;
    enum weft_status status = run_both_batches(full, other, first, second);
    if (!status)
        status = run_for_gradients(half, other);
    if (!status) {
        found->difference = relative_distance(other, first, count);
        found->noise = relative_distance(second, first, count) / sqrt(2);
    }
    free(room);
    return status;
}

static enum weft_status run_step(void *runner)
{
    WEFT_TRY(weft_trainer_run(runner, 1));
    return weft_trainer_collect_metrics(runner);
}

/* Runs some steps in both precisions, from the same weights and with the same images. */
static enum weft_status compare_precisions(weft_trainer *full, weft_trainer *half,
                                           struct weft_trainer_info *info)
{
    struct lab_ab_result timing = {0};
    WEFT_TRY(compare_gradients(full, half, info));
    if (info->difference <= info->noise)
        WEFT_TRY(lab_ab_compare(run_step, (void *[]){full, half}, &timing));
    bool finite = isfinite(half->epoch_metrics.last_loss) && isfinite(info->difference);
    info->precision = finite && lab_ab_significant(&timing) ? WEFT_PRECISION_FLOAT16
                                                            : WEFT_PRECISION_FLOAT32;
    if (!finite)
        info->difference = INFINITY;
    info->speedup = timing.speedup;
    return WEFT_OK;
}

/* The trainer of the better precision, back at its first step. */
static enum weft_status create_in_better(weft_device *device, const weft_net *net,
                                         const weft_dataset *data,
                                         const struct weft_train_params *p,
                                         weft_trainer **out)
{
    weft_trainer *full = NULL, *half = NULL;
    struct weft_trainer_info found = {.precision = WEFT_PRECISION_FLOAT32};
    enum weft_status status =
        weft_trainer_create_with_type(device, net, data, p, WEFT_FLOAT32, NULL, &full);
    if (!status)
        status = weft_trainer_create_with_type(device, net, data, p, WEFT_FLOAT16, full,
                                               &half);
    if (!status)
        status = compare_precisions(full, half, &found);
    weft_trainer **chosen = found.precision == WEFT_PRECISION_FLOAT16 ? &half : &full;
    if (!status)
        status = weft_trainer_restart(*chosen);
    if (!status) {
        *out = *chosen;
        *chosen = NULL;
        (*out)->info = found;
    }
    weft_trainer_destroy(&half);
    weft_trainer_destroy(&full);
    return status;
}

enum weft_status weft_trainer_check_params(const weft_net *net, const weft_dataset *data,
                                           const struct weft_train_params *p)
{
    weft_context *ctx = net->ctx;
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    WEFT_TRY(check_data(ctx, net, &info));
    WEFT_TRY(check_trained(net));
    WEFT_REQUIRE(ctx, p->batch >= 0, "batch must be 0 or more");
    WEFT_REQUIRE(ctx, p->audit >= 0, "audit must be 0 or more");
    WEFT_TRY(check_parts(ctx, net, &info, p));
    WEFT_REQUIRE(ctx, (unsigned)p->precision <= WEFT_PRECISION_AUTO,
                 "precision must be a value of enum weft_precision");
    WEFT_REQUIRE(ctx, isfinite(p->learning_rate) && p->learning_rate >= 0,
                 "learning_rate must be a number, 0 or more");
    return WEFT_OK;
}

enum weft_status weft_trainer_create(weft_device *device, const weft_net *net,
                                     const weft_dataset *data,
                                     const struct weft_train_params *params,
                                     weft_trainer **out)
{
    WEFT_REQUIRE_DEVICE(device);
    weft_context *ctx = device->context;
    struct weft_train_params own, *p = &own;
    WEFT_REQUIRE_POINTER(ctx, net, "net");
    WEFT_REQUIRE_POINTER(ctx, data, "data");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    if (p->after && *p->after)
        return weft_trainer_begin_phase(device, net, data, p, out);
    WEFT_TRY(weft_trainer_check_params(net, data, p));
    own.keep_features = own.keep_features && p->precision != WEFT_PRECISION_AUTO;
    if (p->precision == WEFT_PRECISION_AUTO)
        return create_in_better(device, net, data, p, out);
    bool half = p->precision == WEFT_PRECISION_FLOAT16;
    WEFT_TRY(weft_trainer_create_with_type(
        device, net, data, p, half ? WEFT_FLOAT16 : WEFT_FLOAT32, NULL, out));
    (*out)->info.precision = p->precision;
    return WEFT_OK;
}

void(weft_trainer_info)(const weft_trainer *trainer, struct weft_trainer_info *out,
                        size_t size)
{
    struct weft_trainer_info info = {.precision = WEFT_PRECISION_FLOAT32};
    if (trainer) {
        info = trainer->info;
        info.streamed = trainer->stream && !trainer->features.head;
        info.features = (int)trainer->features.count;
        info.features_note = trainer->features.note;
    }
    weft_info_write(out, size, trainer ? &info : NULL, sizeof(info));
}
