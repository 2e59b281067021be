/* SPDX-License-Identifier: Apache-2.0 */
/* The dataset object. */
#ifndef WEFT_DATASET_DATASET_H
#define WEFT_DATASET_DATASET_H

#include "dataset/format.h"

struct weft_dataset {
    weft_context *context;
    struct weft_dataset_info info; /* owns its strings */
    struct weft_preprocess_params preprocess;
    uint8_t *pixels;
    int32_t *labels;
    struct weft_names files; /* of image files, as extents; else none */
    int32_t *extents;
};

/* Bytes of one image; SIZE_MAX: more than an address. */
size_t weft_dataset_image_bytes(const struct weft_dataset_info *info);

#endif
