/* SPDX-License-Identifier: Apache-2.0 */
/* A case's tensors in guarded memory on both sides, and its recorded runs. */
#include "check.h"

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
    [CHECK_FLOAT] = {sizeof(float), 0xFFC5A5A5u},
    [CHECK_BYTE] = {1, 0xDBDBDBDBu},
    [CHECK_WORD] = {sizeof(uint32_t), 0xDBDBDBDBu},
};

size_t check_element(const struct check_tensor *t)
{
    return types[t->type].bytes;
}

static weft_context *context_of(const struct check_case *c)
{
    return c->check->device[CHECK_DEVICE]->context;
}

void check_case_init(struct check_case *c, struct check *k)
{
    c->check = k;
    check_tell(c, "seed %llu, case %d%s:", (unsigned long long)k->params->seed, k->number,
               k->params->small ? ", small" : "");
}

void check_case_finish(struct check_case *c)
{
    for (int side = 0; side < CHECK_SIDES; side++) {
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

void check_tell(struct check_case *c, const char *format, ...)
{
    size_t used = strlen(c->text);
    va_list args;
    va_start(args, format);
    vsnprintf(c->text + used, sizeof(c->text) - used, format, args);
    va_end(args);
}

struct check_tensor *check_tensor_add(struct check_case *c, const char *name,
                                      enum check_type type, int n, int h, int w, int c4)
{
    assert(c->tensor_count < CHECK_MAX_TENSORS);
    struct check_tensor *t = &c->tensors[c->tensor_count++];
    *t = (struct check_tensor){.name = name,
                               .type = type,
                               .n = n,
                               .h = h,
                               .w = w,
                               .c = c4,
                               .count = (size_t)n * (size_t)h * (size_t)w * (size_t)c4};
    return t;
}

struct check_run *check_run_add(struct check_case *c, const char *what,
                                check_record record, struct check_tensor *const writes[])
{
    assert(c->run_count < CHECK_MAX_RUNS);
    struct check_run *run = &c->runs[c->run_count++];
    *run = (struct check_run){.what = what, .record = record, .replays = 1};
    for (int i = 0; writes[i]; i++) {
        assert(i < CHECK_MAX_WRITES);
        run->writes[i] = writes[i];
    }
    return run;
}

static enum weft_status allocate_block(struct check_case *c, struct check_block *block)
{
    block->image = malloc(block->bytes);
    block->spare = malloc(block->bytes);
    for (int side = 0; side < CHECK_SIDES; side++)
        block->result[side] = malloc(block->bytes);
    if (!block->image || !block->spare || !block->result[0] || !block->result[1])
        return weft_out_of_memory(context_of(c), "verify", 4 * block->bytes);
    for (size_t i = 0; i < block->bytes; i++)
        block->image[i] = (unsigned char)(check_guard(i / 4) >> (8 * (i % 4)));
    for (int side = 0; side < CHECK_SIDES; side++) {
        struct weft_device *device = c->check->device[side];
        WEFT_TRY(device->backend->alloc(device, block->bytes, &block->mem[side]));
    }
    return WEFT_OK;
}

/* Mostly all tensors lie in one buffer, as in a network; sometimes each ends its own, so
 * that what is read beyond the slack is seen by a tool that watches memory. */
enum weft_status check_case_place(struct check_case *c)
{
    bool apart = check_chance(c->check, 25);
    size_t cursor = 0;
    for (int i = 0; i < c->tensor_count; i++) {
        struct check_tensor *t = &c->tensors[i];
        t->bound = calloc(t->count, sizeof(*t->bound));
        if (!t->bound)
            return weft_out_of_memory(context_of(c), "verify",
                                      t->count * sizeof(*t->bound));
        t->block = apart ? i : 0;
        cursor = apart ? 0 : cursor;
        cursor += GUARD_BYTES + (size_t)check_range(c->check, 0, 3) * WEFT_ALIGN;
        t->at = (cursor + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
        cursor = t->at + t->count * check_element(t);
        c->blocks[t->block].bytes = apart ? cursor : cursor + GUARD_BYTES;
    }
    check_tell(c, apart ? " [own buffers]" : " [one buffer]");
    c->block_count = apart ? c->tensor_count : 1;
    for (int i = 0; i < c->block_count; i++)
        WEFT_TRY(allocate_block(c, &c->blocks[i]));
    return WEFT_OK;
}

struct weft_view check_view(const struct check_case *c, const struct check_tensor *t,
                            enum check_side side)
{
    if (!t)
        return (struct weft_view){0};
    bool half = t->half && side == CHECK_DEVICE;
    size_t element = half ? check_element(t) / 2 : check_element(t);
    return (struct weft_view){.mem = c->blocks[t->block].mem[side],
                              .offset = t->at / element,
                              .count = t->count,
                              .type = half ? WEFT_FLOAT16 : WEFT_FLOAT32};
}

void *check_image(const struct check_case *c, const struct check_tensor *t)
{
    return c->blocks[t->block].image + t->at;
}

const void *check_result(const struct check_case *c, const struct check_tensor *t,
                         enum check_side side)
{
    return c->blocks[t->block].result[side] + t->at;
}

void check_integers(struct check_case *c, struct check_tensor *t, int low, int high)
{
    float *to = t ? check_image(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++)
        to[i] = (float)check_range(c->check, low, high);
    check_round(c, t);
}

void check_nonzero(struct check_case *c, struct check_tensor *t, int size)
{
    float *to = t ? check_image(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++) {
        int value = check_range(c->check, 1, 2 * size);
        to[i] = (float)(value > size ? size - value : value);
    }
}

void check_reals(struct check_case *c, struct check_tensor *t, float low, float high)
{
    float *to = t ? check_image(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++)
        to[i] = check_real(c->check, low, high);
    check_round(c, t);
}

void check_exact(struct check_case *c)
{
    for (int i = 0; i < c->tensor_count; i++) {
        struct check_tensor *t = &c->tensors[i];
        t->unordered = t->unbounded = t->spreads = false;
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] = 0;
    }
}

enum weft_status check_prepare(struct check_case *c, struct check_run *run,
                               enum check_side side)
{
    struct weft_device *device = c->check->device[side];
    struct weft_list *list = NULL;
    if (run->list[side])
        return WEFT_OK;
    WEFT_TRY(device->backend->list_create(device, &list));
    enum weft_status status = run->record(c, side, list);
    if (!status)
        status = device->backend->list_seal(list);
    if (status)
        device->backend->list_destroy(list);
    else
        run->list[side] = list;
    return status;
}

double check_products(struct check_case *c, struct check_run *run, double terms)
{
    /* What does not build is told of when it is to run. */
    (void)check_prepare(c, run, CHECK_DEVICE);
    const struct weft_list *list = run->list[CHECK_DEVICE];
    return check_gamma(list && list->split_floats ? 2 * terms + 12 : terms);
}

enum weft_status check_replay(struct check_case *c, struct check_run *run,
                              enum check_side side)
{
    struct weft_device *device = c->check->device[side];
    WEFT_TRY(check_prepare(c, run, side));
    for (int i = 0; run->writes[i]; i++) {
        struct check_tensor *t = run->writes[i];
        unsigned char *to = check_image(c, t);
        for (size_t j = 0; !t->updated && j < t->count * check_element(t); j++)
            to[j] = (unsigned char)(types[t->type].canary >> (8 * (j % 4)));
    }
    for (int i = 0; i < c->tensor_count; i++)
        check_round(c, &c->tensors[i]);
    for (int i = 0; i < c->block_count; i++) {
        struct check_block *b = &c->blocks[i];
        memcpy(b->result[side], b->image, b->bytes);
        if (side == CHECK_DEVICE)
            check_half_pack(c, i, b->result[side]);
        WEFT_TRY(
            device->backend->write(device, b->mem[side], 0, b->result[side], b->bytes));
    }
    for (int i = 0; i < run->replays; i++)
        WEFT_TRY(device->backend->replay(run->list[side]));
    for (int i = 0; i < c->block_count; i++)
        WEFT_TRY(device->backend->read(device, c->blocks[i].result[side],
                                       c->blocks[i].mem[side], 0, c->blocks[i].bytes));
    for (int i = 0; i < c->block_count && side == CHECK_DEVICE; i++)
        check_half_unpack(c, i, c->blocks[i].result[side]);
    return WEFT_OK;
}

enum weft_status check_absolute(struct check_case *c, struct check_run *run)
{
    for (int i = 0; i < c->block_count; i++)
        memcpy(c->blocks[i].spare, c->blocks[i].image, c->blocks[i].bytes);
    for (int i = 0; i < c->tensor_count; i++) {
        float *x = check_image(c, &c->tensors[i]);
        for (size_t j = 0; c->tensors[i].type == CHECK_FLOAT && j < c->tensors[i].count;
             j++)
            x[j] = fabsf(x[j]);
    }
    enum weft_status status = check_replay(c, run, CHECK_REFERENCE);
    for (int i = 0; i < c->block_count; i++)
        memcpy(c->blocks[i].image, c->blocks[i].spare, c->blocks[i].bytes);
    return status;
}
