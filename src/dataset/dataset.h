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
    uint8_t *pixels;
    int32_t *labels;
    struct weft_names files; /* of image files, as extents; else none */
    int32_t *extents;
};

/* The dataset lives until each user has destroyed it. */
weft_dataset *weft_dataset_retain(const weft_dataset *data);

/* Copies the pixels of images, by their numbers. In any thread: without a context. */
enum weft_status weft_dataset_gather(const weft_dataset *data, const uint32_t *images,
                                     int count, uint8_t *pixels);

/* Computes mean, stddev and hash. */
void weft_dataset_measure(weft_dataset *data);

/* Bytes of one image; SIZE_MAX: more than an address. */
size_t weft_dataset_image_bytes(const struct weft_dataset_info *info);

#endif
