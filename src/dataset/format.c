/* SPDX-License-Identifier: Apache-2.0 */
/* The table of dataset formats, and functions they share. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"
#include "dataset/image_feed.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct weft_format *const weft_formats[] = {
    &weft_format_idx,
    &weft_format_npy,
    &weft_format_npz,
    &weft_format_csv, /* last: any text may be CSV */
    NULL,
};

const struct weft_format *weft_format_detect(const struct weft_file *file)
{
    for (int i = 0; weft_formats[i]; i++)
        if (weft_formats[i]->probe(file))
            return weft_formats[i];
    return NULL;
}

void weft_reading_note(struct weft_reading *reading, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t before = reading->notes ? strlen(reading->notes) : 0, length = strlen(text);
    /* A file that is read twice has its notes once. */
    const char *same = reading->notes ? strstr(reading->notes, text) : NULL;
    char *notes = same ? NULL : realloc(reading->notes, before + length + 2);
    if (!notes)
        return;
    if (before)
        notes[before++] = '\n';
    memcpy(notes + before, text, length + 1);
    reading->notes = notes;
}

void weft_raw_images_take(struct weft_raw_images *raw, struct weft_file *file, size_t at)
{
    raw->large = file->large;
    raw->at = at;
    if (!file->large)
        memmove(file->bytes, file->bytes + at, file->size - at);
    raw->pixels = file->bytes;
    *file = (struct weft_file){0};
}

void weft_raw_images_free(struct weft_raw_images *raw)
{
    weft_large_file_release(&raw->large);
    free(raw->pixels);
    weft_image_feed_release(&raw->feed);
    free(raw->keys);
    free(raw->measured);
    free(raw->order);
    free(raw->labels);
    free(raw->extents);
    weft_names_free(&raw->classes);
    weft_names_free(&raw->files);
    *raw = (struct weft_raw_images){0};
}

size_t weft_raw_image_bytes(const struct weft_raw_images *raw)
{
    return (size_t)raw->height * (size_t)raw->width * (size_t)raw->channels;
}

enum weft_status weft_raw_images_copy(weft_context *ctx,
                                      const struct weft_raw_images *raw, int first,
                                      int count, uint8_t *to)
{
    size_t bytes = weft_raw_image_bytes(raw), at = (size_t)first * bytes;
    if (raw->large)
        return weft_large_file_read(ctx, raw->large, raw->at + at, to,
                                    (size_t)count * bytes);
    memcpy(to, raw->pixels + at, (size_t)count * bytes);
    return WEFT_OK;
}

enum weft_status weft_raw_images_set_shape(weft_context *ctx, const char *name,
                                           const uint64_t *extents, int dimensions,
                                           size_t each, size_t available,
                                           struct weft_raw_images *out)
{
    static const uint64_t most[] = {WEFT_MAX_IMAGES, WEFT_MAX_SIDE, WEFT_MAX_SIDE,
                                    WEFT_MAX_CHANNELS};
    static const char *const what[] = {"images", "rows", "columns", "channels"};
    size_t need = each;
    if (dimensions != 3 && dimensions != 4)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %d dimensions; images have three (images, rows, "
                         "columns) or four (and channels)",
                         name, dimensions);
    for (int i = 0; i < dimensions; i++) {
        if (extents[i] < 1 || extents[i] > most[i]) {
            bool channels_first =
                i == 3 && extents[1] <= WEFT_MAX_CHANNELS && extents[2] > 1;
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: has %" PRIu64 " %s, must be 1 to %" PRIu64 "%s", name,
                             extents[i], what[i], most[i],
                             channels_first ? "; channels are the last axis: save "
                                              "a.transpose(0, 2, 3, 1)"
                                            : "");
        }
        if (!weft_checked_mul(need, (size_t)extents[i], &need))
            need = SIZE_MAX;
    }
    if (available < need)
        return weft_fail(
            ctx, WEFT_ERR_FORMAT,
            "%s: truncated: its header declares %zu bytes of images, the file "
            "has %zu; download it again",
            name, need, available);
    if (available > need)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: %zu extra bytes after the %zu of its images; download it "
                         "again",
                         name, available - need, need);
    out->count = (int)extents[0];
    out->height = (int)extents[1];
    out->width = (int)extents[2];
    out->channels = dimensions == 4 ? (int)extents[3] : 1;
    return WEFT_OK;
}
