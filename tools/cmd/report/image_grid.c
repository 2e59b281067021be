/* SPDX-License-Identifier: Apache-2.0 */
/* Images within a page. */
#include "report/evaluation.h"

#include "core/base64.h"
#include "core/png_file.h"
#include "core/term.h"
#include "report/html.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 96, SHOWN = 84 }; /* pixels of the longer side: in the file, on the page */

/* Means of factor x factor pixels; of 2 channels the first, of 4 the first three. */
struct report_thumbnail report_reduce(const uint8_t *pixels,
                                      const struct weft_dataset_info *in)
{
    int longest = in->height > in->width ? in->height : in->width;
    int factor = (longest + MOST - 1) / MOST, area = factor * factor;
    struct report_thumbnail t = {.height = in->height < factor ? 1 : in->height / factor,
                                 .width = in->width < factor ? 1 : in->width / factor,
                                 .channels = in->channels < 3 ? 1 : 3};
    size_t bytes = (size_t)t.height * (size_t)t.width * 3;
    t.pixels = term_realloc_or_exit(NULL, bytes);
    uint8_t *at = t.pixels;
    if (area == 1 && t.channels == in->channels) {
        memcpy(at, pixels, bytes / 3 * (size_t)t.channels);
        return t;
    }
    for (int y = 0; y < t.height; y++)
        for (int x = 0; x < t.width; x++)
            for (int c = 0; c < t.channels; c++) {
                int sum = 0;
                for (int i = 0; i < area; i++) {
                    int row = y * factor + i / factor, column = x * factor + i % factor;
                    row = row < in->height ? row : in->height - 1; /* very narrow */
                    column = column < in->width ? column : in->width - 1;
                    sum += pixels[((size_t)row * (size_t)in->width + (size_t)column) *
                                      (size_t)in->channels +
                                  (size_t)c];
                }
                *at++ = (uint8_t)((sum + area / 2) / area);
            }
    return t;
}

void report_write_pixels(FILE *out, const uint8_t *pixels, int height, int width,
                         int channels, int shown, const char *alt)
{
    size_t size = 0;
    const char *why;
    uint8_t *png = png_encode(pixels, height, width, channels, &size, &why);
    if (!png) {
        html_write_escaped(out, alt);
        return;
    }
    shown = shown > 0 ? shown : 1;
    fprintf(out, "<img%s width=\"%d\" height=\"%d\" alt=\"",
            width < shown ? " class=\"pixels\"" : "", shown,
            (int)(((int64_t)height * shown + width / 2) / width));
    html_write_escaped(out, alt);
    fputs("\" src=\"data:image/png;base64,", out);
    base64_write(out, png, size);
    fputs("\">", out);
    free(png);
}

void report_write_thumbnail(FILE *out, const struct report_thumbnail *t, const char *alt)
{
    int longest = t->height > t->width ? t->height : t->width;
    report_write_pixels(out, t->pixels, t->height, t->width, t->channels,
                        (t->width * SHOWN + longest / 2) / longest, alt);
}

void report_write_image(FILE *out, const weft_dataset *data, int index, const char *alt)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    uint8_t *pixels = term_realloc_or_exit(
        NULL, (size_t)info.height * (size_t)info.width * (size_t)info.channels);
    if (weft_dataset_read(data, index, 1, pixels))
        fputs("(cannot be read)", out);
    else {
        struct report_thumbnail t = report_reduce(pixels, &info);
        report_write_thumbnail(out, &t, alt);
        free(t.pixels);
    }
    free(pixels);
}
