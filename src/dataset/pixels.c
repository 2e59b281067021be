/* SPDX-License-Identifier: Apache-2.0 */
/* The pixels of a dataset, in memory or in a file: copies of images, statistics. */
#include "dataset/dataset.h"
#include "dataset/image_feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/preprocess.h"
#include "util/hash.h"

enum { BLOCK_BYTES = 4 << 20 };

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

bool weft_dataset_is_decoding(const weft_dataset *data)
{
    return data->feed && weft_image_feed_is_decoding(data->feed);
}

enum weft_status weft_dataset_finish_decoding(weft_context *ctx, const weft_dataset *data)
{
    return data->feed ? weft_image_feed_finish(ctx, data->feed) : WEFT_OK;
}

static enum weft_status read_image(weft_context *ctx, const weft_dataset *data,
                                   size_t image, size_t count, uint8_t *pixels)
{
    size_t bytes = weft_dataset_image_bytes(&data->info);
    return weft_large_file_read(ctx, data->large, data->at + image * bytes, pixels,
                                count * bytes);
}

enum weft_status weft_dataset_gather(weft_context *ctx, const weft_dataset *data,
                                     const uint32_t *images, int count, uint8_t *pixels)
{
    const struct weft_image_selection chosen = {
        .order = data->order, .images = images, .count = (size_t)count};
    size_t bytes = weft_dataset_image_bytes(&data->info);
    if (data->feed)
        return weft_image_feed_read(ctx, data->feed, &chosen, pixels);
    for (int i = 0; i < count; i++, pixels += bytes) {
        size_t image = data->order ? data->order[images[i]] : images[i];
        if (data->large)
            WEFT_TRY(read_image(ctx, data, image, 1, pixels));
        else
            memcpy(pixels, data->pixels + image * bytes, bytes);
    }
    return WEFT_OK;
}

void weft_dataset_expect(const weft_dataset *data, const uint32_t *images, int count)
{
    const struct weft_image_selection chosen = {
        .order = data->order, .images = images, .count = (size_t)count};
    size_t bytes = weft_dataset_image_bytes(&data->info);
    if (data->feed)
        weft_image_feed_expect(data->feed, &chosen);
    for (int i = 0; data->large && i < count; i++) {
        size_t image = data->order ? data->order[images[i]] : images[i];
        weft_large_file_expect(data->large, data->at + image * bytes, bytes);
    }
}

int weft_dataset_block_images(const weft_dataset *data)
{
    size_t fits = BLOCK_BYTES / weft_dataset_image_bytes(&data->info);
    bool all = data->pixels || fits > (size_t)data->info.count;
    return all ? data->info.count : fits ? (int)fits : 1;
}

/* Copies some images that follow each other. */
static enum weft_status read_range(weft_context *ctx, const weft_dataset *data, int first,
                                   int count, uint8_t *out)
{
    const struct weft_image_selection range = {
        .order = data->order, .first = (size_t)first, .count = (size_t)count};
    size_t bytes = weft_dataset_image_bytes(&data->info);
    if (data->feed)
        return weft_image_feed_read(ctx, data->feed, &range, out);
    if (!data->order && data->large)
        return read_image(ctx, data, (size_t)first, (size_t)count, out);
    if (!data->order)
        memcpy(out, data->pixels + (size_t)first * bytes, (size_t)count * bytes);
    for (int i = 0; data->order && i < count; i++)
        WEFT_TRY(
            read_image(ctx, data, data->order[first + i], 1, out + (size_t)i * bytes));
    return WEFT_OK;
}

enum weft_status weft_dataset_block(weft_context *ctx, const weft_dataset *data,
                                    int first, int count, struct weft_image_block *block)
{
    size_t bytes = weft_dataset_image_bytes(&data->info), need = (size_t)count * bytes;
    if (data->pixels) {
        block->pixels = data->pixels + (size_t)first * bytes;
        return WEFT_OK;
    }
    if (block->room < need) {
        uint8_t *own = realloc(block->own, need);
        if (!own)
            return weft_out_of_memory(ctx, data->info.source, need);
        block->own = own;
        block->room = need;
    }
    block->pixels = block->own;
    return read_range(ctx, data, first, count, block->own);
}

enum weft_status weft_dataset_read(const weft_dataset *data, int first, int count,
                                   uint8_t *out)
{
    WEFT_REQUIRE_POINTER(NULL, data, "data");
    WEFT_REQUIRE_POINTER(data->context, out, "out");
    WEFT_REQUIRE(data->context,
                 first >= 0 && count >= 0 && first <= data->info.count &&
                     count <= data->info.count - first,
                 "first and count must be those of images of the dataset");
    return read_range(data->context, data, first, count, out);
}

void weft_image_block_free(struct weft_image_block *block)
{
    free(block->own);
    *block = (struct weft_image_block){.pixels = NULL};
}

struct sums {
    uint64_t sum[WEFT_MAX_CHANNELS], squares[WEFT_MAX_CHANNELS];
};

static void add_pixels(const uint8_t *bytes, size_t pixels, size_t channels,
                       struct sums *sums)
{
    enum {
        BLOCK = 1 << 16
    }; /* pixels whose squares fit a 32-bit sum, for vectorization */
    for (size_t c = 0; c < channels; c++)
        for (size_t from = 0; from < pixels; from += BLOCK) {
            const uint8_t *p = bytes + from * channels + c;
            size_t count = pixels - from < BLOCK ? pixels - from : BLOCK;
            uint32_t block_sum = 0, block_squares = 0;
            for (size_t i = 0; i < count; i++) {
                uint32_t value = p[i * channels];
                block_sum += value;
                block_squares += value * value;
            }
            sums->sum[c] += block_sum;
            sums->squares[c] += block_squares;
        }
}

/* Mean and standard deviation from integer sums, rounded at the end only. */
static void set_statistics(struct weft_dataset_info *info, int count,
                           const struct sums *sums)
{
    double pixels =
        (double)((size_t)count * weft_dataset_image_bytes(info) / (size_t)info->channels);
    for (int c = 0; c < info->channels; c++) {
        double mean = (double)sums->sum[c] / pixels;
        double variance = (double)sums->squares[c] / pixels - mean * mean;
        info->mean[c] = mean / 255;
        info->stddev[c] = sqrt(variance > 0 ? variance : 0) / 255;
    }
}

bool weft_dataset_is_measured(size_t image, size_t count)
{
    enum { MOST = 512 }; /* image k * count / MOST is number k */
    if (count <= MOST)
        return true;
    uint64_t k = ((uint64_t)image * MOST + count - 1) / count;
    return k < MOST && k * count / MOST == image;
}

/* Adds the pixels of all images, and their hash. */
static enum weft_status add_all(const weft_dataset *data, struct sums *sums,
                                uint64_t *pixels)
{
    const struct weft_dataset_info *info = &data->info;
    size_t bytes = weft_dataset_image_bytes(info), channels = (size_t)info->channels;
    struct weft_image_block block = {.pixels = NULL};
    struct weft_hash64_state hash;
    enum weft_status status = WEFT_OK;
    int each = weft_dataset_block_images(data);
    weft_hash64_init(&hash);
    for (int first = 0, n; first < info->count && !status; first += n) {
        n = info->count - first < each ? info->count - first : each;
        status = weft_dataset_block(data->context, data, first, n, &block);
        if (status)
            break;
        if (!data->keys)
            weft_hash64_add(&hash, block.pixels, (size_t)n * bytes);
        add_pixels(block.pixels, (size_t)n * bytes / channels, channels, sums);
    }
    weft_image_block_free(&block);
    *pixels = weft_hash64_finish(&hash);
    return status;
}

static enum weft_status add_some(const weft_dataset *data, const uint32_t *images,
                                 int count, struct sums *sums)
{
    const struct weft_dataset_info *info = &data->info;
    size_t bytes = weft_dataset_image_bytes(info), channels = (size_t)info->channels;
    struct weft_image_block block = {.pixels = NULL};
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < count && !status; i++) {
        status = weft_dataset_block(data->context, data, (int)images[i], 1, &block);
        if (!status)
            add_pixels(block.pixels, bytes / channels, channels, sums);
    }
    weft_image_block_free(&block);
    return status;
}

/* The part of the hash that pixels of image files are replaced by. */
static uint64_t hash_of_files(const weft_dataset *data)
{
    char text[WEFT_PREPROCESS_TEXT];
    weft_preprocess_write(&data->preprocess, text);
    const uint64_t parts[] = {
        weft_hash64(data->keys, (size_t)data->info.count * sizeof(*data->keys)),
        weft_hash64(text, strlen(text)),
    };
    return weft_hash64(parts, sizeof(parts));
}

enum weft_status weft_dataset_measure(weft_dataset *data, const uint32_t *images,
                                      int count)
{
    struct weft_dataset_info *info = &data->info;
    struct sums sums = {{0}, {0}};
    uint64_t pixels = 0;
    WEFT_TRY(images ? add_some(data, images, count, &sums)
                    : add_all(data, &sums, &pixels));
    if (!images || count)
        set_statistics(info, images ? count : info->count, &sums);
    const uint64_t parts[] = {
        (uint64_t)info->count,
        (uint64_t)info->height,
        (uint64_t)info->width,
        (uint64_t)info->channels,
        data->keys ? hash_of_files(data) : pixels,
        weft_hash64(data->labels, (size_t)info->count * sizeof(*data->labels)),
    };
    info->hash = weft_hash64(parts, sizeof(parts));
    return WEFT_OK;
}
