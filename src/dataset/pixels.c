/* SPDX-License-Identifier: Apache-2.0 */
/* The pixels of a dataset: copies of images, statistics. */
#include "dataset/dataset.h"

#include <math.h>
#include <string.h>

#include "util/hash.h"

size_t weft_dataset_image_bytes(const struct weft_dataset_info *info)
{
    size_t bytes;
    bool fits = weft_checked_mul((size_t)info->height, (size_t)info->width, &bytes) &&
                weft_checked_mul(bytes, (size_t)info->channels, &bytes);
    return fits ? bytes : SIZE_MAX;
}

weft_dataset *weft_dataset_retain(const weft_dataset *data)
{
    weft_dataset *d = (weft_dataset *)(uintptr_t)data;
    d->users++;
    return d;
}

enum weft_status weft_dataset_gather(const weft_dataset *data, const uint32_t *images,
                                     int count, uint8_t *pixels)
{
    size_t bytes = weft_dataset_image_bytes(&data->info);
    for (int i = 0; i < count; i++)
        memcpy(pixels + (size_t)i * bytes, data->pixels + images[i] * bytes, bytes);
    return WEFT_OK;
}

/* Mean and standard deviation from integer sums: one pass, rounded at the end only. */
static void compute_statistics(weft_dataset *data)
{
    enum {
        BLOCK = 1 << 16
    }; /* pixels whose squares fit a 32-bit sum, for vectorization */
    struct weft_dataset_info *info = &data->info;
    size_t channels = (size_t)info->channels;
    size_t pixels = (size_t)info->count * weft_dataset_image_bytes(info) / channels;
    for (size_t c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t from = 0; from < pixels; from += BLOCK) {
            const uint8_t *p = data->pixels + from * channels + c;
            size_t count = pixels - from < BLOCK ? pixels - from : BLOCK;
            uint32_t block_sum = 0, block_squares = 0;
            for (size_t i = 0; i < count; i++) {
                uint32_t value = p[i * channels];
                block_sum += value;
                block_squares += value * value;
            }
            sum += block_sum;
            squares += block_squares;
        }
        double mean = (double)sum / (double)pixels;
        double variance = (double)squares / (double)pixels - mean * mean;
        info->mean[c] = mean / 255;
        info->stddev[c] = sqrt(variance > 0 ? variance : 0) / 255;
    }
}

static void compute_hash(weft_dataset *data)
{
    struct weft_dataset_info *info = &data->info;
    size_t count = (size_t)info->count;
    const uint64_t parts[] = {
        count,
        (uint64_t)info->height,
        (uint64_t)info->width,
        (uint64_t)info->channels,
        weft_hash64(data->pixels, count * weft_dataset_image_bytes(info)),
        weft_hash64(data->labels, count * sizeof(*data->labels)),
    };
    info->hash = weft_hash64(parts, sizeof(parts));
}

void weft_dataset_measure(weft_dataset *data)
{
    compute_statistics(data);
    compute_hash(data);
}
