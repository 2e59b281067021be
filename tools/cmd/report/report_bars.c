/* SPDX-License-Identifier: Apache-2.0 */
/* Bars: each network workload on every device, those of one network on one scale. */
#include "report/html.h"
#include "report/report.h"
#include "results/device_table.h"
#include "core/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bars {
    FILE *out;
    const struct results *results;
    const char *workload;
    const json_t *net; /* a row of the network and input that are drawn */
    double most;       /* the end of the scale */
};

static bool is_of(const struct bars *b, const json_t *row)
{
    return !strcmp(results_text(row, "workload"), b->workload) &&
           (!b->net ||
            (!strcmp(results_text(row, "net"), results_text(b->net, "net")) &&
             !strcmp(results_text(row, "input"), results_text(b->net, "input"))));
}

/* Calls `use` for the first row of each workload: of all networks if `net` is NULL. */
static void each_workload(struct bars *b, void (*use)(struct bars *, int, const json_t *))
{
    for (int i = 0; i < results_count(b->results); i++)
        for (size_t k = 0; k < json_array_size(report_rows(b->results, i)); k++) {
            const json_t *row = json_array_get(report_rows(b->results, i), k);
            if (is_of(b, row) && report_is_first_with(b->results, i, row))
                use(b, i, row);
        }
}

static void extend(struct bars *b, int first, const json_t *row)
{
    for (int i = first; i < results_count(b->results); i++) {
        const json_t *same = results_find_same(results_run(b->results, i), row);
        double bounds[2];
        report_interval(same, bounds);
        b->most = fmax(b->most, fmax(results_number(same, "median"), bounds[1]));
    }
}

/* The next round number, half of which is round too. */
static double round_up(double value)
{
    static const double steps[] = {1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10};
    double ten = pow(10, floor(log10(value)));
    size_t i = 0;
    while (steps[i] * ten < value && i + 1 < sizeof(steps) / sizeof(*steps))
        i++;
    return steps[i] * ten;
}

static void write_bar(const struct bars *b, int run, const json_t *row)
{
    FILE *out = b->out;
    double median = results_number(row, "median"), p99 = results_number(row, "p99"),
           bounds[2];
    fprintf(out,
            "<div class=\"who key c%d\">%s</div><div class=\"track c%d\">"
            "<div class=\"bar\" style=\"width:%.2f%%\"></div>",
            report_color(run), results_letter(run), report_color(run),
            100 * median / b->most);
    if (report_interval(row, bounds))
        fprintf(out, "<div class=\"span\" style=\"left:%.2f%%;width:%.2f%%\"></div>",
                100 * bounds[0] / b->most, 100 * (bounds[1] - bounds[0]) / b->most);
    fputs("</div><div class=\"value\">", out);
    html_write_number(out, median);
    if (results_is_time(row) && isfinite(p99)) {
        fputs(", p99 ", out);
        html_write_number(out, p99);
    }
    if (*results_backend_name(row))
        fprintf(out, ", by %s", results_backend_name(row));
    fputs("</div>\n", out);
}

/* Bars of `row` and of the same workload in later runs. */
static void write_workload(struct bars *b, int first, const json_t *row)
{
    const char *precision = results_text(row, "precision");
    fprintf(b->out, "<div class=\"what\">batch %.0f", results_number(row, "batch"));
    if (*precision && strcmp(precision, "float32") != 0) {
        fputc(' ', b->out);
        html_write_escaped(b->out, precision);
    }
    fputs("</div>\n", b->out);
    for (int i = first; i < results_count(b->results); i++) {
        const json_t *same = results_find_same(results_run(b->results, i), row);
        if (same)
            write_bar(b, i, same);
    }
}

/* True if no earlier row of the workload has the network of `row`. */
static bool begins_net(const struct bars *own, int run, const json_t *row)
{
    for (int i = 0; i <= run; i++)
        for (size_t k = 0; k < json_array_size(report_rows(own->results, i)); k++) {
            const json_t *before = json_array_get(report_rows(own->results, i), k);
            if (before == row)
                return true;
            if (is_of(own, before) && report_is_first_with(own->results, i, before))
                return false;
        }
    return true;
}

static void write_net(struct bars *b, int run, const json_t *row)
{
    struct bars own = *b;
    own.net = row;
    if (!begins_net(&own, run, row))
        return;
    each_workload(&own, extend);
    if (!(own.most > 0))
        return;
    own.most = round_up(own.most);
    fputs("<h3>", b->out);
    html_write_escaped(b->out, results_text(row, "net"));
    fputc(' ', b->out);
    html_write_escaped(b->out, results_text(row, "input"));
    fputs("</h3>\n<div class=\"bars runs\">\n", b->out);
    each_workload(&own, write_workload);
    fputs("<div class=\"scale\"><span>0</span><span>", b->out);
    html_write_number(b->out, own.most / 2);
    fputs("</span><span>", b->out);
    html_write_number(b->out, own.most);
    fputc(' ', b->out);
    html_write_escaped(b->out, results_text(row, "unit"));
    fputs("</span></div></div>\n", b->out);
}

static void note(struct bars *b, int run, const json_t *row)
{
    (void)run;
    b->net = row;
}

void report_write_bars(FILE *out, const struct results *r)
{
    static const struct {
        const char *workload, *title, *about;
    } parts[] = {
        {"train", "Training", "Images per second, higher is better."},
        {"inference", "Inference", "Images per second, higher is better."},
        {"latency", "Latency", "Time of one synchronous batch, lower is better."},
    };
    for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++) {
        struct bars b = {.out = out, .results = r, .workload = parts[p].workload};
        struct bars any = b;
        each_workload(&any, note);
        if (!any.net)
            continue;
        fprintf(out,
                "<h2>%s</h2>\n<p class=\"soft\">%s Bars are medians; marks at their ends "
                "are 95 %% intervals of the median, which need at least %d samples. A "
                "network has one scale.</p>\n",
                parts[p].title, parts[p].about, STATISTICS_MIN_SAMPLES);
        report_write_keys(out, r);
        each_workload(&b, write_net);
    }
}
