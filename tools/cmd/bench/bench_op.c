/* SPDX-License-Identifier: Apache-2.0 */
/* Single ops, and the roofline itself. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

struct op_run {
    const struct bench_workload *workload;
    const char *op;
};

struct timing_receiver {
    struct bench *bench;
    const struct op_run *run;
};

static void receive_timing(void *priv, const struct weft_timing *t)
{
    const struct timing_receiver *sink = priv;
    struct bench *b = sink->bench;
    double work = t->flops > 0 ? t->flops : t->bytes;
    char subject[128];
    bool named = sink->run->workload->ops[1] != NULL;
    snprintf(subject, sizeof(subject), "%s%s%s", named ? sink->run->op : "",
             named ? " " : "", t->name);
    struct bench_row *row =
        bench_add_row(b, BENCH_OP, sink->run->workload->name, subject);
    snprintf(row->phase, sizeof(row->phase), "%s", t->phase);
    snprintf(row->kernels, sizeof(row->kernels), "%s", t->kernels);
    snprintf(row->error, sizeof(row->error), "%s", t->error ? t->error : "");
    row->unit = t->flops > 0 ? "GFLOP/s" : "GB/s";
    row->flops = t->flops;
    row->bytes = t->bytes;
    row->relative_error = t->relative_error;
    row->launches = t->launches;
    row->bound = t->memory_bound ? "memory" : "compute";
    if (!t->count)
        return;
    double *rates = term_realloc_or_exit(NULL, (size_t)t->count * sizeof(*rates));
    for (int i = 0; i < t->count; i++)
        rates[i] = 1e-9 * work / t->seconds[i];
    bench_row_set_samples(row, rates, t->count);
    free(rates);
    row->seconds = t->median;
    row->roofline_fraction = t->roofline_seconds / t->median;
    term_progress("%s %s, %s: %.1f %s", row->workload, subject, row->phase, row->median,
                  row->unit);
}

static enum app_exit run_shape(struct bench *b, const char *shape, void *priv)
{
    const struct op_run *run = priv;
    struct timing_receiver sink = {b, run};
    enum weft_status status =
        weft_bench_op(b->probes, run->op, shape, receive_timing, &sink);
    if (!status)
        return APP_OK;
    return status == WEFT_ERR_ARG
               ? app_error(b->app, APP_USAGE, "%s", weft_error(b->app->context))
               : app_report_error(b->app, APP_WORK, status);
}

/* "softmax 512x10", for workloads of several ops. */
static enum app_exit run_named(struct bench *b, const char *item, void *priv)
{
    struct op_run run = *(const struct op_run *)priv;
    const char *space = strchr(item, ' ');
    for (int i = 0; run.workload->ops[i]; i++) {
        run.op = run.workload->ops[i];
        if (space && strlen(run.op) == (size_t)(space - item) &&
            !strncmp(item, run.op, strlen(run.op)))
            return run_shape(b, space + 1, &run);
    }
    return app_error(
        b->app, APP_USAGE,
        "--shape is '%s', but for %s must begin with an op and a space, like "
        "'softmax 512x10'",
        item, run.workload->name);
}

enum app_exit bench_run_ops(struct bench *b, const struct bench_workload *self)
{
    struct op_run run = {.workload = self};
    enum app_exit code = bench_open_roofline(b);
    if (!code && b->options->shapes) {
        run.op = self->ops[0];
        return bench_for_each_item(b, b->options->shapes,
                                   self->ops[1] ? run_named : run_shape, &run);
    }
    for (int i = 0; !code && self->ops[i]; i++) {
        const char *shape;
        run.op = self->ops[i];
        for (int k = 0; !code && (shape = weft_bench_op_shape(run.op, k)); k++)
            code = run_shape(b, shape, &run);
    }
    return code;
}

static void add_roofline_row(struct bench *b, const char *workload, const char *what,
                             double value, const char *unit)
{
    struct bench_row *row = bench_add_row(b, BENCH_ROOFLINE, workload, what);
    row->unit = unit;
    bench_row_set_samples(row, &value, 1);
}

/* The bandwidth of each memory level, then bandwidth-bound ops. */
enum app_exit bench_run_bandwidth(struct bench *b, const struct bench_workload *self)
{
    enum app_exit code = bench_open_roofline(b);
    for (int i = 0; !code && !b->options->shapes && i < WEFT_BANDWIDTH_LEVELS; i++) {
        const struct weft_bandwidth_level *level = &b->roofline.level[i];
        char what[64];
        double kib = (double)level->bytes / 1024;
        snprintf(what, sizeof(what), "read %s KiB", table_thousands(kib));
        add_roofline_row(b, self->name, what, 1e-9 * level->read, "GB/s");
        snprintf(what, sizeof(what), "copy %s KiB", table_thousands(kib));
        add_roofline_row(b, self->name, what, 1e-9 * level->copy, "GB/s");
    }
    return code ? code : bench_run_ops(b, self);
}

enum app_exit bench_run_launch_overhead(struct bench *b,
                                        const struct bench_workload *self)
{
    enum app_exit code = bench_open_roofline(b);
    if (code)
        return code;
    add_roofline_row(b, self->name, "peak", 1e-9 * b->roofline.flops_per_second,
                     "GFLOP/s");
    add_roofline_row(b, self->name, "launch overhead", 1e6 * b->roofline.launch_overhead,
                     "us");
    add_roofline_row(b, self->name, "synchronous launch", 1e6 * b->roofline.sync_latency,
                     "us");
    return APP_OK;
}
