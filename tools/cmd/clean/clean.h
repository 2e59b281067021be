/* SPDX-License-Identifier: Apache-2.0 */
/* weft clean: cmd_clean.c reads and prints, confident.c decides, clean_files.c and
 * clean_page.c write. */
#ifndef WEFT_CMD_CLEAN_CLEAN_H
#define WEFT_CMD_CLEAN_CLEAN_H

#include "core/app.h"

/* Labels, and the probabilities by a network that was not trained on the image. */
struct clean_data {
    const char *spec; /* of the data */
    int count, classes;
    int *labels;
    float *probabilities;     /* count x classes */
    const char *const *names; /* of the classes; borrowed */
    char **files;             /* of image files; NULL: none are */
};

/* An image whose label is probably another. */
struct clean_suspect {
    int image, label, suggested;
    double likelihood; /* of the label: see below */
    double margin;     /* probability of the label less the largest other: -1 to 1 */
};

/* Confident learning (Northcutt, Jiang, Chuang 2021, arXiv:1911.00068) estimates how many
 * labels are wrong: the threshold of a class is the mean of its probability over the
 * images that have its label; an image is counted in row `label`, column the most likely
 * of the classes whose probability reaches their threshold. As many suspects as there are
 * counts off the diagonal, of the images whose most likely class is not their label:
 * those with the least likelihood of the label, sum over classes k of p(k) times the
 * share of the images classified as k that have this label. So what the network confuses
 * often, and is often labelled so, comes last. */
struct clean_result {
    struct clean_suspect *suspects; /* the least likelihood first */
    int suspect_count;
    double *thresholds; /* of classes */
    int *counts;        /* classes x classes */
    int *images;        /* with each label */
    int *next;          /* images that are worth labelling, the first one first */
    int next_count;
};

void clean_find(const struct clean_data *data, struct clean_result *result);
void clean_result_free(struct clean_result *result);

/* Share of the images with this label that have another class: the row of counts, scaled
 * to all of them. NaN: none is counted. */
double clean_noise_of(const struct clean_data *data, const struct clean_result *result,
                      int label);
/* The same of all images. */
double clean_noise(const struct clean_data *data, const struct clean_result *result);
/* The class that they have most often; -1: none. */
int clean_mostly(const struct clean_data *data, const struct clean_result *result,
                 int label);

/* Chooses images that are worth labelling: of the ten times as many with the smallest
 * margin between the two most likely classes, those that are spread by farthest-first
 * over `vectors`, a row for each image. */
void clean_choose_next(const struct clean_data *data, const float *vectors,
                       int dimensions, int count, struct clean_result *result);

/* clean_files.c. A file of `weft train --folds`, and files that `weft train --labels`
 * reads. */
enum app_exit clean_read(const struct app *app, const char *path,
                         const struct weft_dataset_info *info, struct clean_data *data);
void clean_data_free(struct clean_data *data);
enum app_exit clean_write_suspects(const struct app *app, const struct clean_data *data,
                                   const struct clean_result *result, const char *path);
enum app_exit clean_write_next(const struct app *app, const struct clean_data *data,
                               const struct clean_result *result, const char *path);

/* clean_page.c. The review sheet. */
enum app_exit clean_write_page(struct app *app, const struct clean_data *data,
                               const struct clean_result *result,
                               const weft_dataset *images, const char *path);

#endif
