/* SPDX-License-Identifier: Apache-2.0 */
/* Test tensors in guarded memory: allocation, views and runs. */
#include "lab/tensors.h"

#include "util/half.h"
#include "util/hash.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_BYTES = 256 };

/* POISON fills outputs before a run: a NaN; as bytes no position in a window that tests
 * use. */
static const struct {
    size_t bytes;
    uint32_t poison;
} types[] = {
    [LAB_FLOAT] = {sizeof(float), 0xFFC5A5A5u},
    [LAB_BYTE] = {1, 0xDBDBDBDBu},
    [LAB_INT32] = {sizeof(uint32_t), 0xDBDBDBDBu},
};

size_t lab_element_bytes(const struct lab_tensor *t)
{
    return types[t->type].bytes;
}

size_t lab_tensor_bytes(const struct lab_tensor *t)
{
    return t->count * lab_element_bytes(t);
}

weft_context *lab_context(const struct lab_case *c)
{
    return c->device[c->device[LAB_DEVICE] ? LAB_DEVICE : LAB_REFERENCE]->context;
}

static struct lab_tensor *add_tensor(struct lab_case *c, struct lab_tensor tensor)
{
    assert(c->tensor_count < LAB_MAX_TENSORS);
    struct lab_tensor *t = &c->tensors[c->tensor_count++];
    *t = tensor;
    t->buffer = -1;
    return t;
}

struct lab_tensor *lab_add_tensor(struct lab_case *c, const char *name,
                                  enum lab_type type, int n, int h, int w, int channels)
{
    size_t count = (size_t)n * (size_t)h * (size_t)w * (size_t)channels;
    return add_tensor(c, (struct lab_tensor){.name = name,
                                             .type = type,
                                             .n = n,
                                             .h = h,
                                             .w = w,
                                             .c = channels,
                                             .count = count});
}

struct lab_tensor *lab_add_vector(struct lab_case *c, const char *name,
                                  enum lab_type type, size_t count)
{
    return add_tensor(c, (struct lab_tensor){.name = name, .type = type, .count = count});
}

void lab_finish(struct lab_case *c)
{
    for (int i = 0; i < c->buffer_count; i++) {
        struct lab_buffer *b = &c->buffers[i];
        for (int side = 0; side < LAB_SIDE_COUNT; side++) {
            if (b->mem[side])
                c->device[side]->backend->free(c->device[side], b->mem[side]);
            free(b->result[side]);
        }
        free(b->initial);
        free(b->saved);
    }
    for (int i = 0; i < c->tensor_count; i++)
        free(c->tensors[i].bound);
    c->tensor_count = c->buffer_count = c->placed = 0;
}

static enum weft_status allocate_buffer(struct lab_case *c, struct lab_buffer *b)
{
    bool enough = (b->initial = malloc(b->bytes)) != NULL;
    for (int side = 0; side < LAB_SIDE_COUNT; side++)
        if (c->device[side])
            enough = (b->result[side] = malloc(b->bytes)) && enough;
    if (!enough)
        return weft_out_of_memory(lab_context(c), "test tensors", b->bytes);
    for (size_t i = 0; i < b->bytes; i++)
        b->initial[i] = (unsigned char)(lab_guard_pattern(i / 4) >> (8 * (i % 4)));
    for (int side = 0; side < LAB_SIDE_COUNT; side++)
        if (c->device[side])
            WEFT_TRY(c->device[side]->backend->alloc(c->device[side], b->bytes,
                                                     &b->mem[side]));
    return WEFT_OK;
}

enum weft_status lab_allocate(struct lab_case *c, bool own_buffers,
                              struct lab_random *gaps)
{
    size_t cursor = 0;
    int first = c->buffer_count, next = first;
    for (int i = c->placed; i < c->tensor_count; i++) {
        struct lab_tensor *t = &c->tensors[i];
        if (own_buffers)
            cursor = 0;
        t->buffer = next;
        next += own_buffers || i == c->tensor_count - 1;
        cursor += GUARD_BYTES;
        if (gaps)
            cursor += (size_t)lab_random_int(gaps, 0, 3) * WEFT_ALIGN;
        t->at = (cursor + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
        cursor = t->at + lab_tensor_bytes(t);
        c->buffers[t->buffer] =
            (struct lab_buffer){.bytes = own_buffers ? cursor : cursor + GUARD_BYTES};
    }
    c->placed = c->tensor_count;
    c->buffer_count = next;
    for (int i = first; i < next; i++)
        WEFT_TRY(allocate_buffer(c, &c->buffers[i]));
    return WEFT_OK;
}

struct weft_view lab_view(const struct lab_case *c, const struct lab_tensor *t,
                          enum lab_side side)
{
    if (!t)
        return (struct weft_view){0};
    static const enum weft_type types_of[] = {
        [LAB_FLOAT] = WEFT_FLOAT32, [LAB_BYTE] = WEFT_UINT8, [LAB_INT32] = WEFT_INT32};
    enum weft_type type =
        t->half && side == LAB_DEVICE ? WEFT_FLOAT16 : types_of[t->type];
    return (struct weft_view){.mem = c->buffers[t->buffer].mem[side],
                              .offset = t->at / weft_type_bytes(type),
                              .count = t->count,
                              .type = type};
}

void *lab_initial(const struct lab_case *c, const struct lab_tensor *t)
{
    return c->buffers[t->buffer].initial + t->at;
}

void *lab_result(const struct lab_case *c, const struct lab_tensor *t, enum lab_side side)
{
    return c->buffers[t->buffer].result[side] + t->at;
}

void lab_quantize(struct lab_case *c, struct lab_tensor *t)
{
    float *to = t && t->half ? lab_initial(c, t) : NULL;
    for (size_t i = 0; to && i < t->count; i++)
        to[i] = weft_fp16_round(to[i]);
}

/* ---- float16: the first half of a tensor's bytes then a guard zone ---- */

static void store_half(unsigned char *to, unsigned word)
{
    const uint16_t half = (uint16_t)word;
    memcpy(to, &half, sizeof(half));
}

/* A buffer's bytes as the device has them, from float32. */
static void pack_halves(const struct lab_case *c, int buffer, unsigned char *bytes)
{
    for (int i = 0; i < c->placed; i++) {
        const struct lab_tensor *t = &c->tensors[i];
        if (!t->half || t->buffer != buffer)
            continue;
        for (size_t j = 0; j < t->count; j++) {
            float value;
            memcpy(&value, bytes + t->at + 4 * j, sizeof(value));
            store_half(bytes + t->at + 2 * j, weft_fp32_to_fp16(value));
        }
        for (size_t j = t->count; j < 2 * t->count; j++)
            store_half(bytes + t->at + 2 * j, lab_guard_pattern(64 * j));
    }
}

static void unpack_halves(struct lab_case *c, int buffer, unsigned char *bytes)
{
    struct lab_buffer *b = &c->buffers[buffer];
    b->overrun_at = 0;
    for (int i = 0; i < c->placed; i++) {
        const struct lab_tensor *t = &c->tensors[i];
        if (!t->half || t->buffer != buffer)
            continue;
        for (size_t j = 2 * t->count; j-- > 0;) { /* backwards: it grows in place */
            uint16_t half;
            memcpy(&half, bytes + t->at + 2 * j, sizeof(half));
            if (j >= t->count) {
                if (half != (uint16_t)lab_guard_pattern(64 * j))
                    b->overrun_at = t->at + 2 * j;
                continue;
            }
            float value = weft_fp16_to_fp32(half);
            memcpy(bytes + t->at + 4 * j, &value, sizeof(value));
        }
    }
}

/* ---- runs ---- */

void lab_poison(struct lab_case *c, struct lab_tensor *const outputs[])
{
    for (int i = 0; outputs[i]; i++) {
        const struct lab_tensor *t = outputs[i];
        unsigned char *to = lab_initial(c, t);
        for (size_t j = 0; !t->is_in_out && j < lab_tensor_bytes(t); j++)
            to[j] = (unsigned char)(types[t->type].poison >> (8 * (j % 4)));
    }
}

enum weft_status lab_upload(struct lab_case *c, enum lab_side side)
{
    struct weft_device *device = c->device[side];
    for (int i = 0; i < c->buffer_count; i++) {
        struct lab_buffer *b = &c->buffers[i];
        memcpy(b->result[side], b->initial, b->bytes);
        if (side == LAB_DEVICE)
            pack_halves(c, i, b->result[side]);
        WEFT_TRY(
            device->backend->write(device, b->mem[side], 0, b->result[side], b->bytes));
    }
    return WEFT_OK;
}

enum weft_status lab_download(struct lab_case *c, enum lab_side side)
{
    struct weft_device *device = c->device[side];
    for (int i = 0; i < c->buffer_count; i++) {
        struct lab_buffer *b = &c->buffers[i];
        WEFT_TRY(
            device->backend->read(device, b->result[side], b->mem[side], 0, b->bytes));
        if (side == LAB_DEVICE)
            unpack_halves(c, i, b->result[side]);
    }
    return WEFT_OK;
}

enum weft_status lab_run(struct lab_case *c, enum lab_side side,
                         struct weft_command_list *list,
                         struct lab_tensor *const outputs[], int replays)
{
    lab_poison(c, outputs);
    for (int i = 0; i < c->placed; i++)
        lab_quantize(c, &c->tensors[i]);
    WEFT_TRY(lab_upload(c, side));
    for (int i = 0; i < replays; i++)
        WEFT_TRY(c->device[side]->backend->replay(list));
    return lab_download(c, side);
}

enum weft_status lab_run_absolute(struct lab_case *c, struct weft_command_list *list,
                                  struct lab_tensor *const outputs[], int replays)
{
    for (int i = 0; i < c->buffer_count; i++) {
        struct lab_buffer *b = &c->buffers[i];
        if (!b->saved && !(b->saved = malloc(b->bytes)))
            return weft_out_of_memory(lab_context(c), "test tensors", b->bytes);
        memcpy(b->saved, b->initial, b->bytes);
    }
    for (int i = 0; i < c->placed; i++) {
        float *x = lab_initial(c, &c->tensors[i]);
        for (size_t j = 0; c->tensors[i].type == LAB_FLOAT && j < c->tensors[i].count;
             j++)
            x[j] = fabsf(x[j]);
    }
    enum weft_status status = lab_run(c, LAB_REFERENCE, list, outputs, replays);
    for (int i = 0; i < c->buffer_count; i++)
        memcpy(c->buffers[i].initial, c->buffers[i].saved, c->buffers[i].bytes);
    return status;
}

uint64_t lab_hash_results(const struct lab_case *c, enum lab_side side)
{
    uint64_t hash = 0;
    for (int i = 0; i < c->buffer_count; i++)
        hash = hash * 31 + weft_hash64(c->buffers[i].result[side], c->buffers[i].bytes);
    return hash;
}
