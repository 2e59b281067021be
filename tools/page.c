/* SPDX-License-Identifier: Apache-2.0 */
/* Markup and plots of a page, in plain C. */
#include "page.h"

#include "table.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 360, HEIGHT = 270, LEFT = 44, RIGHT = 12, TOP = 22, BOTTOM = 40 };

void page_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        static const char special[] = "&<>\"'";
        static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
        const char *at = strchr(special, *text);
        if (at)
            fputs(names[at - special], out);
        else
            fputc(*text, out);
    }
}

void page_number(FILE *out, double value)
{
    if (!isfinite(value))
        fputs("&ndash;", out);
    else if (fabs(value) >= 1000)
        fputs(table_thousands(value), out);
    else
        fprintf(out, "%.3g", value);
}

void page_plot_widen(struct page_plot *p, double x, double y)
{
    const double at[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        if (!isfinite(at[i]) || at[i] <= 0)
            continue;
        p->low[i] = p->low[i] > 0 && p->low[i] < at[i] ? p->low[i] : at[i];
        p->high[i] = p->high[i] > at[i] ? p->high[i] : at[i];
    }
}

static double place(const struct page_plot *p, int axis, double value)
{
    return log(value / p->low[axis]) / log(p->high[axis] / p->low[axis]);
}

double page_plot_x(const struct page_plot *p, double x)
{
    return LEFT + place(p, 0, x) * (WIDTH - LEFT - RIGHT);
}

double page_plot_y(const struct page_plot *p, double y)
{
    return HEIGHT - BOTTOM - place(p, 1, y) * (HEIGHT - TOP - BOTTOM);
}

static void tick(const struct page_plot *p, FILE *out, int axis, double value)
{
    if (axis == 0)
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                page_plot_x(p, value), HEIGHT - BOTTOM + 14);
    else
        fprintf(out,
                "<path class=\"axis\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">",
                LEFT, page_plot_y(p, value), WIDTH - RIGHT, LEFT - 4,
                page_plot_y(p, value) + 4);
    page_number(out, value);
    fputs("</text>\n", out);
}

/* Powers of ten, or of two where there would be few, every so many that they have
 * room. */
static void ticks(const struct page_plot *p, FILE *out, int axis)
{
    double base = p->high[axis] / p->low[axis] > 300 ? 10 : 2;
    int from = (int)ceil(log(p->low[axis]) / log(base) - 1e-9);
    int to = (int)floor(log(p->high[axis]) / log(base) + 1e-9);
    int step = (to - from) / 7 + 1;
    for (int i = from; i <= to; i += step)
        tick(p, out, axis, pow(base, i));
}

void page_plot_begin(struct page_plot *p, FILE *out, const char *title,
                     const char *x_name, const char *y_name)
{
    for (int i = 0; i < 2; i++) {
        p->low[i] = p->low[i] > 0 ? p->low[i] / 1.15 : 1;
        p->high[i] = p->high[i] > p->low[i] ? p->high[i] * 1.15 : p->low[i] * 2;
    }
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    page_text(out, title);
    fputs("\">\n", out);
    ticks(p, out, 0);
    ticks(p, out, 1);
    fprintf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", LEFT, HEIGHT - BOTTOM,
            WIDTH - RIGHT);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", WIDTH - RIGHT,
            HEIGHT - 8);
    page_text(out, x_name);
    fprintf(out, "</text><text x=\"4\" y=\"12\">");
    page_text(out, y_name);
    fputs("</text>\n", out);
}

void page_plot_end(FILE *out)
{
    fputs("</svg>\n", out);
}
