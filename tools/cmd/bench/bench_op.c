/* SPDX-License-Identifier: Apache-2.0 */
/* Single ops, and the device's roofs themselves. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

struct config {
    const struct bench_workload *workload;
    const char *op;
};

struct timing_receiver {
    struct bench *bench;
    const struct config *config;
};

static void receive_timing(void *priv, const struct weft_timing *t)
{
    const struct timing_receiver *sink = priv;
    struct bench *b = sink->bench;
    double work = t->flops > 0 ? t->flops : t->bytes;
    char what[128];
    bool named = sink->config->workload->ops[1] != NULL;
    snprintf(what, sizeof(what), "%s%s%s", named ? sink->config->op : "",
             named ? " " : "", t->name);
    struct bench_row *row =
        bench_add_row(b, BENCH_OP, sink->config->workload->name, what);
    snprintf(row->direction, sizeof(row->direction), "%s", t->phase);
    snprintf(row->kernels, sizeof(row->kernels), "%s", t->kernels);
    snprintf(row->fault, sizeof(row->fault), "%s", t->error ? t->error : "");
    row->unit = t->flops > 0 ? "GFLOP/s" : "GB/s";
    row->flops = t->flops;
    row->bytes = t->bytes;
    row->error = t->relative_error;
    row->launches = t->launches;
    row->bound = t->memory_bound ? "memory" : "multiply";
    if (!t->count)
        return;
    double *rates = term_realloc_or_exit(NULL, (size_t)t->count * sizeof(*rates));
    for (int i = 0; i < t->count; i++)
        rates[i] = 1e-9 * work / t->seconds[i];
    bench_row_set_samples(row, rates, t->count);
    free(rates);
    row->seconds = t->median;
    row->roof_share = t->roofline_seconds / t->median;
    term_progress("%s %s, %s: %.1f %s", row->workload, what, row->direction, row->median,
                  row->unit);
}

static enum app_exit run_shape(struct bench *b, const char *shape, void *priv)
{
    const struct config *config = priv;
    struct timing_receiver sink = {b, config};
    enum weft_status status =
        weft_bench_op(b->probes, config->op, shape, receive_timing, &sink);
    if (!status)
        return APP_OK;
    return status == WEFT_ERR_ARG
               ? app_error(b->app, APP_USAGE, "%s", weft_error(b->app->context))
               : app_report_error(b->app, APP_WORK, status);
}

/* "softmax 512x10" where a workload is of several ops. */
static enum app_exit run_named(struct bench *b, const char *piece, void *priv)
{
    struct config config = *(const struct config *)priv;
    const char *space = strchr(piece, ' ');
    for (int i = 0; config.workload->ops[i]; i++) {
        config.op = config.workload->ops[i];
        if (space && strlen(config.op) == (size_t)(space - piece) &&
            !strncmp(piece, config.op, strlen(config.op)))
            return run_shape(b, space + 1, &config);
    }
    return app_error(b->app, APP_USAGE,
                     "--shape is '%s', but for %s must begin with an op and a space: "
                     "'softmax 512x10'",
                     piece, config.workload->name);
}

enum app_exit bench_run_ops(struct bench *b, const struct bench_workload *self)
{
    struct config config = {self, NULL};
    enum app_exit code = bench_open_roofline(b);
    if (!code && b->options->shapes) {
        config.op = self->ops[0];
        return bench_for_each_item(b, b->options->shapes,
                                   self->ops[1] ? run_named : run_shape, &config);
    }
    for (int i = 0; !code && self->ops[i]; i++) {
        const char *shape;
        config.op = self->ops[i];
        for (int k = 0; !code && (shape = weft_bench_op_shape(config.op, k)); k++)
            code = run_shape(b, shape, &config);
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

/* The bandwidth of each level, then the ops that it limits. */
enum app_exit bench_run_bandwidth(struct bench *b, const struct bench_workload *self)
{
    enum app_exit code = bench_open_roofline(b);
    for (int i = 0; !code && !b->options->shapes && i < WEFT_BANDWIDTH_LEVELS; i++) {
        const struct weft_bandwidth_level *level = &b->roofs.level[i];
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
    add_roofline_row(b, self->name, "multiply-adds", 1e-9 * b->roofs.flops_per_second,
                     "GFLOP/s");
    add_roofline_row(b, self->name, "a launch, not waited for",
                     1e6 * b->roofs.launch_overhead, "us");
    add_roofline_row(b, self->name, "a launch, waited for", 1e6 * b->roofs.sync_latency,
                     "us");
    return APP_OK;
}
