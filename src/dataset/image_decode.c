/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of listed images in threads, to one size. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/image_cache.h"

#include "image/image.h"
#include "image/preprocess.h"
#include "os/processors.h"
#include "os/threads.h"
#include "util/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILE_BYTES = 1 << 29, /* of a PPM of 2^26 pixels with two bytes a sample */
    DEFAULT_SIDE = 64         /* of images of different sizes */
};

/* The size of the result is not given: then it is that of all images. */
enum agreement { AGREE, OTHER_CHANNELS, OTHER_SIZE };

struct decoding {
    const struct weft_image_list *list;
    struct weft_preprocess_params params;
    size_t bytes; /* of one result */
    struct weft_decoded *out;
    bool must_agree;
    atomic_int agreement; /* the largest that occurred; others then need not be read */
    atomic_bool no_memory;
};

static enum agreement compare(const struct weft_preprocess_params *p,
                              const struct weft_image *image)
{
    if (image->height != p->height || image->width != p->width)
        return OTHER_SIZE;
    return image->channels > p->channels ? OTHER_CHANNELS : AGREE;
}

static void disagree(struct decoding *d, enum agreement found)
{
    int before = atomic_load(&d->agreement);
    while (before < (int)found &&
           !atomic_compare_exchange_weak(&d->agreement, &before, (int)found))
        continue;
}

static enum weft_status decode_file(struct decoding *d, size_t i)
{
    const struct weft_file_limits limits = {.limit = MAX_FILE_BYTES};
    const char *path = d->list->images[i].path;
    struct weft_preprocess_info changes;
    struct weft_image_extent stored;
    struct weft_image image = {0};
    struct weft_file file;
    WEFT_TRY(weft_file_read_within(NULL, path, &limits, &file));
    enum weft_status status =
        weft_image_decode_stored(NULL, path, file.bytes, file.size,
                                 d->must_agree ? NULL : &d->params, &stored, &image);
    weft_file_free(&file);
    if (status)
        return status;
    if (d->must_agree)
        disagree(d, compare(&d->params, &image));
    d->out->extents[2 * i] = stored.height;
    d->out->extents[2 * i + 1] = stored.width;
    if (atomic_load(&d->agreement) == AGREE)
        status = weft_image_make_input(NULL, &image, &d->params,
                                       d->out->pixels + i * d->bytes, &changes);
    weft_image_free(&image);
    return status;
}

/* One index of the loop. The message of a failure is in the thread of it. */
static void decode_one(void *priv, size_t i)
{
    struct decoding *d = priv;
    if (atomic_load(&d->no_memory) || atomic_load(&d->agreement) != AGREE)
        return;
    enum weft_status status = decode_file(d, i);
    free(d->out->failures[i]);
    d->out->failures[i] = status ? strdup(weft_error(NULL)) : NULL;
    if (status == WEFT_ERR_NOMEM || (status && !d->out->failures[i]))
        atomic_store(&d->no_memory, true);
}

/* The size of the first image that can be decoded; 1x1x1 if none can. */
static enum weft_status find_first(weft_context *ctx, const struct weft_image_list *list,
                                   struct weft_preprocess_params *params)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct weft_file_limits limits = {.limit = MAX_FILE_BYTES};
        struct weft_image image = {0};
        struct weft_image_extent stored;
        struct weft_file file = {NULL, 0};
        const char *path = list->images[i].path;
        enum weft_status status = weft_file_read_within(NULL, path, &limits, &file);
        if (!status)
            status = weft_image_decode_stored(NULL, path, file.bytes, file.size, NULL,
                                              &stored, &image);
        params->height = image.height;
        params->width = image.width;
        params->channels = image.channels;
        weft_file_free(&file);
        weft_image_free(&image);
        if (!status)
            return WEFT_OK;
        if (status == WEFT_ERR_NOMEM)
            return weft_fail(ctx, status, "%s", weft_error(NULL));
    }
    params->height = params->width = params->channels = 1;
    return WEFT_OK;
}

static enum weft_status allocate(weft_context *ctx, const char *source,
                                 struct decoding *d)
{
    const struct weft_preprocess_params *p = &d->params;
    size_t count = d->list->count, all;
    d->bytes = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    if (!weft_checked_mul(d->bytes, count, &all))
        all = SIZE_MAX;
    free(d->out->pixels);
    d->out->pixels = malloc(all);
    return d->out->pixels ? WEFT_OK : weft_out_of_memory(ctx, source, all);
}

/* Decodes all, again with another size if the images do not have one. */
static enum weft_status decode_all(struct weft_reading *reading, const char *source,
                                   struct decoding *d)
{
    int threads = reading->threads ? reading->threads : weft_processor_count("");
    for (;;) {
        WEFT_TRY(allocate(reading->ctx, source, d));
        atomic_store(&d->agreement, AGREE);
        weft_parallel_for(threads, d->list->count, decode_one, d);
        if (atomic_load(&d->no_memory))
            return weft_out_of_memory(reading->ctx, source, d->bytes);
        if (atomic_load(&d->agreement) == AGREE)
            return WEFT_OK;
        d->params.channels = 3;
        if (atomic_load(&d->agreement) == OTHER_CHANNELS)
            continue;
        d->params.height = d->params.width = DEFAULT_SIDE;
        d->must_agree = false;
    }
}

static enum weft_status decode(struct weft_reading *reading, const char *source,
                               const struct weft_image_list *list,
                               struct weft_decoded *out)
{
    struct decoding d = {.list = list, .params = reading->preprocess, .out = out};
    double start = weft_clock_seconds();
    d.must_agree = !d.params.height;
    if (d.must_agree)
        WEFT_TRY(find_first(reading->ctx, list, &d.params));
    out->extents = calloc(list->count, 2 * sizeof(*out->extents));
    out->failures = calloc(list->count, sizeof(*out->failures));
    if (!out->extents || !out->failures)
        return weft_out_of_memory(reading->ctx, source,
                                  list->count * sizeof(*out->failures));
    WEFT_TRY(decode_all(reading, source, &d));
    out->params = d.params;
    reading->decoded = (int)list->count;
    reading->decode_seconds = weft_clock_seconds() - start;
    return WEFT_OK;
}

void weft_decoded_free(struct weft_decoded *decoded, size_t count)
{
    for (size_t i = 0; decoded->failures && i < count; i++)
        free(decoded->failures[i]);
    free(decoded->failures);
    free(decoded->extents);
    if (decoded->map)
        weft_file_map_release(&decoded->map);
    else
        free(decoded->pixels);
    *decoded = (struct weft_decoded){.pixels = NULL};
}

/* Leaves out what could not be decoded. */
static enum weft_status take_images(weft_context *ctx, struct weft_image_list *list,
                                    struct weft_decoded *decoded,
                                    struct weft_raw_images *raw)
{
    const struct weft_preprocess_params *p = &decoded->params;
    size_t bytes = (size_t)p->height * (size_t)p->width * (size_t)p->channels, kept = 0;
    raw->height = p->height;
    raw->width = p->width;
    raw->channels = p->channels;
    raw->labels = malloc(list->count * sizeof(*raw->labels));
    raw->files.list = malloc(list->count * sizeof(*raw->files.list));
    if (!raw->labels || !raw->files.list)
        return weft_out_of_memory(ctx, "images", list->count * sizeof(*raw->files.list));
    raw->order = decoded->map ? malloc(list->count * sizeof(*raw->order)) : NULL;
    if (decoded->map && !raw->order)
        return weft_out_of_memory(ctx, "images", list->count * sizeof(*raw->order));
    for (size_t i = 0; i < list->count; i++) {
        if (decoded->failures[i]) {
            weft_left_out_add(&list->left_out, decoded->failures[i]);
            continue;
        }
        if (raw->order)
            raw->order[kept] = (uint32_t)i;
        else if (kept < i)
            memmove(decoded->pixels + kept * bytes, decoded->pixels + i * bytes, bytes);
        memmove(decoded->extents + 2 * kept, decoded->extents + 2 * i,
                2 * sizeof(*decoded->extents));
        raw->labels[kept] = list->images[i].label;
        raw->files.list[kept++] = list->images[i].path;
        list->images[i].path = NULL;
    }
    raw->count = raw->files.count = (int)kept;
    raw->pixels = decoded->pixels;
    raw->map = decoded->map;
    decoded->map = NULL;
    if (kept == list->count) { /* all, as they are */
        free(raw->order);
        raw->order = NULL;
    }
    raw->extents = decoded->extents;
    decoded->pixels = NULL;
    decoded->extents = NULL;
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
    struct weft_decoded decoded = {.pixels = NULL};
    struct weft_raw_images raw = {0};
    size_t count = list->count;
    enum weft_status status = WEFT_OK;
    if (!weft_image_cache_read(reading, source, list, &decoded)) {
        status = decode(reading, source, list, &decoded);
        if (!status)
            weft_image_cache_write(reading, source, list, &decoded);
    }
    if (!status)
        status = take_images(reading->ctx, list, &decoded, &raw);
    if (!status && !raw.count)
        status = weft_fail(reading->ctx, WEFT_ERR_FORMAT,
                           "%s: none of its %zu images can be read: %s", source, count,
                           list->left_out.text);
    if (!status) {
        note(reading, source, list, &raw);
        reading->preprocess = decoded.params;
        reading->from_files = true;
    }
    weft_decoded_free(&decoded, count);
    weft_image_list_free(list);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}
