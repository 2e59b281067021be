/* SPDX-License-Identifier: Apache-2.0 */
/* One file for each source, part and size:
 *     header; height and width of each image; for each file the text of its failure,
 *     which ends in a zero byte; the pixels.
 * It is of this machine: numbers are in its byte order. */
#define _XOPEN_SOURCE 700
#include "dataset/image_cache.h"

#include "image/preprocess.h"
#include "os/private_folder.h"
#include "os/write_file.h"
#include "util/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Changes with the layout, and with what decoding and preprocessing make of a file. */
static const char schema[8] = "weftimg1";

struct image_cache_header {
    char schema[8];
    uint8_t key[WEFT_SHA256_BYTES];
    int32_t height, width, channels, reserved;
    uint64_t count, failure_bytes, pixel_bytes;
    uint64_t sums[3]; /* hashes of extents, failures, pixels */
};

enum { MAX_FAILURE_BYTES = 1 << 30 };

static void add(struct weft_sha256_state *hash, const void *part, size_t size)
{
    uint64_t length = size;
    weft_sha256_add(hash, &length, sizeof(length));
    weft_sha256_add(hash, part, size);
}

static void add_request(struct weft_sha256_state *hash, const struct weft_reading *r)
{
    char text[WEFT_PREPROCESS_TEXT];
    const struct weft_preprocess_params *p = &r->preprocess;
    const int32_t size[] = {(int32_t)p->height, (int32_t)p->width, (int32_t)p->channels};
    weft_preprocess_write(p, text);
    add(hash, schema, sizeof(schema));
    add(hash, text, strlen(text));
    add(hash, size, sizeof(size));
}

/* Everything that decides what is decoded. */
static void compute_key(const struct weft_reading *reading,
                        const struct weft_image_list *list,
                        uint8_t key[WEFT_SHA256_BYTES])
{
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    add_request(&hash, reading);
    for (size_t i = 0; i < list->count; i++) {
        const struct weft_listed_image *image = &list->images[i];
        const int64_t numbers[] = {(int64_t)image->size, image->seconds,
                                   image->nanoseconds};
        add(&hash, image->path, strlen(image->path));
        add(&hash, numbers, sizeof(numbers));
    }
    weft_sha256_finish(&hash, key);
}

/* The file, owned by the caller; NULL: there is no folder for it. */
static char *find_path(const struct weft_reading *reading, const char *source)
{
    enum { NAME_BYTES = 16 };
    struct weft_sha256_state hash;
    uint8_t sum[WEFT_SHA256_BYTES];
    char name[2 * WEFT_SHA256_BYTES + 8];
    const int32_t split = (int32_t)reading->split;
    if (!reading->cache_dir)
        return NULL;
    char *absolute = realpath(source, NULL);
    if (!absolute)
        return NULL;
    weft_sha256_init(&hash);
    add_request(&hash, reading);
    add(&hash, absolute, strlen(absolute));
    add(&hash, &split, sizeof(split));
    weft_sha256_finish(&hash, sum);
    free(absolute);
    weft_sha256_hex(sum, name);
    strcpy(name + 2 * NAME_BYTES, ".images");
    return weft_path_join(reading->cache_dir, name);
}

/* As for compiled kernels: what another user could write is not used. */
static bool is_private(const struct weft_reading *reading)
{
    return weft_folder_is_private(reading->cache_dir, S_IWGRP | S_IWOTH);
}

/* The parts of the file behind its header. */
struct cache_parts {
    const uint8_t *extents, *failures;
    uint8_t *pixels;
};

static bool check(const struct weft_file *file, const struct image_cache_header *h,
                  const uint8_t *key, size_t count, struct cache_parts *parts)
{
    size_t each = 0, pixels = 0, extents = count * 2 * sizeof(int32_t);
    bool valid = !memcmp(h->schema, schema, sizeof(schema)) &&
                 !memcmp(h->key, key, sizeof(h->key)) && h->count == count &&
                 h->height >= 1 && h->width >= 1 && h->height <= WEFT_MAX_SIDE &&
                 h->width <= WEFT_MAX_SIDE && (h->channels == 1 || h->channels == 3) &&
                 h->failure_bytes >= count && h->failure_bytes <= MAX_FAILURE_BYTES &&
                 weft_checked_mul((size_t)h->height * (size_t)h->channels,
                                  (size_t)h->width, &each) &&
                 weft_checked_mul(each, count, &pixels) && h->pixel_bytes == pixels;
    if (!valid || file->size - sizeof(*h) < extents ||
        file->size - sizeof(*h) - extents < h->failure_bytes ||
        file->size - sizeof(*h) - extents - h->failure_bytes != pixels)
        return false;
    parts->extents = file->bytes + sizeof(*h);
    parts->failures = parts->extents + extents;
    parts->pixels = file->bytes + (file->size - pixels);
    size_t texts = 0;
    for (uint64_t i = 0; i < h->failure_bytes; i++)
        texts += !parts->failures[i];
    return texts == count && !parts->failures[h->failure_bytes - 1] &&
           h->sums[0] == weft_hash64(parts->extents, extents) &&
           h->sums[1] == weft_hash64(parts->failures, (size_t)h->failure_bytes) &&
           h->sums[2] == weft_hash64(parts->pixels, pixels);
}

/* Copies what precedes the pixels, which stay in the memory of the file. */
static bool take(struct weft_file *file, const struct image_cache_header *h,
                 const struct cache_parts *parts, struct weft_decoded *out)
{
    size_t count = (size_t)h->count;
    const char *text = (const char *)parts->failures;
    out->extents = malloc(count * 2 * sizeof(*out->extents));
    out->failures = calloc(count, sizeof(*out->failures));
    if (!out->extents || !out->failures)
        return false;
    memcpy(out->extents, parts->extents, count * 2 * sizeof(*out->extents));
    for (size_t i = 0; i < count; i++, text += strlen(text) + 1)
        if (*text && !(out->failures[i] = strdup(text)))
            return false;
    out->params.height = h->height;
    out->params.width = h->width;
    out->params.channels = h->channels;
    out->map = file->map;
    if (!file->map)
        memmove(file->bytes, parts->pixels, (size_t)h->pixel_bytes);
    out->pixels = file->map ? parts->pixels : file->bytes;
    *file = (struct weft_file){NULL, 0, NULL};
    return true;
}

/* As a map where it is larger than what is read as a whole. */
static bool read_cache(const struct weft_reading *reading, const char *path,
                       struct weft_file *out)
{
    struct weft_file_limits limits = {.limit = SIZE_MAX / 2};
    struct weft_file_map *map;
    struct stat info;
    if (!reading->max_memory || stat(path, &info) || !S_ISREG(info.st_mode) ||
        (uintmax_t)info.st_size <= reading->max_memory)
        return !weft_file_read_within(NULL, path, &limits, out);
    if (weft_file_map_open(NULL, path, &map))
        return false;
    *out = (struct weft_file){(uint8_t *)(uintptr_t)map->bytes, map->size, map};
    return true;
}

bool weft_image_cache_read(struct weft_reading *reading, const char *source,
                           const struct weft_image_list *list, struct weft_decoded *out)
{
    uint8_t key[WEFT_SHA256_BYTES];
    struct weft_file file = {NULL, 0, NULL};
    struct image_cache_header header;
    struct cache_parts parts;
    char *path = find_path(reading, source);
    bool valid = path && is_private(reading) && read_cache(reading, path, &file) &&
                 file.size >= sizeof(header);
    free(path);
    if (valid) {
        memcpy(&header, file.bytes, sizeof(header));
        compute_key(reading, list, key);
        valid = check(&file, &header, key, list->count, &parts);
    }
    struct weft_decoded decoded = {.params = reading->preprocess};
    valid = valid && take(&file, &header, &parts, &decoded);
    weft_file_free(&file);
    if (valid)
        *out = decoded;
    else
        weft_decoded_free(&decoded, list->count);
    return valid;
}

/* All texts of failures, one after the other. */
static char *join_failures(const struct weft_decoded *decoded, size_t count, size_t *size)
{
    size_t at = 0;
    *size = 0;
    for (size_t i = 0; i < count; i++)
        *size += (decoded->failures[i] ? strlen(decoded->failures[i]) : 0) + 1;
    char *text = malloc(*size);
    for (size_t i = 0; text && i < count; i++) {
        const char *failure = decoded->failures[i] ? decoded->failures[i] : "";
        memcpy(text + at, failure, strlen(failure) + 1);
        at += strlen(failure) + 1;
    }
    return text;
}

void weft_image_cache_write(struct weft_reading *reading, const char *source,
                            const struct weft_image_list *list,
                            const struct weft_decoded *decoded)
{
    const struct weft_preprocess_params *p = &decoded->params;
    size_t count = list->count, extents = count * 2 * sizeof(int32_t), failure_bytes;
    size_t pixels = (size_t)p->height * (size_t)p->width * (size_t)p->channels * count;
    const char *failure = NULL;
    char *path = find_path(reading, source);
    char *failures = path ? join_failures(decoded, count, &failure_bytes) : NULL;
    if (!failures) {
        free(path);
        return;
    }
    struct image_cache_header h = {.height = p->height,
                                   .width = p->width,
                                   .channels = p->channels,
                                   .count = count,
                                   .failure_bytes = failure_bytes,
                                   .pixel_bytes = pixels,
                                   .sums = {weft_hash64(decoded->extents, extents),
                                            weft_hash64(failures, failure_bytes),
                                            weft_hash64(decoded->pixels, pixels)}};
    memcpy(h.schema, schema, sizeof(schema));
    compute_key(reading, list, h.key);
    const struct weft_write_part parts[] = {{&h, sizeof(h)},
                                            {decoded->extents, extents},
                                            {failures, failure_bytes},
                                            {decoded->pixels, pixels}};
    if (weft_folder_create(NULL, reading->cache_dir, 0700))
        failure = "cannot be created";
    else if (!is_private(reading))
        failure = "is not a folder that you alone may write to (chmod 700)";
    else
        failure = weft_write_file_parts(path, 0600, parts, WEFT_ARRAY_SIZE(parts));
    if (failure)
        weft_reading_note(reading, "%s: %s: decoded images are not kept",
                          reading->cache_dir, failure);
    free(failures);
    free(path);
}
