/* SPDX-License-Identifier: Apache-2.0 */
/* weft compare: saved results against each other. */
#include "results/comparison_text.h"

#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct compare_options {
    struct app_options app;
    double fail_above;
    const char *report;
};

static const struct args_option options[] = {
    {"fail-above", 0, ARGS_FRACTION, offsetof(struct compare_options, fail_above),
     "SHARE",
     "exit with 5 if something is slower by more than this, and that is sure; default 5% "
     "where both runs are of the same device, else never",
     0, 0},
    {"report", 0, ARGS_TEXT, offsetof(struct compare_options, report), "FILE.html",
     "one page with images of all runs that needs nothing else; one run is enough", 0, 0},
    APP_OPTIONS_FORMAT(struct compare_options),
    APP_OPTIONS_COLOR(struct compare_options),
    {0},
};

static const double usual_share = 0.05;

static const struct table_column columns[] = {
    {"what", "What", true, 0},
    {"a_device", NULL, true, 0},
    {"b_device", NULL, true, 0},
    {"a", "Before", false, 0},
    {"b", "After", false, 0},
    {"unit", "", true, 0},
    {"faster", "Times as fast", false, 0},
    {"low", NULL, false, 0},
    {"high", NULL, false, 0},
    {"verdict", "Verdict", true, 0},
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

struct comparison {
    struct app *app;
    const struct compare_options *options;
    struct results results;
    struct table table;
    int regressions, pairs, alone;
};

static void number(struct table *t, double value)
{
    if (value >= 1000)
        table_double(t, value, "%s", table_thousands(value));
    else
        table_double(t, value, isfinite(value) ? "%.4g" : "-", value);
}

/* What is said of one row: the interval decides, and with the least change that counts a
 * regression too. */
static const char *verdict(struct comparison *c, const struct statistics_ratio *r,
                           double fail_above)
{
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
    table_text(t, what);
    table_text(t, name_a);
    table_text(t, name_b);
    number(t, results_number(row, "median"));
    number(t, other ? results_number(other, "median") : NAN);
    table_text(t, results_text(row, "unit"));
    table_double(t, r.ratio, "%s", times);
    table_double(t, r.low, "-");
    table_double(t, r.high, "-");
    table_text(t, !results_passed(row) ? "failed before"
                  : !other             ? "not measured after"
                                       : verdict(c, &r, fail_above));
}

static bool same_device(const json_t *a, const json_t *b)
{
    return !strcmp(results_text(a, "device.id"), results_text(b, "device.id")) &&
           !strcmp(results_text(a, "device.family"), results_text(b, "device.family")) &&
           !strcmp(results_text(a, "host.processor"), results_text(b, "host.processor"));
}

static void compare_runs(struct comparison *c, int a, int b)
{
    const json_t *run_a = results_run(&c->results, a);
    const json_t *run_b = results_run(&c->results, b);
    const json_t *rows = json_object_get(run_a, "rows");
    double share = c->options->fail_above;
    if (share < 0)
        share = same_device(run_a, run_b) ? usual_share : 0;
    c->pairs++;
    for (size_t i = 0; i < json_array_size(rows); i++)
        add_row(c, a, b, json_array_get(rows, i), share);
}

/* Runs [0, middle) against [middle, end): the same device's where there is one, else what
 * is left over on both sides, in order. */
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
                compare_runs(c, a, b);
                taken[a] = taken[b] = true;
            }
    for (int i = 0; i < end; i++)
        c->alone += !taken[i];
}

/* The devices of one file, or of more than two: each against the first. */
static void compare_all(struct comparison *c)
{
    for (int b = 1; b < results_count(&c->results); b++)
        compare_runs(c, 0, b);
}

static void print_runs(const struct comparison *c)
{
    for (int i = 0; i < results_count(&c->results); i++) {
        char label[RESULTS_LABEL_BYTES];
        const json_t *run = results_run(&c->results, i);
        results_label(&c->results, i, label);
        term_print("%s: driver %s, weft %s %s, %s%s%s", label,
                   results_text(run, "device.driver"), results_text(run, "weft"),
                   results_text(run, "commit"), results_text(run, "made"),
                   *results_text(run, "fault") ? "; failed: " : "",
                   results_text(run, "fault"));
    }
}

static void write_all(struct comparison *c)
{
    enum table_format format = (enum table_format)c->options->app.format;
    table_write(&c->table);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(c->app, &j, "weft.compare/1");
        emit_int(&j, "regressions", c->regressions);
        table_json(&c->table, &j, "rows");
        emit_end(&j);
    }
    if (format == TABLE_HUMAN || format == TABLE_MD) {
        putchar('\n');
        comparison_print(&c->results);
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
        return app_error(c->app, APP_BAD_INPUT,
                         "%s: one run, and nothing to compare it with; give another file",
                         files[0]);
    print_runs(c);
    if (count == 2)
        pair_runs(c, middle, runs);
    else
        compare_all(c);
    write_all(c);
    if (c->alone)
        term_warn("%d of %d runs have no counterpart in the other file", c->alone, runs);
    if ((code = app_flush_stdout(c->app)))
        return code;
    if (c->regressions)
        return app_error(c->app, APP_VERIFICATION_FAILED,
                         "%d regressions beyond the uncertainty", c->regressions);
    return APP_OK;
}

static enum app_exit compare_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct compare_options *o = given;
    struct comparison c = {.app = app, .options = o};
    table_init(&c.table, stdout, (enum table_format)o->app.format, columns, COLUMNS,
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
            .operands = "FILE.json...",
            .summary = "saved results against each other: drivers, devices, before and "
                       "after",
            .examples = "  weft bench train inference --json before.json\n"
                        "  weft compare before.json after.json --fail-above 5%",
            .about =
                "FILEs are what weft bench --json wrote. Of two files, runs on the same "
                "device are compared, then what is left; of one file, or of more than "
                "two, all with the first run. The ratio is of medians, its interval "
                "holds 95 %: exp(log ratio +- t sqrt(pi/2 (s1^2/n1 + s2^2/n2))), where s "
                "is 1.4826 times the median absolute deviation of the logarithms, "
                "corrected for few samples (Croux and Rousseeuw 1992), and t Student's "
                "for n1 + n2 - 2 degrees; of more than 40 samples the medians of 20 "
                "blocks "
                "count. A regression is one whose whole interval lies "
                "beyond the share that is allowed; the exit code is then 5. What moves "
                "between two runs, such as a neighbour on the machine, is not in the "
                "samples: run twice what you doubt.",
            .options = options,
            .operands_min = 1,
            .operands_max = RESULTS_MAX_RUNS,
        },
    .defaults = &(const struct compare_options){.fail_above = -1},
    .options_size = sizeof(struct compare_options),
    .run = compare_main,
};
