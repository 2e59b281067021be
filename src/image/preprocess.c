/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing of an image: trim the background, scale, center, invert. With all of them
 * an image is made as those of Fashion-MNIST were (Xiao, Rasul and Vollgraf 2017,
 * arXiv:1708.07747, section 2). */
#include "image/preprocess.h"
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOLERANCE = 20,          /* largest difference from the background */
    MAX_OUTLIER_PERCENT = 25 /* share of the border that may differ */
};

struct box {
    int top, left, height, width;
};

/* The background, estimated from the border: the color of each channel as a plane over
 * the image, so that an even falloff of light is still background. */
struct background {
    double plane[3][3]; /* at the center; increments towards bottom and right */
    bool uneven;
};

static const uint8_t *pixel_at(const struct weft_image *p, int y, int x)
{
    return p->pixels + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;
}

/* -0.5 to 0.5. */
static double relative(double place, int extent)
{
    return (place + 0.5) / extent - 0.5;
}

/* The color of the background at a position, in the channels of the image. */
static void color_at(const struct background *background, const struct weft_image *p,
                     double y, double x, double *color)
{
    double down = relative(y, p->height), across = relative(x, p->width);
    for (int c = 0; c < p->channels; c++) {
        const double *plane = background->plane[c];
        color[c] = plane[0] + down * plane[1] + across * plane[2];
    }
}

static bool is_near(const struct background *background, const struct weft_image *p,
                    int y, int x, int tolerance)
{
    double color[3] = {0};
    const uint8_t *pixel = pixel_at(p, y, x);
    color_at(background, p, y, x, color);
    for (int c = 0; c < p->channels; c++)
        if (fabs(pixel[c] - color[c]) > tolerance)
            return false;
    return true;
}

/* The position after (y, x) on the frame of the image, which is `depth` pixels wide;
 * false after the last. */
static bool next_in_frame(const struct weft_image *p, int depth, int *y, int *x)
{
    bool inside = *y >= depth && *y < p->height - depth;
    ++*x;
    if (inside && *x == depth && p->width > 2 * depth)
        *x = p->width - depth;
    if (*x == p->width) {
        *x = 0;
        ++*y;
    }
    return *y < p->height;
}

/* The median color of the frame. */
static struct background median_of_frame(const struct weft_image *p, int depth)
{
    size_t counts[3][256] = {{0}}, total = 0;
    struct background result = {.uneven = false};
    int y = 0, x = 0;
    do {
        for (int c = 0; c < p->channels; c++)
            counts[c][pixel_at(p, y, x)[c]]++;
        total++;
    } while (next_in_frame(p, depth, &y, &x));
    for (int c = 0; c < p->channels; c++) {
        size_t below = 0;
        int value = 0;
        while ((below += counts[c][value]) * 2 < total)
            value++;
        result.plane[c][0] = value;
    }
    return result;
}

/* Solves the normal equations m a = b of a plane, symmetric and of order 3, in place.
 * A zero pivot (an image one pixel wide) leaves its coefficient at 0. */
static void solve(double m[3][3], double b[3], double a[3])
{
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 3; k++) {
            double factor = m[i][i] > 1e-9 ? m[k][i] / m[i][i] : 0;
            for (int j = i; j < 3; j++)
                m[k][j] -= factor * m[i][j];
            b[k] -= factor * b[i];
        }
    for (int i = 2; i >= 0; i--) {
        double rest = b[i];
        for (int j = i + 1; j < 3; j++)
            rest -= m[i][j] * a[j];
        a[i] = m[i][i] > 1e-9 ? rest / m[i][i] : 0;
    }
}

/* Least-squares planes through those pixels of the frame that are near the current
 * planes. */
static void refine(struct background *background, const struct weft_image *p, int depth,
                   int tolerance)
{
    double m[3][3] = {{0}}, b[3][3] = {{0}};
    int y = 0, x = 0;
    do {
        if (!is_near(background, p, y, x, tolerance))
            continue;
        double term[3] = {1, relative(y, p->height), relative(x, p->width)};
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++)
                m[i][j] += term[i] * term[j];
            for (int c = 0; c < p->channels; c++)
                b[c][i] += term[i] * pixel_at(p, y, x)[c];
        }
    } while (next_in_frame(p, depth, &y, &x));
    if (m[0][0] < 1)
        return;
    for (int c = 0; c < p->channels; c++) {
        double copy[3][3];
        memcpy(copy, m, sizeof(copy));
        solve(copy, b[c], background->plane[c]);
    }
}

static struct background estimate_background(const struct weft_image *p)
{
    /* A wide tolerance first, so that a falloff of light is found starting from the
     * median. */
    static const int tolerances[] = {3 * TOLERANCE, 2 * TOLERANCE, TOLERANCE, TOLERANCE};
    int shorter = p->height < p->width ? p->height : p->width;
    int depth = 1 + shorter / 100, y = 0, x = 0;
    size_t total = 0, outliers = 0;
    struct background result = median_of_frame(p, depth);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tolerances); i++)
        refine(&result, p, depth, tolerances[i]);
    do {
        outliers += !is_near(&result, p, y, x, TOLERANCE);
        total++;
    } while (next_in_frame(p, depth, &y, &x));
    result.uneven = outliers * 100 > total * MAX_OUTLIER_PERCENT;
    if (result.uneven)
        result = median_of_frame(p, depth), result.uneven = true;
    return result;
}

/* First position and extent of the counts above `few`; false: none. */
static bool find_extent(const int *counts, int size, int few, int *first, int *extent)
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

/* Bounding box of everything that is not background. Rows and columns with a few
 * specks do not count. */
static enum weft_status trim(weft_context *ctx, const struct weft_image *p,
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
            if (!is_near(background, p, y, x, TOLERANCE)) {
                rows[y]++;
                columns[x]++;
            }
    if (find_extent(rows, p->height, p->width / 256, &found.top, &found.height) &&
        find_extent(columns, p->width, p->height / 256, &found.left, &found.width))
        *box = found;
    free(rows);
    return WEFT_OK;
}

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

/* Mean of the image over [y0, y1) x [x0, x1), by channel. */
static void average(const struct weft_image *p, double y0, double y1, double x0,
                    double x1, double *mean)
{
    double sum[3] = {0}, total = 0;
    for (int y = (int)y0; y < p->height && y < y1; y++) {
        double high = smaller(y + 1, y1) - larger(y, y0);
        for (int x = (int)x0; x < p->width && x < x1; x++) {
            double area = high * (smaller(x + 1, x1) - larger(x, x0));
            const uint8_t *pixel = pixel_at(p, y, x);
            for (int c = 0; c < p->channels; c++)
                sum[c] += area * pixel[c];
            total += area;
        }
    }
    for (int c = 0; c < p->channels; c++)
        mean[c] = sum[c] / total;
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
    background = fmin(fmax(background, 0), 254);
    if (tone->level)
        value = value <= background ? 0 : (value - background) * 255 / (255 - background);
    return (uint8_t)floor(fmin(fmax(value, 0), 255) + 0.5);
}

/* The shape of the output. */
struct frame {
    int height, width, channels;
};

/* The size of `box` in the output. */
static void scaled_size(const struct box *box, const struct frame *frame,
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

/* Copies `box`, `rows` x `columns` after scaling, into the center of the output; the rest
 * is background. `scaled`: the box at that size; NULL: areas are averaged. */
static void place(const struct weft_image *p, const struct background *background,
                  const struct box *box, int rows, int columns, const uint8_t *scaled,
                  const struct tone *tone, const struct frame *frame, uint8_t *out)
{
    int top = (frame->height - rows) / 2, left = (frame->width - columns) / 2;
    double step_y = (double)box->height / rows, step_x = (double)box->width / columns;
    for (int i = -top; i < frame->height - top; i++)
        for (int j = -left; j < frame->width - left; j++, out += frame->channels) {
            double mean[3] = {0}, color[3] = {0}, value[3], zero[3];
            double y = box->top + i * step_y, x = box->left + j * step_x;
            bool inside = i >= 0 && i < rows && j >= 0 && j < columns;
            if (inside) {
                if (scaled)
                    for (int c = 0; c < p->channels; c++)
                        mean[c] = scaled[((size_t)i * (size_t)columns + (size_t)j) *
                                             (size_t)p->channels +
                                         (size_t)c];
                else
                    average(p, y, y + step_y, x, x + step_x, mean);
                color_at(background, p, y + (step_y - 1) / 2, x + (step_x - 1) / 2,
                         color);
            } else {
                color_at(background, p, (p->height - 1) / 2.0, (p->width - 1) / 2.0,
                         color);
            }
            convert(color, p->channels, frame->channels, zero);
            convert(inside ? mean : color, p->channels, frame->channels, value);
            for (int c = 0; c < frame->channels; c++)
                out[c] = apply(tone, value[c], zero[c]);
        }
}

/* The box of FIT_CROP with a fraction: the largest of the output's aspect ratio, made
 * smaller, in the center of `box`. */
static struct box central(const struct box *box, const struct frame *frame,
                          double fraction)
{
    double scale = fraction * fmin((double)box->height / frame->height,
                                   (double)box->width / frame->width);
    int height = (int)fmax(1, floor(frame->height * scale + 1e-9));
    int width = (int)fmax(1, floor(frame->width * scale + 1e-9));
    return (struct box){box->top + (box->height - height) / 2,
                        box->left + (box->width - width) / 2, height, width};
}

/* Scales the box by the filter of the params. */
static enum weft_status scale(weft_context *ctx, const struct weft_image *image,
                              const struct weft_preprocess_params *p,
                              const struct background *background, const struct box *box,
                              const struct tone *tone, uint8_t *out)
{
    const struct frame frame = {p->height, p->width, p->channels};
    uint8_t *scaled = NULL;
    int rows, columns;
    scaled_size(box, &frame, p->fit, &rows, &columns);
    if (p->filter == WEFT_FILTER_BICUBIC &&
        (rows != box->height || columns != box->width)) {
        size_t bytes = (size_t)rows * (size_t)columns * (size_t)image->channels;
        if (!(scaled = malloc(bytes)))
            return weft_out_of_memory(ctx, "fit", bytes);
        enum weft_status status =
            weft_image_resample(ctx, image, box->top, box->left, box->height, box->width,
                                rows, columns, scaled);
        if (status) {
            free(scaled);
            return status;
        }
    }
    place(image, background, box, rows, columns, scaled, tone, &frame, out);
    free(scaled);
    return WEFT_OK;
}

/* Chooses the part of an image of another size, and its values. */
static enum weft_status analyze(weft_context *ctx, const struct weft_image *image,
                                const struct weft_preprocess_params *p,
                                struct background *background, struct box *box,
                                struct tone *tone)
{
    double color[3] = {0}, gray;
    *background = estimate_background(image);
    color_at(background, image, (image->height - 1) / 2.0, (image->width - 1) / 2.0,
             color);
    convert(color, image->channels, 1, &gray);
    if (p->invert == WEFT_INVERT_AUTO)
        tone->invert = gray > 127;
    if (!p->trim || background->uneven)
        return WEFT_OK;
    tone->level = tone->invert == (gray > 127);
    return trim(ctx, image, background, box);
}

enum weft_status weft_image_make_input(weft_context *ctx, const struct weft_image *image,
                                       const struct weft_preprocess_params *p,
                                       uint8_t *out, struct weft_preprocess_info *info)
{
    bool resize = image->height != p->height || image->width != p->width;
    struct frame frame = {p->height, p->width, p->channels};
    struct box box = {0, 0, image->height, image->width};
    struct tone tone = {.invert = p->invert == WEFT_INVERT_YES};
    struct background background = {.uneven = false};
    if (resize && p->fit == WEFT_FIT_NONE)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "image of %dx%d pixels instead of %dx%d, and the fit is none; "
                         "resize the image, or select another fit",
                         image->height, image->width, p->height, p->width);
    if (resize)
        WEFT_TRY(analyze(ctx, image, p, &background, &box, &tone));
    if (resize && p->fit == WEFT_FIT_CROP && p->crop_fraction > 0)
        box = central(&box, &frame, (double)p->crop_fraction);
    *info = (struct weft_preprocess_info){
        .resized = resize,
        .cropped = box.height != image->height || box.width != image->width ||
                   (p->fit == WEFT_FIT_CROP &&
                    (int64_t)box.height * p->width != (int64_t)box.width * p->height),
        .inverted = tone.invert,
        .uneven_background =
            background.uneven && (p->trim || p->invert == WEFT_INVERT_AUTO),
    };
    return scale(ctx, image, p, &background, &box, &tone, out);
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
