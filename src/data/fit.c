/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a picture to a network's input the way the Fashion-MNIST pictures were made
 * (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747, section 2): trim the background, scale
 * the longer side to fit, centre, negate. */
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOLERANCE = 20,     /* how far from the background is still background */
    UNEVEN_PERCENT = 25 /* of the border that may be something else */
};

struct box {
    int top, left, height, width;
};

/* What the border tells. */
struct background {
    int color[3]; /* median of each channel */
    bool uneven;
};

static const uint8_t *pixel_at(const struct weft_picture *p, int y, int x)
{
    return p->pixels + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;
}

static bool is_background(const struct weft_picture *p, const uint8_t *pixel,
                          const int *color)
{
    for (int c = 0; c < p->channels; c++)
        if (abs(pixel[c] - color[c]) > TOLERANCE)
            return false;
    return true;
}

/* Whether a pixel lies in the frame of `depth` pixels. */
static bool in_frame(const struct weft_picture *p, int depth, int y, int x)
{
    return y < depth || x < depth || y >= p->height - depth || x >= p->width - depth;
}

static struct background look_at_border(const struct weft_picture *p)
{
    int shorter = p->height < p->width ? p->height : p->width;
    int depth = 1 + shorter / 100;
    size_t counts[3][256] = {{0}}, total = 0, other = 0;
    struct background result = {{0}, false};
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            if (!in_frame(p, depth, y, x)) {
                x = p->width - depth - 1; /* on to the right side of the frame */
                continue;
            }
            for (int c = 0; c < p->channels; c++)
                counts[c][pixel_at(p, y, x)[c]]++;
            total++;
        }
    for (int c = 0; c < p->channels; c++) {
        size_t below = 0;
        int value = 0;
        while ((below += counts[c][value]) * 2 < total)
            value++;
        result.color[c] = value;
    }
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            if (!in_frame(p, depth, y, x)) {
                x = p->width - depth - 1;
                continue;
            }
            other += !is_background(p, pixel_at(p, y, x), result.color);
        }
    result.uneven = other * 100 > total * UNEVEN_PERCENT;
    return result;
}

/* The first and the last place with more than a few counts; false if there is none. */
static bool ends(const int *counts, int size, int few, int *first, int *extent)
{
    int last = size - 1;
    *first = 0;
    while (*first < size && counts[*first] <= few)
        ++*first;
    while (last > *first && counts[last] <= few)
        last--;
    *extent = last - *first + 1;
    return *first < size;
}

/* The smallest box around what is not background. Rows and columns with only specks of it
 * do not count. */
static enum weft_status trim(weft_context *ctx, const struct weft_picture *p,
                             const struct background *background, struct box *box)
{
    size_t size = (size_t)p->height + (size_t)p->width;
    int *rows = calloc(size, sizeof(*rows));
    if (!rows)
        return weft_out_of_memory(ctx, "fit", size * sizeof(*rows));
    int *columns = rows + p->height;
    struct box found;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            if (!is_background(p, pixel_at(p, y, x), background->color)) {
                rows[y]++;
                columns[x]++;
            }
    if (ends(rows, p->height, p->width / 256, &found.top, &found.height) &&
        ends(columns, p->width, p->height / 256, &found.left, &found.width))
        *box = found;
    free(rows);
    return WEFT_OK;
}

/* Red, green, blue to grey as ITU-R BT.601 weighs them; the weights add up to 1, so that
 * grey stays what it is. */
static double to_grey(const double *color)
{
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
}

/* The mean of the picture over [y0, y1) x [x0, x1), each channel for itself. */
static void average(const struct weft_picture *p, double y0, double y1, double x0,
                    double x1, double *mean)
{
    double sum[3] = {0}, total = 0;
    for (int y = (int)y0; y < p->height && y < y1; y++) {
        double high = fmin(y + 1, y1) - fmax(y, y0);
        for (int x = (int)x0; x < p->width && x < x1; x++) {
            double area = high * (fmin(x + 1, x1) - fmax(x, x0));
            const uint8_t *pixel = pixel_at(p, y, x);
            for (int c = 0; c < p->channels; c++)
                sum[c] += area * pixel[c];
            total += area;
        }
    }
    for (int c = 0; c < p->channels; c++)
        mean[c] = sum[c] / total;
}

/* From the picture's channels to those that are wanted. */
static void convert(const double *from, int from_channels, int channels, double *to)
{
    for (int c = 0; c < channels; c++)
        to[c] = from_channels == channels ? from[c]
                : from_channels == 1      ? from[0]
                                          : to_grey(from);
}

/* How values come to the output. With an even background that ends up dark, it becomes
 * 0 and the rest is stretched to keep its range; else values are kept or negated. */
struct tone {
    bool invert, level;
    double background[3]; /* in the output's channels */
};

static uint8_t apply(const struct tone *tone, int channel, double value)
{
    double zero = tone->background[channel];
    if (tone->invert) {
        value = 255 - value;
        zero = 255 - zero;
    }
    if (tone->level)
        value = value <= zero ? 0 : (value - zero) * 255 / (255 - zero);
    return (uint8_t)floor(value + 0.5);
}

/* Scales `box` of the picture into the middle of the output, which is filled. */
static void place(const struct weft_picture *p, const struct box *box,
                  const struct tone *tone, int height, int width, int channels,
                  uint8_t *out)
{
    double scale = fmin((double)height / box->height, (double)width / box->width);
    int rows = (int)fmax(1, floor(box->height * scale + 0.5));
    int columns = (int)fmax(1, floor(box->width * scale + 0.5));
    int top = (height - rows) / 2, left = (width - columns) / 2;
    double step_y = (double)box->height / rows, step_x = (double)box->width / columns;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, out += channels) {
            double mean[3], value[3];
            int i = y - top, j = x - left;
            bool inside = i >= 0 && i < rows && j >= 0 && j < columns;
            if (inside) {
                average(p, box->top + i * step_y, box->top + (i + 1) * step_y,
                        box->left + j * step_x, box->left + (j + 1) * step_x, mean);
                convert(mean, p->channels, channels, value);
            }
            for (int c = 0; c < channels; c++)
                out[c] = apply(tone, c, inside ? value[c] : tone->background[c]);
        }
}

enum weft_status weft_picture_fit(weft_context *context,
                                  const struct weft_picture *picture,
                                  enum weft_invert invert, int height, int width,
                                  int channels, uint8_t *out, struct weft_fit *fit)
{
    enum { MOST = 65535 };
    WEFT_REQUIRE(context, picture && picture->pixels && out);
    WEFT_REQUIRE(context, picture->height >= 1 && picture->width >= 1);
    WEFT_REQUIRE(context, picture->channels == 1 || picture->channels == 3);
    WEFT_REQUIRE(context, height >= 1 && height <= MOST && width >= 1 && width <= MOST);
    WEFT_REQUIRE(context, channels == 1 || channels == 3);

    struct box box = {0, 0, picture->height, picture->width};
    struct tone tone = {.invert = invert == WEFT_INVERT_YES};
    struct weft_fit did = {0};
    if (picture->height != height || picture->width != width) {
        struct background background = look_at_border(picture);
        double color[3] = {background.color[0], background.color[1], background.color[2]};
        double grey;
        convert(color, picture->channels, channels, tone.background);
        convert(color, picture->channels, 1, &grey);
        if (invert == WEFT_INVERT_AUTO)
            tone.invert = grey > 127;
        tone.level = !background.uneven && tone.invert == (grey > 127);
        if (!background.uneven)
            WEFT_TRY(trim(context, picture, &background, &box));
        did.uneven_background = background.uneven;
        did.resized = true;
    }
    did.cropped = box.height != picture->height || box.width != picture->width;
    did.inverted = tone.invert;
    place(picture, &box, &tone, height, width, channels, out);
    if (fit)
        *fit = did;
    return WEFT_OK;
}
