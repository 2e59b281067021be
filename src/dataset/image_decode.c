/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of listed images in threads, to one size. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/dataset.h"
#include "dataset/image_feed.h"

#include "image/image.h"
#include "image/preprocess.h"
#include "os/open_file.h"
#include "os/processors.h"
#include "os/threads.h"
#include "util/clock.h"
#include "util/hash.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_FILE_BYTES = 1 << 29, /* of a PPM of 2^26 pixels with two bytes a sample */
    DEFAULT_SIDE = 64         /* of images of different sizes */
};

/* Reads and decodes a file; `params` NULL: whole. */
static enum weft_status read_image(const char *path,
                                   const struct weft_preprocess_params *params,
                                   struct weft_image_record *record,
                                   struct weft_image *image)
{
    struct weft_image_extent stored = {0, 0};
    const struct weft_file_limits limits = {.limit = MAX_FILE_BYTES};
    struct weft_file file;
    WEFT_TRY(weft_file_read_within(NULL, path, &limits, &file));
    enum weft_status status = weft_image_decode_stored(NULL, path, file.bytes, file.size,
                                                       params, &stored, image);
    record->height = stored.height;
    record->width = stored.width;
    record->contents = weft_image_contents(file.bytes, file.size);
    weft_file_free(&file);
    return status;
}

enum weft_status weft_image_file_decode(const char *path,
                                        const struct weft_preprocess_params *params,
                                        struct weft_image_record *record, uint8_t *pixels)
{
    struct weft_preprocess_info changes;
    struct weft_image image = {0};
    WEFT_TRY(read_image(path, params, record, &image));
    enum weft_status status =
        weft_image_make_input(NULL, &image, params, pixels, &changes);
    weft_image_free(&image);
    return status;
}

/* Facts on the files before they are decoded: a row for each. */
struct scan {
    const struct weft_image_list *list;
    bool must_know; /* an image whose size is not found is decoded */
    struct file_scan {
        struct weft_image_record record; /* 0x0: unknown */
        int channels;
        bool doubtful; /* perhaps it cannot be decoded */
    } * files;
    atomic_bool no_memory;
};

/* Reads the first and the last bytes of a file. */
static bool read_ends(int fd, size_t size, uint8_t *head, uint8_t *tail,
                      size_t *head_size)
{
    if (size < WEFT_IMAGE_TAIL)
        return false;
    *head_size = size < WEFT_IMAGE_HEAD ? size : WEFT_IMAGE_HEAD;
    return read(fd, head, WEFT_IMAGE_HEAD) == (ssize_t)*head_size &&
           pread(fd, tail, WEFT_IMAGE_TAIL, (off_t)size - WEFT_IMAGE_TAIL) ==
               WEFT_IMAGE_TAIL;
}

/* Reads the facts on a file that its header has. False: perhaps it cannot be decoded. */
static bool scan_file(const char *path, struct file_scan *file)
{
    uint8_t head[WEFT_IMAGE_HEAD], tail[WEFT_IMAGE_TAIL];
    struct weft_image_ends ends = {head, tail, 0};
    struct weft_image_extent extent = {0, 0};
    struct stat info;
    const char *why;
    int fd = weft_open_file(path, false, &info, &why);
    if (fd < 0)
        return false;
    size_t size = (size_t)info.st_size;
    bool whole = read_ends(fd, size, head, tail, &ends.head_size) &&
                 weft_image_scan(&ends, &extent, &file->channels);
    file->record.height = extent.height;
    file->record.width = extent.width;
    whole = whole && weft_image_contents_read(fd, size, head, &file->record.contents);
    close(fd);
    return whole;
}

static void scan_one(void *priv, size_t i)
{
    struct scan *scan = priv;
    struct file_scan *file = &scan->files[i];
    const char *path = scan->list->images[i].path;
    file->doubtful = !scan_file(path, file);
    if (!file->doubtful || !scan->must_know || atomic_load(&scan->no_memory))
        return;
    struct weft_image image = {0};
    enum weft_status status = read_image(path, NULL, &file->record, &image);
    file->channels = image.channels;
    weft_image_free(&image);
    if (status)
        file->record.height = file->record.width = 0;
    if (status == WEFT_ERR_NOMEM)
        atomic_store(&scan->no_memory, true);
}

/* The size that all images have, else the default; 1x1x1 if none can be decoded. Gray
 * where all are. */
static void agree(const struct scan *scan, struct weft_preprocess_params *params)
{
    bool same = true, found = false;
    params->height = params->width = params->channels = 1;
    for (size_t i = 0; i < scan->list->count; i++) {
        const struct file_scan *file = &scan->files[i];
        if (!file->record.height)
            continue;
        if (!found) {
            params->height = file->record.height;
            params->width = file->record.width;
            params->channels = file->channels;
        }
        found = true;
        same = same && file->record.height == params->height &&
               file->record.width == params->width;
        if (file->channels > params->channels)
            params->channels = 3;
    }
    if (same)
        return;
    params->height = params->width = DEFAULT_SIDE;
    params->channels = 3;
}

static enum weft_status scan_files(struct weft_reading *reading, const char *source,
                                   const struct weft_image_list *list, int threads,
                                   struct scan *scan)
{
    *scan = (struct scan){.list = list, .must_know = !reading->preprocess.height};
    scan->files = calloc(list->count, sizeof(*scan->files));
    if (!scan->files)
        return weft_out_of_memory(reading->ctx, source,
                                  list->count * sizeof(*scan->files));
    if (scan->must_know || reading->decode_as_needed)
        weft_parallel_for(threads, list->count, scan_one, scan);
    if (atomic_load(&scan->no_memory))
        return weft_out_of_memory(reading->ctx, source, MAX_FILE_BYTES);
    if (scan->must_know)
        agree(scan, &reading->preprocess);
    return WEFT_OK;
}

/* The images of a list, decoded. */
struct decoded {
    const struct weft_image_list *list;
    struct weft_preprocess_params params; /* with the size of the results */
    size_t bytes;                         /* of one result */
    uint8_t *pixels; /* NULL: they are read from the feed when they are needed */
    struct weft_image_feed *feed; /* NULL: they are not kept */
    struct weft_image_record *records;
    char **failures; /* one a file: why it cannot be used, or NULL */
    atomic_bool no_memory;
};

static void decoded_free(struct decoded *d)
{
    for (size_t i = 0; d->failures && i < d->list->count; i++)
        free(d->failures[i]);
    free(d->failures);
    free(d->records);
    free(d->pixels);
    weft_image_feed_release(&d->feed);
}

/* One index of the loop. The message of a failure is in the thread of it. */
static void decode_one(void *priv, size_t i)
{
    struct decoded *d = priv;
    if (atomic_load(&d->no_memory))
        return;
    enum weft_status status = weft_image_file_decode(
        d->list->images[i].path, &d->params, &d->records[i], d->pixels + i * d->bytes);
    d->failures[i] = status ? strdup(weft_error(NULL)) : NULL;
    if (status == WEFT_ERR_NOMEM || (status && !d->failures[i]))
        atomic_store(&d->no_memory, true);
}

static enum weft_status decode_in_memory(struct weft_reading *reading, const char *source,
                                         int threads, struct decoded *d)
{
    double start = weft_clock_seconds();
    weft_parallel_for(threads, d->list->count, decode_one, d);
    reading->decoded = (int)d->list->count;
    reading->decode_seconds = weft_clock_seconds() - start;
    return atomic_load(&d->no_memory) ? weft_out_of_memory(reading->ctx, source, d->bytes)
                                      : WEFT_OK;
}

/* The files that perhaps cannot be decoded, and those whose pixels are measured, so that
 * most of the files that must be left out are known. */
static enum weft_status decode_first(weft_context *ctx, const struct scan *scan,
                                     struct decoded *d)
{
    size_t count = d->list->count, chosen = 0;
    uint32_t *images = malloc(count * sizeof(*images));
    if (!images)
        return weft_out_of_memory(ctx, "images", count * sizeof(*images));
    for (size_t i = 0; i < count; i++)
        if (scan->files[i].doubtful || weft_dataset_is_measured(i, count))
            images[chosen++] = (uint32_t)i;
    const struct weft_image_selection selection = {.images = images, .count = chosen};
    enum weft_status status = weft_image_feed_decode(ctx, d->feed, &selection, NULL);
    free(images);
    return status;
}

/* Records and failures; those of images that are not decoded yet are of the scan. */
static enum weft_status take_facts(weft_context *ctx, const struct scan *scan,
                                   struct decoded *d)
{
    for (size_t i = 0; i < d->list->count; i++) {
        const char *failure = weft_image_feed_failure(d->feed, i);
        d->records[i] = weft_image_feed_record(d->feed, i);
        if (!d->records[i].height && scan->files)
            d->records[i] = scan->files[i].record;
        if (failure && !(d->failures[i] = strdup(failure)))
            return weft_out_of_memory(ctx, "images", strlen(failure));
    }
    return WEFT_OK;
}

/* Decodes what is missing in the file (nothing where the files were not scanned), all of
 * it or the first of it, and takes the pixels into memory if they are to be there. */
static enum weft_status decode_to_file(struct weft_reading *reading,
                                       const struct scan *scan, struct decoded *d)
{
    const struct weft_image_selection all = {.count = d->list->count};
    enum weft_status status =
        d->pixels ? weft_image_feed_decode(reading->ctx, d->feed, &all, d->pixels)
        : reading->decode_as_needed && scan->files
            ? decode_first(reading->ctx, scan, d)
            : weft_image_feed_finish(reading->ctx, d->feed);
    reading->decoded = weft_image_feed_decoded(d->feed, &reading->decode_seconds);
    if (!status)
        status = take_facts(reading->ctx, scan, d);
    if (d->pixels)
        weft_image_feed_release(&d->feed);
    return status;
}

/* True: the results are larger than memory, or wait until they are needed. */
static bool stays_in_file(const struct weft_reading *reading, const struct decoded *d,
                          bool complete)
{
    size_t all;
    return (reading->decode_as_needed && !complete) ||
           !weft_checked_mul(d->bytes, d->list->count, &all) || all > reading->max_memory;
}

static enum weft_status allocate(weft_context *ctx, const char *source, bool pixels,
                                 struct decoded *d)
{
    size_t count = d->list->count, all;
    if (!weft_checked_mul(d->bytes, count, &all))
        all = SIZE_MAX;
    d->pixels = pixels ? malloc(all) : NULL;
    if (pixels && !d->pixels)
        return weft_out_of_memory(ctx, source, all);
    d->records = calloc(count, sizeof(*d->records));
    d->failures = calloc(count, sizeof(*d->failures));
    return d->records && d->failures
               ? WEFT_OK
               : weft_out_of_memory(ctx, source, count * sizeof(*d->failures));
}

static enum weft_status decode(struct weft_reading *reading, const char *source,
                               struct decoded *d)
{
    struct weft_image_cache *cache = NULL;
    struct scan scan = {.files = NULL};
    int threads = reading->threads ? reading->threads : weft_processor_count("");
    enum weft_status status = WEFT_OK;
    d->params = reading->preprocess;
    bool complete = weft_image_cache_open(reading, source, d->list, &d->params, &cache);
    if (!complete) {
        const struct weft_preprocess_params asked = reading->preprocess;
        status = scan_files(reading, source, d->list, threads, &scan);
        d->params = reading->preprocess;
        reading->preprocess = asked; /* of the file's name */
        if (!status)
            weft_image_cache_begin(reading, source, d->list, &d->params, &cache);
    }
    d->bytes =
        (size_t)d->params.height * (size_t)d->params.width * (size_t)d->params.channels;
    if (!status && cache)
        status = weft_image_feed_create(reading->ctx, cache, d->list, complete,
                                        &d->params, threads, &d->feed);
    if (!status)
        status = allocate(reading->ctx, source,
                          !d->feed || !stays_in_file(reading, d, complete), d);
    if (!status)
        status = d->feed ? decode_to_file(reading, &scan, d)
                         : decode_in_memory(reading, source, threads, d);
    free(scan.files);
    return status;
}

/* A hash of the name of an image in the data, its size, and what the file contains. */
static uint64_t name_key(const char *source, const struct weft_listed_image *image,
                         const struct weft_image_record *record)
{
    size_t folder = strlen(source), length = folder;
    if (strncmp(image->path, source, length) != 0) /* a list in a folder */
        while (folder && source[folder - 1] != '/')
            folder--;
    const char *name =
        strncmp(image->path, source, folder) ? image->path : image->path + folder;
    while (*name == '/')
        name++;
    const uint64_t parts[] = {weft_hash64(name, strlen(name)), image->size,
                              record->contents};
    return weft_hash64(parts, sizeof(parts));
}

static enum weft_status allocate_raw(weft_context *ctx, size_t count, bool ordered,
                                     struct weft_raw_images *raw)
{
    raw->labels = malloc(count * sizeof(*raw->labels));
    raw->files.list = malloc(count * sizeof(*raw->files.list));
    raw->keys = malloc(count * sizeof(*raw->keys));
    raw->extents = malloc(count * 2 * sizeof(*raw->extents));
    raw->measured = malloc(count * sizeof(*raw->measured));
    raw->order = ordered ? malloc(count * sizeof(*raw->order)) : NULL;
    return raw->labels && raw->files.list && raw->keys && raw->extents && raw->measured &&
                   (raw->order || !ordered)
               ? WEFT_OK
               : weft_out_of_memory(ctx, "images", count * sizeof(*raw->files.list));
}

/* Leaves out what could not be decoded. */
static enum weft_status take_images(weft_context *ctx, const char *source,
                                    struct weft_image_list *list, struct decoded *d,
                                    struct weft_raw_images *raw)
{
    size_t kept = 0;
    raw->height = d->params.height;
    raw->width = d->params.width;
    raw->channels = d->params.channels;
    WEFT_TRY(allocate_raw(ctx, list->count, d->feed, raw));
    for (size_t i = 0; i < list->count; i++) {
        if (d->failures[i]) {
            weft_left_out_add(&list->left_out, d->failures[i]);
            continue;
        }
        if (raw->order)
            raw->order[kept] = (uint32_t)i;
        else if (kept < i)
            memmove(d->pixels + kept * d->bytes, d->pixels + i * d->bytes, d->bytes);
        raw->extents[2 * kept] = d->records[i].height;
        raw->extents[2 * kept + 1] = d->records[i].width;
        raw->labels[kept] = list->images[i].label;
        if (weft_dataset_is_measured(i, list->count))
            raw->measured[raw->measured_count++] = (uint32_t)kept;
        raw->keys[kept] = name_key(source, &list->images[i], &d->records[i]);
        raw->files.list[kept++] = list->images[i].path;
        list->images[i].path = NULL;
    }
    raw->count = raw->files.count = (int)kept;
    if (!raw->measured_count) /* none of them can be decoded */
        raw->measured[raw->measured_count++] = 0;
    if (raw->measured_count == raw->count) {
        free(raw->measured);
        raw->measured = NULL;
    }
    raw->pixels = d->pixels;
    raw->feed = d->feed;
    d->pixels = NULL;
    d->feed = NULL;
    raw->classes = list->classes;
    list->classes = (struct weft_names){.list = NULL};
    return WEFT_OK;
}

static void note(struct weft_reading *reading, const char *source,
                 const struct weft_image_list *list, const struct weft_raw_images *raw)
{
    const struct weft_left_out *left = &list->left_out;
    if (left->count)
        weft_reading_note(reading, "%s: %zu of %zu files left out: %s%s", source,
                          left->count, (size_t)raw->count + left->count, left->text,
                          left->count > 3 ? "; and others" : "");
    if (list->others)
        weft_reading_note(reading,
                          "%s: %zu file%s skipped that %s no PNG, JPEG or PNM by name, "
                          "%s%s",
                          source, list->others, list->others > 1 ? "s" : "",
                          list->others > 1 ? "are" : "is", list->other,
                          list->others > 1 ? " and others" : "");
    if (list->hidden)
        weft_reading_note(reading, "%s: %zu hidden file%s skipped", source, list->hidden,
                          list->hidden > 1 ? "s" : "");
    if (reading->preprocess.height)
        return;
    for (int i = 0; i < raw->count; i++)
        if (raw->extents[2 * i] != raw->height || raw->extents[2 * i + 1] != raw->width) {
            weft_reading_note(reading,
                              "%s: images of different sizes are made %dx%dx%d, unless "
                              "another size is asked for",
                              source, raw->height, raw->width, raw->channels);
            return;
        }
}

enum weft_status weft_image_list_read(struct weft_reading *reading, const char *source,
                                      struct weft_image_list *list,
                                      struct weft_raw_images *out)
{
    struct decoded d = {.list = list};
    struct weft_raw_images raw = {0};
    size_t count = list->count;
    enum weft_status status = decode(reading, source, &d);
    if (!status)
        status = take_images(reading->ctx, source, list, &d, &raw);
    if (!status && !raw.count)
        status = weft_fail(reading->ctx, WEFT_ERR_FORMAT,
                           "%s: none of its %zu images can be read: %s", source, count,
                           list->left_out.text);
    if (!status) {
        note(reading, source, list, &raw);
        reading->preprocess = d.params;
        reading->from_files = true;
    }
    decoded_free(&d);
    weft_image_list_free(list);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}
