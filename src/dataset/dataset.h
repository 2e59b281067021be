/* SPDX-License-Identifier: Apache-2.0 */
/* The dataset object. */
#ifndef WEFT_DATASET_DATASET_H
#define WEFT_DATASET_DATASET_H

#include "dataset/format.h"

struct weft_dataset {
    weft_context *context;
    int users;
    struct weft_dataset_info info; /* owns its strings */
    struct weft_preprocess_params preprocess;
    uint8_t *pixels;               /* NULL: they stay in a file */
    struct weft_large_file *large; /* a file that has them, from byte `at` on, or NULL */
    size_t at;
    struct weft_image_feed *feed; /* of image files that are not in memory, or NULL */
    uint32_t *order; /* of the images in the file or feed; NULL: all, as they are */
    int32_t *labels;
    struct weft_names files; /* of image files, as extents; else none */
    int32_t *extents;
    bool sampled;   /* mean and stddev are those of a few of many image files */
    uint64_t *keys; /* of image files, also of a part: of name, size and contents */
};

/* The dataset lives until each user has destroyed it. */
weft_dataset *weft_dataset_retain(const weft_dataset *data);

/* Copies the pixels of images, by their numbers. `ctx` NULL: in any thread.
 * WEFT_ERR_FILE: the file of the images cannot be read any more. */
enum weft_status weft_dataset_gather(weft_context *ctx, const weft_dataset *data,
                                     const uint32_t *images, int count, uint8_t *pixels);

/* The same images are gathered soon: the disk begins to read those that stay in their
 * file, all at once. */
void weft_dataset_expect(const weft_dataset *data, const uint32_t *images, int count);

/* Some images that follow each other: those in memory, or read into a buffer that belongs
 * to `block`. */
struct weft_image_block {
    const uint8_t *pixels;
    uint8_t *own;
    size_t room;
};
enum weft_status weft_dataset_block(weft_context *ctx, const weft_dataset *data,
                                    int first, int count, struct weft_image_block *block);
void weft_image_block_free(struct weft_image_block *block);

/* A number of images for a block: all that are in memory, else a few MiB. */
int weft_dataset_block_images(const weft_dataset *data);

/* Computes mean, stddev and hash; the former over `images` only, if they are not NULL.
 * WEFT_ERR_FILE, WEFT_ERR_NOMEM. */
enum weft_status weft_dataset_measure(weft_dataset *data, const uint32_t *images,
                                      int count);

/* True for all of up to 512 image files in a list, and for 512 of more. */
bool weft_dataset_is_measured(size_t image, size_t count);

/* Image files are missing that will be decoded when their images are read. */
bool weft_dataset_is_decoding(const weft_dataset *data);

/* Decodes them, all of those that a part belongs to. `ctx` NULL: in any thread.
 * WEFT_ERR_NOMEM. */
enum weft_status weft_dataset_finish_decoding(weft_context *ctx,
                                              const weft_dataset *data);

/* Bytes of one image; SIZE_MAX: more than an address. */
size_t weft_dataset_image_bytes(const struct weft_dataset_info *info);

#endif
