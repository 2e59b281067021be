/* SPDX-License-Identifier: Apache-2.0 */
/* A case's tensors in guarded memory on both sides, and its recorded runs. */
#include "verify/verify.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CANARY fills outputs before a run: a NaN; as bytes it is no place of a window that we
 * draw. */
enum { GUARD_BYTES = 256 };

static const struct {
    size_t bytes;
    uint32_t canary;
} types[] = {
    [VERIFY_FLOAT] = {sizeof(float), 0xFFC5A5A5u},
    [VERIFY_BYTE] = {1, 0xDBDBDBDBu},
    [VERIFY_INT32] = {sizeof(uint32_t), 0xDBDBDBDBu},
};

size_t tensor_element_size(const struct verify_tensor *t)
{
    return types[t->type].bytes;
}

static weft_context *device_context(const struct verify_case *c)
{
    return c->check->device[VERIFY_DEVICE]->context;
}

void case_init(struct verify_case *c, struct verify_context *k)
{
    c->check = k;
    case_describe(c, "seed %llu, case %d%s:", (unsigned long long)k->params->seed,
                  k->number, k->params->tiny_shapes ? ", small" : "");
}

void case_finish(struct verify_case *c)
{
    for (int side = 0; side < VERIFY_SIDE_COUNT; side++) {
        struct weft_device *device = c->check->device[side];
        for (int i = 0; i < c->run_count; i++)
            if (c->runs[i].list[side])
                device->backend->list_destroy(c->runs[i].list[side]);
        for (int i = 0; i < c->block_count; i++) {
            if (c->blocks[i].mem[side])
                device->backend->free(device, c->blocks[i].mem[side]);
            free(c->blocks[i].result[side]);
        }
    }
    for (int i = 0; i < c->block_count; i++) {
        free(c->blocks[i].image);
        free(c->blocks[i].spare);
    }
    for (int i = 0; i < c->tensor_count; i++)
        free(c->tensors[i].bound);
}

void case_describe(struct verify_case *c, const char *format, ...)
{
    size_t used = strlen(c->text);
    va_list args;
    va_start(args, format);
    vsnprintf(c->text + used, sizeof(c->text) - used, format, args);
    va_end(args);
}

struct verify_tensor *case_add_tensor(struct verify_case *c, const char *name,
                                      enum verify_type type, int n, int h, int w, int c4)
{
    assert(c->tensor_count < VERIFY_MAX_TENSORS);
    struct verify_tensor *t = &c->tensors[c->tensor_count++];
    *t = (struct verify_tensor){.name = name,
                                .type = type,
                                .n = n,
                                .h = h,
                                .w = w,
                                .c = c4,
                                .count = (size_t)n * (size_t)h * (size_t)w * (size_t)c4};
    return t;
}

struct verify_run *case_add_run(struct verify_case *c, const char *what,
                                verify_record_fn record,
                                struct verify_tensor *const writes[])
{
    assert(c->run_count < VERIFY_MAX_RUNS);
    struct verify_run *run = &c->runs[c->run_count++];
    *run = (struct verify_run){.what = what, .record = record, .replays = 1};
    for (int i = 0; writes[i]; i++) {
        assert(i < VERIFY_MAX_OUTPUTS);
        run->outputs[i] = writes[i];
    }
    return run;
}

static enum weft_status allocate_block(struct verify_case *c, struct verify_buffer *block)
{
    block->image = malloc(block->bytes);
    block->spare = malloc(block->bytes);
    for (int side = 0; side < VERIFY_SIDE_COUNT; side++)
        block->result[side] = malloc(block->bytes);
    if (!block->image || !block->spare || !block->result[0] || !block->result[1])
        return weft_out_of_memory(device_context(c), "verify", 4 * block->bytes);
    for (size_t i = 0; i < block->bytes; i++)
        block->image[i] = (unsigned char)(guard_pattern(i / 4) >> (8 * (i % 4)));
    for (int side = 0; side < VERIFY_SIDE_COUNT; side++) {
        struct weft_device *device = c->check->device[side];
        WEFT_TRY(device->backend->alloc(device, block->bytes, &block->mem[side]));
    }
    return WEFT_OK;
}

/* Mostly all tensors lie in one buffer, as in a network; sometimes each ends its own, so
 * that what is read beyond the slack is seen by a tool that watches memory. */
enum weft_status case_allocate(struct verify_case *c)
{
    bool apart = random_bool(c->check, 25);
    size_t cursor = 0;
    for (int i = 0; i < c->tensor_count; i++) {
        struct verify_tensor *t = &c->tensors[i];
        t->bound = calloc(t->count, sizeof(*t->bound));
        if (!t->bound)
            return weft_out_of_memory(device_context(c), "verify",
                                      t->count * sizeof(*t->bound));
        t->block = apart ? i : 0;
        cursor = apart ? 0 : cursor;
        cursor += GUARD_BYTES + (size_t)random_int(c->check, 0, 3) * WEFT_ALIGN;
        t->at = (cursor + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
        cursor = t->at + t->count * tensor_element_size(t);
        c->blocks[t->block].bytes = apart ? cursor : cursor + GUARD_BYTES;
    }
    case_describe(c, apart ? " [own buffers]" : " [one buffer]");
    c->block_count = apart ? c->tensor_count : 1;
    for (int i = 0; i < c->block_count; i++)
        WEFT_TRY(allocate_block(c, &c->blocks[i]));
    return WEFT_OK;
}

struct weft_view tensor_view(const struct verify_case *c, const struct verify_tensor *t,
                             enum verify_side side)
{
    if (!t)
        return (struct weft_view){0};
    bool half = t->half && side == VERIFY_DEVICE;
    size_t element = half ? tensor_element_size(t) / 2 : tensor_element_size(t);
    return (struct weft_view){.mem = c->blocks[t->block].mem[side],
                              .offset = t->at / element,
                              .count = t->count,
                              .type = half ? WEFT_FLOAT16 : WEFT_FLOAT32};
}

void *tensor_initial_data(const struct verify_case *c, const struct verify_tensor *t)
{
    return c->blocks[t->block].image + t->at;
}

const void *tensor_result(const struct verify_case *c, const struct verify_tensor *t,
                          enum verify_side side)
{
    return c->blocks[t->block].result[side] + t->at;
}

void tensor_fill_integers(struct verify_case *c, struct verify_tensor *t, int low,
                          int high)
{
    float *to = t ? tensor_initial_data(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++)
        to[i] = (float)random_int(c->check, low, high);
    tensor_quantize(c, t);
}

void tensor_fill_nonzero(struct verify_case *c, struct verify_tensor *t, int size)
{
    float *to = t ? tensor_initial_data(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++) {
        int value = random_int(c->check, 1, 2 * size);
        to[i] = (float)(value > size ? size - value : value);
    }
}

void tensor_fill_uniform(struct verify_case *c, struct verify_tensor *t, float low,
                         float high)
{
    float *to = t ? tensor_initial_data(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++)
        to[i] = random_float(c->check, low, high);
    tensor_quantize(c, t);
}

void bounds_zero(struct verify_case *c)
{
    for (int i = 0; i < c->tensor_count; i++) {
        struct verify_tensor *t = &c->tensors[i];
        t->not_compared = t->allow_nonfinite = t->nan_may_spread = false;
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] = 0;
    }
}

enum weft_status run_record(struct verify_case *c, struct verify_run *run,
                            enum verify_side side)
{
    struct weft_device *device = c->check->device[side];
    struct weft_command_list *list = NULL;
    if (run->list[side])
        return WEFT_OK;
    struct weft_command_list_params params = run->list_params;
    if (side == VERIFY_DEVICE)
        params.random_config_seed = c->check->random_config_seed;
    WEFT_TRY(device->backend->list_create(device, &params, &list));
    enum weft_status status = run->record(c, side, list);
    if (!status)
        status = device->backend->list_finalize(list);
    if (status)
        device->backend->list_destroy(list);
    else
        run->list[side] = list;
    return status;
}

double products_error_bound(struct verify_case *c, struct verify_run *run, double terms)
{
    /* What does not build is told of when it is to run. */
    (void)run_record(c, run, VERIFY_DEVICE);
    const struct weft_command_list *list = run->list[VERIFY_DEVICE];
    return gamma_bound(list && list->info.tf32x3 ? 2 * terms + 12 : terms);
}

enum weft_status run_execute(struct verify_case *c, struct verify_run *run,
                             enum verify_side side)
{
    struct weft_device *device = c->check->device[side];
    WEFT_TRY(run_record(c, run, side));
    for (int i = 0; run->outputs[i]; i++) {
        struct verify_tensor *t = run->outputs[i];
        unsigned char *to = tensor_initial_data(c, t);
        for (size_t j = 0; !t->is_in_out && j < t->count * tensor_element_size(t); j++)
            to[j] = (unsigned char)(types[t->type].canary >> (8 * (j % 4)));
    }
    for (int i = 0; i < c->tensor_count; i++)
        tensor_quantize(c, &c->tensors[i]);
    for (int i = 0; i < c->block_count; i++) {
        struct verify_buffer *b = &c->blocks[i];
        memcpy(b->result[side], b->image, b->bytes);
        if (side == VERIFY_DEVICE)
            buffer_pack_fp16(c, i, b->result[side]);
        WEFT_TRY(
            device->backend->write(device, b->mem[side], 0, b->result[side], b->bytes));
    }
    for (int i = 0; i < run->replays; i++)
        WEFT_TRY(device->backend->replay(run->list[side]));
    for (int i = 0; i < c->block_count; i++)
        WEFT_TRY(device->backend->read(device, c->blocks[i].result[side],
                                       c->blocks[i].mem[side], 0, c->blocks[i].bytes));
    for (int i = 0; i < c->block_count && side == VERIFY_DEVICE; i++)
        buffer_unpack_fp16(c, i, c->blocks[i].result[side]);
    return WEFT_OK;
}

enum weft_status run_reference_abs(struct verify_case *c, struct verify_run *run)
{
    for (int i = 0; i < c->block_count; i++)
        memcpy(c->blocks[i].spare, c->blocks[i].image, c->blocks[i].bytes);
    for (int i = 0; i < c->tensor_count; i++) {
        float *x = tensor_initial_data(c, &c->tensors[i]);
        for (size_t j = 0; c->tensors[i].type == VERIFY_FLOAT && j < c->tensors[i].count;
             j++)
            x[j] = fabsf(x[j]);
    }
    enum weft_status status = run_execute(c, run, VERIFY_REFERENCE);
    for (int i = 0; i < c->block_count; i++)
        memcpy(c->blocks[i].image, c->blocks[i].spare, c->blocks[i].bytes);
    return status;
}
