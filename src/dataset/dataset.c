/* SPDX-License-Identifier: Apache-2.0 */
/* The dataset object: statistics, class names, holdout. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/dataset.h"
#include "dataset/image_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/preprocess.h"
#include "shared/random.h"
#include "util/text.h"

void weft_dataset_destroy(weft_dataset **data)
{
    weft_dataset *d = data ? *data : NULL;
    if (data)
        *data = NULL;
    if (!d || --d->users)
        return;
    if (d->info.class_names)
        for (int i = 0; i < d->info.classes; i++)
            free((char *)(uintptr_t)d->info.class_names[i]);
    free((void *)(uintptr_t)d->info.class_names);
    free((char *)(uintptr_t)d->info.source);
    free((char *)(uintptr_t)d->info.known_as);
    free((char *)(uintptr_t)d->info.notes);
    weft_large_file_release(&d->large);
    free(d->pixels);
    weft_image_feed_release(&d->feed);
    free(d->keys);
    free(d->order);
    free(d->labels);
    free(d->extents);
    weft_names_free(&d->files);
    free(d);
}

void(weft_dataset_info)(const weft_dataset *data, struct weft_dataset_info *out,
                        size_t size)
{
    if (!data) {
        weft_info_write(out, size, NULL, 0);
        return;
    }
    struct weft_dataset_info info = data->info;
    info.pixels = data->pixels;
    if (data->feed) {
        info.decoded = weft_image_feed_decoded(data->feed, &info.decode_seconds);
        info.damaged = weft_image_feed_is_damaged(data->feed);
    }
    info.decoding = weft_dataset_is_decoding(data);
    info.labels = data->labels;
    info.files = (const char *const *)data->files.list;
    info.file_extents = data->extents;
    WEFT_WRITE_INFO(out, size, &info);
}

/* A dataset with the shape of `info` and its own strings; no arrays yet. */
static enum weft_status create(weft_context *ctx, const struct weft_dataset_info *info,
                               weft_dataset **out)
{
    weft_dataset *data = calloc(1, sizeof(*data));
    if (!data)
        return weft_out_of_memory(ctx, "data", sizeof(*data));
    data->context = ctx;
    data->users = 1;
    data->info = *info;
    data->preprocess = info->preprocess ? *info->preprocess
                                        : weft_known_dataset_preprocess(info->known_as);
    data->preprocess.height = info->height;
    data->preprocess.width = info->width;
    data->preprocess.channels = info->channels;
    data->info.preprocess = &data->preprocess;
    char **names = calloc((size_t)info->classes, sizeof(*names));
    data->info.class_names = (const char *const *)names;
    data->info.source = strdup(info->source);
    data->info.known_as = strdup(info->known_as);
    data->info.notes = strdup(info->notes ? info->notes : "");
    bool whole = names && data->info.source && data->info.known_as && data->info.notes;
    for (int i = 0; whole && i < info->classes; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", i);
        names[i] = strdup(info->class_names ? info->class_names[i] : number);
        whole = names[i];
    }
    if (!whole) {
        weft_dataset_destroy(&data);
        return weft_out_of_memory(ctx, "data", (size_t)info->classes * sizeof(char *));
    }
    *out = data;
    return WEFT_OK;
}

/* Allocates the arrays. A part of what is in a file is a list of its images. */
static enum weft_status allocate(weft_dataset *data, const weft_dataset *whole)
{
    size_t bytes;
    if (whole && whole->keys) {
        bytes = (size_t)data->info.count * sizeof(*data->keys);
        data->keys = malloc(bytes);
        if (!data->keys)
            return weft_out_of_memory(data->context, data->info.source, bytes);
    }
    if (whole && (whole->large || whole->feed)) {
        bytes = (size_t)data->info.count * sizeof(*data->order);
        data->large = weft_large_file_retain(whole->large);
        data->at = whole->at;
        data->feed = whole->feed ? weft_image_feed_retain(whole->feed) : NULL;
        data->order = malloc(bytes);
        data->labels = calloc((size_t)data->info.count, sizeof(*data->labels));
        return data->order && data->labels
                   ? WEFT_OK
                   : weft_out_of_memory(data->context, data->info.source, bytes);
    }
    if (!weft_checked_mul((size_t)data->info.count, weft_dataset_image_bytes(&data->info),
                          &bytes))
        return weft_out_of_memory(data->context, data->info.source, SIZE_MAX);
    data->pixels = malloc(bytes);
    data->labels = calloc((size_t)data->info.count, sizeof(*data->labels));
    return data->pixels && data->labels
               ? WEFT_OK
               : weft_out_of_memory(data->context, data->info.source, bytes);
}

/* Splits a text of lines in place into names, at most WEFT_MAX_CLASSES + 1. NULL: out of
 * memory; else owned by the caller. */
static const char **split_lines(char *text, int *lines)
{
    int count = 0, room = 1;
    weft_text_end_lines(text, strlen(text));
    text += weft_text_mark(text, strlen(text));
    for (const char *at = text; (at = strchr(at, '\n')) && room <= WEFT_MAX_CLASSES; at++)
        room++;
    const char **names = malloc((size_t)room * sizeof(*names));
    for (char *line = text; names && line && *line && count < room;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        line[weft_text_trim(line, strlen(line))] = 0;
        names[count++] = line;
        line = next;
    }
    while (count && !*names[count - 1]) /* empty lines at the end */
        count--;
    *lines = count;
    return names;
}

static enum weft_status check_names(weft_context *ctx, const char *file,
                                    const char *const *names, int count, int label,
                                    bool from_1)
{
    if (count < 2 || count > WEFT_MAX_CLASSES)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: names %d classes, must be 2 to %d",
                         file, count, WEFT_MAX_CLASSES);
    for (int i = 0; i < count; i++)
        if (!weft_text_is_name(names[i]))
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s, line %d: a name must be 1 to 127 bytes of visible text "
                             "in UTF-8",
                             file, i + 1);
    if (label >= count)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: names %d classes, but label %d occurs; %s", file, count,
                         label,
                         from_1 && label == count
                             ? "labels begin at 1: begin it with a name for class 0"
                             : "add its name");
    return WEFT_OK;
}

static int max_label(const int32_t *labels, int count)
{
    int32_t most = 0;
    for (int i = 0; i < count; i++)
        most = labels[i] > most ? labels[i] : most;
    return most;
}

static int min_label(const int32_t *labels, int count)
{
    int32_t least = labels[0];
    for (int i = 1; i < count; i++)
        least = labels[i] < least ? labels[i] : least;
    return least;
}

/* Notes what is right by the format and is seldom meant. Where all pixels are 0 or 1, so
 * are their squares, and the deviation follows from the mean. */
static void note_contents(struct weft_reading *reading, const weft_dataset *data,
                          bool named)
{
    const struct weft_dataset_info *info = &data->info;
    bool black = true, binary = true;
    for (int c = 0; c < info->channels; c++) {
        double mean = info->mean[c] * 255, stddev = info->stddev[c] * 255;
        double rest = mean * (1 - mean) - stddev * stddev;
        black = black && !(mean > 0);
        binary = binary && mean <= 1 && rest < 1e-9 && rest > -1e-9;
    }
    if (binary && !black)
        weft_reading_note(reading,
                          "%s: all pixels are 0 or 1 of 255, nearly black; multiply them "
                          "by 255 if 1 is white",
                          info->source);
    if (black)
        weft_reading_note(reading, "%s: all pixels are 0", info->source);
    int least = min_label(data->labels, info->count);
    if (least == 1 && info->classes > 2 && !named)
        weft_reading_note(
            reading,
            "%s: labels begin at 1, so that class 0 has no images; subtract "
            "1 from each label, or give the network %d outputs",
            info->source, info->classes);
}

enum weft_status weft_dataset_take(struct weft_reading *reading,
                                   struct weft_raw_images *raw, const char *source,
                                   const struct weft_class_names_source *naming,
                                   weft_dataset **out)
{
    weft_context *ctx = reading->ctx;
    enum weft_status status = WEFT_OK;
    weft_dataset *data = NULL;
    char *text = NULL;
    const char **lines = NULL;
    const struct weft_known_dataset *release = naming->release;
    int label = max_label(raw->labels, raw->count);
    struct weft_dataset_info info = {
        .count = raw->count,
        .height = raw->height,
        .width = raw->width,
        .channels = raw->channels,
        .classes = label + 1,
        .source = source,
        .known_as = release ? release->name : "",
        .preprocess = reading->from_files ? &reading->preprocess : NULL,
        .decoded = reading->decoded,
        .decode_seconds = reading->decode_seconds,
        .scale = reading->scale_asked ? reading->scale : 0};
    info.classes = info.classes < naming->least ? naming->least : info.classes;
    info.classes = info.classes < 2 ? 2 : info.classes;
    if (raw->classes.count) {
        info.classes = raw->classes.count;
        info.class_names = (const char *const *)raw->classes.list;
    } else if (release) {
        info.classes = release->classes;
        info.class_names = release->class_names;
    } else if (naming->text) {
        text = strdup(naming->text);
        lines = text ? split_lines(text, &info.classes) : NULL;
        if (!lines) {
            status = weft_out_of_memory(ctx, naming->file, strlen(naming->text));
            goto done;
        }
        info.class_names = lines;
        status = check_names(ctx, naming->file, lines, info.classes, label,
                             min_label(raw->labels, raw->count) == 1);
    }
    if (!status)
        status = create(ctx, &info, &data);
    if (status)
        goto done;
    data->pixels = raw->pixels;
    data->large = raw->large;
    data->at = raw->at;
    data->feed = raw->feed;
    data->keys = raw->keys;
    data->order = raw->order;
    data->labels = raw->labels;
    data->files = raw->files;
    data->extents = raw->extents;
    raw->pixels = NULL;
    raw->large = NULL;
    raw->feed = NULL;
    raw->keys = NULL;
    raw->order = NULL;
    raw->labels = NULL;
    raw->files = (struct weft_names){.list = NULL};
    raw->extents = NULL;
    data->sampled = raw->measured;
    status = weft_dataset_measure(data, raw->measured, raw->measured_count);
    if (status) {
        weft_dataset_destroy(&data);
        goto done;
    }
    note_contents(reading, data, naming->text || release || raw->classes.count);
    if (reading->notes) {
        free((char *)(uintptr_t)data->info.notes);
        data->info.notes = reading->notes;
        reading->notes = NULL;
    }
    *out = data;
done:
    free(text);
    free(lines);
    weft_raw_images_free(raw);
    return status;
}

static enum weft_status check_values(weft_context *ctx, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(values[i] >= 0 && values[i] <= 1))
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "weft_dataset_from_memory: value %zu is %g, must be 0 to 1; "
                             "divide by the largest possible value",
                             i, (double)values[i]);
    return WEFT_OK;
}

enum weft_status weft_dataset_from_memory(weft_context *context,
                                          const struct weft_dataset_params *params,
                                          weft_dataset **out)
{
    struct weft_dataset_params p;
    WEFT_REQUIRE_POINTER(NULL, context, "context");
    WEFT_REQUIRE_POINTER(context, params, "params");
    WEFT_REQUIRE_POINTER(context, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(context, params, &p));
    struct weft_dataset_info info = {.count = p.count,
                                     .height = p.height,
                                     .width = p.width,
                                     .channels = p.channels,
                                     .classes = p.classes,
                                     .class_names = p.class_names,
                                     .source = p.source ? p.source : "memory",
                                     .known_as = p.known_as ? p.known_as : ""};
    const int32_t *labels = p.labels;
    struct weft_preprocess_params preprocess;
    weft_dataset *data = NULL;
    size_t bytes;
    WEFT_REQUIRE(context, !p.pixels != !p.values,
                 "pixels or values must be given, and not both");
    WEFT_REQUIRE(context, info.count >= 1 && info.count <= WEFT_MAX_IMAGES,
                 "count must be 1 to 2^30");
    WEFT_REQUIRE(context,
                 info.height >= 1 && info.height <= WEFT_MAX_SIDE && info.width >= 1 &&
                     info.width <= WEFT_MAX_SIDE,
                 "height and width must be 1 to 65535");
    WEFT_REQUIRE(context, info.channels >= 1 && info.channels <= WEFT_MAX_CHANNELS,
                 "channels must be 1 to 4");
    WEFT_REQUIRE(context, info.classes >= 0 && info.classes <= WEFT_MAX_CLASSES,
                 "classes must be 0 to 65536");
    WEFT_REQUIRE(
        context,
        weft_checked_mul(weft_dataset_image_bytes(&info), (size_t)info.count, &bytes),
        "count x height x width x channels must fit into memory");
    for (int i = 0; labels && i < info.count; i++)
        if (labels[i] < 0 ||
            labels[i] >= (info.classes ? info.classes : WEFT_MAX_CLASSES))
            return weft_fail(
                context, WEFT_ERR_ARG,
                "weft_dataset_from_memory: label %d is %" PRId32 ", must be 0 to %d", i,
                labels[i], (info.classes ? info.classes : WEFT_MAX_CLASSES) - 1);
    if (!info.classes) {
        info.classes = labels ? max_label(labels, info.count) + 1 : 0;
        info.classes = info.classes < 2 ? 2 : info.classes;
        info.class_names = NULL;
    }
    for (int i = 0; info.class_names && i < info.classes; i++)
        WEFT_REQUIRE(context,
                     info.class_names[i] && weft_text_is_name(info.class_names[i]),
                     "each of class_names must be 1 to 127 bytes of UTF-8");
    WEFT_REQUIRE(context, weft_text_is_utf8(info.known_as, strlen(info.known_as)),
                 "known_as must be UTF-8");
    if (p.values)
        WEFT_TRY(check_values(context, p.values, bytes));
    if (p.preprocess) {
        WEFT_TRY(WEFT_READ_PARAMS(context, p.preprocess, &preprocess));
        WEFT_TRY(weft_preprocess_check(context, &preprocess));
        info.preprocess = &preprocess;
    }
    WEFT_TRY(create(context, &info, &data));
    enum weft_status status = allocate(data, NULL);
    if (status) {
        weft_dataset_destroy(&data);
        return status;
    }
    for (size_t i = 0; p.values && i < bytes; i++)
        data->pixels[i] = weft_pixel_round((double)p.values[i], 255);
    if (p.pixels)
        memcpy(data->pixels, p.pixels, bytes);
    if (labels)
        memcpy(data->labels, labels, (size_t)info.count * sizeof(*labels));
    WEFT_TRY(
        weft_dataset_measure(data, NULL, 0)); /* of what is in memory it cannot fail */
    *out = data;
    return WEFT_OK;
}

/* The number of images that each class gives to the second part: its share, rounded up or
 * down so that all of them are `holdout`. */
static void share_out(const weft_dataset *data, int holdout, int *sizes, int *shares)
{
    int64_t count = data->info.count, images = 0, given = 0;
    for (int i = 0; i < count; i++)
        sizes[data->labels[i]]++;
    for (int c = 0; c < data->info.classes; c++) {
        images += sizes[c];
        int64_t rounded = (2 * images * holdout + count) / (2 * count);
        shares[c] = (int)(rounded - given);
        given = rounded;
    }
}

/* Gives each image to its part. A class is permuted with a key of its own, and all of
 * them with other keys than the order of images in epochs. */
static void divide(const weft_dataset *data, const int *sizes, const int *shares,
                   int *seen, uint64_t seed, weft_dataset *const part[2])
{
    size_t bytes = weft_dataset_image_bytes(&data->info);
    size_t filled[2] = {0, 0};
    for (int i = 0; i < data->info.count; i++) {
        int32_t label = data->labels[i];
        struct weft_random key = weft_philox((uint32_t)seed, (uint32_t)(seed >> 32),
                                             (uint32_t)label, 0, 0, RANDOM_SPLIT);
        int side = weft_shuffle((uint32_t)seen[label]++, (uint32_t)sizes[label], key.v[0],
                                key.v[1], 0) < (uint32_t)shares[label];
        size_t to = filled[side]++;
        if (data->keys)
            part[side]->keys[to] = data->keys[i];
        if (part[side]->order)
            part[side]->order[to] = data->order ? data->order[i] : (uint32_t)i;
        else
            memcpy(part[side]->pixels + to * bytes, data->pixels + (size_t)i * bytes,
                   bytes);
        part[side]->labels[to] = label;
    }
}

/* Those of the whole: a part of many image files would need others of them. */
static enum weft_status take_statistics(weft_dataset *part, const weft_dataset *whole)
{
    enum weft_status status = weft_dataset_measure(part, &(uint32_t){0}, 0);
    part->sampled = true;
    memcpy(part->info.mean, whole->info.mean, sizeof(part->info.mean));
    memcpy(part->info.stddev, whole->info.stddev, sizeof(part->info.stddev));
    return status;
}

enum weft_status weft_dataset_holdout(const weft_dataset *data, int holdout_count,
                                      uint64_t seed, weft_dataset **first,
                                      weft_dataset **second)
{
    WEFT_REQUIRE_POINTER(NULL, data, "data");
    weft_context *ctx = data->context;
    WEFT_REQUIRE_POINTER(ctx, first, "first");
    WEFT_REQUIRE_POINTER(ctx, second, "second");
    weft_dataset *part[2] = {NULL, NULL};
    struct weft_dataset_info info = data->info;
    enum weft_status status = WEFT_OK;
    info.notes = NULL;
    info.decoded = 0;
    WEFT_REQUIRE(ctx, holdout_count > 0 && holdout_count < data->info.count,
                 "holdout_count must be 1 or more, and less than the number of images");
    size_t classes = (size_t)info.classes;
    int *sizes = calloc(3 * classes, sizeof(*sizes));
    if (!sizes)
        return weft_out_of_memory(ctx, "holdout", 3 * classes * sizeof(*sizes));
    int *shares = sizes + classes, *seen = shares + classes;
    share_out(data, holdout_count, sizes, shares);
    for (int i = 0; i < 2 && !status; i++) {
        info.count = i ? holdout_count : data->info.count - holdout_count;
        status = create(ctx, &info, &part[i]);
        if (!status)
            status = allocate(part[i], data);
    }
    if (!status) {
        divide(data, sizes, shares, seen, seed, part);
        for (int i = 0; i < 2 && !status; i++)
            status = data->sampled ? take_statistics(part[i], data)
                                   : weft_dataset_measure(part[i], NULL, 0);
    }
    if (!status) {
        *first = part[0];
        *second = part[1];
    } else {
        weft_dataset_destroy(&part[0]);
        weft_dataset_destroy(&part[1]);
    }
    free(sizes);
    return status;
}
