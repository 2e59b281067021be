/* SPDX-License-Identifier: Apache-2.0 */
/* weft verify: compares every op of a device with the host backend. */
#include "core/app.h"
#include "results/provenance.h"
#include "core/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Every shape is compiled, which takes CPU drivers seconds; fewer shapes keep the default
 * run at a minute or two. */
enum { MAX_ROWS = 256, MAX_FAILURES = 20, DEFAULT_CASES = 40, CPU_DRIVER_CASES = 5 };

struct verify_options {
    struct app_options app;
    const char *op, *json;
    int cases, mixed, first_case;
    bool tiny, random_kernels;
    uint64_t seed;
};

static const struct args_option options[] = {
    {.name = "op",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct verify_options, op),
     .value = "NAME",
     .help = "only this op"},
    {.name = "cases",
     .kind = ARGS_INT,
     .offset = offsetof(struct verify_options, cases),
     .value = "N",
     .help =
         "random shapes per op and direction; default 40, or 5 with CPU drivers, which "
         "compile slowly",
     .min = 1,
     .max = 100000},
    {.name = "mixed",
     .kind = ARGS_INT,
     .offset = offsetof(struct verify_options, mixed),
     .value = "N",
     .help = "instead, N random shapes of all ops in random order, to find rare failures",
     .min = 1,
     .max = 100000},
    {.name = "first-case",
     .kind = ARGS_INT,
     .offset = offsetof(struct verify_options, first_case),
     .value = "N",
     .help = "index of the first shape, to repeat a failed case",
     .max = 100000},
    {.name = "tiny",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct verify_options, tiny),
     .help = "tiny shapes, for emulators"},
    {.name = "random-kernels",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct verify_options, random_kernels),
     .help = "random kernels and tile sizes among all candidates of tuning"},
    {.name = "precision",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct verify_options, app.precision),
     .value = "float32|float16",
     .help = "storage of activations and their gradients, and of weights at inference; "
             "default "
             "float32"},
    {.name = "seed",
     .kind = ARGS_SEED,
     .offset = offsetof(struct verify_options, seed),
     .value = "S",
     .help = "random seed of shapes and values; default 1"},
    {.name = "json",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct verify_options, json),
     .value = "FILE.json",
     .help = "save the results with device, driver and largest errors"},
    {0},
};

static const struct args_option *const shared_options[] = {app_device_options,
                                                           app_output_options, NULL};

static const struct table_column columns[] = {
    {.key = "op", .title = "Op", .left = true},
    {.key = "direction", .title = "Direction", .left = true},
    {.key = "family", .title = "Kernels", .left = true},
    {.key = "cases", .title = "Cases"},
    {.key = "failed", .title = "Failed"},
    {.key = "max_error_ratio", .title = "Error / bound"},
    {.key = "passed", .title = "", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* Cases by op and direction, in order of appearance. */
struct row {
    char op[32], direction[64];
    int cases, failed, build_failures;
    double max_error_ratio;
};

struct failure {
    char *text, op[32];
    const char *family;
    int index;
};

struct verify_summary {
    struct row rows[MAX_ROWS];
    int row_count, cases;
    struct failure failures[MAX_FAILURES];
    int failure_count, all_failures;
    const char *family;
    bool mixed;      /* ops in random order */
    int first;       /* index of the first shape */
    char op[32];     /* the current one, unless mixed */
    double op_begin; /* by term_seconds */
};

/* Shows the rate of the current op (or of all, if mixed) and its remaining time; other
 * ops have other rates, so no total is estimated. */
static void show_progress(struct verify_summary *t, const struct weft_verify_case *v)
{
    double now = term_seconds();
    char rate[64] = "";
    const char *op = t->mixed ? "mixed ops" : v->op;
    if (strcmp(t->op, op) != 0) {
        snprintf(t->op, sizeof(t->op), "%s", op);
        t->op_begin = now;
    }
    double seconds = now - t->op_begin;
    int done = v->index - t->first, count = v->count - t->first;
    if (done > 0 && seconds > 1) {
        double r = done / seconds;
        snprintf(rate, sizeof(rate), r < 10 ? ", %.2f shapes/s" : ", %.0f shapes/s", r);
        size_t at = strlen(rate);
        snprintf(rate + at, sizeof(rate) - at, ", %.0f s left", (count - done) / r);
    }
    term_progress("%s kernels: %s, shape %d of %d%s; %s cases so far", t->family, op,
                  done + 1, count, rate, table_thousands(t->cases));
}

static void report(void *priv, const struct weft_verify_case *v)
{
    struct verify_summary *t = priv;
    int i = 0;
    while (i < t->row_count &&
           (strcmp(t->rows[i].op, v->op) || strcmp(t->rows[i].direction, v->direction)))
        i++;
    if (i == MAX_ROWS)
        i--;
    struct row *r = &t->rows[i];
    if (i == t->row_count) {
        t->row_count++;
        *r = (struct row){.cases = 0};
        snprintf(r->op, sizeof(r->op), "%s", v->op);
        snprintf(r->direction, sizeof(r->direction), "%s", v->direction);
    }
    r->cases++;
    r->max_error_ratio = v->max_error_ratio > r->max_error_ratio ||
                                 v->max_error_ratio != v->max_error_ratio
                             ? v->max_error_ratio
                             : r->max_error_ratio;
    t->cases++;
    show_progress(t, v);
    if (v->passed)
        return;
    r->failed++;
    r->build_failures += v->build_failed;
    t->all_failures++;
    if (t->failure_count == MAX_FAILURES)
        return;
    size_t size = strlen(v->op) + strlen(v->direction) + strlen(v->detail) + 8;
    char *text = term_realloc_or_exit(NULL, size);
    snprintf(text, size, "%s %s: %s", v->op, v->direction, v->detail);
    struct failure *f = &t->failures[t->failure_count++];
    *f = (struct failure){text, "", t->family, v->index};
    snprintf(f->op, sizeof(f->op), "%s", v->op);
}

static void add_rows(struct table *table, struct verify_summary *t)
{
    for (int i = 0; i < t->row_count; i++) {
        const struct row *r = &t->rows[i];
        table_text(table, r->op);
        table_text(table, r->direction);
        table_text(table, t->family);
        table_int(table, r->cases);
        table_int(table, r->failed);
        if (r->max_error_ratio > 0 || r->max_error_ratio != r->max_error_ratio)
            table_double(table, r->max_error_ratio, "%.3f", r->max_error_ratio);
        else
            table_double(table, r->max_error_ratio, "exact");
        table_bool(table, !r->failed,
                   !r->failed                       ? "ok"
                   : r->failed == r->build_failures ? "BUILD FAILED"
                                                    : "MISMATCH");
    }
    t->row_count = 0;
}

static void write_json(struct app *app, const struct verify_options *o,
                       const struct table *table, const struct verify_summary *t,
                       const struct weft_verify_result *sum, FILE *out)
{
    struct json j = {.out = out};
    app_json_begin(app, &j, "weft.verify/2");
    provenance_write_json(&j);
    emit_text(&j, "result", sum->failed ? "failed" : "passed");
    emit_uint(&j, "seed", o->seed);
    emit_int(&j, "mixed", o->mixed);
    emit_bool(&j, "tiny", o->tiny);
    emit_bool(&j, "random_kernels", o->random_kernels);
    emit_text(&j, "precision", o->app.precision ? "float16" : "float32");
    emit_int(&j, "passed", sum->passed);
    emit_int(&j, "failed", sum->failed);
    emit_int(&j, "build_failures", sum->build_failures);
    emit_int(&j, "skipped", sum->skipped);
    emit_double(&j, "max_error_ratio", sum->max_error_ratio);
    table_json(table, &j, "rows");
    emit_list(&j, "failures");
    for (int i = 0; i < t->failure_count; i++) {
        emit_object(&j, NULL);
        emit_text(&j, "family", t->failures[i].family);
        emit_text(&j, "case", t->failures[i].text);
        emit_end(&j);
    }
    emit_end(&j);
    emit_end(&j);
}

static enum app_exit save_json_report(struct app *app, const struct verify_options *o,
                                      const struct table *table,
                                      const struct verify_summary *t,
                                      const struct weft_verify_result *sum)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out)
        write_json(app, o, table, t, sum, out);
    bool done = out && !fclose(out) && paths_write(o->json, text, size);
    int why = errno;
    free(text);
    if (done)
        app_print_written(o->json);
    return done ? APP_OK
                : app_error(app, APP_FAILED, "%s cannot be written: %s", o->json,
                            strerror(why));
}

/* Prints the command that repeats the first failure. */
static void print_repeat_command(const struct app *app, const struct verify_options *o,
                                 const struct failure *f)
{
    printf("\nRepeat: weft verify -d %d", app->device_index);
    if (app->info.kind != WEFT_DEVICE_HOST)
        printf(" --family %s", f->family);
    printf(" --op %s --seed %llu --first-case %d --cases 1%s%s%s\n", f->op,
           (unsigned long long)o->seed, f->index, o->tiny ? " --tiny" : "",
           o->random_kernels ? " --random-kernels" : "",
           o->app.precision ? " --precision float16" : "");
}

static void print_summary(const struct app *app, const struct verify_options *o,
                          const struct verify_summary *t,
                          const struct weft_verify_result *sum)
{
    if (t->failure_count)
        putchar('\n');
    for (int i = 0; i < t->failure_count; i++)
        term_line(2, "%s (%s kernels)", t->failures[i].text, t->failures[i].family);
    if (t->all_failures > t->failure_count)
        printf("... and %d more\n", t->all_failures - t->failure_count);
    if (t->failure_count)
        print_repeat_command(app, o, &t->failures[0]);
    putchar('\n');
    term_line(2,
              "%s%s cases passed, %s failed%s, %d skipped; max. error %.3f of its bound",
              term_style_begin(stdout, sum->failed ? TERM_BAD : TERM_GOOD),
              table_thousands(sum->passed), table_thousands(sum->failed),
              term_style_end(stdout), sum->skipped, sum->max_error_ratio);
}

/* Reopens the device with one family and verifies it. */
static enum app_exit verify_family(struct app *app, const struct verify_options *o,
                                   enum weft_kernel_family family,
                                   struct verify_summary *t,
                                   struct weft_verify_result *sum)
{
    struct weft_device_params params =
        *weft_device_params(.family = family,
                            .gemm = (enum weft_gemm_provider)o->app.gemm,
                            .avoid = o->app.avoid);
    weft_device_close(&app->device);
    enum weft_status status =
        weft_device_open(app->context, app->device_index, &params, &app->device);
    if (status)
        return app_report_error(app, APP_DEVICE, status);
    int default_cases =
        app->info.kind == WEFT_DEVICE_CPU ? CPU_DRIVER_CASES : DEFAULT_CASES;
    struct weft_verify_params verify =
        *weft_verify_params(.op = o->op, .cases = o->cases ? o->cases : default_cases,
                            .mixed_cases = o->mixed, .first_case = o->first_case,
                            .tiny_shapes = o->tiny, .random_kernels = o->random_kernels,
                            .precision = (enum weft_precision)o->app.precision,
                            .seed = o->seed, .report = report, .priv = t);
    struct weft_verify_result result = {0};
    status = weft_verify(app->device, &verify, &result);
    sum->passed += result.passed;
    sum->failed += result.failed;
    sum->build_failures += result.build_failures;
    sum->skipped += result.skipped;
    sum->max_error_ratio = result.max_error_ratio > sum->max_error_ratio
                               ? result.max_error_ratio
                               : sum->max_error_ratio;
    return status && status != WEFT_ERR_MISMATCH && !result.failed
               ? app_report_error(app, APP_WORK, status)
               : APP_OK;
}

static enum app_exit require_op_exists(struct app *app, const char *op)
{
    const char *names[64];
    int n = 0;
    for (; n < 64 && (names[n] = weft_verify_op_name(n)); n++)
        if (!strcmp(names[n], op))
            return APP_OK;
    char close[WEFT_SUGGESTION];
    char list[512] = "";
    for (int i = 0; i < n; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", names[i]);
    }
    return app_error(app, APP_USAGE, "there is no op '%s'%s (there are %s)", op,
                     weft_suggestion(op, names, n, close), list);
}

static enum app_exit verify(struct app *app, const struct verify_options *o)
{
    enum app_exit code = o->op ? require_op_exists(app, o->op) : APP_OK;
    if (code || (code = app_open_device(app)))
        return code;
    bool host = app->info.kind == WEFT_DEVICE_HOST;
    enum weft_kernel_family families[] = {WEFT_FAMILY_VEC, WEFT_FAMILY_TILE};
    int count = host || o->app.family ? 1 : 2;
    if (host || o->app.family)
        families[0] = (enum weft_kernel_family)o->app.family;

    struct verify_summary *t = term_realloc_or_exit(NULL, sizeof(*t));
    *t = (struct verify_summary){.mixed = o->mixed > 0, .first = o->first_case};
    struct weft_verify_result sum = {0};
    struct table table;
    table_init(&table, stdout, (enum table_format)o->app.format, columns, COLUMN_COUNT,
               false);
    for (int i = 0; i < count && !code; i++) {
        t->op[0] = '\0';
        t->family = host ? "C" : app_kernel_family_names[families[i]];
        code = verify_family(app, o, families[i], t, &sum);
        add_rows(&table, t);
    }
    table_write(&table);
    if (!code && o->app.format == TABLE_JSON)
        write_json(app, o, &table, t, &sum, stdout);
    if (!code && o->app.format == TABLE_HUMAN)
        print_summary(app, o, t, &sum);
    if (!code && o->json)
        code = save_json_report(app, o, &table, t, &sum);
    if (!code)
        code = app_flush_stdout(app);
    if (!code && sum.failed && sum.failed == sum.build_failures)
        code = app_error(app, APP_FAILED,
                         "the driver's compiler rejects kernels of weft: "
                         "update the driver, or report it");
    else if (!code && sum.failed)
        code = APP_VERIFICATION_FAILED;
    for (int i = 0; i < t->failure_count; i++)
        free(t->failures[i].text);
    free(t);
    table_free(&table);
    return code;
}

static enum app_exit verify_main(struct app *app, const void *given, int count,
                                 char **operands)
{
    (void)count;
    (void)operands;
    return verify(app, given);
}

const struct app_command cmd_verify = {
    .args =
        {
            .name = "verify",
            .operands = "",
            .summary =
                "compares every op and kernel family of a device with the host backend",
            .about = "Results of integer inputs must be exact, those of real inputs "
                     "within the "
                     "rounding bound given by the number of summands. Exit code 5 on a "
                     "mismatch, 1 if kernels do not build, with the command that repeats "
                     "it.",
            .options = options,
            .shared = shared_options,
        },
    .defaults = &(const struct verify_options){.seed = 1},
    .options_size = sizeof(struct verify_options),
    .run = verify_main,
};
