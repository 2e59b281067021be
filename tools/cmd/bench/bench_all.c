/* SPDX-License-Identifier: Apache-2.0 */
/* weft bench -d all: the same workloads on every device, each in a child process, so that
 * a driver that crashes or hangs loses only its device. The child saves its results to a
 * file after every row; the parent reads the file when the child ends. */
#include "bench/bench.h"

#include "core/subprocess.h"
#include "results/device_table.h"
#include "core/paths.h"
#include "report/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 64 };

static const double default_time_limit = 120;

struct all_devices_run {
    struct app *app;
    const struct bench_options *options;
    char **words;
    int count;
    double time_limit;
    struct subprocess_files files;
    struct results results;
};

/* The command line of the child for one device. `texts` stores numbers. */
static void build_command(const struct all_devices_run *a, int index,
                          const char *words[MAX_WORDS], char texts[5][32])
{
    const struct bench_options *o = a->options;
    int n = 0;
    const struct {
        const char *name, *value;
    } given[] = {{"--net", o->nets},
                 {"--data", o->data},
                 {"--input", o->inputs},
                 {"--batch", o->batches},
                 {"--precision", o->precisions},
                 {"--shape", o->shapes},
                 {"--time", o->seconds > 0 ? texts[0] : NULL},
                 {"--seed", texts[1]},
                 {"--target-accuracy", texts[2]},
                 {"--time-limit", texts[3]},
                 {"--device", texts[4]},
                 {"--family", app_kernel_family_names[o->app.family]},
                 {"--gemm", app_gemm_provider_names[o->app.gemm]},
                 {"--avoid", o->app.avoid},
                 {"--json", a->files.file},
                 {"--format", "csv"}};
    snprintf(texts[0], 32, "%.6g", o->seconds);
    snprintf(texts[1], 32, "%llu", (unsigned long long)o->seed);
    snprintf(texts[2], 32, "%.6f%%", 100 * o->target_accuracy);
    snprintf(texts[3], 32, "%.6g", a->time_limit);
    snprintf(texts[4], 32, "%d", index);
    words[n++] = a->files.self;
    words[n++] = "bench";
    if (a->count)
        for (int i = 0; i < a->count && i < BENCH_MAX_LIST; i++)
            words[n++] = a->words[i];
    else
        n += bench_comparison_workloads(words + n, BENCH_MAX_LIST);
    words[n++] = "--internal-comparison";
    if (o->quick)
        words[n++] = "--quick";
    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
        if (given[i].value) {
            words[n++] = given[i].name;
            words[n++] = given[i].value;
        }
    words[n] = NULL;
}

static void measure(struct all_devices_run *a, int index)
{
    struct weft_device_info info;
    struct subprocess c = {.command = "bench", .limit = a->time_limit};
    const char *words[MAX_WORDS];
    char texts[5][32], activity[160];
    int before = results_count(&a->results);
    size_t size;
    if (weft_device_info(a->app->context, index, &info))
        return;
    if (info.same_as >= 0) {
        term_print("%sLeft out%s  %d  %s, %s: the hardware of %d through another driver",
                   term_style_begin(stderr, TERM_BOLD), term_style_end(stderr), index,
                   info.name, app_platform_name(&info), info.same_as);
        return;
    }
    unlink(a->files.file);
    build_command(a, index, words, texts);
    snprintf(activity, sizeof(activity), "Measuring on %s", info.name);
    subprocess_run(&c, words, activity);
    char *text = paths_read_file(a->files.file, 64 << 20, &size, NULL);
    if (text)
        results_parse(a->app, &a->results, info.name, text, size);
    free(text);
    if (results_count(&a->results) == before)
        results_add_failed_run(&a->results, &info,
                               c.error[0] ? c.error : "wrote no results");
    json_t *run = results_run(&a->results, before);
    json_object_del(run, "file");
    if (c.error[0])
        results_set_error(run, c.error);
    term_print("%sMeasured%s  %d  %s, %s%s%s", term_style_begin(stderr, TERM_BOLD),
               term_style_end(stderr), index, info.name, app_platform_name(&info),
               c.error[0] ? ": " : "", c.error);
}

static enum app_exit measure_all(struct all_devices_run *a)
{
    struct weft_device_info info;
    subprocess_signals_catch();
    for (int i = 0;
         !weft_device_info(a->app->context, i, &info) && !subprocess_interrupted(); i++)
        measure(a, i);
    subprocess_signals_restore();
    int failed =
        device_table_write(&a->results, (enum table_format)a->options->app.format);
    enum app_exit code = results_save_if_named(a->app, &a->results, a->options->json);
    if (!code)
        code = report_save(a->app, &a->results, a->options->report);
    if (!code)
        code = app_flush_stdout(a->app);
    if (code || subprocess_interrupted())
        return code ? code : APP_INTERRUPTED;
    return failed ? app_error(a->app, APP_VERIFICATION_FAILED, "%d of %d devices failed",
                              failed, results_count(&a->results))
                  : APP_OK;
}

enum app_exit bench_all_devices(struct app *app, const struct bench_options *o,
                                char **words, int count)
{
    struct all_devices_run *a = term_realloc_or_exit(NULL, sizeof(*a));
    *a = (struct all_devices_run){.app = app,
                                  .options = o,
                                  .words = words,
                                  .count = count,
                                  .time_limit = o->time_limit > 0 ? o->time_limit
                                                                  : default_time_limit};
    enum app_exit code = app_create_context(app, true, false);
    if (!code)
        code = subprocess_files_create(app, &a->files);
    if (!code)
        code = measure_all(a);
    results_free(&a->results);
    free(a);
    return code;
}
