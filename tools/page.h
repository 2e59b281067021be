/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a page of HTML: text that cannot become markup, numbers, logarithmic plots. */
#ifndef WEFT_TOOLS_PAGE_H
#define WEFT_TOOLS_PAGE_H

#include <stdio.h>

/* The style sheet, report.css. */
extern const char page_style[];

/* As text, or as the value of an attribute. */
void page_text(FILE *out, const char *text);
/* A finite number with three digits and, from a thousand on, commas; else a dash. */
void page_number(FILE *out, double value);

/* A plot 360 wide with a logarithmic axis each way. Widen it by what is to lie in it,
 * tell the names of its curves, begin, draw, end. */
enum { PAGE_NAME = 16 };
struct page_plot {
    double low[2], high[2]; /* of x and y; 0 and 0: nothing yet */
    struct page_name *names;
    int name_count, height, right; /* where the axes end; set by begin */
};
void page_plot_widen(struct page_plot *plot, double x, double y);
/* A curve that ends at (x, y). Its name is written at the right, cut to PAGE_NAME
 * columns; no two lie on each other, and the plot is as high as that takes. */
void page_plot_name(struct page_plot *plot, int color, double x, double y,
                    const char *text);
/* `title` is the text instead of the picture. */
void page_plot_begin(struct page_plot *plot, FILE *out, const char *title,
                     const char *x_name, const char *y_name);
double page_plot_x(const struct page_plot *plot, double x);
double page_plot_y(const struct page_plot *plot, double y);
void page_plot_end(struct page_plot *plot, FILE *out);

#endif
