/* SPDX-License-Identifier: Apache-2.0 */
/* Trainers to files and back. */
#include "model/metadata.h"
#include "train/trainer.h"
#include "model/weights.h"

#include "shared/state.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The buffers that a checkpoint holds, and what their tensors' names begin with. SGD has
 * no second moment. */
static const struct {
    const char *prefix;
    size_t mem;
    enum weft_tensor_filter tensors;
    bool adam_only;
} parts[] = {
    {"", offsetof(struct weft_trainer, buffers.weights), WEFT_ALL, false},
    {"optim.m.", offsetof(struct weft_trainer, moment1), WEFT_TRAINED, false},
    {"optim.v.", offsetof(struct weft_trainer, moment2), WEFT_TRAINED, true},
};

static size_t part_bytes(const struct weft_trainer *t, size_t part)
{
    const struct weft_graph *graph = &t->net->graph;
    return sizeof(float) *
           (parts[part].tensors == WEFT_ALL ? weft_graph_floats(graph) : graph->weights);
}

static bool has_part(const struct weft_trainer *t, size_t part)
{
    return !parts[part].adam_only || t->optimizer.kind != WEFT_OPTIMIZER_SGD;
}

static struct weft_mem *part_mem(const struct weft_trainer *t, size_t part)
{
    return *(struct weft_mem *const *)((const char *)t + parts[part].mem);
}

/* Enters a note. Where that fails *notes becomes NULL, and stays so. */
static void put(json_t **notes, const char *name, json_t *value)
{
    if (!json_object_set_new(*notes, name, value))
        return;
    json_decref(*notes);
    *notes = NULL;
}

__attribute__((format(printf, 3, 4))) static void note(json_t **notes, const char *name,
                                                       const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put(notes, name, json_string(text));
}

static void note_numbers(json_t **notes, const char *name, int digits,
                         const double *numbers, int count)
{
    char text[256] = "";
    for (int i = 0; i < count; i++) {
        char number[32];
        size_t used = strlen(text);
        weft_number_write(number, sizeof(number), digits, numbers[i]);
        snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", number);
    }
    put(notes, name, json_string(text));
}

static void note_classes(json_t **notes, const struct weft_trainer *t)
{
    json_t *names = json_array();
    bool whole = true;
    for (int i = 0; i < t->classes; i++)
        whole = !json_array_append_new(names, json_string(t->class_names[i])) && whole;
    char *text = whole ? json_dumps(names, JSON_COMPACT) : NULL;
    put(notes, META_CLASSES, text ? json_string(text) : NULL);
    free(text);
    json_decref(names);
}

static const char *precision_of(const struct weft_trainer *t)
{
    return t->plan->type == WEFT_FLOAT16 ? "float16" : "float32";
}

static void note_training(json_t **notes, const struct weft_trainer *t,
                          const uint32_t *state)
{
    float powers[2];
    memcpy(&powers[0], &state[STATE_NEXT_BETA1_POWER], sizeof(float));
    memcpy(&powers[1], &state[STATE_NEXT_BETA2_POWER], sizeof(float));
    note(notes, META_BATCH, "%d", t->batch);
    note(notes, META_SEED, "%" PRIu64, t->seed);
    note(notes, META_PRECISION, "%s", precision_of(t));
    note(notes, META_KERNELS, "%016" PRIx64, weft_trainer_config_hash(t));
    note_numbers(notes, META_RATE, 9,
                 (const double[]){(double)t->optimizer.learning_rate}, 1);
    note(notes, META_STEP, "%" PRId64, t->read);
    note(notes, META_EPOCH, "%d", t->steps_per_epoch);
    note_numbers(notes, META_POWERS, 9,
                 (const double[]){(double)powers[0], (double)powers[1]}, 2);
    note_numbers(notes, META_EPOCH_METRICS, 17,
                 (const double[]){(double)t->epoch_metrics.seen,
                                  (double)t->epoch_metrics.correct, t->epoch_metrics.loss,
                                  t->epoch_metrics.last_loss},
                 4);
}

/* NULL: no memory, or a note of `more` that is not UTF-8. */
static json_t *describe(const struct weft_trainer *t, const uint32_t *state,
                        const char *const *more)
{
    json_t *notes = json_object(), *name = json_string(t->net->name);
    note(&notes, META_FORMAT, "1");
    /* A file's name need not be UTF-8; a model does without. */
    if (name)
        put(&notes, META_NAME, name);
    put(&notes, META_TEXT, json_string(t->net->source));
    note(&notes, META_INPUT, "%d %d %d", t->net->input.h, t->net->input.w,
         t->net->input.c);
    note_classes(&notes, t);
    put(&notes, META_DATASET, json_string(t->dataset_known_as));
    note(&notes, META_COUNT, "%d", t->count);
    note_numbers(&notes, META_MEAN, 17, t->mean, t->net->input.c);
    note_numbers(&notes, META_STDDEV, 17, t->stddev, t->net->input.c);
    note_training(&notes, t, state);
    for (; more && more[0]; more += 2)
        put(&notes, more[0], json_string(more[1]));
    return notes;
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

enum weft_status weft_trainer_save_checkpoint(weft_trainer *t, const char *path,
                                              const char *const *notes)
{
    weft_context *ctx = t->device->context;
    uint32_t state[STATE_METRICS_RING];
    WEFT_REQUIRE(ctx, path);
    WEFT_TRY(weft_trainer_collect_metrics(t));
    WEFT_TRY(
        t->device->backend->read(t->device, state, t->buffers.state, 0, sizeof(state)));
    struct weft_tensors tensors = {0};
    json_t *described = describe(t, state, notes);
    if (!described)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: not written: its notes must be text in UTF-8", path);
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    enum weft_status status =
        weights ? gather(t, weights, &tensors) : weft_out_of_memory(ctx, "model", bytes);
    if (!status)
        status =
            weft_safetensors_write(ctx, path, described, tensors.list, tensors.count);
    json_decref(described);
    weft_tensors_free(&tensors);
    free(weights);
    return status;
}

static enum weft_status need(const struct weft_safetensors *file, const char *name,
                             const char *wanted, const char *mend)
{
    const char *found = weft_safetensors_metadata(file, name);
    if (found && !strcmp(found, wanted))
        return WEFT_OK;
    return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                     "%s: was trained with another %s%s%s%s: %s", file->path, name,
                     found && strlen(found) < 40 ? " (" : "",
                     found && strlen(found) < 40 ? found : "",
                     found && strlen(found) < 40 ? ")" : "", mend);
}

/* Other kernels, on another device or after tuning, round otherwise. */
static void tell_other_kernels(const struct weft_trainer *t,
                               const struct weft_safetensors *file)
{
    char kernels[32];
    const char *found = weft_safetensors_metadata(file, META_KERNELS);
    snprintf(kernels, sizeof(kernels), "%016" PRIx64, weft_trainer_config_hash(t));
    if (found && strcmp(found, kernels))
        weft_log_message(
            t->device->context, WEFT_LOG_WARN,
            "%s: other kernels are chosen now than when it was written (another "
            "device, or tuning): it goes on with the same numbers up to rounding",
            file->path);
}

/* That the file goes on with what this trainer does. */
static enum weft_status check_same(const struct weft_trainer *t,
                                   const struct weft_safetensors *file)
{
    char batch[32], seed[32], count[32];
    snprintf(batch, sizeof(batch), "%d", t->batch);
    snprintf(seed, sizeof(seed), "%" PRIu64, t->seed);
    snprintf(count, sizeof(count), "%d", t->count);
    WEFT_TRY(need(file, META_TEXT, t->net->source,
                  "go on with the network it was begun with"));
    WEFT_TRY(need(file, META_BATCH, batch, "go on with the same batch"));
    WEFT_TRY(need(file, META_SEED, seed, "go on with the same seed"));
    if (weft_safetensors_metadata(file, META_PRECISION) || t->plan->type != WEFT_FLOAT32)
        WEFT_TRY(
            need(file, META_PRECISION, precision_of(t), "go on in the same precision"));
    tell_other_kernels(t, file);
    return need(file, META_COUNT, count, "go on with the same data and held-out part");
}

struct position {
    int64_t step;
    float powers[2];
    struct weft_epoch_metrics epoch_metrics;
};

/* Reads `count` numbers; false if they are not there. */
static bool read_numbers(const struct weft_safetensors *file, const char *note,
                         double *out, int count)
{
    const char *text = weft_safetensors_metadata(file, note);
    for (int i = 0; i < count; i++) {
        char *end;
        if (!text)
            return false;
        out[i] = weft_number_read(text, &end);
        if (end == text)
            return false;
        text = end;
    }
    return true;
}

static enum weft_status read_position(const struct weft_safetensors *file,
                                      struct position *out)
{
    double step, powers[2], epoch_metrics[4];
    if (!read_numbers(file, META_STEP, &step, 1) ||
        !read_numbers(file, META_POWERS, powers, 2) ||
        !read_numbers(file, META_EPOCH_METRICS, epoch_metrics, 4) ||
        !(step >= 0 && step <= UINT32_MAX) ||
        !(epoch_metrics[0] >= 0 && epoch_metrics[0] <= INT32_MAX) ||
        !(epoch_metrics[1] >= 0 && epoch_metrics[1] <= epoch_metrics[0]))
        return weft_fail(
            file->ctx, WEFT_ERR_FORMAT,
            "%s: says not where its training stood: not a checkpoint to go on from",
            file->path);
    *out = (struct position){
        .step = (int64_t)step,
        .powers = {(float)powers[0], (float)powers[1]},
        .epoch_metrics = {(int64_t)epoch_metrics[0], (int64_t)epoch_metrics[1],
                          epoch_metrics[2], epoch_metrics[3]},
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
    /* All are read before the first is written: a damaged file changes nothing. */
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
    WEFT_REQUIRE(t->device->context, path);
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
        t->epoch_metrics = position.epoch_metrics;
    weft_safetensors_free(&file);
    return status;
}
