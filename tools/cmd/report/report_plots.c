/* SPDX-License-Identifier: Apache-2.0 */
/* Plots of a report: throughput against batch size, and ops against the roofline. */
#include "report/html.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fields that distinguish the curves of one workload and device. */
static const char *const curve_fields[] = {"net", "input", "precision"};
enum { CURVE_FIELDS = sizeof(curve_fields) / sizeof(*curve_fields) };

static bool is_workload(const json_t *row, const char *workload)
{
    return !strcmp(results_text(row, "workload"), workload);
}

/* True for a point of the curve that starts with `first`: equal except for the batch. */
static bool is_of_curve(const json_t *row, const json_t *first)
{
    for (int i = 0; i < CURVE_FIELDS; i++)
        if (strcmp(results_text(row, curve_fields[i]),
                   results_text(first, curve_fields[i])) != 0)
            return false;
    return is_workload(row, results_text(first, "workload")) && results_passed(row) &&
           results_number(row, "batch") > 0 && results_number(row, "median") > 0;
}

/* True for the first point of a curve of several points. */
static bool begins_curve(const json_t *rows, size_t index)
{
    const json_t *row = json_array_get(rows, index);
    size_t points = 0;
    if (!is_of_curve(row, row))
        return false;
    for (size_t k = 0; k < json_array_size(rows); k++) {
        if (is_of_curve(json_array_get(rows, k), row))
            points++;
        if (k < index && points)
            return false;
    }
    return points > 1;
}

/* The run's letter and the fields in which curves of the workload differ. */
static void name_curve(const struct results *r, int run, const json_t *first,
                       char out[64])
{
    int at = snprintf(out, 64, "%s", results_letter(run));
    for (int f = 0; f < CURVE_FIELDS; f++) {
        const char *mine = results_text(first, curve_fields[f]);
        bool differs = false;
        for (int i = 0; i < results_count(r) && !differs; i++)
            for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++) {
                const json_t *row = json_array_get(report_rows(r, i), k);
                differs = differs || (is_workload(row, results_text(first, "workload")) &&
                                      strcmp(results_text(row, curve_fields[f]), mine));
            }
        if (differs && *mine && at < 48)
            at += snprintf(out + at, 64 - (size_t)at, " %.14s", mine);
    }
}

/* Draws the curve that starts at `index`; without `out`, extends the plot's range to
 * it. */
static void curve(FILE *out, const json_t *rows, size_t index, int color,
                  struct html_plot *p, double end[2])
{
    const json_t *first = json_array_get(rows, index);
    char dots[4096] = "", sign = 'M';
    size_t at = 0;
    if (out)
        fprintf(out, "<path class=\"curve c%d\" d=\"", color);
    for (size_t k = index; k < json_array_size(rows); k++) {
        const json_t *row = json_array_get(rows, k);
        if (!is_of_curve(row, first))
            continue;
        end[0] = results_number(row, "batch");
        end[1] = results_number(row, "median");
        if (!out) {
            html_plot_extend(p, end[0], end[1]);
            continue;
        }
        double x = html_plot_x(p, end[0]), y = html_plot_y(p, end[1]);
        fprintf(out, "%c%.1f %.1f", sign, x, y);
        sign = 'L';
        if (at + 80 < sizeof(dots))
            at += (size_t)snprintf(
                dots + at, sizeof(dots) - at,
                "<circle class=\"point c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>", color,
                x, y);
    }
    if (out)
        fprintf(out, "\"/>%s\n", dots);
}

/* Draws all curves of a workload and returns their number; without `out`, extends the
 * plot's range and adds labels. */
static int curves(FILE *out, const struct results *r, const char *workload,
                  struct html_plot *p)
{
    int count = 0;
    for (int i = 0; i < results_count(r); i++)
        for (size_t k = 0; k < json_array_size(report_rows(r, i)); k++) {
            const json_t *rows = report_rows(r, i), *first = json_array_get(rows, k);
            char name[64];
            double end[2];
            if (!is_workload(first, workload) || !begins_curve(rows, k))
                continue;
            count++;
            curve(out, rows, k, report_color(i), p, end);
            if (out)
                continue;
            name_curve(r, i, first, name);
            html_plot_add_label(p, report_color(i), end[0], end[1], name);
        }
    return count;
}

void report_write_curves(FILE *out, const struct results *r)
{
    static const char *const parts[][2] = {{"train", "Training"},
                                           {"inference", "Inference"}};
    bool any = false;
    for (int i = 0; i < 2; i++) {
        struct html_plot p = {.labels = NULL};
        if (!curves(NULL, r, parts[i][0], &p))
            continue;
        if (!any) {
            fputs("<h2>Throughput by batch size</h2>\n", out);
            report_write_keys(out, r);
            fputs("<div class=\"plots\">\n", out);
        }
        any = true;
        fprintf(out, "<figure>\n<figcaption><b>%s</b></figcaption>\n", parts[i][1]);
        html_plot_begin(&p, out,
                        "Images per second against batch size; the table at the end "
                        "has all numbers",
                        "images per step", "images per second");
        curves(out, r, parts[i][0], &p);
        html_plot_end(&p, out);
        fputs("</figure>\n", out);
    }
    fputs(any ? "</div>\n" : "", out);
}

/* Intensity in FLOP per byte, and GFLOP/s. False: not a timed op. */
static bool operation(const json_t *row, double *intensity, double *speed)
{
    double flops = results_number(row, "flops"), bytes = results_number(row, "bytes");
    double seconds = results_number(row, "seconds");
    if (!*results_text(row, "phase") || !results_passed(row) || !(flops > 0) ||
        !(bytes > 0) || !(seconds > 0))
        return false;
    *intensity = flops / bytes;
    *speed = 1e-9 * flops / seconds;
    return true;
}

/* Peak GFLOP/s, and GB/s of the largest memory level. */
static void roofline_of(const json_t *run, double *peak, double *slope)
{
    const json_t *levels = json_object_get(json_object_get(run, "roofline"), "memory");
    size_t count = json_array_size(levels);
    *peak = 1e-9 * results_number(run, "roofline.flops_per_second");
    *slope = count ? 1e-9 * results_number(json_array_get(levels, count - 1),
                                           "read_bytes_per_second")
                   : NAN;
}

/* The bandwidth slope and the compute ceiling, which labels do not cover. */
static void draw_roofline(FILE *out, struct html_plot *p, double peak, double slope,
                          int color)
{
    enum { STEPS = 40 };
    double left = fmax(p->low[0], p->low[1] / slope);
    if (!(peak > 0) || !(slope > 0) || left >= p->high[0])
        return;
    double corner = fmin(fmax(peak / slope, left), p->high[0]);
    fprintf(out, "<path class=\"roof c%d\" d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/>\n", color,
            html_plot_x(p, left), html_plot_y(p, fmin(left * slope, peak)),
            html_plot_x(p, corner), html_plot_y(p, fmin(corner * slope, peak)),
            html_plot_x(p, p->high[0]));
    for (int i = 0; i <= STEPS; i++) {
        double x = left * pow(p->high[0] / left, (double)i / STEPS);
        html_plot_add_point(p, x, fmin(x * slope, peak));
    }
}

/* "conv1 wgrad": the layer or the shape, and cuDNN's names of the passes. */
static void name_dot(const json_t *row, char out[64])
{
    static const char *const passes[][2] = {{"forward", "fwd"},
                                            {"apply", "fwd"},
                                            {"backward", "bwd"},
                                            {"backward-data", "dgrad"},
                                            {"backward-weights", "wgrad"}};
    const char *phase = results_text(row, "phase"), *layer = results_text(row, "layer");
    for (size_t i = 0; i < sizeof(passes) / sizeof(*passes); i++)
        if (!strcmp(phase, passes[i][0]))
            phase = passes[i][1];
    snprintf(out, 64, "%.20s%s%.12s", *layer ? layer : results_text(row, "shape"), " ",
             phase);
}

static int by_seconds(const void *a, const void *b)
{
    double x = results_number(*(json_t *const *)a, "seconds");
    double y = results_number(*(json_t *const *)b, "seconds");
    return (x < y) - (x > y);
}

/* Labels the dots, those that take most of the time first. */
static void name_dots(FILE *out, const struct results *r, int run, struct html_plot *p)
{
    const json_t *rows = report_rows(r, run);
    const json_t **sorted =
        term_realloc_or_exit(NULL, (json_array_size(rows) + 1) * sizeof(json_t *));
    size_t count = 0;
    double x, y;
    for (size_t k = 0; k < json_array_size(rows); k++)
        if (operation(json_array_get(rows, k), &x, &y)) {
            html_plot_add_point(p, x, y);
            sorted[count++] = json_array_get(rows, k);
        }
    qsort(sorted, count, sizeof(json_t *), by_seconds);
    for (size_t k = 0; k < count; k++) {
        char name[64];
        operation(sorted[k], &x, &y);
        name_dot(sorted[k], name);
        html_plot_label_point(p, out, x, y, name);
    }
    free(sorted);
}

/* Draws the dots of a run and returns their number; without `out`, extends the plot's
 * range. */
static int dots(FILE *out, const struct results *r, int run, struct html_plot *p)
{
    char label[RESULTS_LABEL_BYTES];
    double x, y;
    int count = 0;
    for (size_t k = 0; k < json_array_size(report_rows(r, run)); k++) {
        const json_t *row = json_array_get(report_rows(r, run), k);
        if (!operation(row, &x, &y))
            continue;
        count++;
        if (!out) {
            html_plot_extend(p, x, y);
            continue;
        }
        fprintf(out, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>",
                report_color(run), html_plot_x(p, x), html_plot_y(p, y));
        results_workload_key(row, label);
        html_write_escaped(out, label);
        fputs("</title></circle>\n", out);
    }
    return count;
}

static void write_roofline(FILE *out, const struct results *r, int run,
                           struct html_plot p)
{
    double peak, slope;
    roofline_of(results_run(r, run), &peak, &slope);
    fprintf(out, "<figure>\n<figcaption><span class=\"key c%d\">", report_color(run));
    report_write_label(out, r, run);
    fputs("</span>", out);
    if (peak > 0 && slope > 0) {
        fputs("<br>peak ", out);
        html_write_number(out, peak);
        fputs(" GFLOP/s, memory ", out);
        html_write_number(out, slope);
        fputs(" GB/s", out);
    }
    fputs("</figcaption>\n", out);
    html_plot_begin(&p, out,
                    "FLOP per byte against GFLOP/s; the table of layers below has the "
                    "same numbers",
                    "FLOP per byte", "GFLOP/s");
    draw_roofline(out, &p, peak, slope, report_color(run));
    dots(out, r, run, &p);
    name_dots(out, r, run, &p);
    html_plot_end(&p, out);
    fputs("</figure>\n", out);
}

void report_write_rooflines(FILE *out, const struct results *r)
{
    struct html_plot p = {.decades = true};
    int count = 0;
    double peak, slope;
    for (int i = 0; i < results_count(r); i++)
        if (dots(NULL, r, i, &p)) {
            roofline_of(results_run(r, i), &peak, &slope);
            html_plot_extend(&p, peak / slope, peak);
            count++;
        }
    if (!count)
        return;
    fprintf(out,
            "<h2>Roofline</h2>\n<p class=\"soft\">A dot is one phase of an op, counted "
            "as direct computation, so Winograd may exceed the roofline; the dashed "
            "line is the measured peak and the bandwidth of the largest memory "
            "level. Labels, where there is room: fwd is forward, dgrad and wgrad are "
            "the gradients of data and weights.%s</p>\n<div class=\"plots\">\n",
            count > 1 ? " All devices have the same axes." : "");
    for (int i = 0; i < results_count(r); i++)
        if (dots(NULL, r, i, &(struct html_plot){.labels = NULL}))
            write_roofline(out, r, i, p);
    fputs("</div>\n", out);
}
