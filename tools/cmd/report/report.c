/* SPDX-License-Identifier: Apache-2.0 */
/* The page: what was measured on what, who is faster, and every number. */
#define _GNU_SOURCE
#include "report/report.h"

#include "results/device_table.h"
#include "report/html.h"
#include "core/paths.h"
#include "results/comparison_text.h"

#include <errno.h>
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

/* What is known of a run; its file unless the label has it. */
static void write_facts(FILE *out, const struct results *r, int index)
{
    static const struct {
        const char *path, *name;
    } facts[] = {{"device.driver", "driver "},
                 {"device.version", ""},
                 {"device.family", "kernels "},
                 {"tuning", "tuning "},
                 {"host.processor", "on "},
                 {"commit", "weft "},
                 {"made", ""},
                 {"file", ""}};
    const json_t *run = results_run(r, index);
    char label[RESULTS_LABEL_BYTES];
    results_label(r, index, label);
    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        const char *text = results_text(run, facts[i].path);
        if (!*text || (!strcmp(facts[i].path, "file") && strstr(label, text)))
            continue;
        fprintf(out, "<span>%s", facts[i].name);
        html_write_escaped(out, text);
        fputs("</span> ", out);
    }
}

static void write_head(FILE *out, const struct results *r)
{
    char sentence[COMPARISON_SENTENCE_BYTES], label[RESULTS_LABEL_BYTES];
    int fastest = comparison_fastest_run(r), count = results_count(r);
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<title>weft bench: ",
          out);
    results_label(r, fastest < 0 ? 0 : fastest, label);
    html_write_escaped(out, label);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", html_style);
    fprintf(out, "<h1>weft bench: %d run%s</h1>\n", count, count == 1 ? "" : "s");
    for (int i = 0; fastest >= 0 && i < count; i++)
        if (i != fastest && comparison_sentence(r, fastest, i, sentence)) {
            fputs("<p class=\"lede\">", out);
            html_write_escaped(out, sentence);
            fputs("</p>\n", out);
        }
    for (int i = 0; i < count; i++) {
        const json_t *run = results_run(r, i);
        fprintf(out, "<p><span class=\"key c%d\">", report_color(i));
        report_write_label(out, r, i);
        fputs("</span><br><span class=\"soft facts\">", out);
        write_facts(out, r, i);
        fputs("</span>", out);
        if (*results_text(run, "fault")) {
            fputs("<br><span class=\"wrong\">", out);
            html_write_escaped(out, results_text(run, "fault"));
            fputs("</span>", out);
        }
        fputs("</p>\n", out);
    }
}

/* The overview of `weft bench -d all`, but a column a device: so it fits a phone. */
static void write_overview(FILE *out, const struct results *r)
{
    struct table t;
    char about[DEVICE_TABLE_LEGEND_BYTES];
    device_table_build(&t, r, TABLE_HUMAN);
    device_table_legend(r, about);
    fputs("<div class=\"wide whole\"><table><thead><tr><th>", out);
    for (int i = 0; i < results_count(r); i++)
        fprintf(out, "<th class=\"n key c%d\">%s", report_color(i), results_letter(i));
    fputs("</thead><tbody>\n", out);
    for (int c = 1; c < t.column_count; c++) {
        if (!table_column_has_data(&t, c))
            continue;
        fputs("<tr><th>", out);
        html_write_escaped(out, table_cell_text(&t, -1, c));
        for (int i = 0; i < results_count(r); i++) {
            fputs("<td class=\"n\">", out);
            html_write_escaped(out, table_cell_text(&t, i, c));
        }
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n<p class=\"soft\">", out);
    html_write_escaped(out, about);
    fputs("</p>\n", out);
    table_free(&t);
}

static void write_share(FILE *out, double share)
{
    if (isfinite(share))
        fprintf(out, "%.1f %%", 100 * share);
    else
        fputs("&ndash;", out);
}

/* An accuracy is told to differ where chance would not have it so far from `first`. */
static void write_convergence_rows(FILE *out, int run, const json_t *row,
                                   const json_t *first)
{
    double accuracy = results_number(row, "accuracy");
    double error = results_number(first, "accuracy_error");
    fputs("<tr><td>", out);
    html_write_escaped(out, results_text(row, "net"));
    fputs("<td class=\"n\">", out);
    html_write_number(out, results_number(row, "batch"));
    fputs("<td class=\"n more\">", out);
    html_write_number(out, results_number(row, "steps"));
    fprintf(out, "<td class=\"n key c%d\">%s<td class=\"n\">", report_color(run),
            results_letter(run));
    write_share(out, accuracy);
    fputs(" &plusmn; ", out);
    write_share(out, results_number(row, "accuracy_error"));
    if (fabs(accuracy - results_number(first, "accuracy")) > 3 * error)
        fputs(" <span class=\"wrong\">differs</span>", out);
    fputs("<td class=\"n\">", out);
    write_share(out, results_number(row, "target"));
    fputs("<td class=\"n\">", out);
    html_write_number(out, results_number(row, "median"));
    fputs(isfinite(results_number(row, "median")) ? " s\n" : "\n", out);
}

/* Devices that learnt the same below each other. */
static void write_learning(FILE *out, const struct results *r)
{
    bool any = false;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++) {
            const json_t *row = json_array_get(report_rows(r, i), k);
            bool before = false;
            if (strcmp(results_text(row, "workload"), "learn") ||
                !isfinite(results_number(row, "accuracy")) ||
                results_matching_convergence(results_run(r, i), row) != row)
                continue;
            for (int m = 0; m < i; m++)
                before = before || results_matching_convergence(results_run(r, m), row);
            if (before)
                continue;
            if (!any)
                fputs(
                    "<h2>Learning</h2>\n<p class=\"soft\">After the same steps of the "
                    "same batch from the same weights only rounding differs; what is "
                    "more than three standard errors away is told. The time is until "
                    "the target; a dash: it was not reached.</p>\n"
                    "<div class=\"wide whole\"><table><thead><tr><th>Network"
                    "<th class=\"n\">Batch<th class=\"n more\">Steps<th><th class=\"n\">"
                    "Accuracy<th class=\"n\">Target<th class=\"n\">Time</thead><tbody>\n",
                    out);
            any = true;
            for (int m = i; m < results_count(r); m++) {
                const json_t *same = results_matching_convergence(results_run(r, m), row);
                if (isfinite(results_number(same, "accuracy")))
                    write_convergence_rows(out, m, same, row);
            }
        }
    fputs(any ? "</tbody></table></div>\n" : "", out);
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
    static const char *const cells[] = {"layer", "text", "direction"};
    fputs("<tr>", out);
    for (size_t c = 0; c < sizeof(cells) / sizeof(*cells); c++) {
        fputs(c == 1 ? "<td class=\"more\">" : "<td>", out);
        html_write_escaped(out, results_text(row, cells[c]));
    }
    fprintf(out, "<td class=\"n\">%.0f", results_number(row, "batch"));
    for (int i = 0; i < results_count(r); i++) {
        double share =
            results_number(results_find_same(results_run(r, i), row), "roof_share");
        if (!has_layers(r, i))
            continue;
        if (isfinite(share))
            fprintf(out, "<td class=\"heat\" style=\"--heat:%.2f\">%.0f %%",
                    0.65 * fmin(1, fmax(0, share)), 100 * share);
        else
            fputs("<td class=\"heat\">&ndash;", out);
    }
    fputc('\n', out);
}

static void write_heat(FILE *out, const struct results *r)
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
                fputs(
                    "<h2>Layer by layer</h2>\n<p class=\"soft\">Each part of a training "
                    "step as a share of what the device could do at best, which its "
                    "multiply-adds or its bandwidth limit.</p>\n<div class=\"wide\">"
                    "<table><thead><tr><th>Layer<th class=\"more\">What<th>Direction"
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

/* One row of results; on a phone without the columns of class "more". */
static void write_number(FILE *out, int run, const json_t *row, bool energy)
{
    static const char *const numbers[] = {"min", "max", "p95", "p99"};
    double share = results_number(row, "roof_share");
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
    if (isfinite(share))
        fprintf(out, "%.0f %%", 100 * share);
    if (energy) {
        fputs("<td class=\"n more\">", out);
        if (isfinite(results_number(row, "joules_per_1000")))
            html_write_number(out, results_number(row, "joules_per_1000"));
    }
    if (results_passed(row))
        fputs(isfinite(results_number(row, "error")) ? "<td>right" : "<td>", out);
    else {
        fputs("<td class=\"wrong\">", out);
        html_write_escaped(out, results_text(row, "fault"));
    }
    fputc('\n', out);
}

static void write_numbers(FILE *out, const struct results *r)
{
    bool energy = false;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++)
            energy =
                energy || isfinite(results_number(json_array_get(report_rows(r, i), k),
                                                  "joules_per_1000"));
    fprintf(out,
            "<details open class=\"numbers\"><summary>All numbers</summary>\n<p "
            "class=\"soft\">Right: "
            "compared with the reference before it was timed. 95 %%: the interval of the "
            "median.%s</p>\n<div class=\"wide\"><table><thead><tr><th><th>What"
            "<th class=\"n\">Median<th>Unit<th class=\"n more\">95 %%"
            "<th class=\"n more\">Min<th class=\"n more\">Max<th class=\"n more\">p95"
            "<th class=\"n more\">p99<th class=\"n more\">Samples<th class=\"n\">Of roof"
            "%s<th>Result</thead><tbody>\n",
            energy ? " J/1,000: joules of the whole machine for 1,000 images." : "",
            energy ? "<th class=\"n more\">J/1,000" : "");
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++)
            write_number(out, i, json_array_get(report_rows(r, i), k), energy);
    fputs("</tbody></table></div></details>\n", out);
}

static void write_page(FILE *out, const struct results *r)
{
    write_head(out, r);
    write_overview(out, r);
    report_write_bars(out, r);
    report_write_curves(out, r);
    report_write_rooflines(out, r);
    write_heat(out, r);
    write_learning(out, r);
    write_numbers(out, r);
    fputs("<p class=\"soft\">Made by weft ", out);
    html_write_escaped(out, weft_version());
    fputs(".</p>\n</body>\n</html>\n", out);
}

enum app_exit report_save(const struct app *app, const struct results *r,
                          const char *path)
{
    char *text = NULL;
    size_t size;
    if (!path)
        return APP_OK;
    FILE *out = open_memstream(&text, &size);
    if (out)
        write_page(out, r);
    bool done = out && !fclose(out) && paths_write_atomic(path, text, size);
    int why = errno;
    free(text);
    return done ? APP_OK
                : app_error(app, APP_FAILED, "%s cannot be written: %s", path,
                            strerror(why));
}
