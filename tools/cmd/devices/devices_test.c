/* SPDX-License-Identifier: Apache-2.0 */
/* weft devices --test: correctness, speed and timer of each device. */
#include "core/subprocess.h"
#include "devices/devices.h"
#include "core/driver_smoke_test.h"
#include "results/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Shapes are small enough for emulators. */
static const char *const verified_ops[] = {"memory", "conv", "dense"};
static const struct {
    const char *key, *op, *shape;
} measured[] = {{"conv_gflops", "conv", "16x28x28x32:32x3x3"},
                {"gemm_gflops", "dense", "256x512x256"}};
enum { VERIFIED_CASES = 2, MEASURED = sizeof(measured) / sizeof(*measured) };
static const double sample_time = 0.1, default_time_limit = 120;

/* The child process. */

struct device_test_result {
    char error[SUBPROCESS_LINE]; /* the first mismatch, or "" */
    double rate[MEASURED], max_error_ratio;
    int cases, rates;
};

static void receive_case(void *priv, const struct weft_verify_case *v)
{
    struct device_test_result *e = priv;
    e->cases++;
    e->max_error_ratio =
        v->max_error_ratio > e->max_error_ratio ? v->max_error_ratio : e->max_error_ratio;
    if (!v->passed && !e->error[0])
        snprintf(e->error, sizeof(e->error), "%s %s: %s", v->op, v->direction, v->detail);
}

/* The rate is that of the forward pass; any pass may fail. */
static void receive_timing(void *priv, const struct weft_timing *t)
{
    struct device_test_result *e = priv;
    double *rate = &e->rate[e->rates];
    if (t->error && !e->error[0])
        snprintf(e->error, sizeof(e->error), "%s %s: %s", t->name, t->phase, t->error);
    if (t->count && isnan(*rate))
        *rate = 1e-9 * t->flops / t->median;
}

static enum weft_status verify_ops(struct app *app, struct device_test_result *e)
{
    enum weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof(verified_ops) / sizeof(*verified_ops) && !status; i++) {
        struct weft_verify_result result;
        const struct weft_verify_params params =
            *weft_verify_params(.op = verified_ops[i], .cases = VERIFIED_CASES,
                                .tiny_shapes = true, .seed = 1, .report = receive_case,
                                .priv = e);
        term_progress("Comparing %s with the reference", verified_ops[i]);
        status = weft_verify(app->device, &params, &result);
        if (status == WEFT_ERR_MISMATCH || status == WEFT_ERR_BUILD)
            status = WEFT_OK; /* receive_case has them */
    }
    return status;
}

static enum weft_status measure(weft_bench *bench, struct device_test_result *e)
{
    enum weft_status status = WEFT_OK;
    for (; e->rates < MEASURED && !status; e->rates++)
        status = weft_bench_op(bench, measured[e->rates].op, measured[e->rates].shape,
                               receive_timing, e);
    return status;
}

static void write_document(const struct app *app, const struct device_test_result *e,
                           const struct weft_roofline *roofline,
                           const struct weft_bench_timer *timer)
{
    struct json j = {.out = stdout};
    app_json_begin(app, &j, "weft.device-test/2");
    emit_text(&j, "error", e->error);
    emit_int(&j, "cases", e->cases);
    emit_double(&j, "max_error_ratio", e->max_error_ratio);
    for (int i = 0; i < MEASURED; i++)
        emit_double(&j, measured[i].key, e->rate[i]);
    emit_double(&j, "peak_gflops", 1e-9 * roofline->flops_per_second);
    emit_double(&j, "launch_overhead_us", 1e6 * roofline->launch_overhead);
    emit_double(&j, "sync_latency_us", 1e6 * roofline->sync_latency);
    emit_double(&j, "timer_s", timer->device);
    emit_double(&j, "wall_s", timer->wall);
    emit_text(&j, "timer_error", timer->error);
    emit_end(&j);
}

/* A device with mismatches is not timed. */
static enum weft_status test_device(struct app *app, struct device_test_result *e,
                                    struct weft_roofline *roofline,
                                    struct weft_bench_timer *timer)
{
    weft_bench *bench = NULL;
    enum weft_status status = verify_ops(app, e);
    if (status || e->error[0])
        return status;
    status =
        weft_bench_create(app->device, weft_bench_params(.seconds = sample_time), &bench);
    if (!status)
        status = measure(bench, e);
    if (!status)
        status = weft_bench_timer(bench, timer);
    if (!status)
        weft_bench_roofline(bench, roofline);
    weft_bench_destroy(&bench);
    return status;
}

enum app_exit devices_test_in_process(struct app *app)
{
    struct device_test_result e = {"", {NAN, NAN}, 0, 0, 0};
    struct weft_bench_timer timer = {NAN, NAN, ""};
    struct weft_roofline roofline = {
        .flops_per_second = NAN, .launch_overhead = NAN, .sync_latency = NAN};
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    enum weft_status status = test_device(app, &e, &roofline, &timer);
    if (status)
        return app_report_error(app, APP_WORK, status);
    write_document(app, &e, &roofline, &timer);
    code = app_flush_stdout(app);
    return code ? code : e.error[0] ? APP_VERIFICATION_FAILED : APP_OK;
}

/* The parent process. */

static const struct table_column columns[] = {
    {.key = "index", .title = "#"},
    {.key = "name", .title = "Device", .left = true},
    {.key = "platform", .title = "Platform", .left = true},
    {.key = "driver", .left = true},
    {.key = "id", .left = true},
    {.key = "family", .title = "Kernels", .left = true},
    {.key = "conv_gflops", .title = "Conv"},
    {.key = "gemm_gflops", .title = "GEMM"},
    {.key = "peak_gflops", .title = "Peak GFLOP/s"},
    {.key = "launch_overhead_us", .title = "Launch us"},
    {.key = "sync_latency_us", .title = "Sync us"},
    {.key = "timer", .title = "Timer", .left = true},
    {.key = "cases"},
    {.key = "max_error_ratio"},
    {.key = "passed", .left = true},
    {.key = "result", .title = "Result", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

static void rate_cell(struct table *t, const json_t *found, const char *key)
{
    double value = results_number(found, key);
    if (isnan(value))
        table_double(t, value, "-");
    else
        table_double(t, value, value < 100 ? "%.1f" : "%.0f", value);
}

static void add_row(struct table *t, int index, const struct weft_device_info *d,
                    const json_t *found, const char *error)
{
    const char *timer = results_text(found, "timer_error");
    bool human = t->format == TABLE_HUMAN;
    double cases = results_number(found, "cases");
    table_int(t, index);
    table_text(t, d->name);
    table_text(t, human ? app_platform_name(d) : d->platform);
    table_text(t, d->driver);
    table_text(t, d->id);
    table_text(t, app_kernel_family_name(d, 0));
    rate_cell(t, found, "conv_gflops");
    rate_cell(t, found, "gemm_gflops");
    rate_cell(t, found, "peak_gflops");
    rate_cell(t, found, "launch_overhead_us");
    rate_cell(t, found, "sync_latency_us");
    table_text(t, *timer ? timer : isnan(results_number(found, "timer_s")) ? "-" : "ok");
    table_int(t, isnan(cases) ? 0 : (int64_t)cases);
    table_double(t, results_number(found, "max_error_ratio"), "-");
    table_bool(t, !*error, *error ? "no" : "yes");
    table_text(t, !*error ? "ok" : human ? "FAILED" : error);
}

static void print_error(FILE *out, int index, const struct weft_device_info *d,
                        const char *error)
{
    char text[SUBPROCESS_LINE + 256];
    snprintf(text, sizeof(text), "%d  %s, driver %s: %s", index, d->name, d->driver,
             error);
    term_wrap(out, text, 3, 0, term_prose_limit(out));
}

/* Tests one device; `error` is "" on success. */
static void test_one(struct app *app, struct table *t,
                     const struct subprocess_files *files, int index, double time_limit,
                     char error[SUBPROCESS_LINE])
{
    struct weft_device_info info;
    struct subprocess c = {
        .command = "devices", .output = files->file, .limit = time_limit};
    char number[16], activity[160];
    const char *words[] = {files->self, "devices", "--internal-test", "-d", number, NULL};
    size_t size = 0;
    weft_device_info(app->context, index, &info);
    snprintf(number, sizeof(number), "%d", index);
    snprintf(activity, sizeof(activity), "Testing %s", info.name);
    unlink(files->file);
    subprocess_run(&c, words, activity);
    char *text = paths_read_file(files->file, 1 << 20, &size, NULL);
    json_t *found = text ? json_loadb(text, size, 0, NULL) : NULL;
    free(text);
    if (!c.error[0])
        snprintf(c.error, sizeof(c.error), "%s",
                 found ? results_text(found, "error") : "wrote no results");
    add_row(t, index, &info, found, c.error);
    memcpy(error, c.error, SUBPROCESS_LINE);
    json_decref(found);
}

static enum app_exit test_all(struct app *app, const struct subprocess_files *files,
                              int first, int end, double time_limit)
{
    enum table_format format = (enum table_format)app->options->format;
    char(*errors)[SUBPROCESS_LINE] =
        term_realloc_or_exit(NULL, (size_t)(end - first) * SUBPROCESS_LINE);
    struct weft_device_info info;
    struct table t;
    int done = first, failed = 0;
    /* Excluded drivers have no device to test, which is a failure too. */
    int excluded = smoke_test_excluded_count();
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    subprocess_signals_catch();
    for (; done < end && !subprocess_interrupted(); done++)
        test_one(app, &t, files, done, time_limit, errors[done - first]);
    subprocess_signals_restore();
    table_write(&t);
    for (int i = first; i < done; i++) {
        if (!errors[i - first][0])
            continue;
        if (format == TABLE_HUMAN && !weft_device_info(app->context, i, &info))
            print_error(stdout, i, &info, errors[i - first]);
        failed++;
    }
    free(errors);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.devices-test/2");
        table_json(&t, &j, "devices");
        emit_end(&j);
    }
    table_free(&t);
    enum app_exit code = app_flush_stdout(app);
    if (code || subprocess_interrupted())
        return code ? code : APP_INTERRUPTED;
    if (failed)
        return app_error(app, APP_VERIFICATION_FAILED, "%d of %d devices failed", failed,
                         end - first);
    return excluded ? app_error(app, APP_VERIFICATION_FAILED,
                                "%d drivers could not be tested, see the warnings above",
                                excluded)
                    : APP_OK;
}

enum app_exit devices_test(struct app *app, double time_limit)
{
    const char *selector = app->options->device;
    struct subprocess_files files;
    enum app_exit code = app_create_context(app, true, true);
    if (code)
        return code;
    struct weft_device_info info;
    int first = 0, end = 0;
    while (!weft_device_info(app->context, end, &info))
        end++;
    if (selector && strcmp(selector, "all") != 0) {
        enum weft_status status = weft_device_find(app->context, selector, &first, NULL);
        if (status)
            return app_report_error(app, APP_DEVICE, status);
        end = first + 1;
    }
    if ((code = subprocess_files_create(app, &files)))
        return code;
    code = test_all(app, &files, first, end,
                    time_limit > 0 ? time_limit : default_time_limit);
    return code;
}
