/* SPDX-License-Identifier: Apache-2.0 */
/* State of a prediction: cmd_predict.c reads images, predict_output.c writes results. */
#ifndef WEFT_CMD_PREDICT_PREDICT_H
#define WEFT_CMD_PREDICT_PREDICT_H

#include "core/image_files.h"
#include "core/tta.h"

enum { PREDICT_MAX_TOP = 100 };

struct predict_options {
    struct app_options app;
    int top;
};

struct predict_item {
    char *label; /* the file, with the index for IDX */
    struct weft_preprocess_info preprocessing;
};

struct prediction {
    struct app *app;
    const struct predict_options *options;
    const char *model_path;
    weft_model *model;
    struct weft_net_info net;
    const char *const *names;
    struct weft_preprocess_params preprocess;
    weft_predictor *predictor;
    struct tta tta;
    size_t image_bytes;
    uint8_t *pixels;
    float *probabilities;
    struct predict_item *items;
    int count, room, capacity; /* items: in the current batch, allocated, at most */
    int done, failed;
    int nonfinite; /* those of `failed` whose outputs are not numbers */
    struct image_list list;
    struct json json;
    struct table table;
    char **errors; /* `failed` messages, for JSON */
};

/* Begin and end the document or table of results. */
void predict_begin_output(struct prediction *prediction);
void predict_end_output(struct prediction *prediction);

/* Writes the results of the current batch. */
void predict_write_batch(struct prediction *prediction);

/* Keeps a message for the list of failures. */
void predict_add_failure(struct prediction *prediction, const char *why);

#endif
