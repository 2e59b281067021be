/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a report: layers, convergence, all numbers. */
#include "report/report.h"

#include "report/html.h"
#include "results/device_table.h"

#include <math.h>
#include <string.h>

/* Accuracies more than three standard errors from `first` are marked. */
static void write_convergence_rows(FILE *out, int run, const json_t *row,
                                   const json_t *first)
{
    double accuracy = results_number(row, "accuracy");
    double error = results_number(first, "accuracy_standard_error");
    fputs("<tr><td>", out);
    html_write_escaped(out, results_text(row, "net"));
    fputs("<td class=\"n\">", out);
    html_write_number(out, results_number(row, "batch"));
    fputs("<td class=\"n more\">", out);
    html_write_number(out, results_number(row, "steps"));
    fprintf(out, "<td class=\"n key c%d\">%s<td class=\"n\">", report_color(run),
            results_letter(run));
    report_write_percent(out, accuracy);
    fputs(" &plusmn; ", out);
    report_write_percent(out, results_number(row, "accuracy_standard_error"));
    if (fabs(accuracy - results_number(first, "accuracy")) > 3 * error)
        fputs(" <span class=\"wrong\">differs</span>", out);
    fputs("<td class=\"n\">", out);
    report_write_percent(out, results_number(row, "target_accuracy"));
    fputs("<td class=\"n\">", out);
    html_write_number(out, results_number(row, "median"));
    fputs(isfinite(results_number(row, "median")) ? " s\n" : "\n", out);
}

/* Groups devices with the same network, batch and steps. */
void report_write_convergence(FILE *out, const struct results *r)
{
    bool any = false;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++) {
            const json_t *row = json_array_get(report_rows(r, i), k);
            bool before = false;
            if (strcmp(results_text(row, "workload"), "convergence") ||
                !isfinite(results_number(row, "accuracy")) ||
                results_matching_convergence(results_run(r, i), row) != row)
                continue;
            for (int m = 0; m < i; m++)
                before = before || results_matching_convergence(results_run(r, m), row);
            if (before)
                continue;
            if (!any) {
                fputs(
                    "<h2>Convergence</h2>\n<p class=\"soft\">Test accuracy after a fixed "
                    "number of steps from equal initial weights; devices should differ "
                    "by rounding only, so differences beyond three standard errors are "
                    "marked. Time is training time to the target; a dash: not "
                    "reached.</p>\n<div class=\"whole\">",
                    out);
                html_open_wide(out, "Convergence");
                fputs(
                    "<table><thead><tr><th>Network<th class=\"n\">Batch<th class=\"n "
                    "more\">Steps<th><th class=\"n\">"
                    "Accuracy<th class=\"n\">Target<th class=\"n\">Time</thead><tbody>\n",
                    out);
            }
            any = true;
            for (int m = i; m < results_count(r); m++) {
                const json_t *same = results_matching_convergence(results_run(r, m), row);
                if (isfinite(results_number(same, "accuracy")))
                    write_convergence_rows(out, m, same, row);
            }
        }
    fputs(any ? "</tbody></table></div></div>\n" : "", out);
}

static bool has_layers(const struct results *r, int run)
{
    for (size_t k = 0; k < json_array_size(report_rows(r, run)); k++)
        if (!strcmp(results_text(json_array_get(report_rows(r, run), k), "workload"),
                    "layers"))
            return true;
    return false;
}

static void write_heat_row(FILE *out, const struct results *r, const json_t *row)
{
    static const char *const cells[] = {"layer", "layer_text", "phase"};
    fputs("<tr>", out);
    for (size_t c = 0; c < sizeof(cells) / sizeof(*cells); c++) {
        fputs(c == 1 ? "<td class=\"more\">" : "<td>", out);
        html_write_escaped(out, results_text(row, cells[c]));
    }
    fprintf(out, "<td class=\"n\">%.0f", results_number(row, "batch"));
    for (int i = 0; i < results_count(r); i++) {
        double fraction = results_number(results_find_same(results_run(r, i), row),
                                         "roofline_fraction");
        if (!has_layers(r, i))
            continue;
        if (isfinite(fraction))
            fprintf(out, "<td class=\"heat\" style=\"--heat:%.2f\">%.0f %%",
                    0.65 * fmin(1, fmax(0, fraction)), 100 * fraction);
        else
            fputs("<td class=\"heat\">&ndash;", out);
    }
    fputc('\n', out);
}

void report_write_layers(FILE *out, const struct results *r)
{
    bool any = false;
    const char *net = "";
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++) {
            const json_t *row = json_array_get(report_rows(r, i), k);
            if (strcmp(results_text(row, "workload"), "layers") ||
                !report_is_first_with(r, i, row))
                continue;
            if (!any) {
                fputs("<h2>Layers</h2>\n<p class=\"soft\">Roofline fraction of each "
                      "segment of a training step.</p>\n",
                      out);
                html_open_wide(out, "Layers");
                fputs("<table><thead><tr><th>Layer<th class=\"more\">Text<th>Phase"
                      "<th class=\"n\">Batch",
                      out);
                for (int m = 0; m < results_count(r); m++)
                    if (has_layers(r, m))
                        fprintf(out, "<th class=\"heat key c%d\">%s", report_color(m),
                                results_letter(m));
                fputs("</thead><tbody>\n", out);
            }
            any = true;
            if (strcmp(net, results_text(row, "net"))) {
                net = results_text(row, "net");
                fputs("<tr><th>", out);
                html_write_escaped(out, net);
                fputc('\n', out);
            }
            write_heat_row(out, r, row);
        }
    fputs(any ? "</tbody></table></div>\n" : "", out);
}

/* One row of results; narrow screens hide the columns of class "more". */
static void write_number(FILE *out, int run, const json_t *row, bool energy)
{
    static const char *const numbers[] = {"min", "max", "p95", "p99"};
    double fraction = results_number(row, "roofline_fraction");
    char key[RESULTS_LABEL_BYTES];
    results_workload_key(row, key);
    fprintf(out, "<tr><td class=\"key c%d\">%s<td>", report_color(run),
            results_letter(run));
    html_write_escaped(out, key);
    fputs("<td class=\"n\">", out);
    html_write_number(out, results_number(row, "median"));
    fputs("<td>", out);
    html_write_escaped(out, results_text(row, "unit"));
    fputs("<td class=\"n more\">", out);
    report_write_interval(out, row);
    for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++) {
        fputs("<td class=\"n more\">", out);
        html_write_number(out, results_number(row, numbers[n]));
    }
    fprintf(out, "<td class=\"n more\">%zu<td class=\"n\">",
            json_array_size(json_object_get(row, "values")));
    if (isfinite(fraction))
        fprintf(out, "%.0f %%", 100 * fraction);
    if (energy) {
        fputs("<td class=\"n more\">", out);
        if (isfinite(results_number(row, "joules_per_1000_images")))
            html_write_number(out, results_number(row, "joules_per_1000_images"));
    }
    if (results_passed(row))
        fputs(isfinite(results_number(row, "relative_error")) ? "<td>ok" : "<td>", out);
    else {
        fputs("<td class=\"wrong\">", out);
        html_write_escaped(out, results_text(row, "error"));
    }
    fputc('\n', out);
}

void report_write_numbers(FILE *out, const struct results *r)
{
    bool energy = false;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++)
            energy =
                energy || isfinite(results_number(json_array_get(report_rows(r, i), k),
                                                  "joules_per_1000_images"));
    fprintf(out,
            "<details open class=\"numbers\"><summary>All numbers</summary>\n<p "
            "class=\"soft\">ok: "
            "matches the host backend. 95 %%: interval of the "
            "median.%s</p>\n",
            energy ? " J/1,000: joules of the whole machine per 1,000 images." : "");
    html_open_wide(out, "All numbers");
    fprintf(out,
            "<table><thead><tr><th><th>Workload<th class=\"n\">Median<th>Unit<th "
            "class=\"n more\">95 %%"
            "<th class=\"n more\">Min<th class=\"n more\">Max<th class=\"n more\">p95"
            "<th class=\"n more\">p99<th class=\"n more\">Samples<th class=\"n\">Roofline"
            "%s<th>Result</thead><tbody>\n",
            energy ? "<th class=\"n more\">J/1,000" : "");
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++)
            write_number(out, i, json_array_get(report_rows(r, i), k), energy);
    fputs("</tbody></table></div></details>\n", out);
}
