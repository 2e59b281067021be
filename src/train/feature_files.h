/* SPDX-License-Identifier: Apache-2.0 */
/* Features of the images of a dataset, from files or computed. */
#ifndef WEFT_TRAIN_FEATURE_FILES_H
#define WEFT_TRAIN_FEATURE_FILES_H

#include "inference/inference.h"

enum { WEFT_FEATURES_BATCH = 16 };

struct weft_feature_maker {
    struct weft_inference *body;
    const struct weft_net *net; /* whose first `nodes` are the body's */
    int nodes;
    uint64_t weights; /* weft_features_hash of those of the body */
    const struct weft_normalization *normalization;
    size_t count;    /* of an image */
    const char *dir; /* of the files, or NULL */
};

/* Hash of the weights of a graph, of which `weights` are all floats. */
uint64_t weft_features_hash(const struct weft_graph *graph, const float *weights);

/* The features of all images: from their file if there is one for the same device,
 * kernels, layers, weights, images and normalization; else computed, and written to it. A
 * folder has at most 4 GiB of files: those that were not used for the longest time are
 * removed. */
enum weft_status weft_features_make(const struct weft_feature_maker *maker,
                                    const weft_dataset *data, float *values);

#endif
