/* SPDX-License-Identifier: Apache-2.0 */
/* Audits: a step runs twice from the same state. */
#include "lab/call.h"
#include "shared/state.h"
#include "train/trainer.h"
#include "util/hash.h"
#include "verify/known_answers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 5 };

/* State that a step changes and does not compute again. */
struct snapshot {
    unsigned char *bytes[PARTS];
};

struct state_part {
    struct weft_mem *mem;
    size_t bytes;
};

static void list_parts(const struct weft_trainer *t, struct state_part out[PARTS])
{
    size_t trained = t->net->graph.weights * sizeof(float);
    out[0] = (struct state_part){t->buffers.weights,
                                 weft_graph_floats(&t->net->graph) * sizeof(float)};
    out[1] = (struct state_part){t->moment1, trained};
    out[2] = (struct state_part){t->moment2, trained};
    out[3] = (struct state_part){t->buffers.state, STATE_WORDS * sizeof(uint32_t)};
    out[4] = (struct state_part){t->row_metrics, 2 * (size_t)t->batch * sizeof(float)};
}

static enum weft_status save(const struct weft_trainer *t, struct snapshot *s)
{
    struct state_part parts[PARTS];
    list_parts(t, parts);
    for (int i = 0; i < PARTS; i++) {
        if (!parts[i].mem)
            continue;
        s->bytes[i] = malloc(parts[i].bytes + 1);
        if (!s->bytes[i])
            return weft_out_of_memory(t->device->context, "audit", parts[i].bytes);
        WEFT_TRY(t->device->backend->read(t->device, s->bytes[i], parts[i].mem, 0,
                                          parts[i].bytes));
    }
    return WEFT_OK;
}

static enum weft_status restore(const struct weft_trainer *t, const struct snapshot *s)
{
    struct state_part parts[PARTS];
    list_parts(t, parts);
    for (int i = 0; i < PARTS; i++)
        if (parts[i].mem)
            WEFT_TRY(t->device->backend->write(t->device, parts[i].mem, 0, s->bytes[i],
                                               parts[i].bytes));
    return WEFT_OK;
}

static enum weft_status hash_argument(struct weft_device *device,
                                      const struct lab_argument *a, uint64_t *hash)
{
    size_t element = weft_type_bytes(a->view->type);
    size_t bytes = a->view->count * element;
    void *values = malloc(bytes + 1);
    if (!values)
        return weft_out_of_memory(device->context, "audit", bytes);
    enum weft_status status = device->backend->read(device, values, a->view->mem,
                                                    a->view->offset * element, bytes);
    if (!status)
        *hash = *hash * 31 + weft_hash64(values, bytes);
    free(values);
    return status;
}

/* Copies of channels leave the others as a step before has left them, and hash to the
 * channels that they copy. */
static enum weft_status hash_channels(struct weft_device *device,
                                      const struct weft_copy_channels_args *a,
                                      uint64_t *hash)
{
    size_t element = weft_type_bytes(a->y.type), bytes = a->y.count * element;
    size_t row = (size_t)a->y_channels * element;
    char *values = malloc(bytes + 1);
    if (!values)
        return weft_out_of_memory(device->context, "audit", bytes);
    enum weft_status status =
        device->backend->read(device, values, a->y.mem, a->y.offset * element, bytes);
    for (size_t i = 0; i < (size_t)a->rows && !status; i++)
        *hash = *hash * 31 + weft_hash64(values + i * row + (size_t)a->y_first * element,
                                         (size_t)a->count * element);
    free(values);
    return status;
}

/* The results of each call of a list, as it runs. */
static enum weft_status run_and_hash(struct weft_command_list *list, uint64_t *hashes)
{
    for (int i = 0; i < list->call_count; i++) {
        const struct weft_recorded_call *recorded = &list->calls[i];
        struct weft_primitive_call call = recorded->call;
        struct lab_argument arguments[LAB_MAX_ARGUMENTS];
        int count = lab_arguments(&call, arguments);
        WEFT_TRY(
            list->device->backend->replay_range(list, recorded->first, recorded->end));
        hashes[i] = 0;
        if (call.primitive == WEFT_PRIMITIVE_copy_channels &&
            !call.args.copy_channels.zero_rest) {
            WEFT_TRY(hash_channels(list->device, &call.args.copy_channels, &hashes[i]));
            continue;
        }
        for (int k = 0; k < count; k++)
            if (arguments[k].written)
                WEFT_TRY(hash_argument(list->device, &arguments[k], &hashes[i]));
    }
    return WEFT_OK;
}

static enum weft_status run_twice(struct weft_trainer *t, const struct snapshot *s,
                                  uint64_t *hashes)
{
    int each = t->gradients->call_count, first = each * t->parts;
    int count = first + t->update->call_count;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            WEFT_TRY(restore(t, s));
        for (int part = 0; part < t->parts; part++)
            WEFT_TRY(run_and_hash(t->gradients, hashes + pass * count + part * each));
        WEFT_TRY(run_and_hash(t->update, hashes + pass * count + first));
    }
    return WEFT_OK;
}

/* The trainer returns to the state before the step. */
static enum weft_status fail(struct weft_trainer *t, const struct snapshot *s, int index)
{
    int each = t->gradients->call_count;
    bool is_update = index >= t->parts * each;
    struct weft_command_list *list = is_update ? t->update : t->gradients;
    const struct weft_recorded_call *call =
        &list->calls[is_update ? index - t->parts * each : index % each];
    char kernel[384];
    verify_describe_call(list, call, kernel, sizeof(kernel));
    WEFT_TRY(restore(t, s));
    return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                     "audit: step %" PRId64 ", %s: %s gave other bits in a second run on "
                     "%s: its hardware or driver is not reliable; continue from the last "
                     "checkpoint on another device",
                     t->queued + 1,
                     call->node >= 0 ? t->plan->graph.nodes[call->node].name
                     : is_update     ? "weights, from the gradients' sums"
                                     : "batch",
                     kernel, t->device->info.name);
}

enum weft_status weft_trainer_audit_step(struct weft_trainer *t)
{
    int count = t->parts * t->gradients->call_count + t->update->call_count, wrong = 0;
    struct snapshot before = {{NULL}};
    uint64_t *hashes = malloc(2 * (size_t)count * sizeof(*hashes));
    enum weft_status status =
        hashes ? save(t, &before)
               : weft_out_of_memory(t->device->context, "audit",
                                    2 * (size_t)count * sizeof(*hashes));
    if (!status)
        status = run_twice(t, &before, hashes);
    while (!status && wrong < count && hashes[wrong] == hashes[count + wrong])
        wrong++;
    if (!status && wrong < count)
        status = fail(t, &before, wrong);
    for (int i = 0; i < PARTS; i++)
        free(before.bytes[i]);
    free(hashes);
    return status;
}
