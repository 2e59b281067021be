/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: writing and reading the state of a trainer. */
#include "device/process.h"
#include "model/describe.h"
#include "model/metadata.h"
#include "model/model.h"
#include "model/weights.h"
#include "shared/state.h"
#include "train/trainer.h"
#include "util/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part_of { OF_ALL, OF_ADAM, OF_AVERAGE, OF_NO_AVERAGE };

/* The buffers in a checkpoint, with the prefix of their tensor names, and the trainers
 * that have them: SGD has no second moment. The model of a trainer with an average is the
 * average, and its weights are state. */
static const struct {
    const char *prefix;
    size_t mem;
    enum weft_tensor_filter tensors;
    enum part_of of;
} parts[] = {
    {"", offsetof(struct weft_trainer, buffers.weights), WEFT_ALL, OF_NO_AVERAGE},
    {"", offsetof(struct weft_trainer, average), WEFT_ALL, OF_AVERAGE},
    {"optim.w.", offsetof(struct weft_trainer, buffers.weights), WEFT_ALL, OF_AVERAGE},
    {"optim.m.", offsetof(struct weft_trainer, moment1), WEFT_TRAINED, OF_ALL},
    {"optim.v.", offsetof(struct weft_trainer, moment2), WEFT_TRAINED, OF_ADAM},
};

static size_t part_bytes(const struct weft_trainer *t, size_t part)
{
    const struct weft_graph *graph = &t->net->graph;
    return sizeof(float) *
           (parts[part].tensors == WEFT_ALL ? weft_graph_floats(graph) : graph->weights);
}

static bool has_part(const struct weft_trainer *t, size_t part)
{
    const bool has[] = {[OF_ALL] = true,
                        [OF_ADAM] = t->optimizer.kind != WEFT_OPTIMIZER_SGD,
                        [OF_AVERAGE] = t->average != NULL,
                        [OF_NO_AVERAGE] = !t->average};
    return has[parts[part].of];
}

static struct weft_mem *part_mem(const struct weft_trainer *t, size_t part)
{
    return *(struct weft_mem *const *)((const char *)t + parts[part].mem);
}

static const char *precision_of(const struct weft_trainer *t)
{
    return t->plan->type == WEFT_FLOAT16 ? "float16" : "float32";
}

static void put_training(json_t **metadata, const struct weft_trainer *t,
                         const uint32_t *state)
{
    float powers[2];
    memcpy(&powers[0], &state[STATE_NEXT_BETA1_POWER], sizeof(float));
    memcpy(&powers[1], &state[STATE_NEXT_BETA2_POWER], sizeof(float));
    weft_metadata_put_text(metadata, META_BATCH, "%d", t->batch);
    if (t->parts > 1)
        weft_metadata_put_text(metadata, META_PARTS, "%d", t->parts);
    weft_metadata_put_text(metadata, META_SEED, "%" PRIu64, t->seed);
    weft_metadata_put_text(metadata, META_PRECISION, "%s", precision_of(t));
    weft_metadata_put_text(metadata, META_KERNELS, "%016" PRIx64,
                           weft_trainer_config_hash(t));
    weft_metadata_put_numbers(metadata, META_RATE, 9,
                              (const double[]){(double)t->optimizer.learning_rate}, 1);
    char schedule[WEFT_SCHEDULE_TEXT];
    weft_trainer_schedule_text(t, schedule);
    weft_metadata_put_text(metadata, META_SCHEDULE, "%s", schedule);
    char augment[WEFT_AUGMENT_TEXT];
    weft_augment_write(&t->augment, augment);
    if (strcmp(augment, "none"))
        weft_metadata_put_text(metadata, META_AUGMENT, "%s", augment);
    if (t->class_weights_hash)
        weft_metadata_put_text(metadata, META_WEIGHTS, "%016" PRIx64,
                               t->class_weights_hash);
    if (t->first_step)
        weft_metadata_put_text(metadata, META_FIRST, "%d", t->first_step);
    if (t->balance)
        weft_metadata_put_text(metadata, META_BALANCE, "yes");
    weft_metadata_put_text(metadata, META_STEP, "%" PRId64, t->read);
    weft_metadata_put_text(metadata, META_EPOCH, "%d", t->steps_per_epoch);
    weft_metadata_put_numbers(metadata, META_POWERS, 9,
                              (const double[]){(double)powers[0], (double)powers[1]}, 2);
    weft_metadata_put_numbers(metadata, META_EPOCH_METRICS, 17,
                              (const double[]){(double)t->epoch_metrics.samples,
                                               (double)t->epoch_metrics.correct,
                                               t->epoch_metrics.loss,
                                               t->epoch_metrics.last_loss},
                              4);
    if (t->optimizer.clip > 0)
        weft_metadata_put_numbers(
            metadata, META_NORMS, 17,
            (const double[]){t->epoch_metrics.norm, t->epoch_metrics.clipped}, 2);
}

/* NULL: out of memory, or an entry of `more` is not UTF-8. */
static json_t *describe(const struct weft_trainer *t, const uint32_t *state,
                        const char *const *more)
{
    json_t *metadata = weft_model_describe(&(struct weft_model_description){
        .net = t->net,
        .class_names = (const char *const *)t->class_names,
        .classes = t->classes,
        .dataset_known_as = t->dataset_known_as,
        .mean = t->mean,
        .stddev = t->stddev,
        .preprocess = &t->preprocess,
    });
    weft_metadata_put_text(&metadata, META_COUNT, "%d", t->count);
    weft_metadata_put_text(&metadata, META_HASH, "%016" PRIx64, t->data_hash);
    put_training(&metadata, t, state);
    weft_metadata_put_pairs(&metadata, more);
    return metadata;
}

static enum weft_status gather(struct weft_trainer *t, float *weights,
                               struct weft_tensors *tensors)
{
    for (size_t part = 0; part < WEFT_ARRAY_SIZE(parts); part++) {
        if (!has_part(t, part))
            continue;
        WEFT_TRY(t->device->backend->read(t->device, weights, part_mem(t, part), 0,
                                          part_bytes(t, part)));
        WEFT_TRY(weft_tensors_add(t->device->context, &t->net->graph, parts[part].prefix,
                                  parts[part].tensors, weights, tensors));
    }
    return WEFT_OK;
}

/* The state after all queued steps. */
static enum weft_status read_state(struct weft_trainer *t, uint32_t *state)
{
    WEFT_TRY(weft_trainer_collect_metrics(t));
    return t->device->backend->read(t->device, state, t->buffers.state, 0,
                                    STATE_METRICS_RING * sizeof(*state));
}

enum weft_status weft_trainer_model(weft_trainer *t, weft_model **out)
{
    WEFT_REQUIRE_POINTER(NULL, t, "trainer");
    WEFT_REQUIRE_DEVICE(t->device);
    weft_context *ctx = t->device->context;
    uint32_t state[STATE_METRICS_RING];
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(read_state(t, state));
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    json_t *described = describe(t, state, NULL);
    enum weft_status status =
        weights && described ? t->device->backend->read(t->device, weights,
                                                        weft_trainer_weights(t), 0, bytes)
                             : weft_out_of_memory(ctx, "model", bytes);
    if (status)
        free(weights);
    else
        status = weft_model_from_weights(ctx, described, weights, out);
    json_decref(described);
    return status;
}

enum weft_status weft_trainer_save_checkpoint(weft_trainer *t, const char *path,
                                              const char *const *metadata)
{
    WEFT_REQUIRE_POINTER(NULL, t, "trainer");
    WEFT_REQUIRE_DEVICE(t->device);
    weft_context *ctx = t->device->context;
    uint32_t state[STATE_METRICS_RING];
    WEFT_REQUIRE_POINTER(ctx, path, "path");
    WEFT_TRY(read_state(t, state));
    struct weft_tensors tensors = {0};
    json_t *described = describe(t, state, metadata);
    if (!described)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: not written: its metadata must be UTF-8, and "
                         "each name its own",
                         path);
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    enum weft_status status =
        weights ? gather(t, weights, &tensors) : weft_out_of_memory(ctx, "model", bytes);
    if (!status)
        status = weft_tensors_require_finite(ctx, path, &tensors);
    if (!status)
        status =
            weft_safetensors_write(ctx, path, described, tensors.list, tensors.count);
    json_decref(described);
    weft_tensors_free(&tensors);
    free(weights);
    return status;
}

static enum weft_status require_entry(const struct weft_safetensors *file,
                                      const char *name, const char *expected,
                                      const char *fix)
{
    const char *found = weft_safetensors_metadata(file, name);
    if (found && !strcmp(found, expected))
        return WEFT_OK;
    return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                     "%s: was trained with another %s%s%s%s: %s", file->path, name,
                     found && strlen(found) < 40 ? " (" : "",
                     found && strlen(found) < 40 ? found : "",
                     found && strlen(found) < 40 ? ")" : "", fix);
}

/* Other kernels, on another device or after tuning, round differently. */
static void warn_of_other_kernels(const struct weft_trainer *t,
                                  const struct weft_safetensors *file)
{
    char kernels[32];
    const char *found = weft_safetensors_metadata(file, META_KERNELS);
    snprintf(kernels, sizeof(kernels), "%016" PRIx64, weft_trainer_config_hash(t));
    if (found && strcmp(found, kernels))
        weft_log_message(t->device->context, WEFT_LOG_WARN,
                         "%s: kernels differ from those it was written with (another "
                         "device, or tuning): results will match up to rounding",
                         file->path);
}

/* Checks that the file continues the training of this trainer. */
static enum weft_status check_same(const struct weft_trainer *t,
                                   const struct weft_safetensors *file)
{
    char batch[32], seed[32], count[32], hash[32], schedule[WEFT_SCHEDULE_TEXT];
    snprintf(hash, sizeof(hash), "%016" PRIx64, t->data_hash);
    snprintf(batch, sizeof(batch), "%d", t->batch);
    snprintf(seed, sizeof(seed), "%" PRIu64, t->seed);
    snprintf(count, sizeof(count), "%d", t->count);
    WEFT_TRY(require_entry(file, META_TEXT, t->net->source, "continue with its network"));
    WEFT_TRY(require_entry(file, META_BATCH, batch, "continue with the same batch"));
    snprintf(batch, sizeof(batch), "%d", t->parts);
    if (weft_safetensors_metadata(file, META_PARTS) || t->parts > 1)
        WEFT_TRY(require_entry(file, META_PARTS, batch,
                               "continue with a batch in as many parts"));
    WEFT_TRY(require_entry(file, META_SEED, seed, "continue with the same seed"));
    weft_trainer_schedule_text(t, schedule);
    WEFT_TRY(require_entry(file, META_SCHEDULE, schedule,
                           "continue with the same learning-rate schedule"));
    char augment[WEFT_AUGMENT_TEXT];
    weft_augment_write(&t->augment, augment);
    if (weft_safetensors_metadata(file, META_AUGMENT) || strcmp(augment, "none"))
        WEFT_TRY(require_entry(file, META_AUGMENT, augment,
                               "continue with the same augmentation"));
    char weights[32];
    snprintf(weights, sizeof(weights), "%016" PRIx64, t->class_weights_hash);
    if (weft_safetensors_metadata(file, META_WEIGHTS) || t->class_weights_hash)
        WEFT_TRY(require_entry(file, META_WEIGHTS, weights,
                               "continue with the same class weights"));
    char first[32];
    snprintf(first, sizeof(first), "%d", t->first_step);
    if (weft_safetensors_metadata(file, META_FIRST) || t->first_step)
        WEFT_TRY(require_entry(file, META_FIRST, first,
                               "continue with a phase that begins at the same step"));
    if (weft_safetensors_metadata(file, META_BALANCE) || t->balance)
        WEFT_TRY(require_entry(file, META_BALANCE, t->balance ? "yes" : "no",
                               t->balance ? "continue without balanced sampling"
                                          : "continue with balanced sampling"));
    if (weft_safetensors_metadata(file, META_PRECISION) || t->plan->type != WEFT_FLOAT32)
        WEFT_TRY(require_entry(file, META_PRECISION, precision_of(t),
                               "continue in the same precision"));
    warn_of_other_kernels(t, file);
    WEFT_TRY(require_entry(file, META_COUNT, count,
                           "continue with the same data and holdout"));
    return weft_safetensors_metadata(file, META_HASH)
               ? require_entry(file, META_HASH, hash,
                               "continue with the same images, labels and order")
               : WEFT_OK;
}

struct position {
    int64_t step;
    float powers[2];
    struct weft_epoch_metrics epoch_metrics;
};

static enum weft_status read_position(const struct weft_safetensors *file,
                                      struct position *out)
{
    double step, powers[2], epoch_metrics[4], norms[2] = {0};
    if (!weft_safetensors_numbers(file, META_STEP, &step, 1) ||
        !weft_safetensors_numbers(file, META_POWERS, powers, 2) ||
        !weft_safetensors_numbers(file, META_EPOCH_METRICS, epoch_metrics, 4) ||
        (weft_safetensors_metadata(file, META_NORMS) &&
         !weft_safetensors_numbers(file, META_NORMS, norms, 2)) ||
        !(step >= 0 && step <= UINT32_MAX) ||
        !(epoch_metrics[0] >= 0 && epoch_metrics[0] <= INT32_MAX) ||
        !(epoch_metrics[1] >= 0 && epoch_metrics[1] <= epoch_metrics[0]))
        return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                         "%s: has no training state: cannot resume from it", file->path);
    *out = (struct position){
        .step = (int64_t)step,
        .powers = {(float)powers[0], (float)powers[1]},
        .epoch_metrics = {(int64_t)epoch_metrics[0], (int64_t)epoch_metrics[1],
                          epoch_metrics[2], epoch_metrics[3], norms[0], norms[1]},
    };
    return WEFT_OK;
}

static enum weft_status scatter(struct weft_trainer *t,
                                const struct weft_safetensors *file)
{
    size_t floats = weft_graph_floats(&t->net->graph), bytes = floats * sizeof(float);
    float *values = malloc(WEFT_ARRAY_SIZE(parts) * bytes);
    if (!values)
        return weft_out_of_memory(t->device->context, file->path, bytes);
    enum weft_status status = WEFT_OK;
    /* All parts are read before the first is written, so a damaged file changes
     * nothing. */
    for (size_t part = 0; part < WEFT_ARRAY_SIZE(parts) && !status; part++)
        if (has_part(t, part))
            status = weft_tensors_load(file, &t->net->graph, parts[part].prefix,
                                       parts[part].tensors, true, values + part * floats);
    for (size_t part = 0; part < WEFT_ARRAY_SIZE(parts) && !status; part++)
        if (has_part(t, part))
            status =
                t->device->backend->write(t->device, part_mem(t, part), 0,
                                          values + part * floats, part_bytes(t, part));
    free(values);
    return status;
}

enum weft_status weft_trainer_load_checkpoint(weft_trainer *t, const char *path)
{
    struct weft_safetensors file;
    struct position position = {0};
    WEFT_REQUIRE_POINTER(NULL, t, "trainer");
    WEFT_REQUIRE_DEVICE(t->device);
    WEFT_REQUIRE_POINTER(t->device->context, path, "path");
    WEFT_TRY(weft_trainer_collect_metrics(t));
    WEFT_TRY(weft_safetensors_open(t->device->context, path, &file));
    enum weft_status status = check_same(t, &file);
    if (!status)
        status = read_position(&file, &position);
    if (!status)
        status = scatter(t, &file);
    if (!status)
        status = weft_trainer_set_state(t, position.step, position.powers[0],
                                        position.powers[1]);
    if (!status)
        status = weft_features_check(t);
    if (!status)
        t->epoch_metrics = position.epoch_metrics;
    weft_safetensors_free(&file);
    return status;
}
