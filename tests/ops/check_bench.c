/* SPDX-License-Identifier: Apache-2.0 */
/* Timings of check_op: weft_bench_op, one line for each direction. */
#include "ops/check_bench.h"

#include <weft/bench.h>

#include <stdio.h>
#include <string.h>

struct timing_summary {
    int found, failed;
    const char *op;
};

static void print(void *priv, const struct weft_timing *t)
{
    struct timing_summary *counts = priv;
    double work = t->flops > 0 ? t->flops : t->bytes;
    counts->found++;
    if (t->error) {
        counts->failed++;
        printf("FAIL %s %s, %s: %s\n", counts->op, t->name, t->phase, t->error);
        return;
    }
    printf("%-9s %-42s %-16s %9.4f ms (%.4f to %.4f) %8.1f %-7s %5.1f %% of %s roof; "
           "%d launches: %s\n",
           counts->op, t->name, t->phase, 1e3 * t->median, 1e3 * t->fastest,
           1e3 * t->slowest, 1e-9 * work / t->median, t->flops > 0 ? "GFLOP/s" : "GB/s",
           100 * t->roofline_seconds / t->median, t->memory_bound ? "memory" : "multiply",
           t->launches, t->kernels);
    fflush(stdout);
}

bool print_op_timings(weft_context *context, weft_device *device, const char *op)
{
    const char *slash = strchr(op, '/'), *shape = slash ? slash + 1 : NULL;
    char name[32];
    struct timing_summary counts = {.op = name};
    weft_bench *bench = NULL;
    enum weft_status status = weft_bench_create(device, NULL, &bench);
    snprintf(name, sizeof(name), "%.*s", (int)(slash ? slash - op : 31), op);
    if (!status && shape)
        status = weft_bench_op(bench, name, shape, print, &counts);
    for (int i = 0; !shape && !status && (op = weft_bench_op_shape(name, i)); i++)
        status = weft_bench_op(bench, name, op, print, &counts);
    if (status)
        printf("FAIL %s: %s\n", name, weft_error(context));
    weft_bench_destroy(&bench);
    return !status && counts.found && !counts.failed;
}
