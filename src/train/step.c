/* SPDX-License-Identifier: Apache-2.0 */
/* A training step as two command lists, gradients and update: recorded once, replayed,
 * and its metrics. Of a batch in parts the first is replayed for each. */
#include "net/lower.h"
#include "device/process.h"
#include "shared/state.h"
#include "train/trainer.h"

#include <string.h>

enum weft_status weft_trainer_set_state(struct weft_trainer *t, int64_t step,
                                        float beta1_power, float beta2_power)
{
    uint32_t state[STATE_METRICS_RING] = {
        [STATE_STEP] = (uint32_t)step,
        [STATE_SEED_LOW] = (uint32_t)t->seed,
        [STATE_SEED_HIGH] = (uint32_t)(t->seed >> 32),
        [STATE_RATE_COUNT] = t->rate_count,
    };
    t->learning_rate = weft_trainer_learning_rate(t, step);
    memcpy(&state[STATE_LEARNING_RATE], &t->learning_rate, sizeof(float));
    memcpy(&state[STATE_NEXT_BETA1_POWER], &beta1_power, sizeof(float));
    memcpy(&state[STATE_NEXT_BETA2_POWER], &beta2_power, sizeof(float));
    t->queued = t->read = step;
    if (t->stream) {
        WEFT_TRY(t->device->backend->wait(t->device));
        weft_stream_release(t->stream);
        weft_stream_seek(t->stream, step);
    }
    return t->device->backend->write(t->device, t->buffers.state, 0, state,
                                     sizeof(state));
}

/* Features are sent as the network reads them: the launch that begins a step makes one
 * number, where the network's own batch would be. */
static enum weft_status record_begin(struct weft_trainer *t)
{
    struct weft_buffers own = t->buffers;
    own.x = NULL;
    struct weft_batch_args args = {
        .n = 1,
        .global_batch = 1,
        .count = t->count,
        .pixels = 1,
        .channels = 1,
        .width = 1,
        .steps_per_epoch = t->steps_per_epoch,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .gathered = true,
        .bytes = {t->images->pixels, 0, 1, WEFT_UINT8},
        .x = weft_plan_step_view(t->plan, &own, TENSOR_X),
    };
    args.x.count = 1;
    WEFT_TRY(weft_list_begin_segment(t->gradients, -1, WEFT_PHASE_BATCH));
    return t->gradients->primitives->make_batch(t->gradients, &args);
}

static enum weft_status record_batch(struct weft_trainer *t)
{
    if (t->features.head)
        return record_begin(t);
    size_t image = weft_shape_count(t->net->input);
    struct weft_batch_args args = {
        .n = t->plan->batch,
        .global_batch = t->batch,
        .part_rows = t->parts > 1 ? t->plan->batch : 0,
        .count = t->count,
        .pixels = (int)image,
        .channels = t->net->input.c,
        .width = t->net->input.w,
        .steps_per_epoch = t->steps_per_epoch,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .gathered = t->images->streamed,
        .bytes = {t->images->pixels, 0, (size_t)t->images->rows * image, WEFT_UINT8},
        .labels = {t->images->labels, 0, (size_t)t->images->rows},
        .balance = {t->balance_mem, 0, t->balance ? weft_trainer_balance_words(t) : 0},
        .x = weft_plan_step_view(t->plan, &t->buffers, TENSOR_X),
        .batch_labels = weft_plan_step_view(t->plan, &t->buffers, TENSOR_LABELS),
        .partner_labels = weft_plan_partner_labels(t->plan, &t->buffers),
        .shares = weft_plan_shares(t->plan, &t->buffers),
    };
    WEFT_TRY(weft_augment_resolve(t->device->context, &t->augment, t->net->input, t->mean,
                                  &args.augment));
    memcpy(args.scale, t->normalization.scale, sizeof(args.scale));
    memcpy(args.shift, t->normalization.shift, sizeof(args.shift));
    WEFT_TRY(weft_list_begin_segment(t->gradients, -1, WEFT_PHASE_BATCH));
    return t->gradients->primitives->make_batch(t->gradients, &args);
}

static struct weft_view gradient_view(const struct weft_trainer *t)
{
    return (struct weft_view){t->parts > 1 ? t->gradient_sums : t->buffers.gradients, 0,
                              t->net->graph.weights};
}

/* Losses, and hits, of the rows of a batch. */
static struct weft_view metric_view(const struct weft_trainer *t,
                                    enum weft_step_tensor_id which)
{
    size_t batch = (size_t)t->batch, at = which == TENSOR_CORRECT ? batch : 0;
    return t->parts > 1 ? (struct weft_view){t->row_metrics, at, batch}
                        : weft_plan_step_view(t->plan, &t->buffers, which);
}

static enum weft_status record_sum(struct weft_trainer *t)
{
    const struct weft_accumulate_gradient_args args = {
        .n = t->plan->batch,
        .parts = t->parts,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .g = {t->buffers.gradients, 0, t->net->graph.weights},
        .sum = gradient_view(t),
        .loss = weft_plan_step_view(t->plan, &t->buffers, TENSOR_LOSS),
        .correct = weft_plan_step_view(t->plan, &t->buffers, TENSOR_CORRECT),
        .all_loss = metric_view(t, TENSOR_LOSS),
        .all_correct = metric_view(t, TENSOR_CORRECT),
    };
    if (t->parts == 1)
        return WEFT_OK;
    WEFT_TRY(weft_list_begin_segment(t->gradients, -1, WEFT_PHASE_OPTIMIZER));
    return t->gradients->primitives->accumulate_gradient(t->gradients, &args);
}

/* The groups of the weights; absent where there is one. */
static void view_groups(const struct weft_trainer *t, struct weft_view *groups,
                        struct weft_view *settings)
{
    if (!t->groups.count)
        return;
    *groups = (struct weft_view){t->group_mem, 0, t->groups.of_count};
    *settings = (struct weft_view){t->group_mem, weft_trainer_group_settings_at(t),
                                   (size_t)t->groups.count * GROUP_SETTINGS};
}

static enum weft_status record_clip(struct weft_trainer *t)
{
    struct weft_clip_gradient_args clip = {
        .max_norm = t->optimizer.clip,
        .loss_scale_log2 = t->plan->loss_scale_log2,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .g = gradient_view(t),
    };
    view_groups(t, &clip.groups, &clip.settings);
    return t->optimizer.clip > 0 ? t->update->primitives->clip_gradient(t->update, &clip)
                                 : WEFT_OK;
}

/* The weights before this one are frozen; a multiple of GROUP_WEIGHTS. */
static size_t first_trained(const struct weft_trainer *t)
{
    const struct weft_graph *graph = &t->net->graph;
    size_t first = graph->weights;
    for (int i = 0; i < graph->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *param = &graph->nodes[i].params[role];
            if (weft_param_roles[role].trained && param->count && !param->frozen &&
                param->at < first)
                first = param->at;
        }
    return first < graph->weights ? first / GROUP_WEIGHTS * GROUP_WEIGHTS : 0;
}

static struct weft_view skip(struct weft_view view, size_t count)
{
    return (struct weft_view){view.mem, view.offset + count, view.count - count};
}

static enum weft_status record_update(struct weft_trainer *t)
{
    size_t weights = t->net->graph.weights, frozen = first_trained(t);
    struct weft_optimizer_step_args update = {
        .optimizer = t->optimizer,
        .loss_scale_log2 = t->plan->loss_scale_log2,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .w = skip((struct weft_view){t->buffers.weights, 0, weights}, frozen),
        .g = skip(gradient_view(t), frozen),
        .m = skip((struct weft_view){t->moment1, 0, weights}, frozen),
        .v = t->moment2 ? skip((struct weft_view){t->moment2, 0, weights}, frozen)
                        : (struct weft_view){.mem = NULL},
        .n = t->batch,
        .loss = metric_view(t, TENSOR_LOSS),
        .correct = metric_view(t, TENSOR_CORRECT),
    };
    view_groups(t, &update.groups, &update.settings);
    if (update.groups.mem)
        update.groups = skip(update.groups, frozen / GROUP_WEIGHTS);
    WEFT_TRY(weft_list_begin_segment(t->update, -1, WEFT_PHASE_OPTIMIZER));
    WEFT_TRY(record_clip(t));
    return t->update->primitives->optimizer_step(t->update, &update);
}

static enum weft_status record_average(struct weft_trainer *t)
{
    const struct weft_backend *backend = t->device->backend;
    size_t floats = weft_graph_floats(&t->net->graph);
    bool lookahead = t->averaging.kind == WEFT_AVERAGING_LOOKAHEAD;
    const struct weft_average_args args = {
        .decay = t->averaging.decay,
        .every = t->averaging.every,
        .steps = lookahead ? t->steps : 0,
        .state = {t->buffers.state, 0, STATE_WORDS},
        .w = {t->buffers.weights, 0, floats},
        .average = {t->average, 0, floats},
    };
    if (!t->average)
        return WEFT_OK;
    WEFT_TRY(backend->list_create(t->device, NULL, &t->averager));
    WEFT_TRY(weft_list_begin_segment(t->averager, -1, WEFT_PHASE_OPTIMIZER));
    return t->averager->primitives->average(t->averager, &args);
}

enum weft_status weft_trainer_record_step(struct weft_trainer *t,
                                          const struct weft_trainer *like)
{
    const struct weft_backend *backend = t->device->backend;
    /* A norm is that of complete gradients, and so are sums of parts. */
    const struct weft_command_list_params deferred = {
        .defer_weight_grad_reduction = t->optimizer.clip <= 0 && t->parts == 1,
        .like = like ? like->gradients : NULL};
    WEFT_TRY(backend->list_create(t->device, &deferred, &t->gradients));
    WEFT_TRY(record_batch(t));
    WEFT_TRY(weft_lower_forward(t->plan, &t->buffers, t->gradients));
    WEFT_TRY(weft_lower_backward(t->plan, &t->buffers, t->gradients));
    WEFT_TRY(record_sum(t));
    const struct weft_command_list_params added = {
        .gradients = deferred.defer_weight_grad_reduction ? t->gradients : NULL,
        .like = like ? like->update : NULL};
    WEFT_TRY(backend->list_create(t->device, &added, &t->update));
    WEFT_TRY(record_update(t));
    WEFT_TRY(record_average(t));
    /* All are recorded by now, so that their kernels are built together. */
    WEFT_TRY(backend->list_finalize(t->gradients));
    WEFT_TRY(backend->list_finalize(t->update));
    if (t->averager)
        WEFT_TRY(backend->list_finalize(t->averager));
    t->device_bytes +=
        t->gradients->info.workspace_bytes + t->update->info.workspace_bytes;
    weft_log_message(t->device->context, WEFT_LOG_INFO,
                     "%s at batch %d: %d launches a step, %.1f MiB on the device",
                     t->net->name, t->batch,
                     t->parts * t->gradients->info.launches + t->update->info.launches,
                     (double)t->device_bytes / 1048576);
    return WEFT_OK;
}

uint64_t weft_trainer_config_hash(const struct weft_trainer *t)
{
    return t->gradients->info.config_hash ^ t->update->info.config_hash;
}

/* The images of the next step, sent while earlier ones run. Their memory is used again
 * when it has been sent: after each half of the ring this waits for that, and the device
 * has two steps left meanwhile. */
static enum weft_status send_batch(struct weft_trainer *t)
{
    const struct weft_backend *backend = t->device->backend;
    size_t images = (size_t)t->images->rows;
    const uint8_t *pixels;
    const int32_t *labels;
    if (weft_stream_is_full(t->stream)) {
        WEFT_TRY(backend->wait_written(t->device));
        weft_stream_release(t->stream);
    }
    WEFT_TRY(weft_stream_take(t->stream, &pixels, &labels));
    WEFT_TRY(backend->write_ahead(t->device, t->images->pixels, pixels,
                                  images * weft_stream_image_bytes(t->stream)));
    return backend->write_ahead(t->device, t->images->labels, labels,
                                images * sizeof(*labels));
}

/* Before the first step on features. */
static enum weft_status begin_features(struct weft_trainer *t)
{
    struct weft_stream_params params = {.data = t->features.data,
                                        .batch = t->batch,
                                        .rows = t->batch,
                                        .seed = t->seed,
                                        .balance = t->balance,
                                        .feature_count = t->features.count};
    WEFT_TRY(weft_features_of(t, params.data, &params.features));
    WEFT_TRY(weft_stream_create(t->device->context, &params, &t->stream));
    weft_stream_seek(t->stream, t->queued);
    return WEFT_OK;
}

enum weft_status weft_trainer_run(weft_trainer *t, int steps)
{
    WEFT_REQUIRE_POINTER(NULL, t, "trainer");
    WEFT_REQUIRE_DEVICE(t->device);
    WEFT_REQUIRE(t->device->context, steps >= 0, "steps must be 0 or more");
    if (t->features.head && !t->stream && steps)
        WEFT_TRY(begin_features(t));
    for (int i = 0; i < steps; i++) {
        /* The ring of metrics is full: waits only if progress was not read for long. */
        if (t->queued - t->read == STATE_RING_STEPS)
            WEFT_TRY(weft_trainer_collect_metrics(t));
        if (t->stream)
            WEFT_TRY(send_batch(t));
        if (t->audit && (t->queued + 1) % t->audit == 0)
            WEFT_TRY(weft_trainer_audit_step(t));
        else {
            for (int part = 0; part < t->parts; part++)
                WEFT_TRY(t->device->backend->replay(t->gradients));
            WEFT_TRY(t->device->backend->replay(t->update));
        }
        t->queued++;
        if (t->averager && t->queued % t->averaging.every == 0)
            WEFT_TRY(t->device->backend->replay(t->averager));
    }
    return WEFT_OK;
}

/* The norm of the gradient of the step that is read next. */
static void add_norm(struct weft_trainer *t, const uint32_t *state)
{
    float norm;
    memcpy(&norm, &state[STATE_NORM_RING + t->read % STATE_RING_STEPS], sizeof(norm));
    t->epoch_metrics.norm += (double)norm;
    t->epoch_metrics.clipped += !((double)norm + 1e-6 <= (double)t->optimizer.clip);
}

enum weft_status weft_trainer_collect_metrics(struct weft_trainer *t)
{
    uint32_t state[STATE_WORDS];
    WEFT_TRY(
        t->device->backend->read(t->device, state, t->buffers.state, 0, sizeof(state)));
    memcpy(&t->learning_rate, &state[STATE_LEARNING_RATE], sizeof(float));
    if (t->stream)
        weft_stream_release(t->stream);
    for (; t->read < t->queued; t->read++) {
        size_t at = STATE_METRICS_RING + 2 * (size_t)(t->read % STATE_RING_STEPS);
        float loss;
        memcpy(&loss, &state[at], sizeof(loss));
        if (t->read % t->steps_per_epoch == 0)
            t->epoch_metrics = (struct weft_epoch_metrics){0};
        t->epoch_metrics.samples += t->batch;
        t->epoch_metrics.correct += state[at + 1];
        t->epoch_metrics.loss += (double)loss * t->batch;
        t->epoch_metrics.last_loss = loss;
        if (t->optimizer.clip > 0)
            add_norm(t, state);
    }
    return WEFT_OK;
}

enum weft_status(weft_trainer_progress)(weft_trainer *t, struct weft_progress *out,
                                        size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, t, "trainer");
    WEFT_REQUIRE_DEVICE(t->device);
    WEFT_REQUIRE_POINTER(t->device->context, out, "out");
    WEFT_TRY(weft_trainer_collect_metrics(t));
    double steps = (double)(t->epoch_metrics.samples / t->batch);
    const struct weft_progress progress = {
        .step = t->read,
        .steps_per_epoch = t->steps_per_epoch,
        .batch = t->batch,
        .epoch = (int)(t->read / t->steps_per_epoch),
        .step_in_epoch = (int)(t->read % t->steps_per_epoch),
        .samples = t->epoch_metrics.samples,
        .correct = t->epoch_metrics.correct,
        .loss = t->epoch_metrics.samples
                    ? t->epoch_metrics.loss / (double)t->epoch_metrics.samples
                    : 0.0,
        .last_loss = t->epoch_metrics.last_loss,
        .learning_rate = t->learning_rate,
        .device_bytes = t->device_bytes,
        .stall_seconds = t->stream ? weft_stream_stall_seconds(t->stream) : 0,
        .gradient_norm = steps > 0 ? t->epoch_metrics.norm / steps : 0,
        .clipped = steps > 0 ? t->epoch_metrics.clipped / steps : 0,
    };
    WEFT_WRITE_INFO(out, size, &progress);
    return WEFT_OK;
}
