/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a training step, layer by layer, against the roof. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

struct sink {
    struct bench *bench;
    const struct bench_workload *workload;
    const char *net;
    char image[32];
    int batch;
};

static void take(void *priv, const struct weft_timing *t)
{
    const struct sink *sink = priv;
    if (!t->count)
        return;
    struct bench_row *row =
        bench_row(sink->bench, BENCH_LAYER, sink->workload->name, sink->net);
    double work = t->flops > 0 ? t->flops : t->bytes;
    double *rates = term_alloc(NULL, (size_t)t->count * sizeof(*rates));
    snprintf(row->layer, sizeof(row->layer), "%s", t->name);
    snprintf(row->text, sizeof(row->text), "%s", t->text);
    snprintf(row->direction, sizeof(row->direction), "%s", t->what);
    snprintf(row->kernels, sizeof(row->kernels), "%s", t->kernels);
    snprintf(row->image, sizeof(row->image), "%s", sink->image);
    row->batch = sink->batch;
    row->unit = t->flops > 0 ? "GFLOP/s" : "GB/s";
    row->flops = t->flops;
    row->bytes = t->bytes;
    row->launches = t->launches;
    row->bound = t->memory_bound ? "memory" : "multiply";
    for (int i = 0; i < t->count; i++)
        rates[i] = 1e-9 * work / t->seconds[i];
    bench_take(row, rates, t->count);
    free(rates);
    row->seconds = t->median;
    row->roof_share = t->roof / t->median;
    term_progress("layers %s %s: %.1f %s", row->layer, row->direction, row->median,
                  row->unit);
}

struct job {
    struct sink sink;
    weft_net *net;
    weft_data *data;
};

static enum app_exit run_batch(struct bench *b, const char *piece, void *priv)
{
    struct job *job = priv;
    struct weft_net_info net;
    struct weft_step step;
    weft_net_info(job->net, &net);
    job->sink.batch = piece ? atoi(piece) : net.batch ? net.batch : 128;
    const struct weft_step_params params = {.batch = job->sink.batch, .training = true};
    enum weft_status status =
        weft_bench_step(b->probes, job->net, job->data, &params, take, &job->sink, &step);
    return status
               ? app_fail(b->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
               : bench_save(b);
}

static enum app_exit run_net(struct bench *b, const char *name, void *priv)
{
    struct job *job = priv;
    struct weft_net_info net;
    struct weft_data_info info;
    enum app_exit code =
        bench_choose(b, name ? name : "seed", b->options->images, &job->net, &job->data);
    if (!code) {
        weft_net_info(job->net, &net);
        weft_data_info(job->data, &info);
        job->sink.net = net.name;
        snprintf(job->sink.image, sizeof(job->sink.image), "%dx%dx%d", info.height,
                 info.width, info.channels);
        code = bench_each(b, b->batches, run_batch, job);
    }
    weft_net_destroy(&job->net);
    if (job->data != b->data)
        weft_data_destroy(&job->data);
    return code;
}

enum app_exit bench_layers(struct bench *b, const struct bench_workload *self)
{
    struct job job = {.sink = {.bench = b, .workload = self}};
    enum app_exit code = bench_probes(b);
    return code ? code : bench_each(b, b->options->nets, run_net, &job);
}
