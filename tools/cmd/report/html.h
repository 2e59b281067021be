/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a page of HTML: text that cannot become markup, numbers, logarithmic plots. */
#ifndef WEFT_CMD_REPORT_HTML_H
#define WEFT_CMD_REPORT_HTML_H

#include <stdio.h>

/* The style sheet, report.css. */
extern const char html_style[];

/* As text, or as the value of an attribute. */
void html_write_escaped(FILE *out, const char *text);
/* A finite number with three digits and, from a thousand on, commas; else a dash. */
void html_write_number(FILE *out, double value);

/* A plot 360 wide with a logarithmic axis each way. Widen it by what is to lie in it,
 * tell the names of its curves, begin, draw, end. */
enum { PLOT_LABEL_COLUMNS = 16 };
struct html_plot {
    double low[2], high[2]; /* of x and y; 0 and 0: nothing yet */
    struct plot_label *names;
    int name_count, height, right; /* where the axes end; set by begin */
};
void html_plot_extend(struct html_plot *plot, double x, double y);
/* A curve that ends at (x, y). Its name is written at the right, cut to
 * PLOT_LABEL_COLUMNS columns; no two lie on each other, and the plot is as high as that
 * takes. */
void html_plot_add_label(struct html_plot *plot, int color, double x, double y,
                         const char *text);
/* `title` is the text instead of the image. */
void html_plot_begin(struct html_plot *plot, FILE *out, const char *title,
                     const char *x_name, const char *y_name);
double html_plot_x(const struct html_plot *plot, double x);
double html_plot_y(const struct html_plot *plot, double y);
void html_plot_end(struct html_plot *plot, FILE *out);

#endif
