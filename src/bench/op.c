/* SPDX-License-Identifier: Apache-2.0 */
/* One op at one shape: recorded on the device and on the reference, compared, timed. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct bench_op *const ops[] = {
    &bench_conv, &bench_dense, &bench_pool,      &bench_act,
    &bench_add,  &bench_norm,  &bench_dropout,   &bench_softmax,
    &bench_loss, &bench_input, &bench_optimizer,
};

const char *weft_bench_op_name(int index)
{
    return index >= 0 && index < (int)WEFT_COUNT(ops) ? ops[index]->name : NULL;
}

static const struct bench_op *find_op(const char *name)
{
    for (size_t i = 0; i < WEFT_COUNT(ops); i++)
        if (!strcmp(ops[i]->name, name))
            return ops[i];
    return NULL;
}

const char *weft_bench_op_shape(const char *name, int index)
{
    const struct bench_op *op = find_op(name);
    for (int i = 0; op && op->shapes[i]; i++)
        if (i == index)
            return op->shapes[i];
    return NULL;
}

/* A case on one device. */
struct side {
    struct bench_arena arena;
    struct weft_list *list;
};

static enum weft_status make_side(struct weft_device *device, const struct bench_op *op,
                                  const struct bench_case *c, enum weft_phase part,
                                  struct side *side)
{
    const struct weft_backend *backend = device->backend;
    double flops;
    side->arena.device = device;
    WEFT_TRY(op->record(c, part, &side->arena, NULL, &flops));
    size_t bytes = side->arena.used;
    side->arena = (struct bench_arena){.device = device};
    WEFT_TRY(backend->alloc(device, bytes, &side->arena.mem));
    WEFT_TRY(backend->list_create(device, &side->list));
    WEFT_TRY(op->record(c, part, &side->arena, side->list, &flops));
    WEFT_TRY(side->arena.status);
    return backend->list_seal(side->list);
}

static void drop_side(struct weft_device *device, struct side *side)
{
    if (side->list)
        device->backend->list_destroy(side->list);
    if (side->arena.mem)
        device->backend->free(device, side->arena.mem);
    *side = (struct side){0};
}

/* Whether the device's results are the reference's; told in `fault`. */
static enum weft_status check(struct weft_bench *b, const struct bench_op *op,
                              const struct bench_case *c, enum weft_phase part,
                              const struct side *device, char *fault, size_t size,
                              double *error)
{
    struct side reference = {0};
    enum weft_status status = make_side(b->reference, op, c, part, &reference);
    if (!status)
        status = b->reference->backend->replay(reference.list);
    if (!status)
        status = b->device->backend->replay(device->list);
    if (!status)
        status =
            bench_compare_results(&device->arena, &reference.arena, fault, size, error);
    drop_side(b->reference, &reference);
    return status;
}

static enum weft_status measure(struct weft_bench *b, const struct bench_op *op,
                                const struct bench_case *c, enum weft_phase part,
                                struct weft_timing *t, weft_timing_fn report, void *priv)
{
    struct side side = {0};
    double seconds[BENCH_MAX_SAMPLES];
    char kernels[256], fault[256];
    enum weft_status status = make_side(b->device, op, c, part, &side);
    if (!status)
        status = op->record(c, part, &(struct bench_arena){.device = b->device}, NULL,
                            &t->flops);
    if (!status)
        status = check(b, op, c, part, &side, fault, sizeof(fault), &t->error);
    if (!status) {
        t->what = weft_phase_names[part];
        t->launches = side.list->launches;
        t->bytes = side.arena.moved;
        t->fault = fault[0] ? fault : NULL;
        t->kernels = kernels;
        bench_tell_kernels(side.list, 0, t->launches, kernels, sizeof(kernels));
        bench_roof(b, t);
        if (!t->fault && b->params.seconds >= 0)
            status = bench_time(b, side.list, 0, t->launches, seconds, t);
    }
    if (!status)
        report(priv, t);
    drop_side(b->device, &side);
    return status;
}

enum weft_status weft_bench_op(weft_bench *b, const char *name, const char *shape,
                               weft_timing_fn report, void *priv)
{
    weft_context *ctx = b->device->context;
    const struct bench_op *op = find_op(name);
    struct bench_case c = {0};
    struct bench_shape s;
    if (!op)
        return weft_fail(ctx, WEFT_ERR_ARG, "bench: there is no op \"%s\"", name);
    WEFT_TRY(bench_shape_begin(ctx, name, shape, &s));
    WEFT_TRY(op->parse(&s, &c));
    for (int i = 0; op->parts[i] != WEFT_PHASE_COUNT; i++) {
        struct weft_timing t = {.name = shape, .text = ""};
        WEFT_TRY(measure(b, op, &c, op->parts[i], &t, report, priv));
    }
    return WEFT_OK;
}
