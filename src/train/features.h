/* SPDX-License-Identifier: Apache-2.0 */
/* Features: what the frozen first part of a network makes of images, computed once. */
#ifndef WEFT_TRAIN_FEATURES_H
#define WEFT_TRAIN_FEATURES_H

#include "inference/inference.h"

struct weft_train_params;
struct weft_trainer;

/* Those of one dataset. */
struct weft_feature_rows {
    uint64_t data; /* hash of its images */
    float *values; /* `count` of weft_features for each image */
    struct weft_feature_rows *next;
};

struct weft_features {
    struct weft_net *body, *head; /* the frozen part, and the rest; NULL: none are kept */
    weft_dataset *data;           /* of the training */
    size_t count;                 /* of an image */
    char *dir;                    /* NULL: they are kept in memory only */
    uint64_t weights;             /* hash of those that the rows were computed with */
    struct weft_feature_rows *rows;
    const char *note; /* why none are kept; "" */
};

/* Decides whether features are kept. WEFT_ERR_NOMEM. */
enum weft_status weft_features_plan(struct weft_trainer *trainer,
                                    const weft_dataset *data,
                                    const struct weft_train_params *params,
                                    enum weft_type type);
void weft_features_free(struct weft_features *features);

/* The features of all images of `data`, which it computes if they are not known. */
enum weft_status weft_features_of(struct weft_trainer *trainer, const weft_dataset *data,
                                  const float **out);

/* After the weights were replaced: features of others are forgotten. */
enum weft_status weft_features_check(struct weft_trainer *trainer);

#endif
