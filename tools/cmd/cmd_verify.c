/* SPDX-License-Identifier: Apache-2.0 */
/* weft verify: every op on a device, in both kernel families, against the reference. */
#include "core/app.h"
#include "results/provenance.h"
#include "core/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Each shape is compiled anew, which takes OpenCL drivers for processors seconds: with
 * fewer shapes by default the whole takes a minute or two there. */
enum { MAX_ROWS = 256, MAX_FAILURES = 20, DEFAULT_CASES = 40, CPU_DRIVER_CASES = 5 };

struct verify_options {
    struct app_options app;
    const char *op, *certificate;
    int cases, sweeps, first, precision;
    bool small, draw;
    uint64_t seed;
};

static const struct args_option options[] = {
    APP_OPTIONS_DEVICE(struct verify_options),
    {"op", 0, ARGS_TEXT, offsetof(struct verify_options, op), "NAME", "only this op", 0,
     0},
    {"cases", 0, ARGS_INT, offsetof(struct verify_options, cases), "N",
     "random shapes an op and direction; default 40, or 5 with an OpenCL driver for "
     "processors, which compiles slowly: ask for more to be surer there",
     1, 100000},
    {"mixed", 0, ARGS_INT, offsetof(struct verify_options, sweeps), "N",
     "instead, so many shapes of all ops in random order, for rare faults", 1, 100000},
    {"first", 0, ARGS_INT, offsetof(struct verify_options, first), "N",
     "begin with the shape of this number: to repeat one that failed", 0, 100000},
    {"small", 0, ARGS_FLAG, offsetof(struct verify_options, small), NULL,
     "tiny shapes, for emulators", 0, 0},
    {"random-kernels", 0, ARGS_FLAG, offsetof(struct verify_options, draw), NULL,
     "kernels and tile sizes drawn among all that tuning may choose", 0, 0},
    {"precision", 0, ARGS_CHOICE, offsetof(struct verify_options, precision),
     "float32|float16",
     "how activations, their gradients, and at inference weights lie in memory; "
     "default float32",
     0, 0},
    {"seed", 0, ARGS_SEED, offsetof(struct verify_options, seed), "S",
     "of the random shapes and numbers; default 1", 0, 0},
    {"json", 0, ARGS_TEXT, offsetof(struct verify_options, certificate), "FILE.json",
     "keep what was verified on which device and driver, with the worst errors", 0, 0},
    APP_OPTIONS_FORMAT(struct verify_options),
    APP_OPTIONS_COLOR(struct verify_options),
    {0},
};

static const struct table_column columns[] = {
    {"op", "Op", true, 0},          {"what", "What", true, 0},
    {"family", "Kernels", true, 0}, {"cases", "Cases", false, 0},
    {"failed", "Failed", false, 0}, {"worst", "Error / bound", false, 0},
    {"passed", "", true, 0},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* Verdicts are gathered by op and direction, in the order they come. */
struct row {
    char op[32], what[64];
    int cases, failed;
    double worst;
};

struct failure {
    char *text, op[32];
    const char *family;
    int number;
};

struct verify_summary {
    struct row rows[MAX_ROWS];
    int row_count, cases;
    struct failure failures[MAX_FAILURES];
    int failure_count, failures_in_all;
    const char *family;
    bool mixed;      /* ops come in random order */
    int first;       /* number of the first shape */
    char op[32];     /* the one under way, unless they are mixed */
    double op_begin; /* by term_seconds */
};

/* The rate of the op under way, or of all where they are mixed, and when it is done if
 * the rate stays: other ops have other rates, so no more is promised. */
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
        snprintf(rate + at, sizeof(rate) - at, ", %.0f s left for it",
                 (count - done) / r);
    }
    term_progress("%s kernels: %s, shape %d of %d%s; %s cases so far", t->family, op,
                  done + 1, count, rate, table_thousands(t->cases));
}

static void report(void *priv, const struct weft_verify_case *v)
{
    struct verify_summary *t = priv;
    int i = 0;
    while (i < t->row_count &&
           (strcmp(t->rows[i].op, v->op) || strcmp(t->rows[i].what, v->direction)))
        i++;
    if (i == MAX_ROWS)
        i--;
    struct row *r = &t->rows[i];
    if (i == t->row_count) {
        t->row_count++;
        *r = (struct row){.cases = 0};
        snprintf(r->op, sizeof(r->op), "%s", v->op);
        snprintf(r->what, sizeof(r->what), "%s", v->direction);
    }
    r->cases++;
    r->worst = v->max_error_ratio > r->worst || v->max_error_ratio != v->max_error_ratio
                   ? v->max_error_ratio
                   : r->worst;
    t->cases++;
    show_progress(t, v);
    if (v->passed)
        return;
    r->failed++;
    t->failures_in_all++;
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
        table_text(table, r->what);
        table_text(table, t->family);
        table_int(table, r->cases);
        table_int(table, r->failed);
        if (r->worst > 0 || r->worst != r->worst)
            table_double(table, r->worst, "%.3f", r->worst);
        else
            table_double(table, r->worst, "exact");
        table_bool(table, !r->failed, r->failed ? "MISMATCH" : "ok");
    }
    t->row_count = 0;
}

static void write_json(struct app *app, const struct verify_options *o,
                       const struct table *table, const struct verify_summary *t,
                       const struct weft_verify_result *sum, FILE *out)
{
    struct json j = {.out = out};
    app_json_begin(app, &j, "weft.verify/1");
    provenance_write_json(&j);
    emit_text(&j, "verdict", sum->failed ? "wrong" : "right");
    emit_uint(&j, "seed", o->seed);
    emit_int(&j, "sweeps", o->sweeps);
    emit_bool(&j, "small", o->small);
    emit_bool(&j, "draw", o->draw);
    emit_text(&j, "precision", o->precision ? "float16" : "float32");
    emit_int(&j, "passed", sum->passed);
    emit_int(&j, "failed", sum->failed);
    emit_int(&j, "skipped", sum->skipped);
    emit_double(&j, "worst", sum->max_error_ratio);
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
    bool done = out && !fclose(out) && paths_write_atomic(o->certificate, text, size);
    int why = errno;
    free(text);
    return done ? APP_OK
                : app_error(app, APP_FAILED, "%s cannot be written: %s", o->certificate,
                            strerror(why));
}

/* The first failure, again and alone. */
static void write_repeat(const struct app *app, const struct verify_options *o,
                         const struct failure *f)
{
    printf("\nAgain: weft verify -d %d", app->device_index);
    if (app->info.kind != WEFT_DEVICE_HOST)
        printf(" --family %s", f->family);
    printf(" --op %s --seed %llu --first %d --cases 1%s%s%s\n", f->op,
           (unsigned long long)o->seed, f->number, o->small ? " --small" : "",
           o->draw ? " --random-kernels" : "",
           o->precision ? " --precision float16" : "");
}

static void write_summary(const struct app *app, const struct verify_options *o,
                          const struct verify_summary *t,
                          const struct weft_verify_result *sum)
{
    for (int i = 0; i < t->failure_count; i++)
        printf("%s%s%s (%s kernels)\n", i ? "" : "\n", t->failures[i].text, "",
               t->failures[i].family);
    if (t->failures_in_all > t->failure_count)
        printf("... and %d more\n", t->failures_in_all - t->failure_count);
    if (t->failure_count)
        write_repeat(app, o, &t->failures[0]);
    printf(
        "\n%s%s cases passed, %s failed%s, %d skipped; worst error %.3f of its bound\n",
        term_style_begin(stdout, sum->failed ? TERM_BAD : TERM_GOOD),
        table_thousands(sum->passed), table_thousands(sum->failed),
        term_style_end(stdout), sum->skipped, sum->max_error_ratio);
}

/* Runs one family. The device is opened for it, unless it is open already. */
static enum app_exit verify_family(struct app *app, const struct verify_options *o,
                                   enum weft_kernel_family family,
                                   struct verify_summary *t,
                                   struct weft_verify_result *sum)
{
    struct weft_device_params params =
        *weft_device_params(.family = family,
                            .gemm = (enum weft_gemm_provider)o->app.gemm);
    weft_device_close(&app->device);
    enum weft_status status =
        weft_device_open(app->context, app->device_index, &params, &app->device);
    if (status)
        return app_report_error(app, APP_DEVICE, status);
    int usual = app->info.kind == WEFT_DEVICE_CPU ? CPU_DRIVER_CASES : DEFAULT_CASES;
    struct weft_verify_params verify =
        *weft_verify_params(.op = o->op, .cases = o->cases ? o->cases : usual,
                            .mixed_cases = o->sweeps, .first_case = o->first,
                            .tiny_shapes = o->small, .random_kernels = o->draw,
                            .precision = (enum weft_precision)o->precision,
                            .seed = o->seed, .report = report, .priv = t);
    struct weft_verify_result result = {0};
    status = weft_verify(app->device, &verify, &result);
    sum->passed += result.passed;
    sum->failed += result.failed;
    sum->skipped += result.skipped;
    sum->max_error_ratio = result.max_error_ratio > sum->max_error_ratio
                               ? result.max_error_ratio
                               : sum->max_error_ratio;
    return status && status != WEFT_ERR_MISMATCH ? app_report_error(app, APP_WORK, status)
                                                 : APP_OK;
}

static enum app_exit require_op_exists(struct app *app, const char *op)
{
    const char *names[64];
    int n = 0;
    for (; n < 64 && (names[n] = weft_verify_op_name(n)); n++)
        if (!strcmp(names[n], op))
            return APP_OK;
    const char *close = args_suggest(op, names, n);
    char list[512] = "";
    for (int i = 0; i < n; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", names[i]);
    }
    return app_error(app, APP_USAGE, "there is no op '%s'%s%s%s (there are %s)", op,
                     close ? "; did you mean " : "", close ? close : "", close ? "?" : "",
                     list);
}

static enum app_exit verify(struct app *app, const struct verify_options *o)
{
    enum app_exit code = o->op ? require_op_exists(app, o->op) : APP_OK;
    if (code || (code = app_open_device(app)))
        return code;
    bool builtin = app->info.kind == WEFT_DEVICE_HOST;
    enum weft_kernel_family families[] = {WEFT_FAMILY_VEC, WEFT_FAMILY_TILE};
    int count = builtin || o->app.family ? 1 : 2;
    if (builtin || o->app.family)
        families[0] = (enum weft_kernel_family)o->app.family;

    struct verify_summary *t = term_realloc_or_exit(NULL, sizeof(*t));
    *t = (struct verify_summary){.mixed = o->sweeps > 0, .first = o->first};
    struct weft_verify_result sum = {0};
    struct table table;
    table_init(&table, stdout, (enum table_format)o->app.format, columns, COLUMN_COUNT,
               false);
    for (int i = 0; i < count && !code; i++) {
        t->op[0] = '\0';
        t->family = builtin ? "C" : app_kernel_family_names[families[i]];
        code = verify_family(app, o, families[i], t, &sum);
        add_rows(&table, t);
    }
    table_write(&table);
    if (!code && o->app.format == TABLE_JSON)
        write_json(app, o, &table, t, &sum, stdout);
    if (!code && o->app.format == TABLE_HUMAN)
        write_summary(app, o, t, &sum);
    if (!code && o->certificate)
        code = save_json_report(app, o, &table, t, &sum);
    if (!code)
        code = app_flush_stdout(app);
    if (!code && sum.failed)
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
            .summary = "proves a device right: every op and family against the reference",
            .about = "Integer inputs must come out exactly, real ones within the "
                     "rounding bound that the number of summands allows. Exit code "
                     "5 on a mismatch, with the whole case.",
            .options = options,
        },
    .defaults = &(const struct verify_options){.seed = 1},
    .options_size = sizeof(struct verify_options),
    .run = verify_main,
};
