/* SPDX-License-Identifier: Apache-2.0 */
/* File formats of data sets: one row of a table each. They read from memory and trust
 * nothing: every extent is checked against the bytes that are there before anything is
 * allocated. */
#ifndef WEFT_DATASET_FORMAT_H
#define WEFT_DATASET_FORMAT_H

#include <weft/dataset.h>

#include "util/file.h"

enum {
    WEFT_MAX_IMAGES = 1 << 30, /* what weft_shuffle can permute */
    WEFT_MAX_SIDE = 65535
};

/* What a file holds, before it is a data set. */
struct weft_raw_images {
    int count, height, width, channels;
    uint8_t *pixels;
    int32_t *labels; /* NULL: another file has them */
};

struct weft_labels {
    int count;
    int32_t *values;
};

/* How the name of a labels file follows from that of its images. */
struct weft_labels_name_rule {
    const char *from, *to; /* NULL: the end of the table */
};

struct weft_format {
    const char *name;
    bool (*probe)(const struct weft_file *file);

    /* Reads the images, and the labels if they are in the same file. `name` is for the
     * error sentence. May take file->bytes for its own. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM.
     */
    enum weft_status (*read)(weft_context *ctx, const char *name, struct weft_file *file,
                             struct weft_raw_images *out);

    /* Reads the labels alone: of a file of labels, or of one that holds both. */
    enum weft_status (*read_labels)(weft_context *ctx, const char *name,
                                    const struct weft_file *file,
                                    struct weft_labels *out);

    /* Whether a file of this name, given in lower case and without .gz, can be one of
     * images; told to people as `names`. */
    bool (*matches_name)(const char *leaf);
    const char *names;

    const struct weft_labels_name_rule
        *labels_beside; /* NULL: labels and images are together */
};

extern const struct weft_format weft_format_idx, weft_format_csv, weft_format_npy;

/* NULL-terminated, in the order in which they are looked for. */
extern const struct weft_format *const weft_formats[];

/* The format of a file, or NULL. */
const struct weft_format *weft_format_detect(const struct weft_file *file);

/* Checks the extents of images, (n,h,w) or (n,h,w,c), and that `available` bytes are
 * exactly that many elements of `each` bytes; fills in all of `out` but the arrays. */
enum weft_status weft_raw_images_set_shape(weft_context *ctx, const char *name,
                                           const uint64_t *extents, int dimensions,
                                           size_t each, size_t available,
                                           struct weft_raw_images *out);
void weft_raw_images_free(struct weft_raw_images *raw);

/* Bytes of one image. */
size_t weft_raw_image_bytes(const struct weft_raw_images *raw);

/* A published collection, told by its contents. */
struct weft_known_dataset {
    const char *name;
    int classes;
    const char *const *class_names;
};

/* NULL: not known. */
const struct weft_known_dataset *
weft_known_dataset_find(const struct weft_raw_images *raw);

/* Where the names of classes come from: the release, else `text`, one a line, else they
 * are numbers, at least `least` of them. */
struct weft_class_names_source {
    const struct weft_known_dataset *release; /* may be NULL */
    const char *text;                         /* may be NULL */
    const char *file;                         /* of `text`, for the error sentence */
    int least;
};

/* Makes a data set of what was read and takes its arrays, also on failure. */
enum weft_status weft_dataset_take(weft_context *ctx, struct weft_raw_images *raw,
                                   const char *source,
                                   const struct weft_class_names_source *naming,
                                   weft_dataset **out);

/* The file of images for `part` in a folder, to be freed; NULL: there is none.
 * WEFT_ERR_FORMAT if several could be meant. */
enum weft_status weft_locate_images(weft_context *ctx, const char *folder,
                                    enum weft_split split, char **out);

/* The file of labels beside a file of images, to be freed. WEFT_ERR_FILE. */
enum weft_status weft_locate_labels(weft_context *ctx, const struct weft_format *format,
                                    const char *images, char **out);

#endif
