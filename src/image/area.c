/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing by the mean over the area of each result. In units of 1 / rows and 1 / columns
 * of a pixel all areas are integers, and so are the sums, which float holds down a column
 * and double in all: a mean is rounded once, whatever the order. */
#include "base/context.h"
#include "image/preprocess.h"

#include <stdlib.h>
#include <string.h>

/* The pixels from *first to *end of an axis of `size` are covered by part `i` of `parts`
 * equal ones. */
static void find_pixels(int64_t i, int size, int parts, int64_t *first, int64_t *end)
{
    *first = i * size / parts;
    *end = ((i + 1) * size + parts - 1) / parts;
}

/* The share of a pixel that it covers, in units of 1 / parts. */
static int64_t cover(int64_t i, int64_t pixel, int size, int parts)
{
    int64_t from = i * size, to = from + size, begin = pixel * parts, end = begin + parts;
    return (end < to ? end : to) - (begin > from ? begin : from);
}

void weft_area_finish(struct weft_area *a)
{
    free(a->sums);
    free(a->first);
    free(a->weights);
}

enum weft_status weft_area_init(weft_context *ctx, struct weft_area *a)
{
    const size_t channels = (size_t)a->image->channels, count = (size_t)a->count;
    int64_t left, from, end;
    find_pixels(a->column, a->width, a->columns, &left, &end);
    find_pixels(a->column + a->count - 1, a->width, a->columns, &from, &end);
    a->left += (int)left;
    a->taps = a->width / a->columns + 2;
    a->used = (size_t)(end - left) * channels;
    a->sums = calloc(a->used + (size_t)a->taps * channels + 4, sizeof(*a->sums));
    a->first = malloc(count * sizeof(*a->first));
    a->weights = calloc(count * (size_t)a->taps, sizeof(*a->weights));
    if (!a->sums || !a->first || !a->weights) {
        weft_area_finish(a);
        return weft_out_of_memory(ctx, "resize",
                                  count * (size_t)a->taps * sizeof(*a->weights));
    }
    for (int j = 0; j < a->count; j++) {
        double *weights = a->weights + (size_t)j * (size_t)a->taps;
        find_pixels(a->column + j, a->width, a->columns, &from, &end);
        a->first[j] = (size_t)(from - left) * channels;
        for (int64_t x = from; x < end; x++)
            *weights++ = (double)cover(a->column + j, x, a->width, a->columns);
    }
    return WEFT_OK;
}

/* Adds a row of pixels. The loops of a constant length become vectors. */
static void add_row(const uint8_t *restrict row, float weight, size_t count,
                    float *restrict sums)
{
    enum { LANES = 16 };
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sums[i + k] += weight * row[i + k];
    for (; i < count; i++)
        sums[i] += weight * row[i];
}

/* The weighted sums of `taps` pixels, over all of the area. */
static inline void add_columns(const struct weft_area *a, int channels, double *means)
{
    enum { LANES = 4 }; /* of which those beyond the channels are not used */
    const double total = (double)a->height * a->width;
    const double *weights = a->weights;
    for (int j = 0; j < a->count; j++, means += channels) {
        const float *from = a->sums + a->first[j];
        double sum[LANES] = {0};
        for (int k = 0; k < a->taps; k++, weights++, from += channels)
            for (int c = 0; c < LANES; c++)
                sum[c] += *weights * (double)from[c];
        for (int c = 0; c < LANES; c++)
            sum[c] /= total;
        for (int c = 0; c < channels; c++)
            means[c] = sum[c];
    }
}

void weft_area_row(const struct weft_area *a, int i, double *means)
{
    const size_t channels = (size_t)a->image->channels;
    const size_t pitch = (size_t)a->image->width * channels;
    const uint8_t *pixels = a->image->pixels + (size_t)a->left * channels;
    int64_t first, end;
    find_pixels(i, a->height, a->rows, &first, &end);
    memset(a->sums, 0, a->used * sizeof(*a->sums));
    for (int64_t y = first; y < end; y++)
        add_row(pixels + (size_t)(a->top + y) * pitch,
                (float)cover(i, y, a->height, a->rows), a->used, a->sums);
    if (channels == 1)
        add_columns(a, 1, means);
    else
        add_columns(a, 3, means);
}
