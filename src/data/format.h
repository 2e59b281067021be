/* SPDX-License-Identifier: Apache-2.0 */
/* File formats of data sets: one row of a table each. They read from memory and trust
 * nothing: every extent is checked against the bytes that are there before anything is
 * allocated. */
#ifndef WEFT_DATA_FORMAT_H
#define WEFT_DATA_FORMAT_H

#include <weft/data.h>

#include "util/file.h"

enum {
    WEFT_MAX_PICTURES = 1 << 30, /* what weft_shuffle can permute */
    WEFT_MAX_SIDE = 65535
};

/* What a file holds, before it is a data set. */
struct weft_raw {
    int count, height, width, channels;
    uint8_t *pixels;
    int32_t *labels; /* NULL: another file has them */
};

struct weft_labels {
    int count;
    int32_t *values;
};

/* How the name of a labels file follows from that of its pictures. */
struct weft_rename {
    const char *from, *to; /* NULL: the end of the table */
};

struct weft_format {
    const char *name;
    bool (*probe)(const struct weft_file *file);

    /* Reads the pictures, and the labels if they are in the same file. `name` is for the
     * error sentence. May take file->bytes for its own. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM.
     */
    enum weft_status (*read)(weft_context *ctx, const char *name, struct weft_file *file,
                             struct weft_raw *out);

    /* Reads the labels alone: of a file of labels, or of one that holds both. */
    enum weft_status (*read_labels)(weft_context *ctx, const char *name,
                                    const struct weft_file *file,
                                    struct weft_labels *out);

    /* Whether a file of this name, given in lower case and without .gz, can be one of
     * pictures; told to people as `names`. */
    bool (*holds_pictures)(const char *leaf);
    const char *names;

    const struct weft_rename *labels_beside; /* NULL: labels and pictures are together */
};

extern const struct weft_format weft_format_idx, weft_format_csv, weft_format_npy;

/* NULL-terminated, in the order in which they are looked for. */
extern const struct weft_format *const weft_formats[];

/* The format of a file, or NULL. */
const struct weft_format *weft_format_of(const struct weft_file *file);

/* Checks the extents of pictures, (n,h,w) or (n,h,w,c), and that `available` bytes are
 * exactly that many elements of `each` bytes; fills in all of `out` but the arrays. */
enum weft_status weft_raw_shape(weft_context *ctx, const char *name,
                                const uint64_t *extents, int dimensions, size_t each,
                                size_t available, struct weft_raw *out);
void weft_raw_finish(struct weft_raw *raw);

/* Bytes of one picture. */
size_t weft_raw_pixels(const struct weft_raw *raw);

/* A published collection, told by its contents. */
struct weft_release {
    const char *name;
    int classes;
    const char *const *class_names;
};

/* NULL: not known. */
const struct weft_release *weft_release_of(const struct weft_raw *raw);

/* Where the names of classes come from: the release, else `text`, one a line, else they
 * are numbers, at least `least` of them. */
struct weft_naming {
    const struct weft_release *release; /* may be NULL */
    const char *text;                   /* may be NULL */
    const char *file;                   /* of `text`, for the error sentence */
    int least;
};

/* Makes a data set of what was read and takes its arrays, also on failure. */
enum weft_status weft_data_adopt(weft_context *ctx, struct weft_raw *raw,
                                 const char *source, const struct weft_naming *naming,
                                 weft_data **out);

/* The file of pictures for `part` in a folder, to be freed; NULL: there is none.
 * WEFT_ERR_FORMAT if several could be meant. */
enum weft_status weft_find_pictures(weft_context *ctx, const char *folder,
                                    enum weft_data_part part, char **out);

/* The file of labels beside a file of pictures, to be freed. WEFT_ERR_FILE. */
enum weft_status weft_find_labels(weft_context *ctx, const struct weft_format *format,
                                  const char *pictures, char **out);

#endif
