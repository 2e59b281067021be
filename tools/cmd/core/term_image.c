/* SPDX-License-Identifier: Apache-2.0 */
/* Images in a terminal: to the pixel where it can; else two pixels a cell by half blocks,
 * in true colour or 256 colours, or by letters of growing darkness without colour. */
#define _GNU_SOURCE
#include "core/plain_text.h"
#include "core/term.h"
#include "core/term_pixels.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { WIDEST = 40, GAP = 2 }; /* columns */

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

static int columns(const struct term_image *p)
{
    return p->width < WIDEST ? p->width : WIDEST;
}

static int half_rows(const struct term_image *p)
{
    int rows = (p->height * columns(p) + p->width / 2) / p->width;
    return rows > 0 ? rows : 1;
}

/* The mean colour of the source pixels below pixel (x, y) of an image of h x w; rows
 * beyond the last are black. */
static struct color pixel(const struct term_image *p, int h, int w, int y, int x)
{
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

static void draw_captions(FILE *out, const struct term_image *images, int count)
{
    for (int i = 0; i < count; i++) {
        int w = columns(&images[i]);
        const char *caption = plain_text(images[i].caption);
        int size = (int)plain_text_prefix(caption, w);
        int fill = w - term_columns(caption);
        fprintf(out, "%.*s%*s", size, caption,
                (fill > 0 ? fill : 0) + (i + 1 < count ? GAP : 0), "");
    }
    fputc('\n', out);
}

static void draw_blocks(FILE *out, const struct term_image *images, int count)
{
    enum depth d = depth(out);
    int rows = 0;
    for (int i = 0; i < count; i++) {
        int mine = (half_rows(&images[i]) + 1) / 2;
        rows = mine > rows ? mine : rows;
    }
    for (int y = 0; y < rows; y++) {
        for (int i = 0; i < count; i++) {
            const struct term_image *p = &images[i];
            int h = half_rows(p), w = columns(p);
            for (int x = 0; x < w; x++)
                cell(out, d, pixel(p, h, w, 2 * y, x), pixel(p, h, w, 2 * y + 1, x));
            fprintf(out, "%s%*s", term_style_end(out), i + 1 < count ? GAP : 0, "");
        }
        fputc('\n', out);
    }
}

/* The terminal in pixels. */
struct screen {
    int cell_height, cell_width, height;
};

/* Cells of a VT340, and 24 lines, where the terminal does not know. */
static struct screen measure(FILE *out)
{
    struct winsize size = {0};
    struct screen s = {.cell_height = 20, .cell_width = 10};
    ioctl(fileno(out), TIOCGWINSZ, &size);
    int rows = size.ws_row >= 4 ? size.ws_row : 24;
    if (size.ws_col && size.ws_xpixel / size.ws_col >= 2 && size.ws_ypixel / rows >= 2) {
        s.cell_width = size.ws_xpixel / size.ws_col;
        s.cell_height = size.ws_ypixel / rows;
    }
    s.height = (rows - 3) * s.cell_height; /* beside captions and the cursor's line */
    return s;
}

/* A multiple of the image's size, or smaller where it has more pixels. */
static void choose_size(const struct term_image *p, const struct screen *s, int *h,
                        int *w)
{
    *w = columns(p) * s->cell_width;
    *h = (int)((long)*w * p->height / p->width);
    if (*h > s->height) {
        *h = s->height;
        *w = (int)((long)*h * p->width / p->height);
    }
    if (*w >= p->width && *h >= p->height) {
        int factor = *w / p->width < *h / p->height ? *w / p->width : *h / p->height;
        *w = p->width * factor;
        *h = p->height * factor;
    }
    *w = *w > 0 ? *w : 1;
    *h = *h > 0 ? *h : 1;
}

static void draw_pixels(FILE *out, enum term_graphics graphics,
                        const struct term_image *image, int h, int w)
{
    uint8_t *rgb = term_realloc_or_exit(NULL, (size_t)h * (size_t)w * 3), *to = rgb;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            struct color c = pixel(image, h, w, y, x);
            *to++ = (uint8_t)c.r;
            *to++ = (uint8_t)c.g;
            *to++ = (uint8_t)c.b;
        }
    if (graphics == TERM_GRAPHICS_KITTY)
        term_kitty_write(out, rgb, h, w);
    else
        term_sixel_write(out, rgb, h, w);
    free(rgb);
}

/* Lines for the row are made first: images that scroll leave the cursor where each
 * terminal thinks best. */
static void draw_graphics(FILE *out, enum term_graphics graphics,
                          const struct term_image *images, int count)
{
    struct screen s = measure(out);
    int rows = 0, h, w;
    for (int i = 0; i < count; i++) {
        choose_size(&images[i], &s, &h, &w);
        int mine = (h + s.cell_height - 1) / s.cell_height;
        rows = mine > rows ? mine : rows;
    }
    for (int i = 0; i <= rows; i++)
        fputc('\n', out);
    fprintf(out, "\033[%dA", rows + 1);
    for (int i = 0; i < count; i++) {
        choose_size(&images[i], &s, &h, &w);
        fputs("\0337", out);
        draw_pixels(out, graphics, &images[i], h, w);
        fprintf(out, "\0338\033[%dC", columns(&images[i]) + GAP);
    }
    fprintf(out, "\r\033[%dB", rows);
}

void term_draw_images(FILE *out, const struct term_image *images, int count)
{
    enum term_graphics graphics = term_graphics(out);
    int limit = term_width(out);
    limit = limit > 100 ? 100 : limit;
    if (graphics == TERM_GRAPHICS_NONE)
        return;
    for (int i = 0; i < count;) {
        int fit = 1, used = columns(&images[i]);
        while (i + fit < count && used + GAP + columns(&images[i + fit]) <= limit)
            used += GAP + columns(&images[i + fit++]);
        draw_captions(out, images + i, fit);
        if (graphics == TERM_GRAPHICS_BLOCKS)
            draw_blocks(out, images + i, fit);
        else
            draw_graphics(out, graphics, images + i, fit);
        i += fit;
    }
}
