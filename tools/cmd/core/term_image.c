/* SPDX-License-Identifier: Apache-2.0 */
/* Images in a terminal: two pixels a cell by half blocks, in true colour or 256
 * colours, or by letters of growing darkness where there is no colour. */
#define _GNU_SOURCE
#include "core/plain_text.h"
#include "core/term.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST = 40, GAP = 2 };

enum depth { DEPTH_LETTERS, DEPTH_256, DEPTH_TRUE };

struct color {
    int r, g, b;
};

static enum depth depth(FILE *out)
{
    const char *name = getenv("COLORTERM");
    if (!*term_style_end(out) || strcmp(nl_langinfo(CODESET), "UTF-8"))
        return DEPTH_LETTERS;
    return name && (!strcmp(name, "truecolor") || !strcmp(name, "24bit")) ? DEPTH_TRUE
                                                                          : DEPTH_256;
}

/* Width in columns. pixel() is the mean colour of the source pixels below half cell (x,
 * y); rows beyond the last are black. */
static int columns(const struct term_image *p)
{
    return p->width < WIDEST ? p->width : WIDEST;
}

static int half_rows(const struct term_image *p)
{
    int rows = (p->height * columns(p) + p->width / 2) / p->width;
    return rows > 0 ? rows : 1;
}

static struct color pixel(const struct term_image *p, int x, int y)
{
    int w = columns(p), h = half_rows(p);
    long sum[3] = {0}, n = 0;
    if (y >= h)
        return (struct color){0, 0, 0};
    int x0 = x * p->width / w, x1 = (x + 1) * p->width / w;
    int y0 = y * p->height / h, y1 = (y + 1) * p->height / h;
    for (int row = y0; row < (y1 > y0 ? y1 : y0 + 1); row++)
        for (int column = x0; column < (x1 > x0 ? x1 : x0 + 1); column++, n++)
            for (int c = 0; c < 3; c++) {
                int channel = p->channels < 3 ? 0 : c;
                sum[c] += p->pixels[((size_t)row * (size_t)p->width + (size_t)column) *
                                        (size_t)p->channels +
                                    (size_t)channel];
            }
    return (struct color){(int)(sum[0] / n), (int)(sum[1] / n), (int)(sum[2] / n)};
}

/* The nearest of the 24 greys, or of the 6 x 6 x 6 cube where there is colour. */
static int index_256(struct color c)
{
    if (c.r == c.g && c.g == c.b)
        return c.r < 4 ? 16 : c.r > 246 ? 231 : 232 + (c.r - 3) * 24 / 244;
    return 16 + 36 * ((c.r * 5 + 127) / 255) + 6 * ((c.g * 5 + 127) / 255) +
           (c.b * 5 + 127) / 255;
}

static void cell(FILE *out, enum depth d, struct color top, struct color bottom)
{
    static const char letters[] = " .:-=+*#%@";
    if (d == DEPTH_LETTERS) {
        int light = (top.r + top.g + top.b + bottom.r + bottom.g + bottom.b) / 6;
        fputc(letters[light * 10 / 256], out);
    } else if (d == DEPTH_256) {
        fprintf(out, "\033[38;5;%d;48;5;%dm\342\226\200", index_256(top),
                index_256(bottom));
    } else {
        fprintf(out, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\342\226\200", top.r, top.g, top.b,
                bottom.r, bottom.g, bottom.b);
    }
}

static void draw_row(FILE *out, const struct term_image *images, int count)
{
    enum depth d = depth(out);
    int rows = 0;
    for (int i = 0; i < count; i++) {
        int mine = (half_rows(&images[i]) + 1) / 2;
        rows = mine > rows ? mine : rows;
        int w = columns(&images[i]);
        const char *caption = plain_text(images[i].caption);
        int size = (int)plain_text_prefix(caption, w);
        int fill = w - term_columns(caption);
        fprintf(out, "%.*s%*s", size, caption,
                (fill > 0 ? fill : 0) + (i + 1 < count ? GAP : 0), "");
    }
    fputc('\n', out);
    for (int y = 0; y < rows; y++) {
        for (int i = 0; i < count; i++) {
            const struct term_image *p = &images[i];
            for (int x = 0; x < columns(p); x++)
                cell(out, d, pixel(p, x, 2 * y), pixel(p, x, 2 * y + 1));
            fprintf(out, "%s%*s", term_style_end(out), i + 1 < count ? GAP : 0, "");
        }
        fputc('\n', out);
    }
}

void term_draw_images(FILE *out, const struct term_image *images, int count)
{
    int limit = term_width(out);
    limit = limit > 100 ? 100 : limit;
    for (int i = 0; i < count;) {
        int fit = 1, used = columns(&images[i]);
        while (i + fit < count && used + GAP + columns(&images[i + fit]) <= limit)
            used += GAP + columns(&images[i + fit++]);
        draw_row(out, images + i, fit);
        i += fit;
    }
}
