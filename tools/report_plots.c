/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures of a report: operations against the roofs, and speed against the batch. */
#include "page.h"
#include "report.h"

#include <math.h>
#include <string.h>

const char *report_letter(int run)
{
    static char text[3];
    snprintf(text, sizeof(text), "%c%c", run < 26 ? 'A' + run : 'A' + run / 26 - 1,
             run < 26 ? '\0' : 'A' + run % 26);
    return text;
}

/* The runs by letter, colour and label, below a figure. */
static void write_keys(FILE *out, const struct results *r)
{
    char label[RESULTS_LABEL];
    for (int i = 0; i < results_count(r); i++) {
        results_label(r, i, label);
        fprintf(out, "%s<span class=\"key c%d\">%s ", i ? ", " : " ", report_color(i),
                report_letter(i));
        page_text(out, label);
        fputs("</span>", out);
    }
    fputs(".</figcaption>\n</figure>\n", out);
}

static const json_t *rows_of(const struct results *r, int run)
{
    return json_object_get(results_run(r, run), "rows");
}

/* Operations a byte, and 10^9 of them a second. False: the row is of no operation. */
static bool operation(const json_t *row, double *intensity, double *speed)
{
    double flops = results_real(row, "flops"), bytes = results_real(row, "bytes");
    double seconds = results_real(row, "seconds");
    if (!*results_text(row, "direction") || !results_passed(row) || !(flops > 0) ||
        !(bytes > 0) || !(seconds > 0))
        return false;
    *intensity = flops / bytes;
    *speed = 1e-9 * flops / seconds;
    return true;
}

/* Bytes a second from the largest memory. */
static double bandwidth(const json_t *run)
{
    const json_t *levels = json_object_get(json_object_get(run, "roofs"), "memory");
    size_t count = json_array_size(levels);
    return count ? results_real(json_array_get(levels, count - 1), "read") : NAN;
}

static int widen_by_operations(const struct results *r, struct page_plot *p)
{
    int count = 0;
    double x, y;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(rows_of(r, i)); k++)
            if (operation(json_array_get(rows_of(r, i), k), &x, &y)) {
                page_plot_widen(p, x, y);
                count++;
            }
    return count;
}

/* From the slope of the memory to the level of the multiply-adds. */
static void draw_roof(FILE *out, const struct page_plot *p, const struct results *r,
                      int index)
{
    const json_t *run = results_run(r, index);
    double peak = 1e-9 * results_real(run, "roofs.flops");
    double slope = 1e-9 * bandwidth(run);
    if (!(peak > 0) || !(slope > 0))
        return;
    double left = fmax(p->low[0], p->low[1] / slope);
    double corner = fmin(fmax(peak / slope, left), p->high[0]);
    fprintf(out, "<path class=\"roof c%d\" d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/>\n",
            report_color(index), page_plot_x(p, left),
            page_plot_y(p, fmin(left * slope, peak)), page_plot_x(p, corner),
            page_plot_y(p, fmin(corner * slope, peak)), page_plot_x(p, p->high[0]));
    fprintf(
        out,
        "<text class=\"name c%d\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
        report_color(index), page_plot_x(p, p->high[0]), page_plot_y(p, peak) - 4,
        report_letter(index));
}

void report_roofline(FILE *out, const struct results *r)
{
    struct page_plot p = {{0}, {0}};
    char label[RESULTS_LABEL];
    double x, y;
    if (!widen_by_operations(r, &p))
        return;
    for (int i = 0; i < results_count(r); i++)
        page_plot_widen(&p, NAN, 1e-9 * results_real(results_run(r, i), "roofs.flops"));
    fputs("<h2>How close to the limit</h2>\n<figure>\n", out);
    page_plot_begin(&p, out,
                    "Operations per byte against speed; the table of layers below has "
                    "the same numbers",
                    "operations a byte", "GFLOP/s");
    for (int i = 0; i < results_count(r); i++) {
        draw_roof(out, &p, r, i);
        for (size_t k = 0; k < json_array_size(rows_of(r, i)); k++) {
            const json_t *row = json_array_get(rows_of(r, i), k);
            if (!operation(row, &x, &y))
                continue;
            fprintf(out, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\">",
                    report_color(i), page_plot_x(&p, x), page_plot_y(&p, y));
            results_key(row, label);
            fprintf(out, "<title>%s: ", report_letter(i));
            page_text(out, label);
            fputs("</title></circle>\n", out);
        }
    }
    page_plot_end(out);
    fputs(
        "<figcaption>A dot is an operation in one direction, by the usual algorithm's "
        "operations, so that Winograd's may lie above; dashed the multiply-add peak and "
        "the bandwidth of the largest memory, as measured:",
        out);
    write_keys(out, r);
}

/* Whether a row is a point of the curve that `first` begins: the same but the batch. */
static bool is_of_curve(const json_t *row, const json_t *first)
{
    static const char *const fields[] = {"workload", "net", "image", "precision"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (strcmp(results_text(row, fields[i]), results_text(first, fields[i])) != 0)
            return false;
    return results_passed(row) && results_real(row, "batch") > 0 &&
           results_real(row, "median") > 0;
}

/* Whether it is the first of a curve of several points of pictures a second. */
static bool begins_curve(const json_t *rows, size_t index)
{
    const json_t *row = json_array_get(rows, index);
    size_t points = 0;
    const char *workload = results_text(row, "workload");
    if ((strcmp(workload, "train") && strcmp(workload, "infer")) ||
        !is_of_curve(row, row))
        return false;
    for (size_t k = 0; k < json_array_size(rows); k++) {
        if (is_of_curve(json_array_get(rows, k), row))
            points++;
        if (k < index && points)
            return false;
    }
    return points > 1;
}

/* Of each: widens the plot, or with `out` draws. */
static int curves(FILE *out, const struct results *r, struct page_plot *p)
{
    int count = 0;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(rows_of(r, i)); k++) {
            const json_t *rows = rows_of(r, i), *first = json_array_get(rows, k);
            char sign = 'M';
            double x = 0, y = 0;
            if (!begins_curve(rows, k))
                continue;
            count++;
            if (out)
                fprintf(out, "<path class=\"curve c%d\" d=\"", report_color(i));
            for (size_t m = k; m < json_array_size(rows); m++) {
                const json_t *row = json_array_get(rows, m);
                if (!is_of_curve(row, first))
                    continue;
                x = results_real(row, "batch");
                y = results_real(row, "median");
                if (out)
                    fprintf(out, "%c%.1f %.1f", sign, page_plot_x(p, x),
                            page_plot_y(p, y));
                else
                    page_plot_widen(p, x, y);
                sign = 'L';
            }
            if (!out)
                continue;
            fprintf(out,
                    "\"/><text class=\"name c%d\" x=\"%.1f\" y=\"%.1f\" "
                    "text-anchor=\"end\">",
                    report_color(i), page_plot_x(p, x) - 2, page_plot_y(p, y) - 6);
            fprintf(out, "%s ", report_letter(i));
            page_text(out, results_text(first, "workload"));
            fputc(' ', out);
            page_text(out, results_text(first, "net"));
            fputs("</text>\n", out);
        }
    return count;
}

void report_curves(FILE *out, const struct results *r)
{
    struct page_plot p = {{0}, {0}};
    if (!curves(NULL, r, &p))
        return;
    fputs("<h2>Speed against the batch</h2>\n<figure>\n", out);
    page_plot_begin(&p, out,
                    "Pictures a second against the batch size; all numbers are "
                    "in the table at the end",
                    "pictures a step", "pictures a second");
    curves(out, r, &p);
    page_plot_end(out);
    fputs("<figcaption>", out);
    write_keys(out, r);
}
