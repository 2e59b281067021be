/* SPDX-License-Identifier: Apache-2.0 */
/* weft compare: compares saved results. */
#include "bench/compare_runs.h"

#include "report/report.h"
#include "results/comparison_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct compare_options {
    struct app_options app;
    double fail_above;
    const char *report;
};

static const struct args_option options[] = {
    {.name = "fail-above",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct compare_options, fail_above),
     .value = "X",
     .help = "exit code 5 for a significant slowdown by more than this fraction; default "
             "5% if both runs are of the same device, else never"},
    {.name = "report",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct compare_options, report),
     .value = "FILE.html",
     .help = "save all runs as a self-contained HTML page; one run is enough"},
    {0},
};

static const struct args_option *const shared_options[] = {app_output_options, NULL};

static const double default_fail_above = 0.05;

enum { AFTER_DEVICE = 2, BEFORE, AFTER };

static const struct table_column default_columns[] = {
    {.key = "workload", .title = "Workload", .left = true},
    {.key = "before_device", .left = true},
    [AFTER_DEVICE] = {.key = "after_device", .left = true},
    [BEFORE] = {.key = "before", .title = "Before"},
    [AFTER] = {.key = "after", .title = "After"},
    {.key = "unit", .title = "", .left = true},
    {.key = "speedup", .title = "Speedup"},
    {.key = "speedup_low"},
    {.key = "speedup_high"},
    {.key = "result", .title = "Result", .left = true},
};
enum { COLUMNS = sizeof(default_columns) / sizeof(*default_columns) };

struct comparison {
    struct app *app;
    const struct compare_options *options;
    struct results results;
    struct table_column columns[COLUMNS];
    struct table table;
    int regressions, unpaired;
};

static void number(struct table *t, double value)
{
    if (value >= 1000)
        table_double(t, value, "%s", table_thousands(value));
    else
        table_double(t, value, isfinite(value) ? "%.4g" : "-", value);
}

/* Classifies one row by its interval; below `fail_above` it is a regression. */
static const char *classify(struct comparison *c, const struct statistics_ratio *r,
                            bool same_build, double fail_above)
{
    if (same_build)
        return "same";
    if (!isfinite(r->low))
        return "one sample";
    if (fail_above > 0 && r->high < 1 / (1 + fail_above)) {
        c->regressions++;
        return "REGRESSION";
    }
    return r->low > 1 ? "faster" : r->high < 1 ? "slower" : "same";
}

static void add_row(struct comparison *c, int a, int b, const json_t *row,
                    double fail_above)
{
    struct table *t = &c->table;
    char what[RESULTS_LABEL_BYTES], name_a[RESULTS_LABEL_BYTES],
        name_b[RESULTS_LABEL_BYTES], times[64];
    const json_t *other = results_find_same(results_run(&c->results, b), row);
    struct statistics_ratio r = {NAN, NAN, NAN};
    if (!json_array_size(json_object_get(row, "values")) && results_passed(row))
        return;
    if (other && results_passed(row))
        r = comparison_speedup(row, other);
    results_workload_key(row, what);
    results_label(&c->results, a, name_a);
    results_label(&c->results, b, name_b);
    comparison_format_ratio(&r, times);
    bool same_build =
        comparison_same_build(results_run(&c->results, a), results_run(&c->results, b));
    table_text(t, what);
    table_text(t, name_a);
    table_text(t, name_b);
    number(t, results_number(row, "median"));
    number(t, other ? results_number(other, "median") : NAN);
    table_text(t, results_text(row, "unit"));
    table_double(t, r.ratio, "%s", times);
    table_double(t, r.low, "-");
    table_double(t, r.high, "-");
    table_text(t, !results_passed(row) ? "the first failed"
                  : !other             ? "not in the second"
                                       : classify(c, &r, same_build, fail_above));
}

static bool same_device(const json_t *a, const json_t *b)
{
    return !strcmp(results_text(a, "device.id"), results_text(b, "device.id")) &&
           !strcmp(results_text(a, "device.family"), results_text(b, "device.family")) &&
           !strcmp(results_text(a, "host.processor"), results_text(b, "host.processor"));
}

/* Two devices are compared, not two versions: neither was before. */
static void name_devices(struct comparison *c)
{
    c->columns[BEFORE].title = "First";
    c->columns[AFTER].title = "Second";
    if (results_count(&c->results) > 2)
        c->columns[AFTER_DEVICE].title = "Second device";
}

static void compare_pair(struct comparison *c, int a, int b)
{
    const json_t *run_a = results_run(&c->results, a);
    const json_t *run_b = results_run(&c->results, b);
    if (!same_device(run_a, run_b))
        name_devices(c);
    const json_t *rows = json_object_get(run_a, "rows");
    double fail_above = c->options->fail_above;
    if (fail_above < 0)
        fail_above = same_device(run_a, run_b) ? default_fail_above : 0;
    for (size_t i = 0; i < json_array_size(rows); i++)
        add_row(c, a, b, json_array_get(rows, i), fail_above);
}

/* Pairs runs [0, middle) with [middle, end): first those of the same device, then the
 * rest in order. */
static void pair_runs(struct comparison *c, int middle, int end)
{
    bool taken[RESULTS_MAX_RUNS] = {false};
    for (int pass = 0; pass < 2; pass++)
        for (int a = 0; a < middle; a++)
            for (int b = middle; b < end && !taken[a]; b++) {
                const json_t *run_a = results_run(&c->results, a);
                const json_t *run_b = results_run(&c->results, b);
                if (taken[b] || (pass == 0 && !same_device(run_a, run_b)))
                    continue;
                compare_pair(c, a, b);
                taken[a] = taken[b] = true;
            }
    for (int i = 0; i < end; i++)
        c->unpaired += !taken[i];
}

/* One file, or more than two: compares each run with the first. */
static void compare_all(struct comparison *c)
{
    for (int b = 1; b < results_count(&c->results); b++)
        compare_pair(c, 0, b);
}

static void print_runs(const struct comparison *c)
{
    for (int i = 0; i < results_count(&c->results); i++) {
        char label[RESULTS_LABEL_BYTES];
        const json_t *run = results_run(&c->results, i);
        results_label(&c->results, i, label);
        term_print("%s: driver %s, weft %s %s, %s%s%s", label,
                   results_text(run, "device.driver"), results_text(run, "weft"),
                   results_text(run, "commit"), results_text(run, "created"),
                   *results_text(run, "error") ? "; failed: " : "",
                   results_text(run, "error"));
    }
}

static void write_all(struct comparison *c)
{
    enum table_format format = (enum table_format)c->options->app.format;
    table_write(&c->table);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(c->app, &j, "weft.compare/2");
        emit_int(&j, "regressions", c->regressions);
        table_json(&c->table, &j, "rows");
        emit_end(&j);
    }
    if (format == TABLE_HUMAN || format == TABLE_MD) {
        putchar('\n');
        comparison_print(&c->results, c->table.format);
        table_line(stdout, c->table.format, COMPARISON_NOISE);
    }
}

static enum app_exit compare(struct comparison *c, int count, char **files)
{
    int middle = 0;
    enum app_exit code = APP_OK;
    for (int i = 0; i < count && !code; i++) {
        code = results_read(c->app, &c->results, files[i]);
        middle = i == 0 ? results_count(&c->results) : middle;
    }
    if (code)
        return code;
    int runs = results_count(&c->results);
    if ((code = report_save(c->app, &c->results, c->options->report)))
        return code;
    if (runs < 2 && c->options->report)
        return APP_OK;
    if (runs < 2)
        return app_error(
            c->app, APP_BAD_INPUT,
            "%s: contains one run and nothing to compare it with; add another file",
            files[0]);
    print_runs(c);
    if (count == 2)
        pair_runs(c, middle, runs);
    else
        compare_all(c);
    write_all(c);
    if (c->unpaired)
        term_warn("%d of %d runs have no counterpart in the other file", c->unpaired,
                  runs);
    if ((code = app_flush_stdout(c->app)))
        return code;
    if (c->regressions)
        return app_error(c->app, APP_VERIFICATION_FAILED, "%d significant regressions",
                         c->regressions);
    return APP_OK;
}

static enum app_exit compare_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct compare_options *o = given;
    if (compare_is_run(operands[0])) {
        if (o->fail_above >= 0)
            return app_error(app, APP_USAGE, "--fail-above is for results of weft bench");
        return compare_runs(app, count, operands, o->report);
    }
    struct comparison c = {.app = app, .options = o};
    memcpy(c.columns, default_columns, sizeof(c.columns));
    table_init(&c.table, stdout, (enum table_format)o->app.format, c.columns, COLUMNS,
               false);
    enum app_exit code = compare(&c, count, operands);
    table_free(&c.table);
    results_free(&c.results);
    return code;
}

const struct app_command cmd_compare = {
    .args =
        {
            .name = "compare",
            .operands = "FILE.json...|RUN...",
            .summary = "compares saved results of weft bench, or training runs",
            .examples = "  weft bench train inference --json before.json\n"
                        "  weft compare before.json after.json --fail-above 5%\n"
                        "  weft compare runs/* --report runs.html",
            .about =
                "RUNs are folders of training runs: the settings in which they differ, "
                "their last results, and with --report their curves. "
                "FILEs are written by weft bench --json. With two files, runs on the "
                "same "
                "device are compared, then the remaining ones in order; with one file, "
                "or "
                "more than two, all runs are compared with the first. The speedup is the "
                "ratio of medians with its 95 % interval, exp(log ratio +- t sqrt(pi/2 "
                "(s1^2/n1 + s2^2/n2))), where s is 1.4826 times the median absolute "
                "deviation of the logarithms, corrected for few samples (Croux and "
                "Rousseeuw 1992), and t is Student's for n1 + n2 - 2 degrees of freedom; "
                "series of more than 40 samples are reduced to the medians of 20 blocks. "
                "A "
                "regression is a slowdown whose whole interval exceeds --fail-above; the "
                "exit code is then 5. Variation between runs, such as other load on the "
                "machine, is not part of the samples: measure doubtful results again. "
                "Runs of the "
                "same device, driver, commit and tuning have no difference but noise.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = RESULTS_MAX_RUNS,
        },
    .defaults = &(const struct compare_options){.fail_above = -1},
    .options_size = sizeof(struct compare_options),
    .run = compare_main,
};
