/* SPDX-License-Identifier: Apache-2.0 */
/* Training: the step is recorded once and replayed. */
#include "lab/timing.h"
#include "train/trainer.h"

#include "net/lower.h"
#include "shared/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVALUATION_BATCH = 256 };

static enum weft_status alloc(struct weft_trainer *t, size_t bytes, struct weft_mem **out)
{
    t->device_bytes += bytes + WEFT_BUFFER_PADDING;
    return t->device->backend->alloc(t->device, bytes, out);
}

/* Weights, their shadows, state, activations and the training set. */
static enum weft_status alloc_buffers(struct weft_trainer *t)
{
    size_t weights = t->net->graph.weights * sizeof(float);
    size_t image = weft_shape_count(t->net->input);
    t->device_bytes = t->plan->bytes;
    WEFT_TRY(weft_plan_alloc(t->device, t->net, t->plan, &t->buffers.activations));
    WEFT_TRY(
        alloc(t, weft_graph_floats(&t->net->graph) * sizeof(float), &t->buffers.weights));
    WEFT_TRY(alloc(t, weights, &t->buffers.gradients));
    WEFT_TRY(alloc(t, weights, &t->moment1));
    WEFT_TRY(alloc(t, weights, &t->moment2));
    WEFT_TRY(alloc(t, STATE_WORDS * sizeof(uint32_t), &t->buffers.state));
    WEFT_TRY(alloc(t, (size_t)t->count * image, &t->pixels));
    return alloc(t, (size_t)t->count * sizeof(int32_t), &t->labels);
}

static enum weft_status write_data(struct weft_trainer *t, const weft_dataset *data)
{
    const struct weft_backend *backend = t->device->backend;
    size_t image = weft_shape_count(t->net->input);
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    WEFT_TRY(
        backend->write(t->device, t->pixels, 0, info.pixels, (size_t)t->count * image));
    return backend->write(t->device, t->labels, 0, info.labels,
                          (size_t)t->count * sizeof(int32_t));
}

static enum weft_status write_weights(struct weft_trainer *t)
{
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    if (!weights)
        return weft_out_of_memory(t->device->context, "weights", bytes);
    weft_graph_initialize(&t->net->graph, t->seed, weights);
    enum weft_status status =
        t->device->backend->write(t->device, t->buffers.weights, 0, weights, bytes);
    free(weights);
    return status;
}

enum weft_status weft_trainer_set_state(struct weft_trainer *t, int64_t step,
                                        float beta1_power, float beta2_power)
{
    uint32_t state[STATE_METRICS_RING] = {
        [STATE_STEP] = (uint32_t)step,
        [STATE_SEED_LOW] = (uint32_t)t->seed,
        [STATE_SEED_HIGH] = (uint32_t)(t->seed >> 32),
    };
    memcpy(&state[STATE_LEARNING_RATE], &t->optimizer.learning_rate, sizeof(float));
    memcpy(&state[STATE_NEXT_BETA1_POWER], &beta1_power, sizeof(float));
    memcpy(&state[STATE_NEXT_BETA2_POWER], &beta2_power, sizeof(float));
    t->queued = t->read = step;
    return t->device->backend->write(t->device, t->buffers.state, 0, state,
                                     sizeof(state));
}

static enum weft_status lower_input(struct weft_trainer *t)
{
    size_t image = weft_shape_count(t->net->input);
    struct weft_batch_args args = {
        .n = t->batch,
        .global_batch = t->batch,
        .count = t->count,
        .pixels = (int)image,
        .channels = t->net->input.c,
        .steps_per_epoch = t->steps_per_epoch,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .bytes = {t->pixels, 0, (size_t)t->count * image},
        .labels = {t->labels, 0, (size_t)t->count},
        .x = weft_plan_step_view(t->plan, &t->buffers, TENSOR_X),
        .batch_labels = weft_plan_step_view(t->plan, &t->buffers, TENSOR_LABELS),
    };
    memcpy(args.scale, t->normalization.scale, sizeof(args.scale));
    memcpy(args.shift, t->normalization.shift, sizeof(args.shift));
    WEFT_TRY(weft_list_begin_segment(t->list, -1, WEFT_PHASE_BATCH));
    return t->list->primitives->make_batch(t->list, &args);
}

static enum weft_status lower_update(struct weft_trainer *t)
{
    size_t weights = t->net->graph.weights;
    struct weft_optimizer_step_args update = {
        .optimizer = t->optimizer,
        .loss_scale_log2 = t->plan->loss_scale_log2,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .w = {t->buffers.weights, 0, weights},
        .g = {t->buffers.gradients, 0, weights},
        .m = {t->moment1, 0, weights},
        .v = {t->moment2, 0, weights},
        .n = t->batch,
        .loss = weft_plan_step_view(t->plan, &t->buffers, TENSOR_LOSS),
        .correct = weft_plan_step_view(t->plan, &t->buffers, TENSOR_CORRECT),
    };
    WEFT_TRY(weft_list_begin_segment(t->list, -1, WEFT_PHASE_OPTIMIZER));
    return t->list->primitives->optimizer_step(t->list, &update);
}

static enum weft_status lower_step(struct weft_trainer *t)
{
    const struct weft_backend *backend = t->device->backend;
    const struct weft_command_list_params params = {.defer_weight_grad_reduction = true};
    WEFT_TRY(backend->list_create(t->device, &params, &t->list));
    WEFT_TRY(lower_input(t));
    WEFT_TRY(weft_lower_forward(t->plan, &t->buffers, t->list));
    WEFT_TRY(weft_lower_backward(t->plan, &t->buffers, t->list));
    WEFT_TRY(lower_update(t));
    WEFT_TRY(backend->list_finalize(t->list));
    t->device_bytes += t->list->info.workspace_bytes;
    weft_log_message(t->device->context, WEFT_LOG_INFO,
                     "%s at batch %d: %d launches a step, %.1f MiB on the device",
                     t->net->name, t->batch, t->list->info.launches,
                     (double)t->device_bytes / 1048576);
    return WEFT_OK;
}

static enum weft_status copy_description(struct weft_trainer *t,
                                         const struct weft_dataset_info *info)
{
    weft_context *ctx = t->device->context;
    t->class_names = calloc((size_t)info->classes, sizeof(*t->class_names));
    t->dataset_known_as = strdup(info->known_as);
    if (!t->class_names || !t->dataset_known_as)
        return weft_out_of_memory(ctx, "trainer", (size_t)info->classes * sizeof(char *));
    for (t->classes = 0; t->classes < info->classes; t->classes++)
        if (!(t->class_names[t->classes] = strdup(info->class_names[t->classes])))
            return weft_out_of_memory(ctx, "trainer",
                                      strlen(info->class_names[t->classes]));
    memcpy(t->mean, info->mean, sizeof(t->mean));
    memcpy(t->stddev, info->stddev, sizeof(t->stddev));
    t->normalization = weft_normalize(info->mean, info->stddev);
    return WEFT_OK;
}

static enum weft_status check_data(weft_context *ctx, const struct weft_net *net,
                                   const struct weft_dataset_info *info)
{
    int outputs = net->graph.nodes[net->graph.count - 1].out.c;
    if (info->height != net->input.h || info->width != net->input.w ||
        info->channels != net->input.c)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: images of %dx%dx%d do not fit network %s for %dx%dx%d",
                         info->source, info->height, info->width, info->channels,
                         net->name, net->input.h, net->input.w, net->input.c);
    if (info->classes != outputs)
        return weft_fail(
            ctx, WEFT_ERR_ARG,
            "%s: %d classes, but network %s has %d outputs; its last dense must "
            "be \"dense %d\"",
            info->source, info->classes, net->name, outputs, info->classes);
    return WEFT_OK;
}

static enum weft_status create(weft_device *device, const weft_net *net,
                               const weft_dataset *data,
                               const struct weft_train_params *p, enum weft_type type,
                               weft_trainer **out)
{
    weft_context *ctx = device->context;
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    struct weft_trainer *t = calloc(1, sizeof(*t));
    if (!t)
        return weft_out_of_memory(ctx, "trainer", sizeof(*t));
    t->device = device;
    t->count = info.count;
    t->batch = p->batch ? p->batch : net->batch ? net->batch : 128;
    t->batch = t->batch < t->count ? t->batch : t->count;
    t->steps_per_epoch = t->count / t->batch;
    t->seed = p->seed;
    t->optimizer = net->optimizer;
    if (p->learning_rate > 0)
        t->optimizer.learning_rate = p->learning_rate;
    enum weft_status status;
    if ((status = weft_net_copy(net, &t->net)) || (status = copy_description(t, &info)) ||
        (status =
             weft_plan_create(t->net, t->batch, true, p->no_fusion, type, &t->plan)) ||
        (status = alloc_buffers(t)) || (status = write_data(t, data)) ||
        (status = write_weights(t)) ||
        (status = weft_trainer_set_state(t, 0, t->optimizer.beta1, t->optimizer.beta2)) ||
        (status = lower_step(t))) {
        weft_trainer_destroy(&t);
        return status;
    }
    *out = t;
    return WEFT_OK;
}

/* How far the gradients of a first step in float16 are from those in float32, as a share
 * of their length: the first moments then are the gradients, but for a factor. */
static enum weft_status compare_gradients(weft_trainer *full, weft_trainer *half,
                                          double *difference)
{
    weft_trainer *const trainers[] = {full, half};
    size_t count = full->net->graph.weights;
    float *moments[2] = {malloc(count * sizeof(float)), malloc(count * sizeof(float))};
    enum weft_status status = WEFT_OK;
    double off = 0, length = 0;
    if (!moments[0] || !moments[1])
        status = weft_out_of_memory(full->device->context, "trainer",
                                    2 * count * sizeof(float));
    for (int k = 0; k < 2 && !status; k++) {
        const weft_trainer *t = trainers[k];
        if (!(status = weft_trainer_run(trainers[k], 1)))
            status = t->device->backend->read(t->device, moments[k], t->moment1, 0,
                                              count * sizeof(float));
    }
    for (size_t i = 0; !status && i < count; i++) {
        double want = (double)moments[0][i], d = (double)moments[1][i] - want;
        off += d * d;
        length += want * want;
    }
    *difference = sqrt(off / length);
    free(moments[0]);
    free(moments[1]);
    return status;
}

static enum weft_status run_step(void *runner)
{
    WEFT_TRY(weft_trainer_run(runner, 1));
    return weft_trainer_collect_metrics(runner);
}

/* Trains a little in both, from the same start and with the same images. */
static enum weft_status try_half(weft_device *device, const weft_net *net,
                                 const weft_dataset *data,
                                 const struct weft_train_params *p,
                                 struct weft_trainer_info *info)
{
    weft_trainer *full = NULL, *half = NULL;
    struct lab_ab_result ab_result = {0};
    double difference = INFINITY;
    enum weft_status status = create(device, net, data, p, WEFT_FLOAT32, &full);
    if (!status)
        status = create(device, net, data, p, WEFT_FLOAT16, &half);
    if (!status)
        status = compare_gradients(full, half, &difference);
    if (!status && difference <= WEFT_FP16_GRAD_TOLERANCE)
        status = lab_ab_compare(run_step, (void *[]){full, half}, &ab_result);
    bool finite = half && isfinite(half->epoch_metrics.last_loss) && isfinite(difference);
    info->difference = finite ? difference : INFINITY;
    info->speedup = ab_result.speedup;
    if (finite && lab_ab_significant(&ab_result))
        info->precision = WEFT_PRECISION_FLOAT16;
    weft_trainer_destroy(&half);
    weft_trainer_destroy(&full);
    return status;
}

enum weft_status weft_trainer_create(weft_device *device, const weft_net *net,
                                     const weft_dataset *data,
                                     const struct weft_train_params *params,
                                     weft_trainer **out)
{
    weft_context *ctx = device->context;
    struct weft_train_params own, *p = &own;
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    WEFT_TRY(check_data(ctx, net, &info));
    WEFT_REQUIRE(ctx, p->batch >= 0);
    WEFT_REQUIRE(ctx, isfinite(p->learning_rate) && p->learning_rate >= 0);
    struct weft_trainer_info found = {.precision = p->precision};
    if (p->precision == WEFT_PRECISION_AUTO) {
        found.precision = WEFT_PRECISION_FLOAT32;
        WEFT_TRY(try_half(device, net, data, p, &found));
    }
    bool half = found.precision == WEFT_PRECISION_FLOAT16;
    WEFT_TRY(create(device, net, data, p, half ? WEFT_FLOAT16 : WEFT_FLOAT32, out));
    (*out)->info = found;
    return WEFT_OK;
}

void(weft_trainer_info)(const weft_trainer *trainer, struct weft_trainer_info *out,
                        size_t size)
{
    WEFT_WRITE_INFO(out, size, &trainer->info);
}

void weft_trainer_destroy(weft_trainer **trainer)
{
    struct weft_trainer *t = *trainer;
    if (!t)
        return;
    const struct weft_backend *backend = t->device->backend;
    struct weft_mem *const mems[] = {t->buffers.activations,
                                     t->buffers.weights,
                                     t->buffers.gradients,
                                     t->buffers.state,
                                     t->moment1,
                                     t->moment2,
                                     t->pixels,
                                     t->labels};
    weft_inference_destroy(&t->inference);
    if (t->list)
        backend->list_destroy(t->list);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(mems); i++)
        if (mems[i])
            backend->free(t->device, mems[i]);
    weft_plan_destroy(&t->plan);
    weft_net_destroy(&t->net);
    for (int i = 0; i < t->classes; i++)
        free(t->class_names[i]);
    free(t->class_names);
    free(t->dataset_known_as);
    free(t);
    *trainer = NULL;
}

enum weft_status weft_trainer_run(weft_trainer *t, int steps)
{
    WEFT_REQUIRE(t->device->context, steps >= 0);
    for (int i = 0; i < steps; i++) {
        /* The ring would be overwritten: only a caller who never asks for progress waits.
         */
        if (t->queued - t->read == STATE_RING_STEPS)
            WEFT_TRY(weft_trainer_collect_metrics(t));
        WEFT_TRY(t->device->backend->replay(t->list));
        t->queued++;
    }
    return WEFT_OK;
}

enum weft_status weft_trainer_collect_metrics(struct weft_trainer *t)
{
    uint32_t state[STATE_WORDS];
    WEFT_TRY(
        t->device->backend->read(t->device, state, t->buffers.state, 0, sizeof(state)));
    for (; t->read < t->queued; t->read++) {
        size_t at = STATE_METRICS_RING + 2 * (size_t)(t->read % STATE_RING_STEPS);
        float loss;
        memcpy(&loss, &state[at], sizeof(loss));
        if (t->read % t->steps_per_epoch == 0)
            t->epoch_metrics = (struct weft_epoch_metrics){0};
        t->epoch_metrics.seen += t->batch;
        t->epoch_metrics.correct += state[at + 1];
        t->epoch_metrics.loss += (double)loss * t->batch;
        t->epoch_metrics.last_loss = loss;
    }
    return WEFT_OK;
}

enum weft_status(weft_trainer_progress)(weft_trainer *t, struct weft_progress *out,
                                        size_t size)
{
    WEFT_TRY(weft_trainer_collect_metrics(t));
    const struct weft_progress progress = {
        .step = t->read,
        .steps_per_epoch = t->steps_per_epoch,
        .batch = t->batch,
        .epoch = (int)(t->read / t->steps_per_epoch),
        .step_in_epoch = (int)(t->read % t->steps_per_epoch),
        .samples = t->epoch_metrics.seen,
        .correct = t->epoch_metrics.correct,
        .loss = t->epoch_metrics.seen
                    ? t->epoch_metrics.loss / (double)t->epoch_metrics.seen
                    : 0.0,
        .last_loss = t->epoch_metrics.last_loss,
        .device_bytes = t->device_bytes,
    };
    WEFT_WRITE_INFO(out, size, &progress);
    return WEFT_OK;
}

enum weft_status(weft_trainer_evaluate)(weft_trainer *t, const weft_dataset *data,
                                        int64_t *confusion, struct weft_eval *out,
                                        size_t size)
{
    if (!t->inference)
        WEFT_TRY(weft_inference_create(t->device, t->net, t->buffers.weights,
                                       &t->normalization, EVALUATION_BATCH, WEFT_FLOAT32,
                                       &t->inference));
    else
        WEFT_TRY(weft_inference_refresh(t->inference));
    return weft_inference_evaluate(t->inference, data, confusion, out, size);
}
