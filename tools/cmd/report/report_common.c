/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the sections of a report. */
#include "report/report.h"

#include "core/statistics.h"
#include "report/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const json_t *report_rows(const struct results *r, int run)
{
    return json_object_get(results_run(r, run), "rows");
}

bool report_is_first_with(const struct results *r, int run, const json_t *row)
{
    for (int i = 0; i < run; i++)
        if (results_find_same(results_run(r, i), row))
            return false;
    return results_find_same(results_run(r, run), row) == row;
}

void report_write_label(FILE *out, const struct results *r, int run)
{
    char label[RESULTS_LABEL_BYTES];
    results_label(r, run, label);
    fprintf(out, "<b>%s</b> ", results_letter(run));
    html_write_escaped(out, label);
}

void report_write_keys(FILE *out, const struct results *r)
{
    fputs("<p class=\"soft facts\">", out);
    for (int i = 0; i < results_count(r); i++) {
        fprintf(out, "<span class=\"key c%d\">", report_color(i));
        report_write_label(out, r, i);
        fputs("</span> ", out);
    }
    fputs("</p>\n", out);
}

bool report_interval(const json_t *row, double out[2])
{
    double *values;
    int count = results_samples(row, &values);
    bool known = statistics_interval(values, count, out);
    free(values);
    return known;
}

void report_write_interval(FILE *out, const json_t *row)
{
    double bounds[2];
    if (!report_interval(row, bounds))
        return;
    html_write_number(out, bounds[0]);
    fputs("&ndash;", out);
    html_write_number(out, bounds[1]);
}

void report_write_percent(FILE *out, double fraction)
{
    if (isfinite(fraction))
        fprintf(out, "%.1f %%", 100 * fraction);
    else
        fputs("&ndash;", out);
}
