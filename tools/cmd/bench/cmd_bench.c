/* SPDX-License-Identifier: Apache-2.0 */
/* weft bench: measures networks and ops on one device. */
#include "bench/bench.h"

#include "core/paths.h"
#include "report/report.h"
#include "results/device_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const struct args_option options[] = {
    {.name = "net",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, nets),
     .value = "LIST",
     .help = "built-in networks or files, such as small,medium; default small"},
    {.name = "data",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, data),
     .value = "SPEC",
     .help = "dataset; default fashion-mnist"},
    {.name = "input",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, inputs),
     .value = "LIST",
     .help = "noise images of size HxWxC instead of --data, such as 28x28x1,224x224x3"},
    {.name = "batch",
     .letter = 'b',
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, batches),
     .value = "LIST",
     .help = "images per step, such as 128 or 1,32,512; default: the network's, 1 for "
             "latency"},
    {.name = "precision",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, precisions),
     .value = "LIST",
     .help = "of train, inference and latency, such as float32,float16,auto; default "
             "float32"},
    {.name = "shape",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, shapes),
     .value = "LIST",
     .help =
         "conv: 64x28x28x32:64x3x3 (images, rows, columns, channels; filters, rows, "
         "columns) with :stride=2 :pad=valid :groups=4 :pool=2 :relu; gemm: 256x512x512 "
         "(images, inputs, outputs); pool: 64x28x28x32:2x2; memory: 'act "
         "4194304:gelu', 'softmax 512x1000' etc.; default: typical shapes"},
    {.name = "time",
     .kind = ARGS_DURATION,
     .offset = offsetof(struct bench_options, seconds),
     .value = "T",
     .help = "measuring time per row; default 3s for networks, 0.3s for ops"},
    {.name = "seed",
     .letter = 's',
     .kind = ARGS_SEED,
     .offset = offsetof(struct bench_options, seed),
     .value = "S",
     .help = "random seed; default 1"},
    {.name = "quick",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct bench_options, quick),
     .help = "throughput only: no roofline, no verification of results"},
    {.name = "target-accuracy",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct bench_options, target_accuracy),
     .value = "X",
     .help = "test accuracy that ends convergence; default 80%"},
    {.name = "time-limit",
     .kind = ARGS_DURATION,
     .offset = offsetof(struct bench_options, time_limit),
     .value = "T",
     .help = "total time per device; the rest is skipped; default 2m with -d all"},
    {.name = "internal-comparison",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct bench_options, compares_devices)},
    {.name = "json",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, json),
     .value = "FILE.json",
     .help = "save the results with all samples, for weft compare"},
    {.name = "report",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct bench_options, report),
     .value = "FILE.html",
     .help = "save the results as a self-contained HTML page"},
    {0},
};

static const struct args_option *const shared_options[] = {app_device_options,
                                                           app_output_options, NULL};

/* Seconds since the start of this process, or since main if /proc is unavailable. */
static double process_seconds(double since_main)
{
    size_t size;
    char *text = paths_read_file("/proc/self/stat", 4096, &size, NULL);
    char *at = text ? strrchr(text, ')') : NULL;
    unsigned long long ticks = 0;
    struct timespec now;
    /* Field 22; the second is the name in brackets, which may contain anything. */
    bool known = at && sscanf(at + 1,
                              " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
                              "%*d %*d %*d %*d %*d %llu",
                              &ticks) == 1;
    free(text);
    if (!known || clock_gettime(CLOCK_BOOTTIME, &now))
        return since_main;
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec -
                     (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return seconds > since_main && seconds < since_main + 10 ? seconds : since_main;
}

static enum app_exit check_batches(struct bench *b)
{
    const char *text = b->options->batches;
    while (text && *text) {
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || value < 1 || value > 1 << 20 || (*end && *end != ',') ||
            (*end == ',' && !end[1]))
            return app_error(b->app, APP_USAGE,
                             "--batch is '%s', but must be like 128 or 1,32,512",
                             b->options->batches);
        text = *end ? end + 1 : NULL;
    }
    return APP_OK;
}

static enum app_exit check_input(struct bench *b, const char *item, void *priv)
{
    struct weft_dataset_info shape;
    (void)priv;
    return item ? app_parse_input(b->app, item, &shape) : APP_OK;
}

static enum app_exit check_precisions(struct bench *b)
{
    const char *text = b->options->precisions;
    while (text) {
        size_t length = strcspn(text, ",");
        if (app_parse_precision(text, length) < 0)
            return app_error(b->app, APP_USAGE,
                             "--precision is '%s', but must be like float32,float16",
                             b->options->precisions);
        text = text[length] ? text + length + 1 : NULL;
    }
    return APP_OK;
}

/* Checks options and workloads before any driver is loaded. */
static enum app_exit check(struct bench *b, char **words, int count,
                           const struct bench_workload *chosen[BENCH_MAX_LIST])
{
    enum app_exit code = check_batches(b);
    if (!code)
        code = check_precisions(b);
    if (!code)
        code = bench_for_each_item(b, b->options->inputs, check_input, NULL);
    if (!code && count > BENCH_MAX_LIST)
        code = app_error(b->app, APP_USAGE, "more than %d workloads; split the command",
                         BENCH_MAX_LIST);
    for (int i = 0; i < count && !code; i++)
        code = bench_find_workload(b->app, words[i], &chosen[i]);
    return code;
}

/* Warns if other work disturbed the run, and writes its HTML report. */
static enum app_exit report(const struct bench *b)
{
    struct results results = {0};
    char noise[DEVICE_TABLE_NOISE_BYTES];
    size_t size;
    bool human = !b->options->app.format;
    if (!b->options->report && !human)
        return APP_OK;
    char *text = bench_json_text(b, &size);
    enum app_exit code =
        text ? results_parse(b->app, &results, "the results", text, size)
             : app_error(b->app, APP_FAILED, "out of memory for the report");
    free(text);
    if (!code && human && device_table_noise(results_run(&results, 0), noise))
        term_warn("%s", noise);
    if (!code)
        code = report_save(b->app, &results, b->options->report);
    results_free(&results);
    return code;
}

static enum app_exit bench(struct bench *b, const struct bench_workload *const *chosen,
                           int count)
{
    enum app_exit code;
    bool prefetch = !b->options->inputs && (chosen[0]->run == bench_run_training ||
                                            chosen[0]->run == bench_run_inference);
    if (prefetch)
        app_prefetch_dataset(b->app,
                             b->options->data ? b->options->data : "fashion-mnist",
                             WEFT_SPLIT_TRAIN);
    if ((code = app_open_device(b->app)))
        return code;
    b->startup = process_seconds(term_seconds() - b->app->start);
    code = bench_save_json(b); /* reports an unwritable file before the work */
    for (int i = 0; i < count && !code && !bench_time_is_up(b); i++) {
        b->batches = b->options->compares_devices && !b->options->batches
                         ? chosen[i]->default_batches
                         : b->options->batches;
        if (!(code = chosen[i]->run(b, chosen[i])))
            code = bench_save_json(b);
    }
    if (b->error[0])
        term_warn("%s", b->error);
    int failed = code && code != APP_VERIFICATION_FAILED ? 0 : bench_print_rows(b);
    if (!code)
        code = report(b);
    if (!code)
        code = app_flush_stdout(b->app);
    if (code || !failed)
        return code;
    return app_error(b->app, APP_VERIFICATION_FAILED,
                     "%d of %d results failed; run weft verify for details", failed,
                     b->row_count);
}

static enum app_exit bench_main(struct app *app, const void *given, int count,
                                char **operands)
{
    const struct bench_options *o = given;
    struct bench b = {.app = app, .options = o, .deadline = INFINITY};
    const struct bench_workload *chosen[BENCH_MAX_LIST] = {NULL};
    const char *device = app_requested_device(app);
    enum app_exit code = bench_find_workload(app, "train", &chosen[0]);
    if (!code)
        code = check(&b, operands, count, chosen);
    if (code)
        return code;
    if (device && !strcasecmp(device, "all"))
        return bench_all_devices(app, o, operands, count);
    if (o->time_limit > 0)
        b.deadline = app->start + o->time_limit;
    code = bench(&b, chosen, count ? count : 1);
    bench_rows_free(&b);
    weft_bench_destroy(&b.probes);
    weft_dataset_destroy(&b.data);
    return code;
}

const struct app_command cmd_bench = {
    .args =
        {
            .name = "bench",
            .operands = "[WORKLOAD...]",
            .summary =
                "measures networks and single ops against the roofline of the device",
            .examples = "  weft bench train inference --net small -b 128,512\n"
                        "  weft bench latency --net small,medium\n"
                        "  weft bench conv --shape 64x28x28x32:64x3x3 -f json\n"
                        "  weft bench memory launch\n"
                        "  weft bench -d all --json here.json",
            .about =
                "Workloads: train and inference (throughput), latency (one synchronous "
                "batch), convergence (accuracy after 100 steps and time to "
                "--target-accuracy), layers (each segment of a training step), conv, "
                "gemm "
                "and pool (single ops, each direction), memory (bandwidth and "
                "bandwidth-bound "
                "ops), launch (launch overhead and peak FLOP/s). The roofline of the "
                "device "
                "is measured first and interleaved with each op: roofline fractions are "
                "of "
                "min(peak, intensity x bandwidth) for the operations of the direct "
                "algorithm, so Winograd may exceed 100 %. Before an op "
                "is timed, its results are compared with what follows from its inputs, "
                "within the bounds of rounding; a wrong result is a failed row, and the "
                "exit code is 5. A throughput sample is a window of 0.3 s of finished "
                "steps, "
                "or a sixth of --time if that is less; the first step is timed from the "
                "start of the process. -f json contains all samples. -d all measures "
                "every device in a process of its own, by default with train, inference, "
                "latency, convergence and layers, and compares them; a device that "
                "crashes "
                "or hangs is a failed line.",
            .options = options,
            .shared = shared_options,
            .operands_max = -1,
        },
    .defaults = &(const struct bench_options){.seed = 1, .target_accuracy = 0.8},
    .options_size = sizeof(struct bench_options),
    .run = bench_main,
};
