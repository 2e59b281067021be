/* SPDX-License-Identifier: Apache-2.0 */
/* The page: what was measured on what, who is faster, and every number. */
#define _GNU_SOURCE
#include "report.h"

#include "page.h"
#include "paths.h"
#include "summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const json_t *rows_of(const struct results *r, int run)
{
    return json_object_get(results_run(r, run), "rows");
}

static bool is_workload(const json_t *row, const char *name)
{
    return !strcmp(results_text(row, "workload"), name);
}

static void label_text(FILE *out, const struct results *r, int run)
{
    char label[RESULTS_LABEL];
    results_label(r, run, label);
    fprintf(out, "<b>%s</b> ", report_letter(run));
    page_text(out, label);
}

/* Fields of a run between separators; those that are not there leave none. */
static void fields(FILE *out, const json_t *run, const char *const *paths)
{
    for (int written = 0; *paths; paths++) {
        const char *text = results_text(run, *paths);
        if (!*text)
            continue;
        fputs(written++ ? " &middot; " : "", out);
        page_text(out, text);
    }
}

static void write_head(FILE *out, const struct results *r)
{
    static const char *const facts[] = {
        "device.driver", "device.version", "device.family", "host.processor",
        "commit",        "made",           "file",          NULL};
    char sentence[SUMMARY_SENTENCE], label[RESULTS_LABEL];
    int fastest = summary_fastest(r), count = results_count(r);
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<title>weft bench: ",
          out);
    results_label(r, fastest < 0 ? 0 : fastest, label);
    page_text(out, label);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", page_style);
    fprintf(out, "<h1>weft bench: %d run%s</h1>\n", count, count == 1 ? "" : "s");
    for (int i = 0; fastest >= 0 && i < count; i++)
        if (i != fastest && summary_sentence(r, fastest, i, sentence)) {
            fputs("<p class=\"lede\">", out);
            page_text(out, sentence);
            fputs("</p>\n", out);
        }
    for (int i = 0; i < count; i++) {
        const json_t *run = results_run(r, i);
        fprintf(out, "<p><span class=\"key c%d\">", report_color(i));
        label_text(out, r, i);
        fputs("</span><br><span class=\"soft\">", out);
        fields(out, run, facts);
        fputs("</span>", out);
        if (*results_text(run, "fault")) {
            fputs("<br><span class=\"wrong\">", out);
            page_text(out, results_text(run, "fault"));
            fputs("</span>", out);
        }
        fputs("</p>\n", out);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between which the middle nine tenths of a row's samples lie. */
static void middle_of(const json_t *row, double out[2])
{
    double *values;
    int count = results_samples(row, &values);
    qsort(values, (size_t)count, sizeof(*values), by_value);
    out[0] = count ? values[(count - 1) / 20] : NAN;
    out[1] = count ? values[count - 1 - (count - 1) / 20] : NAN;
    free(values);
}

static void write_bar(FILE *out, const struct results *r, int run, const json_t *row,
                      double most)
{
    double median = results_real(row, "median"), middle[2];
    middle_of(row, middle);
    fprintf(out, "<div class=\"who\">");
    label_text(out, r, run);
    fprintf(out,
            "</div><div class=\"track c%d\"><div class=\"bar\" style=\"width:%.2f%%\">"
            "</div><div class=\"span\" style=\"left:%.2f%%;width:%.2f%%\"></div>"
            "<div class=\"value\">",
            report_color(run), 100 * median / most, 100 * middle[0] / most,
            100 * (middle[1] - middle[0]) / most);
    page_number(out, median);
    fputc(' ', out);
    page_text(out, results_text(row, "unit"));
    fputs("</div></div>\n", out);
}

/* The same workload on every device that has it. */
static void write_bars_of(FILE *out, const struct results *r, int first,
                          const json_t *row)
{
    char key[RESULTS_LABEL];
    double most = 0, middle[2];
    for (int i = first; i < results_count(r); i++) {
        const json_t *same = results_same(results_run(r, i), row);
        middle_of(same, middle);
        most = fmax(most, fmax(results_real(same, "median"), middle[1]));
    }
    results_key(row, key);
    fputs("<h3>", out);
    page_text(out, key);
    fputs("</h3>\n<div class=\"bars\">\n", out);
    for (int i = first; i < results_count(r) && most > 0; i++) {
        const json_t *same = results_same(results_run(r, i), row);
        if (same)
            write_bar(out, r, i, same, most);
    }
    fputs("</div>\n", out);
}

static void write_bars(FILE *out, const struct results *r)
{
    static const struct {
        const char *workload, *title, *about;
    } parts[] = {
        {"train", "Training", "Pictures a second, more is better."},
        {"infer", "Inference", "Pictures a second, more is better."},
        {"latency", "Latency", "From asking to the answer, less is better."},
    };
    for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++) {
        bool any = false;
        for (int i = 0; i < results_count(r); i++)
            for (size_t k = 0; k < json_array_size(rows_of(r, i)); k++) {
                const json_t *row = json_array_get(rows_of(r, i), k);
                bool before = false;
                if (!is_workload(row, parts[p].workload) ||
                    results_same(results_run(r, i), row) != row)
                    continue;
                for (int m = 0; m < i; m++)
                    before = before || results_same(results_run(r, m), row);
                if (before)
                    continue;
                if (!any)
                    fprintf(out,
                            "<h2>%s</h2>\n<p class=\"soft\">%s A bar is the median, the "
                            "line the middle nine tenths of the samples.</p>\n",
                            parts[p].title, parts[p].about);
                any = true;
                write_bars_of(out, r, i, row);
            }
    }
}

static void write_learnt(FILE *out, int run, const json_t *row)
{
    fprintf(out, "<tr><td>%s<td>", report_letter(run));
    page_text(out, results_text(row, "net"));
    fprintf(out, "<td class=\"n\">%.0f<td class=\"n\">%.0f", results_real(row, "batch"),
            results_real(row, "steps"));
    fprintf(out, "<td class=\"n\">%.1f &plusmn; %.1f %%<td class=\"n\">%.0f %%",
            100 * results_real(row, "accuracy"),
            100 * results_real(row, "accuracy_error"), 100 * results_real(row, "target"));
    fputs("<td class=\"n\">", out);
    page_number(out, results_real(row, "median"));
    fputs(isfinite(results_real(row, "median")) ? " s\n" : "\n", out);
}

static void write_learning(FILE *out, const struct results *r)
{
    bool any = false;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(rows_of(r, i)); k++) {
            const json_t *row = json_array_get(rows_of(r, i), k);
            if (!is_workload(row, "learn") || !results_passed(row) ||
                !isfinite(results_real(row, "accuracy")))
                continue;
            if (!any)
                fputs("<h2>Learning</h2>\n<p class=\"soft\">After the same steps of the "
                      "same batch from the same weights only rounding differs.</p>\n"
                      "<div class=\"wide\"><table><thead><tr><th>Device<th>Network"
                      "<th class=\"n\">Batch<th class=\"n\">Steps<th class=\"n\">Accuracy"
                      "<th class=\"n\">Target<th class=\"n\">Reached in</thead><tbody>\n",
                      out);
            any = true;
            write_learnt(out, i, row);
        }
    fputs(any ? "</tbody></table></div>\n" : "", out);
}

static void write_heat(FILE *out, const struct results *r)
{
    bool any = false;
    const json_t *first = NULL;
    int run = 0;
    for (; run < results_count(r) && !any; run++)
        for (size_t k = 0; k < json_array_size(rows_of(r, run)); k++)
            any = any || is_workload(json_array_get(rows_of(r, run), k), "layers");
    if (!any)
        return;
    first = rows_of(r, run - 1);
    fputs("<h2>Layer by layer</h2>\n<div class=\"wide\"><table>\n<caption>Each part of a "
          "training step as a share of what the device could do at best, "
          "min(multiply-adds, bytes): 100 % is its limit.</caption>\n<thead><tr><th>Layer"
          "<th class=\"more\">What<th>Direction<th class=\"n\">Batch",
          out);
    for (int i = 0; i < results_count(r); i++) {
        fprintf(out, "<th class=\"n\">%s", report_letter(i));
    }
    fputs("</thead><tbody>\n", out);
    for (size_t k = 0; k < json_array_size(first); k++) {
        const json_t *row = json_array_get(first, k);
        static const char *const cells[] = {"layer", "text", "direction"};
        if (!is_workload(row, "layers"))
            continue;
        fputs("<tr>", out);
        for (size_t c = 0; c < sizeof(cells) / sizeof(*cells); c++) {
            fputs(c == 1 ? "<td class=\"more\">" : "<td>", out);
            page_text(out, results_text(row, cells[c]));
        }
        fprintf(out, "<td class=\"n\">%.0f", results_real(row, "batch"));
        for (int i = 0; i < results_count(r); i++) {
            const json_t *same = results_same(results_run(r, i), row);
            double share = results_real(same, "roof_share");
            int heat = (int)fmin(9, fmax(0, 10 * share));
            if (isfinite(share))
                fprintf(out, "<td class=\"heat h%d\">%.0f %%", heat, 100 * share);
            else
                fputs("<td class=\"n\">&ndash;", out);
        }
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_numbers(FILE *out, const struct results *r)
{
    static const char *const numbers[] = {"median", "min", "max", "p95", "p99"};
    char key[RESULTS_LABEL];
    fputs(
        "<details open><summary>All numbers</summary>\n<div class=\"wide\"><table><thead>"
        "<tr><th>Device<th>What<th class=\"n\">Median<th class=\"n\">Min"
        "<th class=\"n\">Max<th class=\"n\">p95<th class=\"n\">p99<th>Unit"
        "<th class=\"n\">Of roof<th>Result</thead><tbody>\n",
        out);
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(rows_of(r, i)); k++) {
            const json_t *row = json_array_get(rows_of(r, i), k);
            double share = results_real(row, "roof_share");
            results_key(row, key);
            fprintf(out, "<tr><td>%s<td>", report_letter(i));
            page_text(out, key);
            for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++) {
                fputs("<td class=\"n\">", out);
                page_number(out, results_real(row, numbers[n]));
            }
            fputs("<td>", out);
            page_text(out, results_text(row, "unit"));
            fputs("<td class=\"n\">", out);
            if (isfinite(share))
                fprintf(out, "%.0f %%", 100 * share);
            fputs(results_passed(row) ? "<td>right\n" : "<td class=\"wrong\">", out);
            if (!results_passed(row)) {
                page_text(out, results_text(row, "fault"));
                fputc('\n', out);
            }
        }
    fputs("</tbody></table></div></details>\n", out);
}

static void write_page(FILE *out, const struct results *r)
{
    write_head(out, r);
    write_bars(out, r);
    report_curves(out, r);
    report_roofline(out, r);
    write_heat(out, r);
    write_learning(out, r);
    write_numbers(out, r);
    fputs("<p class=\"soft\">Made by weft ", out);
    page_text(out, weft_version());
    fputs(". Results were compared with the reference before they were timed.</p>\n"
          "</body>\n</html>\n",
          out);
}

enum app_exit report_save(const struct app *app, const struct results *r,
                          const char *path)
{
    char *text = NULL;
    size_t size;
    if (!path)
        return APP_DONE;
    FILE *out = open_memstream(&text, &size);
    if (out)
        write_page(out, r);
    bool done = out && !fclose(out) && paths_replace(path, text, size);
    int why = errno;
    free(text);
    return done ? APP_DONE
                : app_error(app, APP_FAILED, "%s cannot be written: %s", path,
                            strerror(why));
}
