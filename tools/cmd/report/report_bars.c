/* SPDX-License-Identifier: Apache-2.0 */
/* Bars: each network workload on every device. */
#include "report/html.h"
#include "report/report.h"
#include "core/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void write_bar(FILE *out, const struct results *r, int run, const json_t *row,
                      double most)
{
    double median = results_number(row, "median"), p99 = results_number(row, "p99"),
           bounds[2];
    fputs("<div class=\"who\">", out);
    report_write_label(out, r, run);
    if (!strcmp(results_text(row, "backend"), "host") &&
        strcmp(results_text(results_run(r, run), "device.family"), "C"))
        fputs(", on the host backend", out);
    fputs("</div><div class=\"value\">", out);
    html_write_number(out, median);
    fputc(' ', out);
    html_write_escaped(out, results_text(row, "unit"));
    if (results_is_time(row) && isfinite(p99)) {
        fputs(", p99 ", out);
        html_write_number(out, p99);
    }
    fprintf(out,
            "</div><div class=\"track c%d\"><div class=\"bar\" style=\"width:%.2f%%\">"
            "</div>",
            report_color(run), 100 * median / most);
    if (report_interval(row, bounds))
        fprintf(out, "<div class=\"span\" style=\"left:%.2f%%;width:%.2f%%\"></div>",
                100 * bounds[0] / most, 100 * (bounds[1] - bounds[0]) / most);
    fputs("</div>\n", out);
}

/* Bars of `row` and of the same workload in later runs. */
static void write_group(FILE *out, const struct results *r, int first, const json_t *row)
{
    char key[RESULTS_LABEL_BYTES];
    double most = 0, bounds[2];
    for (int i = first; i < results_count(r); i++) {
        const json_t *same = results_find_same(results_run(r, i), row);
        report_interval(same, bounds);
        most = fmax(most, fmax(results_number(same, "median"), bounds[1]));
    }
    results_workload_key(row, key);
    fputs("<h3>", out);
    html_write_escaped(
        out, key + strcspn(key, " ")); /* without the workload, the section's title */
    fputs("</h3>\n<div class=\"bars\">\n", out);
    for (int i = first; i < results_count(r) && most > 0; i++) {
        const json_t *same = results_find_same(results_run(r, i), row);
        if (same)
            write_bar(out, r, i, same, most);
    }
    fputs("</div>\n", out);
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
        bool any = false;
        for (int i = 0; i < results_count(r); i++)
            for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++) {
                const json_t *row = json_array_get(report_rows(r, i), k);
                if (strcmp(results_text(row, "workload"), parts[p].workload) ||
                    !report_is_first_with(r, i, row))
                    continue;
                if (!any)
                    fprintf(out,
                            "<h2>%s</h2>\n<p class=\"soft\">%s Bars are medians; marks "
                            "at their ends are 95 %% intervals of the median, which need "
                            "at least %d samples.</p>\n",
                            parts[p].title, parts[p].about, STATISTICS_MIN_SAMPLES);
                any = true;
                write_group(out, r, i, row);
            }
    }
}
