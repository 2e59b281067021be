/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing of an image: trim the background, scale, center, invert. With all of them
 * an image is made as those of Fashion-MNIST were (Xiao, Rasul and Vollgraf 2017,
 * arXiv:1708.07747, section 2). */
#include "image/preprocess.h"
#include "image/background.h"
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* RGB to gray with the weights of ITU-R BT.601, which add up to 1, so that gray is
 * unchanged. */
static double rgb_to_gray(const double *color)
{
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
}

/* As fmin and fmax of numbers, which are calls of functions. */
static double smaller(double a, double b)
{
    return a < b ? a : b;
}
static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Converts between channel counts. */
static void convert(const double *from, int from_channels, int channels, double *to)
{
    for (int c = 0; c < channels; c++)
        to[c] = from_channels == channels ? from[c]
                : from_channels == 1      ? from[0]
                                          : rgb_to_gray(from);
}

/* Mapping of values to the output. A uniform background that becomes dark maps to 0,
 * and the rest is stretched to the full range; otherwise values are copied or
 * inverted. */
struct tone {
    bool invert, level;
};

static uint8_t apply(const struct tone *tone, double value, double background)
{
    if (tone->invert) {
        value = 255 - value;
        background = 255 - background;
    }
    background = smaller(larger(background, 0), 254);
    if (tone->level)
        value = value <= background ? 0 : (value - background) * 255 / (255 - background);
    return (uint8_t)(smaller(larger(value, 0), 255) + 0.5);
}

/* The shape of the output. */
struct frame {
    int height, width, channels;
};

/* The size of `box` in the output. */
static void scaled_size(const struct weft_image_box *box, const struct frame *frame,
                        enum weft_fit fit, int *rows, int *columns)
{
    double down = (double)frame->height / box->height;
    double across = (double)frame->width / box->width;
    if (fit == WEFT_FIT_PAD)
        down = across = fmin(down, across);
    else if (fit == WEFT_FIT_CROP)
        down = across = fmax(down, across);
    *rows = (int)fmax(1, floor(box->height * down + 0.5));
    *columns = (int)fmax(1, floor(box->width * across + 0.5));
}

/* A box of an image in the center of the output, scaled to rows x columns; the rest is
 * background. */
struct placement {
    const struct weft_image *image;
    const struct weft_background *background;
    struct weft_image_box box;
    int rows, columns;
    struct tone tone;
    struct frame frame;
};

/* Numbers of 0 to 255. A loop of a constant length becomes vectors. */
static void round_all(const double *restrict from, size_t count, uint8_t *restrict to)
{
    enum { LANES = 4 };
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        int32_t rounded[LANES];
        for (size_t k = 0; k < LANES; k++)
            rounded[k] = (int32_t)(from[i + k] + 0.5);
        for (size_t k = 0; k < LANES; k++)
            to[i + k] = (uint8_t)rounded[k];
    }
    for (; i < count; i++)
        to[i] = (uint8_t)(from[i] + 0.5);
}

/* Results of row i, by channel of the image, from column `first` on. */
static void put_row(const struct placement *p, int i, int first, int count,
                    const double *means, uint8_t *out)
{
    const int from = p->image->channels, to = p->frame.channels;
    double step_y = (double)p->box.height / p->rows;
    double step_x = (double)p->box.width / p->columns;
    double y = p->box.top + i * step_y + (step_y - 1) / 2;
    for (int j = first; j < first + count; j++, means += from, out += to) {
        double color[3] = {0}, value[3], zero[3] = {0};
        if (p->tone.level) {
            double x = p->box.left + j * step_x + (step_x - 1) / 2;
            weft_background_color(p->background, p->image, y, x, color);
            convert(color, from, to, zero);
        }
        convert(means, from, to, value);
        for (int c = 0; c < to; c++)
            out[c] = apply(&p->tone, value[c], zero[c]);
    }
}

/* The color of what is outside of the box. */
static void find_border(const struct placement *p, uint8_t *border)
{
    double color[3] = {0}, value[3];
    weft_background_color(p->background, p->image, (p->image->height - 1) / 2.0,
                          (p->image->width - 1) / 2.0, color);
    convert(color, p->image->channels, p->frame.channels, value);
    for (int c = 0; c < p->frame.channels; c++)
        border[c] = apply(&p->tone, value[c], value[c]);
}

static void put_border(const uint8_t *border, int channels, int count, uint8_t *out)
{
    for (; count > 0; count--)
        for (int c = 0; c < channels; c++)
            *out++ = border[c];
}

/* A row of `scaled`, or of the area. `means` has room for it. */
static void place_row(const struct placement *p, const struct weft_area *area,
                      const uint8_t *scaled, int i, double *means, uint8_t *out)
{
    const size_t from = (size_t)p->image->channels, size = (size_t)area->count * from;
    bool plain =
        p->image->channels == p->frame.channels && !p->tone.invert && !p->tone.level;
    if (scaled) {
        scaled += ((size_t)i * (size_t)p->columns + (size_t)area->column) * from;
        if (plain)
            memcpy(out, scaled, size);
        for (size_t k = 0; !plain && k < size; k++)
            means[k] = scaled[k];
    } else {
        weft_area_row(area, i, means);
        if (plain)
            round_all(means, size, out);
    }
    if (!plain)
        put_row(p, i, area->column, area->count, means, out);
}

/* `scaled`: the box at its size, or NULL; `means` has room for a row. */
static enum weft_status place(weft_context *ctx, const struct placement *p,
                              const uint8_t *scaled, double *means, uint8_t *out)
{
    const size_t to = (size_t)p->frame.channels;
    int top = (p->frame.height - p->rows) / 2, left = (p->frame.width - p->columns) / 2;
    int first = left < 0 ? -left : 0, before = left < 0 ? 0 : left;
    int count = p->columns < p->frame.width ? p->columns : p->frame.width;
    struct weft_area area = {p->image,      p->box.top,   p->box.left,
                             p->box.height, p->box.width, p->rows,
                             p->columns,    first,        .count = count};
    uint8_t border[3];
    find_border(p, border);
    if (!scaled)
        WEFT_TRY(weft_area_init(ctx, &area));
    for (int i = -top; i < p->frame.height - top; i++, out += p->frame.width * to) {
        if (i < 0 || i >= p->rows) {
            put_border(border, p->frame.channels, p->frame.width, out);
            continue;
        }
        put_border(border, p->frame.channels, before, out);
        place_row(p, &area, scaled, i, means, out + (size_t)before * to);
        put_border(border, p->frame.channels, p->frame.width - before - count,
                   out + (size_t)(before + count) * to);
    }
    if (!scaled)
        weft_area_finish(&area);
    return WEFT_OK;
}

/* The box of FIT_CROP with a fraction: the largest of the output's aspect ratio, made
 * smaller, in the center of `box`. */
static struct weft_image_box central(const struct weft_image_box *box,
                                     const struct frame *frame, double fraction)
{
    double scale = fraction * fmin((double)box->height / frame->height,
                                   (double)box->width / frame->width);
    int height = (int)fmax(1, floor(frame->height * scale + 1e-9));
    int width = (int)fmax(1, floor(frame->width * scale + 1e-9));
    return (struct weft_image_box){box->top + (box->height - height) / 2,
                                   box->left + (box->width - width) / 2, height, width};
}

/* Scales the box by the filter of the params. */
static enum weft_status scale(weft_context *ctx, const struct placement *p,
                              enum weft_filter filter, uint8_t *out)
{
    const struct weft_image_box *box = &p->box;
    size_t row = (size_t)p->columns * (size_t)p->image->channels;
    bool same = p->rows == box->height && p->columns == box->width;
    bool bicubic = filter == WEFT_FILTER_BICUBIC && !same;
    double *means = malloc(row * sizeof(*means));
    uint8_t *made = bicubic ? malloc((size_t)p->rows * row) : NULL;
    const uint8_t *scaled = made;
    enum weft_status status = means && (made || !bicubic)
                                  ? WEFT_OK
                                  : weft_out_of_memory(ctx, "fit", (size_t)p->rows * row);
    if (same && box->width == p->image->width)
        scaled = p->image->pixels + (size_t)box->top * row;
    if (!status && bicubic)
        status = weft_image_resample(ctx, p->image, box->top, box->left, box->height,
                                     box->width, p->rows, p->columns, made);
    if (!status)
        status = place(ctx, p, scaled, means, out);
    free(means);
    free(made);
    return status;
}

/* Chooses the part of an image of another size, and its values. */
static enum weft_status analyze(weft_context *ctx, const struct weft_image *image,
                                const struct weft_preprocess_params *p,
                                struct weft_background *background,
                                struct weft_image_box *box, struct tone *tone)
{
    double color[3] = {0}, gray;
    WEFT_TRY(weft_background_estimate(ctx, image, background));
    weft_background_color(background, image, (image->height - 1) / 2.0,
                          (image->width - 1) / 2.0, color);
    convert(color, image->channels, 1, &gray);
    if (p->invert == WEFT_INVERT_AUTO)
        tone->invert = gray > 127;
    if (!p->trim || background->uneven)
        return WEFT_OK;
    tone->level = tone->invert == (gray > 127);
    return weft_background_trim(ctx, background, image, box);
}

enum weft_status weft_image_make_input(weft_context *ctx, const struct weft_image *image,
                                       const struct weft_preprocess_params *p,
                                       uint8_t *out, struct weft_preprocess_info *info)
{
    bool resize = image->height != p->height || image->width != p->width;
    struct weft_background background = {.uneven = false};
    struct placement placed = {.image = image,
                               .background = &background,
                               .box = {0, 0, image->height, image->width},
                               .tone = {.invert = p->invert == WEFT_INVERT_YES},
                               .frame = {p->height, p->width, p->channels}};
    struct weft_image_box *box = &placed.box;
    enum weft_status status = WEFT_OK;
    if (resize && p->fit == WEFT_FIT_NONE)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "image of %dx%d pixels instead of %dx%d, and the fit is none; "
                         "resize the image, or select another fit",
                         image->height, image->width, p->height, p->width);
    if (resize && (p->fit == WEFT_FIT_PAD || p->trim || p->invert == WEFT_INVERT_AUTO))
        status = analyze(ctx, image, p, &background, box, &placed.tone);
    if (resize && p->fit == WEFT_FIT_CROP && p->crop_fraction > 0)
        *box = central(box, &placed.frame, (double)p->crop_fraction);
    scaled_size(box, &placed.frame, p->fit, &placed.rows, &placed.columns);
    *info = (struct weft_preprocess_info){
        .resized = resize,
        .cropped = box->height != image->height || box->width != image->width ||
                   (p->fit == WEFT_FIT_CROP &&
                    (int64_t)box->height * p->width != (int64_t)box->width * p->height),
        .inverted = placed.tone.invert,
        .uneven_background =
            background.uneven && (p->trim || p->invert == WEFT_INVERT_AUTO),
    };
    if (!status)
        status = scale(ctx, &placed, p->filter, out);
    weft_background_finish(&background);
    return status;
}

enum weft_status(weft_image_preprocess)(weft_context *context,
                                        const struct weft_image *image,
                                        const struct weft_preprocess_params *params,
                                        uint8_t *out, struct weft_preprocess_info *info,
                                        size_t size)
{
    struct weft_preprocess_params p;
    struct weft_preprocess_info result;
    WEFT_REQUIRE_POINTER(NULL, context, "context");
    WEFT_REQUIRE_POINTER(context, image, "image");
    WEFT_REQUIRE_POINTER(context, params, "params");
    WEFT_REQUIRE_POINTER(context, out, "out");
    WEFT_REQUIRE_POINTER(context, info, "info");
    WEFT_TRY(WEFT_READ_PARAMS(context, params, &p));
    WEFT_REQUIRE_POINTER(context, image->pixels, "the image's pixels");
    WEFT_REQUIRE(context, image->height >= 1 && image->width >= 1,
                 "the image's height and width must be 1 or more");
    WEFT_REQUIRE(context, image->channels == 1 || image->channels == 3,
                 "the image's channels must be 1 or 3");
    WEFT_TRY(weft_preprocess_check_all(context, &p));
    WEFT_TRY(weft_image_make_input(context, image, &p, out, &result));
    WEFT_WRITE_INFO(info, size, &result);
    return WEFT_OK;
}
