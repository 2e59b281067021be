/* SPDX-License-Identifier: Apache-2.0 */
/* The table of workloads. */
#include "bench/bench.h"

#include <string.h>

static const char *const conv[] = {"conv", NULL}, *const gemm[] = {"dense", NULL};
static const char *const pool[] = {"pool", NULL};
static const char *const memory[] = {
    "act",   "add",   "batch-norm",      "dropout",    "softmax",
    "loss",  "batch", "optimizer",       "layer-norm", "prelu",
    "scale", "slice", "channel-shuffle", NULL};

static const char batches[] = "32,128,512";
static const struct bench_workload workloads[] = {
    {.name = "train",
     .run = bench_run_training,
     .default_batches = batches,
     .compares_devices = true},
    {.name = "inference",
     .run = bench_run_inference,
     .default_batches = batches,
     .compares_devices = true},
    {.name = "latency", .run = bench_run_latency, .compares_devices = true},
    {.name = "convergence", .run = bench_run_convergence, .compares_devices = true},
    {.name = "layers", .run = bench_run_layers, .compares_devices = true},
    {.name = "conv", .run = bench_run_ops, .ops = conv},
    {.name = "gemm", .run = bench_run_ops, .ops = gemm},
    {.name = "pool", .run = bench_run_ops, .ops = pool},
    {.name = "memory", .run = bench_run_bandwidth, .ops = memory},
    {.name = "launch", .run = bench_run_launch_overhead},
};
enum { WORKLOADS = sizeof(workloads) / sizeof(*workloads) };

enum app_exit bench_find_workload(const struct app *app, const char *word,
                                  const struct bench_workload **out)
{
    const char *names[WORKLOADS];
    char list[128] = "";
    for (int i = 0; i < WORKLOADS; i++) {
        size_t at = strlen(list);
        names[i] = workloads[i].name;
        snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", names[i]);
        if (!strcmp(names[i], word)) {
            *out = &workloads[i];
            return APP_OK;
        }
    }
    char close[WEFT_SUGGESTION];
    return app_error(app, APP_USAGE, "there is no workload '%s' (there are %s)%s", word,
                     list, weft_suggestion(word, names, WORKLOADS, close));
}

int bench_comparison_workloads(const char **out, int room)
{
    int count = 0;
    for (int i = 0; i < WORKLOADS && count + 1 < room; i++)
        if (workloads[i].compares_devices)
            out[count++] = workloads[i].name;
    out[count] = NULL;
    return count;
}
