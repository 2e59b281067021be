/* SPDX-License-Identifier: Apache-2.0 */
/* Escape sequences of images: the graphics protocol of kitty, and sixels (DEC, VT330 and
 * VT340 programmer reference manual, chapter 14). */
#include "core/term_pixels.h"
#include "core/base64.h"
#include "core/term.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Bytes of a chunk, which are 4096 letters in base64. q=2: the terminal does not answer;
 * C=1: the cursor stays. */
enum { CHUNK = 3072 };

void term_kitty_write(FILE *out, const uint8_t *rgb, int height, int width)
{
    uLong bytes = (uLong)height * (uLong)width * 3, size = compressBound(bytes);
    uint8_t *packed = term_realloc_or_exit(NULL, size);
    if (compress2(packed, &size, rgb, bytes, Z_BEST_SPEED) == Z_OK)
        for (uLong at = 0; at < size; at += CHUNK) {
            uLong part = size - at < CHUNK ? size - at : CHUNK;
            fputs("\033_G", out);
            if (!at)
                fprintf(out, "a=T,f=24,o=z,s=%d,v=%d,C=1,", width, height);
            fprintf(out, "q=2,m=%d;", at + part < size);
            base64_write(out, packed + at, part);
            fputs("\033\\", out);
        }
    free(packed);
}

enum { BAND = 6, REGISTERS = 256 };

/* Colours of an image: the register of each pixel, and the used ones. */
struct palette {
    uint8_t *index;
    bool used[REGISTERS];
    bool grey;
};

static const int levels[3] = {6, 7, 6}; /* of red, green, blue */

/* The level of a sample at (x, y), by ordered dithering (Bayer 1973). */
static int level_of(int sample, int count, int x, int y)
{
    static const int order[4][4] = {
        {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
    return (32 * sample * (count - 1) + 255 * (2 * order[y % 4][x % 4] + 1)) / (32 * 255);
}

static void choose_registers(const uint8_t *rgb, int height, int width, struct palette *p)
{
    size_t count = (size_t)height * (size_t)width;
    p->grey = true;
    for (size_t i = 0; i < count && p->grey; i++)
        p->grey = rgb[3 * i] == rgb[3 * i + 1] && rgb[3 * i] == rgb[3 * i + 2];
    for (size_t i = 0; i < count; i++) {
        int index = 0, x = (int)(i % (size_t)width), y = (int)(i / (size_t)width);
        for (int c = 0; c < 3; c++)
            index = index * levels[c] + level_of(rgb[3 * i + (size_t)c], levels[c], x, y);
        if (p->grey)
            index = (rgb[3 * i] * 100 + 127) / 255;
        p->index[i] = (uint8_t)index;
        p->used[index] = true;
    }
}

/* Colours are in percent. */
static void define_registers(FILE *out, const struct palette *p)
{
    for (int i = 0; i < REGISTERS; i++) {
        int percent[3] = {i, i, i};
        for (int c = 2, rest = i; c >= 0 && !p->grey; rest /= levels[c--])
            percent[c] = (rest % levels[c] * 200 / (levels[c] - 1) + 1) / 2;
        if (p->used[i])
            fprintf(out, "#%d;2;%d;%d;%d", i, percent[0], percent[1], percent[2]);
    }
}

/* The pixels of one register among `rows` lines; false if there are none. */
static bool find_sixels(const uint8_t *index, int rows, int width, int color,
                        uint8_t *sixels)
{
    int any = 0;
    for (int x = 0; x < width; x++) {
        int bits = 0;
        for (int y = 0; y < rows; y++)
            bits |= (index[(size_t)y * (size_t)width + (size_t)x] == color) << y;
        any |= bits;
        sixels[x] = (uint8_t)bits;
    }
    return any;
}

static void write_sixels(FILE *out, const uint8_t *sixels, int width)
{
    for (int x = 0, n; x < width; x += n) {
        for (n = 1; x + n < width && sixels[x + n] == sixels[x]; n++) {
        }
        if (n > 3)
            fprintf(out, "!%d%c", n, '?' + sixels[x]);
        for (int i = 0; i < n && n <= 3; i++)
            fputc('?' + sixels[x], out);
    }
}

void term_sixel_write(FILE *out, const uint8_t *rgb, int height, int width)
{
    size_t count = (size_t)height * (size_t)width;
    struct palette p = {.index = term_realloc_or_exit(NULL, count + (size_t)width)};
    uint8_t *sixels = p.index + count;
    choose_registers(rgb, height, width, &p);
    fprintf(out, "\033P0;1;0q\"1;1;%d;%d", width, height);
    define_registers(out, &p);
    for (int y = 0; y < height; y += BAND) {
        int rows = height - y < BAND ? height - y : BAND;
        const char *before = y ? "-" : "";
        for (int color = 0; color < REGISTERS; color++)
            if (p.used[color] && find_sixels(p.index + (size_t)y * (size_t)width, rows,
                                             width, color, sixels)) {
                fprintf(out, "%s#%d", before, color);
                write_sixels(out, sixels, width);
                before = "$";
            }
    }
    fputs("\033\\", out);
    free(p.index);
}
