/* SPDX-License-Identifier: Apache-2.0 */
/* Image files with labels, as a folder or a table lists them, and their decoding. */
#ifndef WEFT_DATASET_IMAGE_LIST_H
#define WEFT_DATASET_IMAGE_LIST_H

#include "dataset/format.h"

struct weft_listed_image {
    char *path; /* as it is opened */
    int32_t label;
    uint64_t size;    /* of the file, and the times of the last changes of its contents */
    int64_t times[4]; /* and of anything, which no program sets: what is known is not */
                      /* decoded again */
};

/* Files that cannot be used: their number, and what is wrong with the first few. */
struct weft_left_out {
    size_t count;
    char text[400];
};

struct weft_image_list {
    struct weft_listed_image *images;
    size_t count, room;
    struct weft_names classes;
    struct weft_left_out left_out;
    size_t hidden,
        others;     /* files that are skipped: hidden ones, and no images by name */
    char other[64]; /* the name of one of the latter */
};

/* Takes ownership of `path`, also on failure. WEFT_ERR_NOMEM. */
enum weft_status weft_image_list_add(weft_context *ctx, struct weft_image_list *list,
                                     char *path, int32_t label);
void weft_image_list_free(struct weft_image_list *list);

void weft_left_out_add(struct weft_left_out *left_out, const char *why);

/* The last component of a name has the ending of an image file that can be decoded. */
bool weft_is_image_name(const char *name);

/* Lists one part of a folder of images, sorted by class and name (weft/dataset.h).
 * *found is false where it has no folders of images for this part. WEFT_ERR_FILE,
 * WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_image_folder_list(struct weft_reading *reading, const char *folder,
                                        enum weft_split split,
                                        struct weft_image_list *out, bool *found);

/* Facts on a file, and its pixels. */
struct weft_image_record {
    int32_t height, width; /* in the file, upright */
    uint64_t contents;     /* weft_image_contents of the file */
    uint64_t hash;         /* of the pixels; 0: they are not there */
};

/* image_contents.c. A hash of a file: of its first WEFT_IMAGE_HEAD bytes and of blocks
 * that are evenly spread up to its end, or of all of a small one. */
uint64_t weft_image_contents(const uint8_t *bytes, size_t size);
/* The same of an open file, whose first bytes `head` has; other bytes are there
 * afterwards. False: the file cannot be read. */
bool weft_image_contents_read(int fd, size_t size, uint8_t *head, uint64_t *out);

/* Decodes a file to the size of the params, in any thread; *record receives all but the
 * hash. The message of a failure is weft_error(NULL)'s. */
enum weft_status weft_image_file_decode(const char *path,
                                        const struct weft_preprocess_params *params,
                                        struct weft_image_record *record,
                                        uint8_t *pixels);

/* Decodes the images of a list, which is emptied, in threads. `source` is the file or
 * folder that lists them. WEFT_ERR_FORMAT if none can be read, WEFT_ERR_NOMEM. */
enum weft_status weft_image_list_read(struct weft_reading *reading, const char *source,
                                      struct weft_image_list *list,
                                      struct weft_raw_images *out);

#endif
