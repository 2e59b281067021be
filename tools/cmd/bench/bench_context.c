/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring time, time limit and roofline of a bench; lists of the command line. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

double bench_row_seconds(const struct bench *b, bool net)
{
    static const double defaults[2][2] = {{0.3, 3}, {0.1, 1}};
    return b->options->seconds > 0 ? b->options->seconds
                                   : defaults[b->options->compares_devices][net];
}

bool bench_time_is_up(struct bench *b)
{
    bool late = term_seconds() > b->deadline;
    if (late && !b->error[0])
        snprintf(
            b->error, sizeof(b->error),
            "the time limit of %.0f s ended before all measurements; raise --time-limit",
            b->options->time_limit);
    return late;
}

enum app_exit bench_open_roofline(struct bench *b)
{
    const struct weft_bench_params params =
        *weft_bench_params(.seconds = bench_row_seconds(b, false),
                           .seed = b->options->seed);
    if (b->probes)
        return APP_OK;
    term_wait_begin("Measuring the roofline of the device");
    enum weft_status status = weft_bench_create(b->app->device, &params, &b->probes);
    term_wait_end();
    if (status)
        return app_report_error(b->app, APP_WORK, status);
    weft_bench_roofline(b->probes, &b->roofline);
    const struct weft_roofline *r = &b->roofline;
    term_print(
        "Roofline  %s GFLOP/s; %s GB/s from %s KiB, %s from %s MiB; launch overhead "
        "%.1f us, synchronous %.1f us",
        table_thousands(1e-9 * r->flops_per_second),
        table_thousands(1e-9 * r->level[0].read),
        table_thousands((double)r->level[0].bytes / 1024),
        table_thousands(1e-9 * r->level[WEFT_BANDWIDTH_LEVELS - 1].read),
        table_thousands((double)r->level[WEFT_BANDWIDTH_LEVELS - 1].bytes / 1048576),
        1e6 * r->launch_overhead, 1e6 * r->sync_latency);
    return APP_OK;
}

enum app_exit bench_for_each_item(struct bench *b, const char *list,
                                  enum app_exit (*each)(struct bench *bench,
                                                        const char *item, void *priv),
                                  void *priv)
{
    enum app_exit code = APP_OK;
    if (!list)
        return each(b, NULL, priv);
    size_t size = strlen(list) + 1;
    char *copy = memcpy(term_realloc_or_exit(NULL, size), list, size), *at = copy;
    while (at && !code) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        code = each(b, at, priv);
        at = comma ? comma + 1 : NULL;
    }
    free(copy);
    return code;
}
