/* SPDX-License-Identifier: Apache-2.0 */
/* NPZ: a ZIP archive of NPY arrays, under the names of MedMNIST (train_images,
 * train_labels, val_images and so on) or of Keras (x_train, y_train, x_test, y_test). */
#include "dataset/format.h"

#include "util/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names of arrays, in any case, in order of preference. */
static const struct {
    enum weft_split split;
    const char *images, *labels;
} names[] = {
    {WEFT_SPLIT_TRAIN, "train_images", "train_labels"},
    {WEFT_SPLIT_TRAIN, "x_train", "y_train"},
    {WEFT_SPLIT_TRAIN, "images", "labels"},
    {WEFT_SPLIT_TRAIN, "x", "y"},
    {WEFT_SPLIT_TEST, "test_images", "test_labels"},
    {WEFT_SPLIT_TEST, "x_test", "y_test"},
    {WEFT_SPLIT_VALIDATION, "val_images", "val_labels"},
    {WEFT_SPLIT_VALIDATION, "x_val", "y_val"},
    {WEFT_SPLIT_VALIDATION, "x_valid", "y_valid"},
};

static bool probe(const struct weft_file *file)
{
    return file->size >= 4 && !memcmp(file->bytes, "PK\3\4", 4);
}

/* An archive, and the directory's entries of one part. */
struct npz {
    struct weft_zip zip;
    struct weft_zip_entry images, labels;
    char images_name[600], labels_name[600]; /* for messages */
};

static bool has_name(const struct weft_zip_entry *e, const char *name)
{
    size_t length = strlen(name);
    return e->name_length == length + 4 && !strncasecmp(e->name, name, length) &&
           !strncasecmp(e->name + length, ".npy", 4);
}

static bool find_entry(const struct weft_zip *zip, const char *name,
                       struct weft_zip_entry *out)
{
    struct weft_zip walk = *zip;
    while (weft_zip_next(&walk, out))
        if (has_name(out, name))
            return true;
    return false;
}

/* The names in the archive, for a message. */
static void list_entries(const struct weft_zip *zip, char *out, size_t size)
{
    struct weft_zip walk = *zip;
    struct weft_zip_entry entry;
    size_t at = 0;
    *out = 0;
    for (int i = 0; i < 8 && at < size && weft_zip_next(&walk, &entry); i++)
        at += (size_t)snprintf(out + at, size - at, "%s%.*s", i ? ", " : "",
                               (int)(entry.name_length < 40 ? entry.name_length : 40),
                               entry.name);
}

static enum weft_status fail_no_arrays(const struct npz *npz, enum weft_split split)
{
    static const char *const parts[] = {[WEFT_SPLIT_TRAIN] = "train",
                                        [WEFT_SPLIT_TEST] = "test",
                                        [WEFT_SPLIT_VALIDATION] = "validation"};
    char list[400];
    list_entries(&npz->zip, list, sizeof(list));
    return weft_fail(npz->zip.ctx, WEFT_ERR_FILE,
                     "%s: is a ZIP archive without %s images: arrays are called "
                     "train_images and train_labels, or x_train and y_train; it has %s",
                     npz->zip.name, parts[split], *list ? list : "nothing");
}

/* Finds the arrays of a part. WEFT_ERR_FILE: there are none. */
static enum weft_status open_part(weft_context *ctx, const char *name,
                                  const struct weft_file *file, enum weft_split split,
                                  struct npz *out)
{
    WEFT_TRY(weft_zip_open(ctx, name, file, &out->zip));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(names); i++) {
        if (names[i].split != split ||
            !find_entry(&out->zip, names[i].images, &out->images))
            continue;
        snprintf(out->images_name, sizeof(out->images_name), "%.500s: %s", name,
                 names[i].images);
        snprintf(out->labels_name, sizeof(out->labels_name), "%.500s: %s", name,
                 names[i].labels);
        if (find_entry(&out->zip, names[i].labels, &out->labels))
            return WEFT_OK;
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: has %s, but not %s", name,
                         names[i].images, names[i].labels);
    }
    return fail_no_arrays(out, split);
}

static enum weft_status extract_images(struct weft_reading *reading,
                                       const struct npz *npz, struct weft_raw_images *raw)
{
    struct weft_file array;
    WEFT_TRY(weft_zip_extract(&npz->zip, &npz->images, &array));
    enum weft_status status =
        weft_format_npy.read(reading, npz->images_name, &array, raw);
    weft_file_free(&array);
    return status;
}

static enum weft_status extract_labels(const struct npz *npz, struct weft_labels *out)
{
    struct weft_file array;
    WEFT_TRY(weft_zip_extract(&npz->zip, &npz->labels, &array));
    enum weft_status status =
        weft_format_npy.read_labels(npz->zip.ctx, npz->labels_name, &array, out);
    weft_file_free(&array);
    return status;
}

/* The training part decides the number of classes and the scale of floats. */
static enum weft_status follow_training(struct weft_reading *reading, const char *name,
                                        const struct weft_file *file)
{
    struct npz train;
    struct weft_reading own = {.ctx = reading->ctx};
    struct weft_raw_images raw = {0};
    struct weft_labels labels = {0};
    enum weft_status status =
        open_part(reading->ctx, name, file, WEFT_SPLIT_TRAIN, &train);
    if (status == WEFT_ERR_FILE)
        return WEFT_OK;
    if (!status)
        status = extract_labels(&train, &labels);
    for (int i = 0; i < labels.count && !status; i++)
        if (labels.values[i] >= reading->least_classes)
            reading->least_classes = labels.values[i] + 1;
    if (!status)
        status = extract_images(&own, &train, &raw);
    reading->scale = own.scale;
    free(labels.values);
    weft_raw_images_free(&raw);
    free(own.notes);
    return status;
}

static enum weft_status read_images(struct weft_reading *reading, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    weft_context *ctx = reading->ctx;
    struct npz npz;
    struct weft_raw_images raw = {0};
    struct weft_labels labels = {0};
    WEFT_TRY(open_part(ctx, name, file, reading->split, &npz));
    if (reading->split != WEFT_SPLIT_TRAIN)
        WEFT_TRY(follow_training(reading, name, file));
    WEFT_TRY(extract_images(reading, &npz, &raw));
    enum weft_status status = extract_labels(&npz, &labels);
    raw.labels = labels.values;
    if (!status && labels.count != raw.count)
        status = weft_fail(ctx, WEFT_ERR_FORMAT,
                           "%s has %d images, but %s has %d labels; their numbers must "
                           "match",
                           npz.images_name, raw.count, npz.labels_name, labels.count);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    struct npz npz;
    WEFT_TRY(open_part(ctx, name, file, WEFT_SPLIT_TRAIN, &npz));
    return extract_labels(&npz, out);
}

/* All parts are in one file, which is given by itself. */
static bool matches_name(const char *leaf)
{
    (void)leaf;
    return false;
}

const struct weft_format weft_format_npz = {
    .name = "NPZ",
    .probe = probe,
    .read = read_images,
    .read_labels = read_labels,
    .matches_name = matches_name,
    .names = "",
};
