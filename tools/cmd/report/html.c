/* SPDX-License-Identifier: Apache-2.0 */
/* HTML markup and SVG plots. */
#include "report/html.h"

#include "core/plain_text.h"
#include "core/table.h"
#include "core/term.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 360, HEIGHT = 270, LEFT = 46, RIGHT = 12, TOP = 24, BOTTOM = 40 };
enum { LINE = 14, LETTER = 7, LEADER = 14 };           /* of a label */
enum { SMALL_LINE = 12, SMALL_LETTER = 7, POINT = 4 }; /* of a point's */

struct plot_label {
    double x, y, place; /* end of the curve; y of the label's middle */
    int color;
    char text[4 * PLOT_LABEL_COLUMNS + 1];
};

struct plot_box {
    double left, top, right, bottom;
};

void html_write_escaped(FILE *out, const char *text)
{
    for (text = plain_text(text); *text; text++) {
        static const char special[] = "&<>\"'";
        static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
        const char *at = strchr(special, *text);
        if (at)
            fputs(names[at - special], out);
        else
            fputc(*text, out);
    }
}

void html_open_wide(FILE *out, const char *label)
{
    fputs("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"", out);
    html_write_escaped(out, label);
    fputs("\">", out);
}

void html_write_number(FILE *out, double value)
{
    if (!isfinite(value))
        fputs("&ndash;", out);
    else if (fabs(value) >= 1000)
        fputs(table_thousands(value), out);
    else
        fprintf(out, "%.3g", value);
}

void html_plot_extend(struct html_plot *p, double x, double y)
{
    const double at[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        if (!isfinite(at[i]) || (!p->linear[i] && at[i] <= 0))
            continue;
        p->low[i] = p->used[i] ? fmin(p->low[i], at[i]) : at[i];
        p->high[i] = p->used[i] ? fmax(p->high[i], at[i]) : at[i];
        p->used[i] = true;
    }
}

/* Room around the points. A linear axis does not go below 0 for it. */
static void pad(struct html_plot *p, int axis)
{
    double *low = &p->low[axis], *high = &p->high[axis];
    if (p->linear[axis]) {
        double span = *high > *low ? *high - *low : fmax(fabs(*high), 1);
        double room = axis == 1 || *high <= *low ? 0.05 * span : 0;
        *low = *low >= 0 ? fmax(0, *low - room) : *low - room;
        *high += room;
        return;
    }
    *low = p->used[axis] ? *low / 1.15 : 1;
    *high = *high > *low ? *high * 1.15 : *low * 2;
}

static double place(const struct html_plot *p, int axis, double value)
{
    double low = p->low[axis], high = p->high[axis];
    return p->linear[axis] ? (value - low) / (high - low)
                           : log(value / low) / log(high / low);
}

double html_plot_x(const struct html_plot *p, double x)
{
    return LEFT + place(p, 0, x) * (p->right - LEFT);
}

double html_plot_y(const struct html_plot *p, double y)
{
    return p->height - BOTTOM - place(p, 1, y) * (p->height - TOP - BOTTOM);
}

void html_plot_add_label(struct html_plot *p, int color, double x, double y,
                         const char *text)
{
    p->labels = term_realloc_or_exit(p->labels,
                                     (size_t)(p->label_count + 1) * sizeof(*p->labels));
    struct plot_label *label = &p->labels[p->label_count++];
    *label = (struct plot_label){.x = x, .y = y, .color = color};
    for (int at = 0, columns = 0; text[at]; at++) {
        columns += ((unsigned char)text[at] & 0xc0) != 0x80;
        if (columns > PLOT_LABEL_COLUMNS || at + 1 == (int)sizeof(label->text))
            break;
        label->text[at] = text[at];
    }
}

static int by_place(const void *a, const void *b)
{
    double x = ((const struct plot_label *)a)->place;
    double y = ((const struct plot_label *)b)->place;
    return (x > y) - (x < y);
}

/* Places labels at the height of their curves' ends without overlap: a pass from the top
 * moves them down, a pass from the bottom up. */
static void write_labels(struct html_plot *p, FILE *out)
{
    struct plot_label *labels = p->labels;
    for (int i = 0; i < p->label_count; i++)
        labels[i].place = html_plot_y(p, labels[i].y);
    if (!p->label_count)
        return; /* qsort takes no NULL */
    qsort(labels, (size_t)p->label_count, sizeof(*labels), by_place);
    for (int i = 0; i < p->label_count; i++)
        labels[i].place = fmax(labels[i].place, i ? labels[i - 1].place + LINE : TOP);
    for (int i = p->label_count - 1; i >= 0; i--)
        labels[i].place =
            fmin(labels[i].place, i + 1 < p->label_count ? labels[i + 1].place - LINE
                                                         : p->height - BOTTOM);
    for (int i = 0; i < p->label_count; i++) {
        fprintf(out,
                "<path class=\"leader c%d\" d=\"M%.1f %.1fL%d %.1f\"/>"
                "<text class=\"name c%d\" x=\"%d\" y=\"%.1f\">",
                labels[i].color, html_plot_x(p, labels[i].x) + 3,
                html_plot_y(p, labels[i].y), p->right + LEADER - 3, labels[i].place,
                labels[i].color, p->right + LEADER, labels[i].place + 4);
        html_write_escaped(out, labels[i].text);
        fputs("</text>\n", out);
    }
}

/* Short form: 20k. */
static void tick_number(FILE *out, double value)
{
    const char *unit = value >= 1e9 ? "G" : value >= 1e6 ? "M" : value >= 1e4 ? "k" : "";
    double part = *unit == 'G' ? 1e9 : *unit == 'M' ? 1e6 : *unit == 'k' ? 1e3 : 1;
    fprintf(out, "%.4g%s", value / part, unit);
}

static void tick(const struct html_plot *p, FILE *out, int axis, double value)
{
    if (axis == 0)
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                html_plot_x(p, value), p->height - BOTTOM + 14);
    else
        fprintf(out,
                "<path class=\"axis\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">",
                LEFT, html_plot_y(p, value), p->right, LEFT - 4,
                html_plot_y(p, value) + 4);
    tick_number(out, value);
    fputs("</text>\n", out);
}

/* Powers of ten, or of two for short ranges, thinned to fit. */
static void ticks_of_powers(const struct html_plot *p, FILE *out, int axis)
{
    double base = p->high[axis] / p->low[axis] > 300 ? 10 : 2;
    int from = (int)ceil(log(p->low[axis]) / log(base) - 1e-9);
    int to = (int)floor(log(p->high[axis]) / log(base) + 1e-9);
    int step = (to - from) / 7 + 1;
    for (int i = from; i <= to; i += step)
        tick(p, out, axis, pow(base, i));
}

/* 1, 2 or 5 times a power of ten, about four of them. */
static void ticks_of_steps(const struct html_plot *p, FILE *out, int axis)
{
    double low = p->low[axis], high = p->high[axis], span = high - low;
    double ten = pow(10, floor(log10(span / 4))), few = span / 4 / ten;
    double step = ten * (few > 5 ? 10 : few > 2 ? 5 : few > 1 ? 2 : 1);
    step = fmax(step, p->least_step[axis]);
    for (double i = ceil(low / step - 1e-9); i * step <= high + 1e-9 * span; i++)
        tick(p, out, axis, i * step + 0.0); /* not -0 */
}

/* Round parts of each decade: the longer the range, the fewer. */
static void ticks_of_decades(const struct html_plot *p, FILE *out, int axis)
{
    static const double few[] = {1, 3, 0}, some[] = {1, 2, 5, 0},
                        many[] = {1, 1.5, 2, 3, 4, 6, 8, 0};
    double low = p->low[axis], high = p->high[axis], ratio = high / low;
    const double *parts = ratio > 300 ? few : ratio > 20 || axis == 1 ? some : many;
    for (double ten = pow(10, floor(log10(low))); ten > 0 && ten <= high; ten *= 10)
        for (int i = 0; parts[i] > 0; i++)
            if (ten * parts[i] >= low && ten * parts[i] <= high)
                tick(p, out, axis, ten * parts[i]);
}

static const double most_decades = 1e6; /* beyond, ticks are thinned */

static void ticks(const struct html_plot *p, FILE *out, int axis)
{
    double ratio = p->linear[axis] ? 1 : p->high[axis] / p->low[axis];
    if (axis == 0 && p->decades && ratio < most_decades)
        ticks_of_decades(p, out, axis);
    else if (!p->linear[axis] && (axis == 0 || ratio > 300))
        ticks_of_powers(p, out, axis);
    else if (ratio < 8)
        ticks_of_steps(p, out, axis);
    else
        ticks_of_decades(p, out, axis);
}

void html_plot_begin(struct html_plot *p, FILE *out, const char *title,
                     const char *x_name, const char *y_name)
{
    for (int i = 0; i < 2; i++)
        pad(p, i);
    int letters = 0;
    for (int i = 0; i < p->label_count; i++) {
        int columns = term_columns(p->labels[i].text);
        letters = columns > letters ? columns : letters;
    }
    int names = TOP + BOTTOM + LINE * (p->label_count - 1);
    p->height = names > HEIGHT ? names : HEIGHT;
    p->right = letters ? WIDTH - LEADER - LETTER * letters - 4 : WIDTH - RIGHT;
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
            p->height);
    html_write_escaped(out, title);
    fputs("\">\n", out);
    for (int i = 0; i < 2; i++)
        ticks(p, out, i);
    fprintf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", LEFT, p->height - BOTTOM,
            p->right);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", p->right, p->height - 8);
    html_write_escaped(out, x_name);
    fprintf(out, "</text><text x=\"4\" y=\"12\">");
    html_write_escaped(out, y_name);
    fputs("</text>\n", out);
}

static void add_box(struct html_plot *p, struct plot_box box)
{
    p->boxes =
        term_realloc_or_exit(p->boxes, (size_t)(p->box_count + 1) * sizeof(*p->boxes));
    p->boxes[p->box_count++] = box;
}

void html_plot_add_point(struct html_plot *p, double x, double y)
{
    double h = html_plot_x(p, x), v = html_plot_y(p, y);
    add_box(p, (struct plot_box){h - POINT, v - POINT, h + POINT, v + POINT});
}

static bool is_free(const struct html_plot *p, struct plot_box at)
{
    bool inside = at.left > LEFT && at.right < WIDTH && at.top > TOP - LINE &&
                  at.bottom < p->height - BOTTOM;
    for (int i = 0; i < p->box_count && inside; i++) {
        const struct plot_box *b = &p->boxes[i];
        inside = at.right <= b->left || at.left >= b->right || at.bottom <= b->top ||
                 at.top >= b->bottom;
    }
    return inside;
}

void html_plot_label_point(struct html_plot *p, FILE *out, double x, double y,
                           const char *text)
{
    /* On the right, on the left, above and below; then a little up or down too. */
    static const struct {
        int side;
        double down;
    } places[] = {{1, 0},   {-1, 0}, {1, -.7},  {1, .7},  {-1, -.7},  {-1, .7},
                  {0, -.9}, {0, .9}, {1, -1.4}, {1, 1.4}, {-1, -1.4}, {-1, 1.4}};
    static const char *const anchors[] = {"end", "middle", "start"};
    double width = SMALL_LETTER * term_columns(text), h = html_plot_x(p, x),
           v = html_plot_y(p, y);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        int side = places[i].side;
        double at = h + side * (POINT + 2), middle = v + places[i].down * SMALL_LINE;
        double left = at - width * (1 - side) / 2;
        struct plot_box box = {left, middle - SMALL_LINE / 2.0, left + width,
                               middle + SMALL_LINE / 2.0};
        if (!is_free(p, box))
            continue;
        add_box(p, box);
        fprintf(out, "<text class=\"point\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                at, middle + 3.5, anchors[side + 1]);
        html_write_escaped(out, text);
        fputs("</text>\n", out);
        return;
    }
}

void html_plot_end(struct html_plot *p, FILE *out)
{
    write_labels(p, out);
    free(p->labels);
    free(p->boxes);
    fputs("</svg>\n", out);
}
