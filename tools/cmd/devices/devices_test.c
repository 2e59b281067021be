/* SPDX-License-Identifier: Apache-2.0 */
/* weft devices --test: is each device right, how fast, and does its timer tell the truth?
 */
#include "core/subprocess.h"
#include "devices/devices.h"
#include "core/driver_smoke_test.h"
#include "results/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Shapes are small, so that an emulator comes to an end too. */
static const char *const proved[] = {"memory", "conv", "dense"};
static const struct {
    const char *key, *op, *shape;
} measured[] = {{"conv_gflops", "conv", "16x28x28x32:32x3x3"},
                {"gemm_gflops", "dense", "256x512x256"}};
enum { VERIFIED_CASES = 2, MEASURED = sizeof(measured) / sizeof(*measured) };
static const double sample_time = 0.1, usual_limit = 120;

/* The child. */

struct device_test_result {
    char fault[SUBPROCESS_LINE]; /* the first; "": the device is right */
    double rate[MEASURED], worst;
    int cases, rates;
};

static void receive_case(void *priv, const struct weft_verify_case *v)
{
    struct device_test_result *e = priv;
    e->cases++;
    e->worst = v->max_error_ratio > e->worst ? v->max_error_ratio : e->worst;
    if (!v->passed && !e->fault[0])
        snprintf(e->fault, sizeof(e->fault), "%s %s: %s", v->op, v->direction, v->detail);
}

/* The rate is that of the way forward; wrong may be any way. */
static void receive_timing(void *priv, const struct weft_timing *t)
{
    struct device_test_result *e = priv;
    double *rate = &e->rate[e->rates];
    if (t->error && !e->fault[0])
        snprintf(e->fault, sizeof(e->fault), "%s %s: %s", t->name, t->phase, t->error);
    if (t->count && isnan(*rate))
        *rate = 1e-9 * t->flops / t->median;
}

static enum weft_status verify_ops(struct app *app, struct device_test_result *e)
{
    enum weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof(proved) / sizeof(*proved) && !status; i++) {
        struct weft_verify_result result;
        const struct weft_verify_params params =
            *weft_verify_params(.op = proved[i], .cases = VERIFIED_CASES,
                                .tiny_shapes = true, .seed = 1, .report = receive_case,
                                .priv = e);
        term_progress("Comparing %s with the reference", proved[i]);
        status = weft_verify(app->device, &params, &result);
        status = status == WEFT_ERR_MISMATCH ? WEFT_OK : status;
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
                           const struct weft_roofline *roofs,
                           const struct weft_bench_timer *timer)
{
    struct json j = {.out = stdout};
    app_json_begin(app, &j, "weft.device-test/1");
    emit_text(&j, "fault", e->fault);
    emit_int(&j, "cases", e->cases);
    emit_double(&j, "worst", e->worst);
    for (int i = 0; i < MEASURED; i++)
        emit_double(&j, measured[i].key, e->rate[i]);
    emit_double(&j, "peak_gflops", 1e-9 * roofs->flops_per_second);
    emit_double(&j, "launch_us", 1e6 * roofs->launch_overhead);
    emit_double(&j, "round_trip_us", 1e6 * roofs->sync_latency);
    emit_double(&j, "timer_s", timer->device);
    emit_double(&j, "wall_s", timer->wall);
    emit_text(&j, "timer_fault", timer->error);
    emit_end(&j);
}

/* What is wrong is not timed. */
static enum weft_status test_device(struct app *app, struct device_test_result *e,
                                    struct weft_roofline *roofs,
                                    struct weft_bench_timer *timer)
{
    weft_bench *bench = NULL;
    enum weft_status status = verify_ops(app, e);
    if (status || e->fault[0])
        return status;
    status =
        weft_bench_create(app->device, weft_bench_params(.seconds = sample_time), &bench);
    if (!status)
        status = measure(bench, e);
    if (!status)
        status = weft_bench_timer(bench, timer);
    if (!status)
        weft_bench_roofline(bench, roofs);
    weft_bench_destroy(&bench);
    return status;
}

enum app_exit devices_test_in_process(struct app *app)
{
    struct device_test_result e = {"", {NAN, NAN}, 0, 0, 0};
    struct weft_bench_timer timer = {NAN, NAN, ""};
    struct weft_roofline roofs = {
        .flops_per_second = NAN, .launch_overhead = NAN, .sync_latency = NAN};
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    enum weft_status status = test_device(app, &e, &roofs, &timer);
    if (status)
        return app_report_error(app, APP_WORK, status);
    write_document(app, &e, &roofs, &timer);
    code = app_flush_stdout(app);
    return code ? code : e.fault[0] ? APP_VERIFICATION_FAILED : APP_OK;
}

/* The parent. */

static const struct table_column columns[] = {
    {"index", "#", false, 0},
    {"name", "Device", true, 0},
    {"platform", "Platform", true, 0},
    {"driver", NULL, true, 0},
    {"id", NULL, true, 0},
    {"family", "Kernels", true, 0},
    {"conv_gflops", "Conv", false, 0},
    {"gemm_gflops", "GEMM", false, 0},
    {"peak_gflops", "Peak GFLOP/s", false, 0},
    {"launch_us", "Launch us", false, 0},
    {"round_trip_us", "waited for", false, 0},
    {"timer", "Timer", true, 0},
    {"cases", NULL, false, 0},
    {"worst", NULL, false, 0},
    {"passed", NULL, true, 0},
    {"verdict", "Verdict", true, 0},
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
                    const json_t *found, const char *fault)
{
    const char *timer = results_text(found, "timer_fault");
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
    rate_cell(t, found, "launch_us");
    rate_cell(t, found, "round_trip_us");
    table_text(t, *timer                                    ? timer
                  : isnan(results_number(found, "timer_s")) ? "-"
                                                            : "right");
    table_int(t, isnan(cases) ? 0 : (int64_t)cases);
    table_double(t, results_number(found, "worst"), "-");
    table_bool(t, !*fault, *fault ? "no" : "yes");
    table_text(t, !*fault ? "right" : human ? "FAILED" : fault);
}

static void print_fault(FILE *out, int index, const struct weft_device_info *d,
                        const char *fault)
{
    char text[SUBPROCESS_LINE + 256];
    int width = term_width(out) < 100 ? term_width(out) : 100;
    snprintf(text, sizeof(text), "%d  %s, driver %s: %s", index, d->name, d->driver,
             fault);
    term_wrap(out, text, 3, 0, width);
}

/* "" or what is wrong with the device, in `fault`. */
static void test(struct app *app, struct table *t, const struct subprocess_files *place,
                 int index, double limit, char fault[SUBPROCESS_LINE])
{
    struct weft_device_info info;
    struct subprocess c = {.command = "devices", .output = place->file, .limit = limit};
    char number[16], doing[160];
    const char *words[] = {place->self, "devices", "--internal-test", "-d", number, NULL};
    size_t size = 0;
    weft_device_info(app->context, index, &info);
    snprintf(number, sizeof(number), "%d", index);
    snprintf(doing, sizeof(doing), "Testing %s", info.name);
    unlink(place->file);
    subprocess_run(&c, words, doing);
    char *text = paths_read_file(place->file, 1 << 20, &size);
    json_t *found = text ? json_loadb(text, size, 0, NULL) : NULL;
    free(text);
    if (!c.fault[0])
        snprintf(c.fault, sizeof(c.fault), "%s",
                 found ? results_text(found, "fault") : "left no results behind");
    add_row(t, index, &info, found, c.fault);
    memcpy(fault, c.fault, SUBPROCESS_LINE);
    json_decref(found);
}

static enum app_exit test_all(struct app *app, const struct subprocess_files *place,
                              int first, int end, double limit)
{
    enum table_format format = (enum table_format)app->options->format;
    char(*faults)[SUBPROCESS_LINE] =
        term_realloc_or_exit(NULL, (size_t)(end - first) * SUBPROCESS_LINE);
    struct weft_device_info info;
    struct table t;
    int done = first, failed = 0;
    /* Drivers that have no device to be tested, and that is a failure too. */
    int left_out = smoke_test_excluded_count();
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    subprocess_signals_catch();
    for (; done < end && !subprocess_interrupted(); done++)
        test(app, &t, place, done, limit, faults[done - first]);
    subprocess_signals_restore();
    table_write(&t);
    for (int i = first; i < done; i++) {
        if (!faults[i - first][0])
            continue;
        if (format == TABLE_HUMAN && !weft_device_info(app->context, i, &info))
            print_fault(stdout, i, &info, faults[i - first]);
        failed++;
    }
    free(faults);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.devices-test/1");
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
    return left_out
               ? app_error(app, APP_VERIFICATION_FAILED,
                           "%d of the drivers could not be tested: see above", left_out)
               : APP_OK;
}

enum app_exit devices_test(struct app *app, double limit)
{
    const char *selector = app->options->device;
    struct subprocess_files place;
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
    if ((code = subprocess_files_create(app, &place)))
        return code;
    code = test_all(app, &place, first, end, limit > 0 ? limit : usual_limit);
    subprocess_files_remove(&place);
    return code;
}
