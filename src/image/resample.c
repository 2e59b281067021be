/* SPDX-License-Identifier: Apache-2.0 */
/* Bicubic resizing: Keys' kernel with a = -1/2 (Keys 1981), as wide as two pixels of the
 * smaller of both images, the columns first, then the rows, each rounded to bytes. That
 * is what Pillow's BICUBIC does, with which most models of ImageNet were made. */
#include "base/context.h"
#include "image/preprocess.h"

#include <math.h>
#include <stdlib.h>

/* The weights of one axis: output i is the sum of `taps` inputs from `first` on. */
struct axis {
    int *first;
    float *weights; /* of `taps` each; 0 beyond the image */
    int taps;
};

static double kernel(double x)
{
    x = fabs(x);
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2)
        return ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return 0;
}

static inline uint8_t round_to_byte(float x)
{
    x += 0.5f;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static void axis_finish(struct axis *axis)
{
    free(axis->first);
    free(axis->weights);
}

static bool axis_init(struct axis *axis, int in, int out)
{
    double step = (double)in / out, stretch = fmax(step, 1), support = 2 * stretch;
    axis->taps = (int)ceil(support) * 2 + 1;
    axis->first = calloc((size_t)out, sizeof(*axis->first));
    axis->weights = calloc((size_t)out * (size_t)axis->taps, sizeof(*axis->weights));
    if (!axis->first || !axis->weights)
        return false;
    for (int i = 0; i < out; i++) {
        float *weights = axis->weights + (size_t)i * (size_t)axis->taps;
        double center = (i + 0.5) * step, total = 0;
        int first = (int)fmax(0, floor(center - support + 0.5));
        int end = (int)fmin(in, floor(center + support + 0.5));
        for (int k = first; k < end; k++)
            total += kernel((k - center + 0.5) / stretch);
        for (int k = first; k < end; k++)
            weights[k - first] = (float)(kernel((k - center + 0.5) / stretch) / total);
        axis->first[i] = first;
    }
    return true;
}

/* Loops of this many numbers become vectors; sums stay in the order of the taps. */
enum { LANES = 4 };

/* A row of pixels, as numbers, to `columns` of them. */
static inline void filter_row(const float *row, const struct axis *axis, int columns,
                              int channels, uint8_t *to)
{
    const float *weights = axis->weights;
    for (int j = 0; j < columns; j++, to += channels) {
        const float *from = row + (size_t)axis->first[j] * (size_t)channels;
        float sum[LANES] = {0};
        for (int k = 0; k < axis->taps; k++, weights++, from += channels)
            for (int c = 0; c < LANES; c++)
                sum[c] += *weights * from[c];
        uint8_t bytes[LANES];
        for (int c = 0; c < LANES; c++)
            bytes[c] = round_to_byte(sum[c]);
        for (int c = 0; c < channels; c++)
            to[c] = bytes[c];
    }
}

static void convert(const uint8_t *restrict from, size_t count, float *restrict to)
{
    size_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (size_t k = 0; k < 4 * LANES; k++)
            to[i + k] = from[i + k];
    for (; i < count; i++)
        to[i] = from[i];
}

/* The bytes from `at` on of a row of results; the inputs are `pitch` bytes apart. */
static inline void filter_columns(const uint8_t *from, size_t pitch, const float *weights,
                                  int taps, size_t lanes, uint8_t *to)
{
    float sum[4 * LANES] = {0};
    for (int k = 0; k < taps; k++, from += pitch)
        for (size_t i = 0; i < lanes; i++)
            sum[i] += weights[k] * from[i];
    for (size_t i = 0; i < lanes; i++)
        to[i] = round_to_byte(sum[i]);
}

static void filter_down(const uint8_t *narrow, size_t pitch, const struct axis *axis,
                        int height, int rows, uint8_t *out)
{
    for (int i = 0; i < rows; i++, out += pitch) {
        const uint8_t *from = narrow + (size_t)axis->first[i] * pitch;
        const float *weights = axis->weights + (size_t)i * (size_t)axis->taps;
        int rest = height - axis->first[i], taps = axis->taps < rest ? axis->taps : rest;
        size_t at = 0;
        for (; at + 4 * LANES <= pitch; at += 4 * LANES)
            filter_columns(from + at, pitch, weights, taps, 4 * LANES, out + at);
        for (; at < pitch; at++)
            filter_columns(from + at, pitch, weights, taps, 1, out + at);
    }
}

enum weft_status weft_image_resample(weft_context *ctx, const struct weft_image *image,
                                     int top, int left, int height, int width, int rows,
                                     int columns, uint8_t *out)
{
    const size_t channels = (size_t)image->channels;
    const size_t pitch = (size_t)image->width * channels;
    const size_t used = (size_t)width * channels;
    const size_t narrow_pitch = (size_t)columns * channels;
    const uint8_t *box = image->pixels + (size_t)top * pitch + (size_t)left * channels;
    struct axis across = {0}, down = {0};
    uint8_t *narrow = malloc((size_t)height * narrow_pitch);
    float *row = NULL;
    enum weft_status status = WEFT_OK;
    if (!narrow || !axis_init(&across, width, columns) ||
        !axis_init(&down, height, rows) ||
        !(row = calloc(used + (size_t)across.taps * channels + LANES, sizeof(*row)))) {
        status = weft_out_of_memory(ctx, "resize", (size_t)height * narrow_pitch);
        goto done;
    }
    for (int y = 0; y < height; y++) {
        convert(box + (size_t)y * pitch, used, row);
        if (channels == 1)
            filter_row(row, &across, columns, 1, narrow + (size_t)y * narrow_pitch);
        else
            filter_row(row, &across, columns, 3, narrow + (size_t)y * narrow_pitch);
    }
    filter_down(narrow, narrow_pitch, &down, height, rows, out);
done:
    axis_finish(&across);
    axis_finish(&down);
    free(narrow);
    free(row);
    return status;
}
