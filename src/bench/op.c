/* SPDX-License-Identifier: Apache-2.0 */
/* One op at one shape: verified, then timed. */
#include "bench/bench.h"
#include "device/process.h"
#include "lab/compare.h"
#include "verify/trace.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct bench_op *const ops[] = {
    &bench_conv,      &bench_dense,
    &bench_pool,      &bench_act,
    &bench_add,       &bench_norm,
    &bench_dropout,   &bench_softmax,
    &bench_loss,      &bench_input,
    &bench_optimizer, &bench_slice,
    &bench_scale,     &bench_channel_shuffle,
    &bench_prelu,     &bench_layer_norm,
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

struct weft_view bench_view(size_t count)
{
    static char nothing;
    return (struct weft_view){.mem = (struct weft_mem *)(void *)&nothing, .count = count};
}

/* Bytes read and written; only a few words of the state are. */
static double count_bytes(const struct lab_call *call)
{
    double bytes = 0;
    for (int i = 0; i < call->argument_count; i++) {
        const struct lab_argument *a = &call->arguments[i];
        if (a->content != LAB_STATE)
            bytes +=
                (double)lab_tensor_bytes(&call->lab.tensors[i]) * (a->read + a->written);
    }
    return bytes;
}

/* Multiply-adds for the samples of a result. */
static const double sample_work = 1e7;

/* Checks the device's results; `fault` is "" if they are right. */
static enum weft_status verify(struct lab_call *call, struct weft_command_list *list,
                               char *fault, size_t size, double *error)
{
    struct verify_trace trace;
    fault[0] = '\0';
    WEFT_TRY(lab_run(&call->lab, LAB_DEVICE, list, call->outputs, 1));
    if (lab_find_overwrite(&call->lab, LAB_DEVICE, call->outputs, fault, size))
        return WEFT_OK;
    verify_trace_init(&trace, sample_work);
    enum weft_status status = verify_trace_results(&trace, call, list);
    snprintf(fault, size, "%s", trace.fault);
    *error = trace.relative_error;
    verify_trace_finish(&trace);
    return status;
}

static enum weft_status measure(struct weft_bench *b, const struct bench_op *op,
                                const struct bench_case *c, enum weft_phase phase,
                                struct weft_timing *t, weft_timing_fn report, void *priv)
{
    struct weft_device *const devices[LAB_SIDE_COUNT] = {b->device, NULL};
    struct bench_call work = {0};
    struct lab_call call;
    struct weft_command_list *list = NULL;
    double seconds[BENCH_MAX_SAMPLES];
    char kernels[256], fault[256];
    op->call(c, phase, &work);
    enum weft_status status = lab_call_init(&call, &work.call, devices);
    if (!status) {
        lab_call_fill(&call);
        status = lab_call_record(&call, LAB_DEVICE, NULL, &list);
    }
    if (!status)
        status = verify(&call, list, fault, sizeof(fault), &t->relative_error);
    if (!status) {
        t->phase = weft_phase_names[phase];
        t->launches = list->info.launches;
        t->flops = work.flops;
        t->bytes = count_bytes(&call) + work.extra_bytes;
        t->error = fault[0] ? fault : NULL;
        t->kernels = kernels;
        bench_describe_kernels(list, 0, t->launches, kernels, sizeof(kernels));
        bench_set_roofline(b, t);
        if (!t->error && b->params.seconds >= 0)
            status = bench_measure(b, list, 0, t->launches, seconds, t);
    }
    if (!status)
        report(priv, t);
    if (list)
        b->device->backend->list_destroy(list);
    lab_call_finish(&call);
    return status;
}

enum weft_status weft_bench_op(weft_bench *b, const char *name, const char *shape,
                               weft_timing_fn report, void *priv)
{
    WEFT_REQUIRE_POINTER(NULL, b, "bench");
    WEFT_REQUIRE_DEVICE(b->device);
    weft_context *ctx = b->device->context;
    WEFT_REQUIRE_POINTER(ctx, name, "op");
    WEFT_REQUIRE_POINTER(ctx, shape, "shape");
    WEFT_REQUIRE_POINTER(ctx, report, "report");
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
