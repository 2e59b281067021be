/* SPDX-License-Identifier: Apache-2.0 */
/* The segments of a training step, layer by layer, against the roofline. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

struct timing_receiver {
    struct bench *bench;
    const struct bench_workload *workload;
    const char *net;
    char input[32];
    int batch;
};

static void receive_layer_timing(void *priv, const struct weft_timing *t)
{
    const struct timing_receiver *sink = priv;
    if (!t->count)
        return;
    struct bench_row *row =
        bench_add_row(sink->bench, BENCH_LAYER, sink->workload->name, sink->net);
    double work = t->flops > 0 ? t->flops : t->bytes;
    double *rates = term_realloc_or_exit(NULL, (size_t)t->count * sizeof(*rates));
    snprintf(row->layer, sizeof(row->layer), "%s", t->name);
    snprintf(row->layer_text, sizeof(row->layer_text), "%s", t->layer_text);
    snprintf(row->phase, sizeof(row->phase), "%s", t->phase);
    snprintf(row->kernels, sizeof(row->kernels), "%s", t->kernels);
    snprintf(row->input, sizeof(row->input), "%s", sink->input);
    row->batch = sink->batch;
    row->unit = t->flops > 0 ? "GFLOP/s" : "GB/s";
    row->flops = t->flops;
    row->bytes = t->bytes;
    row->launches = t->launches;
    row->bound = t->memory_bound ? "memory" : "compute";
    for (int i = 0; i < t->count; i++)
        rates[i] = 1e-9 * work / t->seconds[i];
    bench_row_set_samples(row, rates, t->count);
    free(rates);
    row->seconds = t->median;
    row->roofline_fraction = t->roofline_seconds / t->median;
    term_progress("layers %s %s: %.1f %s", row->layer, row->phase, row->median,
                  row->unit);
}

struct layers_run {
    struct timing_receiver sink;
    weft_net *net;
    weft_dataset *data;
};

static enum app_exit run_batch(struct bench *b, const char *item, void *priv)
{
    struct layers_run *net_layers = priv;
    struct weft_net_info net;
    struct weft_step_report step;
    weft_net_info(net_layers->net, &net);
    net_layers->sink.batch = item ? atoi(item) : net.batch ? net.batch : 128;
    const struct weft_step_params params =
        *weft_step_params(.batch = net_layers->sink.batch, .training = true,
                          .report = receive_layer_timing, .priv = &net_layers->sink);
    enum weft_status status =
        weft_bench_step(b->probes, net_layers->net, net_layers->data, &params, &step);
    return status ? app_report_error(
                        b->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
                  : bench_save_json(b);
}

static enum app_exit run_net(struct bench *b, const char *name, void *priv)
{
    struct layers_run *net_layers = priv;
    struct weft_net_info net;
    struct weft_dataset_info info;
    enum app_exit code =
        bench_load_net_and_data(b, name ? name : "small", b->options->inputs,
                                &net_layers->net, &net_layers->data);
    if (!code)
        code = bench_open_roofline(b);
    if (!code) {
        weft_net_info(net_layers->net, &net);
        weft_dataset_info(net_layers->data, &info);
        net_layers->sink.net = net.name;
        snprintf(net_layers->sink.input, sizeof(net_layers->sink.input), "%dx%dx%d",
                 info.height, info.width, info.channels);
        code = bench_for_each_item(b, b->batches, run_batch, net_layers);
    }
    weft_net_destroy(&net_layers->net);
    if (net_layers->data != b->data)
        weft_dataset_destroy(&net_layers->data);
    return code;
}

enum app_exit bench_run_layers(struct bench *b, const struct bench_workload *self)
{
    struct layers_run net_layers = {.sink = {.bench = b, .workload = self}};
    return bench_for_each_item(b, b->options->nets, run_net, &net_layers);
}
