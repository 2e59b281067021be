/* SPDX-License-Identifier: Apache-2.0 */
/* One op at one shape: recorded on the device and on the reference, compared, timed. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct bench_op *const ops[] = {
    &bench_conv, &bench_dense, &bench_pool,      &bench_act,
    &bench_add,  &bench_norm,  &bench_dropout,   &bench_softmax,
    &bench_loss, &bench_input, &bench_optimizer,
};

static const struct bench_op *find_op(const char *name)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(ops); i++)
        if (!strcmp(ops[i]->name, name))
            return ops[i];
    return NULL;
}

const char *weft_bench_op_shape(const char *name, int index)
{
    if (!name)
        return index >= 0 && index < (int)WEFT_ARRAY_SIZE(ops) ? ops[index]->name : NULL;
    const struct bench_op *op = find_op(name);
    for (int i = 0; op && op->shapes[i]; i++)
        if (i == index)
            return op->shapes[i];
    return NULL;
}

/* A case on one device. */
struct bench_side {
    struct bench_buffers buffers;
    struct weft_command_list *list;
};

static enum weft_status bench_side_create(struct weft_device *device,
                                          const struct bench_op *op,
                                          const struct bench_case *c,
                                          enum weft_phase part, struct bench_side *side)
{
    const struct weft_backend *backend = device->backend;
    double flops;
    side->buffers.device = device;
    WEFT_TRY(op->record(c, part, &side->buffers, NULL, &flops));
    size_t bytes = side->buffers.used;
    side->buffers = (struct bench_buffers){.device = device};
    WEFT_TRY(backend->alloc(device, bytes, &side->buffers.mem));
    WEFT_TRY(backend->list_create(device, NULL, &side->list));
    WEFT_TRY(op->record(c, part, &side->buffers, side->list, &flops));
    WEFT_TRY(side->buffers.status);
    return backend->list_finalize(side->list);
}

static void bench_side_destroy(struct weft_device *device, struct bench_side *side)
{
    if (side->list)
        device->backend->list_destroy(side->list);
    if (side->buffers.mem)
        device->backend->free(device, side->buffers.mem);
    *side = (struct bench_side){0};
}

/* Whether the device's results are the reference's; told in `fault`. */
static enum weft_status check_against_reference(struct weft_bench *b,
                                                const struct bench_op *op,
                                                const struct bench_case *c,
                                                enum weft_phase part,
                                                const struct bench_side *device,
                                                char *fault, size_t size, double *error)
{
    struct bench_side reference = {0};
    enum weft_status status = bench_side_create(b->reference, op, c, part, &reference);
    if (!status)
        status = b->reference->backend->replay(reference.list);
    if (!status)
        status = b->device->backend->replay(device->list);
    if (!status)
        status = bench_compare_outputs(&device->buffers, &reference.buffers, fault, size,
                                       error);
    bench_side_destroy(b->reference, &reference);
    return status;
}

static enum weft_status measure(struct weft_bench *b, const struct bench_op *op,
                                const struct bench_case *c, enum weft_phase part,
                                struct weft_timing *t, weft_timing_fn report, void *priv)
{
    struct bench_side side = {0};
    double seconds[BENCH_MAX_SAMPLES];
    char kernels[256], fault[256];
    enum weft_status status = bench_side_create(b->device, op, c, part, &side);
    if (!status)
        status = op->record(c, part, &(struct bench_buffers){.device = b->device}, NULL,
                            &t->flops);
    if (!status)
        status = check_against_reference(b, op, c, part, &side, fault, sizeof(fault),
                                         &t->relative_error);
    if (!status) {
        t->phase = weft_phase_names[part];
        t->launches = side.list->info.launches;
        t->bytes = side.buffers.moved;
        t->error = fault[0] ? fault : NULL;
        t->kernels = kernels;
        bench_describe_kernels(side.list, 0, t->launches, kernels, sizeof(kernels));
        bench_set_roofline(b, t);
        if (!t->error && b->params.seconds >= 0)
            status = bench_measure(b, side.list, 0, t->launches, seconds, t);
    }
    if (!status)
        report(priv, t);
    bench_side_destroy(b->device, &side);
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
        struct weft_timing t = {.name = shape, .layer_text = ""};
        WEFT_TRY(measure(b, op, &c, op->parts[i], &t, report, priv));
    }
    return WEFT_OK;
}
