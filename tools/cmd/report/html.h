/* SPDX-License-Identifier: Apache-2.0 */
/* HTML output: escaped text, numbers, plots. */
#ifndef WEFT_CMD_REPORT_HTML_H
#define WEFT_CMD_REPORT_HTML_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The style sheet, report.css. */
extern const char html_style[];

/* Escapes for text and attribute values. */
void html_write_escaped(FILE *out, const char *text);
/* Opens a <div> that scrolls, by keyboard too, if its table is wider than the page.
 * `label`: its name for screen readers. */
void html_open_wide(FILE *out, const char *label);
/* Three digits, or thousands separators from 1,000 on; a dash if not finite. */
void html_write_number(FILE *out, double value);

/* A plot, 360 wide. Extend its range by all points, add the labels of curves, begin,
 * draw, end. */
enum { PLOT_LABEL_COLUMNS = 16 };
struct html_plot {
    bool linear[2];       /* x and y: otherwise logarithmic, of values above 0 */
    double least_step[2]; /* between the ticks of a linear axis; 0: any */
    bool decades;         /* x has ticks of 1, 2, 5 instead of powers of two */
    bool used[2];         /* a point is in the range */
    double low[2], high[2];
    struct plot_label *labels;
    struct plot_box *boxes; /* that labels of points must not cover */
    int box_count;
    int label_count, height, right; /* ends of the axes; set by begin */
};
void html_plot_extend(struct html_plot *plot, double x, double y);
/* Labels a curve that ends at (x, y). Labels are truncated to PLOT_LABEL_COLUMNS and
 * placed on the right without overlap; the plot grows as needed. */
void html_plot_add_label(struct html_plot *plot, int color, double x, double y,
                         const char *text);
/* `title` is the alternative text. */
void html_plot_begin(struct html_plot *plot, FILE *out, const char *title,
                     const char *x_name, const char *y_name);
double html_plot_x(const struct html_plot *plot, double x);
double html_plot_y(const struct html_plot *plot, double y);
/* Labels points between begin and end: first all points, then the labels, most important
 * first. One without a free place beside its point is left out. */
void html_plot_add_point(struct html_plot *plot, double x, double y);
void html_plot_label_point(struct html_plot *plot, FILE *out, double x, double y,
                           const char *text);
void html_plot_end(struct html_plot *plot, FILE *out);

#endif
