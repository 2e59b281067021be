/* SPDX-License-Identifier: Apache-2.0 */
/* Single ops, and the device's roofs themselves. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

struct choice {
    const struct bench_workload *workload;
    const char *op;
};

struct sink {
    struct bench *bench;
    const struct choice *choice;
};

static void take_timing(void *priv, const struct weft_timing *t)
{
    const struct sink *sink = priv;
    struct bench *b = sink->bench;
    double work = t->flops > 0 ? t->flops : t->bytes;
    char what[128];
    bool named = sink->choice->workload->ops[1] != NULL;
    snprintf(what, sizeof(what), "%s%s%s", named ? sink->choice->op : "",
             named ? " " : "", t->name);
    struct bench_row *row = bench_row(b, BENCH_OP, sink->choice->workload->name, what);
    snprintf(row->direction, sizeof(row->direction), "%s", t->what);
    snprintf(row->kernels, sizeof(row->kernels), "%s", t->kernels);
    snprintf(row->fault, sizeof(row->fault), "%s", t->fault ? t->fault : "");
    row->unit = t->flops > 0 ? "GFLOP/s" : "GB/s";
    row->flops = t->flops;
    row->bytes = t->bytes;
    row->error = t->error;
    row->launches = t->launches;
    row->bound = t->memory_bound ? "memory" : "multiply";
    if (!t->count)
        return;
    double *rates = term_alloc(NULL, (size_t)t->count * sizeof(*rates));
    for (int i = 0; i < t->count; i++)
        rates[i] = 1e-9 * work / t->seconds[i];
    bench_take(row, rates, t->count);
    free(rates);
    row->seconds = t->median;
    row->roof_share = t->roof / t->median;
    term_progress("%s %s, %s: %.1f %s", row->workload, what, row->direction, row->median,
                  row->unit);
}

static enum app_exit run_shape(struct bench *b, const char *shape, void *priv)
{
    const struct choice *choice = priv;
    struct sink sink = {b, choice};
    enum weft_status status =
        weft_bench_op(b->probes, choice->op, shape, take_timing, &sink);
    if (!status)
        return APP_DONE;
    return status == WEFT_ERR_ARG
               ? app_error(b->app, APP_USAGE, "%s", weft_error(b->app->context))
               : app_fail(b->app, APP_WORK, status);
}

/* "softmax 512x10" where a workload is of several ops. */
static enum app_exit run_named(struct bench *b, const char *piece, void *priv)
{
    struct choice choice = *(const struct choice *)priv;
    const char *space = strchr(piece, ' ');
    for (int i = 0; choice.workload->ops[i]; i++) {
        choice.op = choice.workload->ops[i];
        if (space && strlen(choice.op) == (size_t)(space - piece) &&
            !strncmp(piece, choice.op, strlen(choice.op)))
            return run_shape(b, space + 1, &choice);
    }
    return app_error(b->app, APP_USAGE,
                     "--shape is '%s', but for %s must begin with an op and a space: "
                     "'softmax 512x10'",
                     piece, choice.workload->name);
}

enum app_exit bench_ops(struct bench *b, const struct bench_workload *self)
{
    struct choice choice = {self, NULL};
    enum app_exit code = bench_probes(b);
    if (!code && b->options->shapes) {
        choice.op = self->ops[0];
        return bench_each(b, b->options->shapes, self->ops[1] ? run_named : run_shape,
                          &choice);
    }
    for (int i = 0; !code && self->ops[i]; i++) {
        const char *shape;
        choice.op = self->ops[i];
        for (int k = 0; !code && (shape = weft_bench_op_shape(choice.op, k)); k++)
            code = run_shape(b, shape, &choice);
    }
    return code;
}

static void add_roof(struct bench *b, const char *workload, const char *what,
                     double value, const char *unit)
{
    struct bench_row *row = bench_row(b, BENCH_ROOF, workload, what);
    row->unit = unit;
    bench_take(row, &value, 1);
}

/* The bandwidth of each level, then the ops that it limits. */
enum app_exit bench_memory(struct bench *b, const struct bench_workload *self)
{
    enum app_exit code = bench_probes(b);
    for (int i = 0; !code && !b->options->shapes && i < WEFT_ROOF_LEVELS; i++) {
        const struct weft_roof_level *level = &b->roofs.level[i];
        char what[64];
        double kib = (double)level->bytes / 1024;
        snprintf(what, sizeof(what), "read %s KiB", table_thousands(kib));
        add_roof(b, self->name, what, 1e-9 * level->read, "GB/s");
        snprintf(what, sizeof(what), "copy %s KiB", table_thousands(kib));
        add_roof(b, self->name, what, 1e-9 * level->copy, "GB/s");
    }
    return code ? code : bench_ops(b, self);
}

enum app_exit bench_launch(struct bench *b, const struct bench_workload *self)
{
    enum app_exit code = bench_probes(b);
    if (code)
        return code;
    add_roof(b, self->name, "multiply-adds", 1e-9 * b->roofs.flops, "GFLOP/s");
    add_roof(b, self->name, "a launch, not waited for", 1e6 * b->roofs.launch, "us");
    add_roof(b, self->name, "a launch, waited for", 1e6 * b->roofs.round_trip, "us");
    return APP_DONE;
}
