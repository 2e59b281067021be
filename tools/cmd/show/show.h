/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of weft show. */
#ifndef WEFT_CMD_SHOW_SHOW_H
#define WEFT_CMD_SHOW_SHOW_H

#include "core/app.h"

enum { SHOW_MAX_SAMPLES = 1000 };

struct show_options {
    struct app_options app;
    const char *input, *model;
    const char *augment, *out, *grid; /* of a dataset */
    int samples, split, epoch, neighbors;
    uint64_t seed;
    bool text, random, means;
};

/* A ZIP archive is data, which the reader of datasets refuses; anything unknown is a
 * network. */
enum show_kind { SHOW_NET, SHOW_MODEL, SHOW_DATA, SHOW_IMAGE, SHOW_LOG };
enum show_kind show_kind_of(const char *spec);

/* Describes a dataset. */
enum app_exit show_data(struct app *app, const struct show_options *options,
                        const char *spec);

/* show_samples.c: images to draw; `pixels` has those that are made for it. */
struct show_samples {
    struct term_image *images;
    uint8_t *pixels;
    int *indices;       /* in the dataset; not of means and augmented images */
    int count, columns; /* of a sheet */
    int neighbors;      /* of each sample, which is the first of a row */
    double *correlations;
};
enum weft_status show_samples_make(const weft_dataset *data,
                                   const struct show_options *options,
                                   struct show_samples *out);
void show_samples_free(struct show_samples *samples);
/* Draws them, or writes them to a PNG file if `path` is not NULL. */
enum app_exit show_samples_write(const struct app *app,
                                 const struct show_samples *samples, const char *path);

/* show_neighbors.c: adds the k images that are most like each sample. */
enum weft_status show_neighbors_add(struct app *app, const weft_dataset *data, int k,
                                    struct show_samples *samples);
void show_neighbors_json(struct json *json, const struct weft_dataset_info *info,
                         const struct show_samples *samples);

/* Writes a list of numbers. */
void show_emit_numbers(struct json *json, const char *key, const double *numbers,
                       int count);

/* Prints the epochs in the log of a run. */
enum app_exit show_log(struct app *app, const struct show_options *options,
                       const char *path);

/* Draws an image file as it is stored and as `weft predict` makes it. */
enum app_exit show_image(struct app *app, const struct show_options *options,
                         const char *path);

#endif
