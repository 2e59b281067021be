/* SPDX-License-Identifier: Apache-2.0 */
/* weft bench: what is measured, as a table of workloads. */
#include "bench/bench.h"

#include "core/paths.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const struct args_option options[] = {
    {"net", 0, ARGS_TEXT, offsetof(struct bench_options, nets), "LIST",
     "built-in networks or files, such as small,medium; default small", 0, 0},
    {"data", 0, ARGS_TEXT, offsetof(struct bench_options, data), "SPEC",
     "default fashion-mnist", 0, 0},
    {"input", 0, ARGS_TEXT, offsetof(struct bench_options, images), "LIST",
     "noise of this size instead of --data, such as 28,56 or 224x224x3", 0, 0},
    {"batch", 'b', ARGS_TEXT, offsetof(struct bench_options, batches), "LIST",
     "images a step, such as 128 or 1,32,512; default: what the network says, 1 for "
     "latency",
     0, 0},
    {"precision", 0, ARGS_TEXT, offsetof(struct bench_options, precisions), "LIST",
     "of train, inference and latency: float32, float16, auto, such as float32,float16; "
     "default float32",
     0, 0},
    {"shape", 0, ARGS_TEXT, offsetof(struct bench_options, shapes), "LIST",
     "for conv 64x28x28x32:64x3x3 (images, rows, columns, channels; filters, rows, "
     "columns) with :stride=2 :pad=valid :groups=4 :pool=2 :relu; for gemm 256x512x512 "
     "(images, inputs, outputs); for pool 64x28x28x32:2x2; for memory 'act "
     "4194304:gelu', 'softmax 512x1000' and so on. Default: what is usual",
     0, 0},
    {"time", 0, ARGS_DURATION, offsetof(struct bench_options, seconds), "T",
     "of measuring for each row; default 3s for networks, 0.3s for ops", 0, 0},
    {"seed", 's', ARGS_SEED, offsetof(struct bench_options, seed), "S", "default 1", 0,
     0},
    {"quick", 0, ARGS_FLAG, offsetof(struct bench_options, quick), NULL,
     "the speed of networks alone: no roofs, no comparison with the reference", 0, 0},
    {"target-accuracy", 0, ARGS_FRACTION, offsetof(struct bench_options, target), "SHARE",
     "accuracy that learn is timed to; default 80%", 0, 0},
    {"time-limit", 0, ARGS_DURATION, offsetof(struct bench_options, limit), "T",
     "of all measuring on a device: what is left then is left out; default 2m with -d "
     "all",
     0, 0},
    {"internal-set", 0, ARGS_FLAG, offsetof(struct bench_options, set), NULL, NULL, 0, 0},
    {"json", 0, ARGS_TEXT, offsetof(struct bench_options, save), "FILE.json",
     "keep the results with all samples, for weft compare", 0, 0},
    {"report", 0, ARGS_TEXT, offsetof(struct bench_options, report), "FILE.html",
     "one page with images of the results that needs nothing else", 0, 0},
    APP_OPTIONS_DEVICE(struct bench_options),
    APP_OPTIONS_FORMAT(struct bench_options),
    APP_OPTIONS_COLOR(struct bench_options),
    {0},
};

static const char *const conv[] = {"conv", NULL}, *const gemm[] = {"dense", NULL};
static const char *const pool[] = {"pool", NULL};
static const char *const memory[] = {"act",  "add",   "batch-norm", "dropout", "softmax",
                                     "loss", "input", "optimizer",  NULL};

static const char batches[] = "32,128,512";
static const struct bench_workload workloads[] = {
    {"train", bench_run_training, NULL, batches, true},
    {"inference", bench_run_inference, NULL, batches, true},
    {"latency", bench_run_latency, NULL, NULL, true},
    {"learn", bench_run_convergence, NULL, NULL, true},
    {"layers", bench_run_layers, NULL, NULL, true},
    {"conv", bench_run_ops, conv, NULL, false},
    {"gemm", bench_run_ops, gemm, NULL, false},
    {"pool", bench_run_ops, pool, NULL, false},
    {"memory", bench_run_bandwidth, memory, NULL, false},
    {"launch", bench_run_launch_overhead, NULL, NULL, false},
};
enum { WORKLOADS = sizeof(workloads) / sizeof(*workloads) };

/* Seconds since this process was started, as the system tells, or since main where it
 * does not. */
static double process_seconds(double since_main)
{
    size_t size;
    char *text = paths_read_file("/proc/self/stat", 4096, &size);
    char *at = text ? strrchr(text, ')') : NULL;
    unsigned long long ticks = 0;
    struct timespec now;
    /* Field 22; the name in brackets, which may hold anything, is the second. */
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

double bench_row_seconds(const struct bench *b, bool net)
{
    static const double usual[2][2] = {{0.3, 3}, {0.1, 1}};
    return b->options->seconds > 0 ? b->options->seconds : usual[b->options->set][net];
}

bool bench_time_is_up(struct bench *b)
{
    bool late = term_seconds() > b->deadline;
    if (late && !b->note[0])
        snprintf(
            b->note, sizeof(b->note),
            "the limit of %.0f s was over before everything was measured; --time-limit "
            "allows more",
            b->options->limit);
    return late;
}

int bench_comparison_workloads(const char **out, int room)
{
    int count = 0;
    for (int i = 0; i < WORKLOADS && count + 1 < room; i++)
        if (workloads[i].set)
            out[count++] = workloads[i].name;
    out[count] = NULL;
    return count;
}

enum app_exit bench_open_roofline(struct bench *b)
{
    const struct weft_bench_params params =
        *weft_bench_params(.seconds = bench_row_seconds(b, false),
                           .seed = b->options->seed);
    if (b->probes)
        return APP_OK;
    term_wait_begin("Measuring what the device can do at best");
    enum weft_status status = weft_bench_create(b->app->device, &params, &b->probes);
    term_wait_end();
    if (status)
        return app_report_error(b->app, APP_WORK, status);
    weft_bench_roofline(b->probes, &b->roofs);
    const struct weft_roofline *r = &b->roofs;
    term_print(
        "Roofs   %s GFLOP/s of multiply-adds; %s GB/s from %s KiB, %s from %s MiB; "
        "a launch %.1f us, waited for %.1f us",
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
                                                        const char *piece, void *priv),
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

/* The workload that is called `word`. */
static enum app_exit find(const struct app *app, const char *word,
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
    const char *close = args_suggest(word, names, WORKLOADS);
    return app_error(app, APP_USAGE, "cannot measure '%s', only %s%s%s%s", word, list,
                     close ? "; did you mean " : "", close ? close : "",
                     close ? "?" : "");
}

/* Options and workloads, before any device is touched. */
static enum app_exit check(struct bench *b, char **words, int count,
                           const struct bench_workload *chosen[BENCH_MAX_LIST])
{
    enum app_exit code = check_batches(b);
    if (!code)
        code = check_precisions(b);
    if (!code && count > BENCH_MAX_LIST)
        code = app_error(b->app, APP_USAGE, "at most %d workloads", BENCH_MAX_LIST);
    for (int i = 0; i < count && !code; i++)
        code = find(b->app, words[i], &chosen[i]);
    return code;
}

/* The page of this one run. */
static enum app_exit report(const struct bench *b)
{
    struct results results = {0};
    size_t size;
    if (!b->options->report)
        return APP_OK;
    char *text = bench_json_text(b, &size);
    enum app_exit code =
        text ? results_parse(b->app, &results, b->options->report, text, size)
             : app_error(b->app, APP_FAILED, "out of memory for the report");
    free(text);
    if (!code)
        code = report_save(b->app, &results, b->options->report);
    results_free(&results);
    return code;
}

static enum app_exit bench(struct bench *b, const struct bench_workload *const *chosen,
                           int count)
{
    enum app_exit code;
    bool images = !b->options->images && (chosen[0]->run == bench_run_training ||
                                          chosen[0]->run == bench_run_inference);
    if (images)
        app_prefetch_dataset(b->app,
                             b->options->data ? b->options->data : "fashion-mnist",
                             WEFT_SPLIT_TRAIN);
    if ((code = app_open_device(b->app)))
        return code;
    b->startup = process_seconds(term_seconds() - b->app->start);
    code = bench_save_json(
        b); /* a place that cannot be written to is told before the work */
    for (int i = 0; i < count && !code && !bench_time_is_up(b); i++) {
        b->batches = b->options->set && !b->options->batches ? chosen[i]->usual
                                                             : b->options->batches;
        if (!(code = chosen[i]->run(b, chosen[i])))
            code = bench_save_json(b);
    }
    if (b->note[0])
        term_warn("%s", b->note);
    int failed = code && code != APP_VERIFICATION_FAILED ? 0 : bench_print_rows(b);
    if (!code)
        code = report(b);
    if (!code)
        code = app_flush_stdout(b->app);
    if (code || !failed)
        return code;
    return app_error(b->app, APP_VERIFICATION_FAILED,
                     "%d of %d results are wrong; weft verify tells more", failed,
                     b->row_count);
}

static enum app_exit bench_main(struct app *app, const void *given, int count,
                                char **operands)
{
    const struct bench_options *o = given;
    struct bench b = {.app = app, .options = o, .deadline = INFINITY};
    const struct bench_workload *chosen[BENCH_MAX_LIST] = {&workloads[0]};
    const char *device = app_requested_device(app);
    enum app_exit code = check(&b, operands, count, chosen);
    if (code)
        return code;
    if (device && !strcasecmp(device, "all"))
        return bench_all_devices(app, o, operands, count);
    if (o->limit > 0)
        b.deadline = app->start + o->limit;
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
            .summary = "measures networks and single ops against the device's limits",
            .examples = "  weft bench train inference --net small -b 128,512\n"
                        "  weft bench latency --net small,medium\n"
                        "  weft bench conv --shape 64x28x28x32:64x3x3 -f json\n"
                        "  weft bench memory launch\n"
                        "  weft bench -d all --json here.json",
            .about =
                "Workloads: train, inference (images a second), latency (one batch, "
                "waited for), learn (accuracy after 100 steps, and time to "
                "--target-accuracy), "
                "layers (each part of a training step), conv, gemm, pool (single ops in "
                "each direction), "
                "memory (bandwidth, and the ops that it limits), launch (cost of "
                "launches, and the multiply-add peak). What the device can do at "
                "best is measured first, by turns with each op: shares of the roof "
                "are of min(peak, intensity x bandwidth), by the usual algorithm's "
                "operations, so Winograd may exceed 100 %. Results are compared "
                "with the reference backend before they are timed; a wrong one is "
                "a failed row, and the exit code 5. A sample of a network is a "
                "window of 0.3 s of finished steps, or of a sixth of --time where "
                "that is less; first step is the time from the start of the process. "
                "-f json has all samples. -d all measures every device, each in a "
                "process of its own, by train, inference, latency, learn and layers "
                "unless "
                "others are asked for, and tells who is faster; a device that crashes "
                "or hangs is a failed line.",
            .options = options,
            .operands_max = -1,
        },
    .defaults = &(const struct bench_options){.seed = 1, .target = 0.8},
    .options_size = sizeof(struct bench_options),
    .run = bench_main,
};
