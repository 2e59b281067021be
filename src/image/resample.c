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

/* One output of `channels` bytes; the inputs are `stride` bytes apart, `rest` of them
 * from the first on. */
static void filter(const uint8_t *from, size_t stride, int rest, const float *weights,
                   int taps, int channels, uint8_t *to)
{
    float sum[3] = {0};
    taps = taps < rest ? taps : rest;
    for (int k = 0; k < taps; k++, from += stride)
        for (int c = 0; c < channels; c++)
            sum[c] += weights[k] * from[c];
    for (int c = 0; c < channels; c++)
        to[c] = (uint8_t)fminf(fmaxf(floorf(sum[c] + 0.5f), 0), 255);
}

enum weft_status weft_image_resample(weft_context *ctx, const struct weft_image *image,
                                     int top, int left, int height, int width, int rows,
                                     int columns, uint8_t *out)
{
    const size_t channels = (size_t)image->channels;
    const size_t pitch = (size_t)image->width * channels;
    const size_t narrow_pitch = (size_t)columns * channels;
    const uint8_t *box = image->pixels + (size_t)top * pitch + (size_t)left * channels;
    struct axis across = {0}, down = {0};
    uint8_t *narrow = malloc((size_t)height * narrow_pitch);
    enum weft_status status = WEFT_OK;
    if (!narrow || !axis_init(&across, width, columns) ||
        !axis_init(&down, height, rows)) {
        status = weft_out_of_memory(ctx, "resize", (size_t)height * narrow_pitch);
        goto done;
    }
    for (int y = 0; y < height; y++)
        for (int j = 0; j < columns; j++)
            filter(box + (size_t)y * pitch + (size_t)across.first[j] * channels, channels,
                   width - across.first[j],
                   across.weights + (size_t)j * (size_t)across.taps, across.taps,
                   image->channels,
                   narrow + (size_t)y * narrow_pitch + (size_t)j * channels);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++, out += channels)
            filter(narrow + (size_t)down.first[i] * narrow_pitch + (size_t)j * channels,
                   narrow_pitch, height - down.first[i],
                   down.weights + (size_t)i * (size_t)down.taps, down.taps,
                   image->channels, out);
done:
    axis_finish(&across);
    axis_finish(&down);
    free(narrow);
    return status;
}
