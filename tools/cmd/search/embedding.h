/* SPDX-License-Identifier: Apache-2.0 */
/* Features of images: what the last dense layer of a model reads, as unit vectors. */
#ifndef WEFT_CMD_SEARCH_EMBEDDING_H
#define WEFT_CMD_SEARCH_EMBEDDING_H

#include "core/image_files.h"
#include "core/vector_file.h"

enum { EMBED_BATCH = 32 };

/* Receives the images one by one, in order; takes the ownership of image->file. */
typedef enum app_exit (*embed_take)(void *priv, const float *vector,
                                    const struct vector_image *image);

struct embedder {
    struct app *app;
    int split; /* of data: enum weft_split */
    weft_model *model, *backbone;
    weft_predictor *features, *classes;
    struct weft_model_info info;
    struct weft_net_info net;
    struct weft_preprocess_params preprocess;
    int dimensions, class_count, batch;
    size_t image_bytes;
    uint8_t *pixels;      /* of one batch */
    float *rows, *scores; /* features and probabilities of a batch */
    struct vector_image *images;
    int pending; /* images in the batch */
    int64_t done;
    int failed;     /* images that could not be read */
    double seconds; /* on the device */
    embed_take take;
    void *priv;
};

/* Opens the device and loads the model. */
enum app_exit embedder_open(struct embedder *embedder, struct app *app,
                            const char *model);
void embedder_close(struct embedder *embedder);

/* Embeds what the operands name: image files, folders of these, or data ("fashion-mnist",
 * NPY, NPZ, CSV). What cannot be read is reported, counted and left out. */
enum app_exit embedder_run(struct embedder *embedder, int count, char **operands,
                           embed_take take, void *priv);

/* APP_BAD_INPUT if an image could not be read. */
enum app_exit embedder_report_failures(const struct embedder *embedder);

/* The same into memory. */
enum app_exit embedder_collect(struct embedder *embedder, int count, char **operands,
                               struct vector_set *set);

#endif
