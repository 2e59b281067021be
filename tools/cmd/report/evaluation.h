/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of a page on the results of a model on a dataset: accuracy, classes,
 * confusion, images, calibration. */
#ifndef WEFT_CMD_REPORT_EVALUATION_H
#define WEFT_CMD_REPORT_EVALUATION_H

#include "core/confusion.h"
#include "core/table.h"
#include "report/layer_times.h"

#include <stdio.h>

/* The temperature of a calibrated model. */
struct report_temperature {
    double temperature;
    const struct weft_prediction *before; /* of each image, without it */
    int images;                           /* that it was calibrated on */
    double error[2]; /* expected calibration error of those, before and after */
};

struct report_evaluation {
    const char *images; /* what was evaluated: "Fashion-MNIST, current release, test" */
    const char *tta;    /* tta_text; "": none */
    /* of a calibrated model, what its threshold and sets did; NULL or "": none */
    const char *decisions;
    const struct report_temperature *temperature; /* NULL: none, or 1 */
    const struct weft_eval *eval;
    const weft_dataset *data;
    const struct weft_prediction *predictions; /* of each image */
    const struct confusion *confusion;         /* of these */
    const char *const *names;                  /* of the classes */
    const char *const *files;                  /* of the images; NULL: they have none */
};

/* The accuracy, in a sentence; then all sections without it. */
void report_write_result(FILE *out, const struct report_evaluation *evaluation);
void report_write_evaluation(FILE *out, const struct report_evaluation *evaluation);

/* The page of `weft eval --report`. */
struct report_model {
    const char *title;
    const struct report_evaluation *evaluation;
    const struct report_layer_times *times; /* NULL: without that section */
};
void report_write_model(FILE *out, const void *report_model);

/* confusion_map.c. A heat map of at most 40 classes, ordered so that what is confused
 * stands together; of more classes a list of confusions. */
void report_write_confusion(FILE *out, const struct confusion *confusion,
                            const char *const *names);

/* image_grid.c */

/* An image reduced to at most 96 pixels a side, with 1 or 3 channels. */
struct report_thumbnail {
    uint8_t *pixels; /* allocated */
    int height, width, channels;
};
struct report_thumbnail report_reduce(const uint8_t *pixels,
                                      const struct weft_dataset_info *extents);
/* An <img>; `alt` says in words what it is. */
void report_write_thumbnail(FILE *out, const struct report_thumbnail *image,
                            const char *alt);
/* An <img> of 1 or 3 channels, `shown` pixels wide where the page has room. */
void report_write_pixels(FILE *out, const uint8_t *pixels, int height, int width,
                         int channels, int shown, const char *alt);
/* An image of a dataset. */
void report_write_image(FILE *out, const weft_dataset *data, int index, const char *alt);

#endif
