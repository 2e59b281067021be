/* SPDX-License-Identifier: Apache-2.0 */
/* Dataset file formats: one row of a table each. Readers work in memory and check
 * every extent against the available bytes before any allocation. */
#ifndef WEFT_DATASET_FORMAT_H
#define WEFT_DATASET_FORMAT_H

#include <weft/dataset.h>

#include "util/file.h"
#include "util/large_file.h"

enum {
    WEFT_MAX_IMAGES = 1 << 30, /* the range of weft_shuffle */
    WEFT_MAX_SIDE = 65535
};

struct weft_names {
    char **list;
    int count, room;
};

/* Adds a copy. WEFT_ERR_NOMEM. */
enum weft_status weft_names_add(weft_context *ctx, struct weft_names *names,
                                const char *name);
void weft_names_free(struct weft_names *names);
void weft_names_sort(struct weft_names *names);
/* The index of a name in sorted names; -1: none. */
int weft_names_find(const struct weft_names *names, const char *name);

struct weft_image_feed; /* image_feed.h */

/* The contents of a file, before they become a dataset. */
struct weft_raw_images {
    int count, height, width, channels;
    uint8_t *pixels;               /* NULL: they stay in a file */
    struct weft_large_file *large; /* a file that has them, from byte `at` on, or NULL */
    size_t at;
    struct weft_image_feed *feed; /* of image files that are not in `pixels`, or NULL */
    uint32_t *order;              /* of the images of the feed; NULL: all, as they are */
    int32_t *labels;              /* NULL: in another file */
    struct weft_names classes;    /* none: labels are numbers */
    /* of image files: the path of each, and its height and width before preprocessing */
    struct weft_names files;
    int32_t *extents;
    uint64_t *keys;     /* a hash of the name, size and contents of each */
    uint32_t *measured; /* those over whose pixels statistics are computed; NULL: all */
    int measured_count;
};

struct weft_labels {
    int count;
    int32_t *values;
    struct weft_names classes; /* none: labels are numbers */
};

/* Decisions for all files of a dataset that is read, and notes on them for the user. */
struct weft_reading {
    weft_context *ctx;
    double scale; /* of pixels that are not bytes to 0..255, as of the training part; 0:
                     it is decided by the values. Set where it was */
    bool scale_asked; /* pixels are not bytes */
    char *notes;      /* sentences, one a line; NULL: none */

    enum weft_split split;
    /* Image files are made so; height 0: a size that they suggest. Then how they were. */
    struct weft_preprocess_params preprocess;
    const char *cache_dir; /* NULL: none */
    int threads;           /* 0: one a processor */
    size_t max_memory;     /* bytes of a file that is read as a whole */
    bool decode_as_needed; /* image files, by those who read their images */
    bool one_class;        /* one class folder is enough */
    int least_classes;     /* of another part of the same file */
    /* Names of the classes in training, which labels that are names follow; NULL: any */
    const char *const *class_names;
    int classes;
    bool from_files; /* image files have been read */
    int decoded;     /* how many of them were decoded, in how much time */
    double decode_seconds;
};

void weft_reading_note(struct weft_reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Statistics of all pixels that are no bytes; each at least 0 and finite. */
struct weft_pixel_range {
    uint64_t count, fractions;
    uint64_t small; /* more than 0, at most 1 */
    uint64_t over_1, over_255;
    double most;
};

void weft_pixel_range_add(struct weft_pixel_range *range, double value);

/* Sets reading->scale to 255 for values of 0 to 1 and to 1 for values of 0 to 255.
 * WEFT_ERR_FORMAT if they are neither. */
enum weft_status weft_pixel_scale(struct weft_reading *reading, const char *name,
                                  const struct weft_pixel_range *range);

/* A pixel at the scale, rounded and limited to 255. */
uint8_t weft_pixel_round(double value, double scale);

/* Rule for the name of a labels file, given that of its images, in any case. */
struct weft_labels_name_rule {
    const char *from, *to; /* NULL: end of the table */
};

struct weft_format {
    const char *name;
    bool may_stay; /* `read` takes files that are not in memory */
    bool (*probe)(const struct weft_file *file);

    /* Reads the images, and the labels of a file with both. `name` is for error
     * messages. May take ownership of file->bytes. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
    enum weft_status (*read)(struct weft_reading *reading, const char *name,
                             struct weft_file *file, struct weft_raw_images *out);

    /* Reads labels only, from a labels file or a file with both, in memory. */
    enum weft_status (*read_labels)(weft_context *ctx, const char *name,
                                    const struct weft_file *file,
                                    struct weft_labels *out);

    /* True if a file of this name, in lower case without .gz, may contain images;
     * `names` describes the rule in messages. */
    bool (*matches_name)(const char *leaf);
    const char *names;

    const struct weft_labels_name_rule
        *labels_beside; /* NULL: labels and images are in one file */
};

extern const struct weft_format weft_format_idx, weft_format_csv, weft_format_npy,
    weft_format_npz;

/* NULL-terminated, in search order */
extern const struct weft_format *const weft_formats[];

/* The format of a file, or NULL. */
const struct weft_format *weft_format_detect(const struct weft_file *file);

/* Checks that images of shape (n,h,w) or (n,h,w,c) have `available` bytes of elements
 * of `each` bytes; fills in all of `out` except the arrays. */
enum weft_status weft_raw_images_set_shape(weft_context *ctx, const char *name,
                                           const uint64_t *extents, int dimensions,
                                           size_t each, size_t available,
                                           struct weft_raw_images *out);
void weft_raw_images_free(struct weft_raw_images *raw);

/* Takes the pixels that begin at byte `at` of a file, from it. */
void weft_raw_images_take(struct weft_raw_images *raw, struct weft_file *file, size_t at);

/* Bytes of one image. */
size_t weft_raw_image_bytes(const struct weft_raw_images *raw);

/* Copies the pixels of images that are in memory or in a large file. WEFT_ERR_FILE. */
enum weft_status weft_raw_images_copy(weft_context *ctx,
                                      const struct weft_raw_images *raw, int first,
                                      int count, uint8_t *to);

/* A published dataset, identified by its contents. */
struct weft_known_dataset {
    const char *name;
    int classes;
    const char *const *class_names;
};

/* NULL: unknown, or the images cannot be read. */
const struct weft_known_dataset *
weft_known_dataset_find(const struct weft_raw_images *raw);

/* The way in which the images of a known dataset were made, for other images: with
 * trimming and inversion for Fashion-MNIST; else the defaults, a resize that pads.
 * `known_as` as in weft_dataset_info. */
struct weft_preprocess_params weft_known_dataset_preprocess(const char *known_as);

/* Source of class names: the known dataset, else the lines of `text`, else numbers, at
 * least `least`. */
struct weft_class_names_source {
    const struct weft_known_dataset *release; /* may be NULL */
    const char *text;                         /* may be NULL */
    const char *file;                         /* of `text`, for error messages */
    int least;
};

/* Creates a dataset from raw images and takes ownership of their arrays, also on
 * failure. */
enum weft_status weft_dataset_take(struct weft_reading *reading,
                                   struct weft_raw_images *raw, const char *source,
                                   const struct weft_class_names_source *naming,
                                   weft_dataset **out);

/* The images file of `split` in a folder, owned by the caller; NULL: none. What has its
 * name and is no regular file is skipped with a note. WEFT_ERR_FORMAT if ambiguous,
 * WEFT_ERR_FILE. */
enum weft_status weft_locate_images(struct weft_reading *reading, const char *folder,
                                    enum weft_split split, char **out);

/* A folder within `folder` that has images of `split`, for a message; owned by the
 * caller. NULL: none. */
char *weft_locate_folder_below(const char *folder, enum weft_split split);

/* An archive in a folder, for a message; owned by the caller. NULL: none. */
char *weft_locate_packed(const char *folder);

/* The labels file beside an images file, owned by the caller. WEFT_ERR_FILE. */
enum weft_status weft_locate_labels(weft_context *ctx, const struct weft_format *format,
                                    const char *images, char **out);

#endif
