/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of weft explain. With an image (look.c): what the network makes of
 * it, measured once, then written as text, JSON or a page. */
#ifndef WEFT_CMD_EXPLAIN_EXPLAIN_H
#define WEFT_CMD_EXPLAIN_EXPLAIN_H

#include "core/app.h"
#include "core/image_files.h"

struct explain_options {
    struct app_options app;
    const char *data; /* of a network without an image, as all up to no_fusion */
    int batch;
    double seconds;
    bool layers, inference, no_fusion;
    const char *class_name, *html; /* of an image */
    int top, copies, index;
    uint64_t seed;
    bool shift;
};

/* Numbers on the pixels of the input. `largest`: of their magnitudes. */
struct look_map {
    float *at;
    int height, width;
    double largest;
};

/* The window of a max-pool. */
struct look_pool {
    int rows, columns, stride[2], before[2]; /* rows 0: the layer is none */
};

struct look_layer {
    struct weft_layer_info info;
    float *values;  /* outputs; NULL: those of softmax, which does not run */
    bool copies;    /* its output is its input: flatten, dropout */
    bool rectifies; /* negative inputs become 0 */
    double zeros;   /* share of outputs that are 0 */
    int dead;       /* channels that are 0 everywhere */
    struct look_pool pool;
    double kept, energy; /* of a max-pool: shares of the values, and of their squares */
    uint8_t *kept_at;    /* 1 for each value of the input that it keeps */
    double shift_mean, shift_largest; /* shift.c */
};

enum { LOOK_DIRECTIONS = 8, LOOK_MOST_BATCH = 16 };

/* The image shifted by a pixel. */
struct look_shift {
    double input, spatial, probability; /* distances; of the class */
    int answer;
};

struct look {
    struct app *app;
    const struct explain_options *options;
    const char *model_path;
    weft_model *model;
    struct weft_model_info info;
    struct weft_net_info net;
    struct image_file file;
    struct weft_preprocess_params preprocess;
    struct weft_preprocess_info made;
    uint8_t *input; /* what the network reads: net.height x width x channels */
    size_t values;  /* of it */
    weft_explainer *explainer;
    int batch;
    float *pixels, *logits; /* a batch */
    double *probabilities;
    int *order; /* `top` classes, the most likely first */
    int top;
    int class; /* explained */
    struct look_layer *layers;
    int layer_count, spatial; /* the last layer with more than one position; -1: none */
    /* occlusion: loss of probability, mean over the patches that cover a pixel */
    struct look_map occlusion, cam, smooth;
    int patch[2], patches;      /* rows and columns; their number */
    int worst[2], worst_answer; /* the patch whose loss is largest; what is answered */
    double worst_probability;   /* of the class, then */
    struct look_shift shifts[LOOK_DIRECTIONS];
};

/* Explains an image and writes the result. */
enum app_exit look_main(struct app *app, const struct explain_options *options,
                        const char *model, const char *image);

/* Fills in what the model of `look` says. */
void look_describe(struct look *look);
/* With the buffers of a batch of `images`; 0: of as many as fit. */
enum app_exit look_create_explainer(struct look *look, int images);
/* Frees the results of an image; and everything. */
void look_forget(struct look *look);
void look_release(struct look *look);

/* Runs `count` images of look->pixels; classes NULL: forward only. */
enum app_exit look_run(struct look *look, int count, const int32_t *classes);
/* Probabilities of image `i` of the batch; returns the most likely class. */
int look_softmax(const struct look *look, int i, double *out);

/* layers.c. Reads and describes the layers; the image has run. */
enum app_exit look_layers(struct look *look);
const char *look_shape_text(const struct weft_layer_info *layer); /* static buffer */

/* evidence.c */
void look_place_patches(struct look *look); /* sets patch and patches */
enum app_exit look_occlude(struct look *look);
enum app_exit look_cam(struct look *look); /* the image has run with its class */
enum app_exit look_smooth(struct look *look);

/* shift.c */
extern const char *const look_direction_names[LOOK_DIRECTIONS];
enum app_exit look_shift(struct look *look);

/* sentences.c. Allocated. */
char *look_evidence_sentence(const struct look *look);
/* The part of the image, by thirds, that has most of a map. */
char *look_map_sentence(const struct look *look, const struct look_map *map);
char *look_shift_sentence(const struct look *look);

/* drawings.c. Pixels of 3 channels, allocated. */
uint8_t *look_overlay(const struct look *look, const struct look_map *map);
/* Maps of a layer side by side, each scaled by the largest of the layer: 0 is black, or
 * grey where there are negative values. */
struct look_sheet {
    uint8_t *pixels; /* 1 or 3 channels */
    int height, width, channels, shown, columns;
};
struct look_sheet look_features(const struct look_layer *layer, int most);
/* The filters of the first layer, read from the model's file; pixels NULL: it has none
 * that can be drawn. */
struct look_sheet look_filters(const struct look *look);
/* The channel of a max-pool's input with the largest variance, its kept values, and its
 * output. */
enum look_pool_view { LOOK_POOL_INPUT, LOOK_POOL_KEPT, LOOK_POOL_OUTPUT };
struct look_sheet look_pool(const struct look *look, int layer,
                            enum look_pool_view which);

/* look_text.c, look_page.c */
void look_write(const struct look *look);
enum app_exit look_write_page(const struct look *look);
/* The layers as a table; with the distances of shifts if `shift`. */
void look_layer_table(const struct look *look, struct table *table, FILE *out,
                      enum table_format format);
void look_shift_table(const struct look *look, struct table *table, FILE *out,
                      enum table_format format);

#endif
