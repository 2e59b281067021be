/* SPDX-License-Identifier: Apache-2.0 */
/* When a calibrated model answers: its threshold, its prediction sets, and how they were
 * measured. `weft calibrate` keeps them in the metadata of a model. */
#ifndef WEFT_CMD_CORE_DECISION_H
#define WEFT_CMD_CORE_DECISION_H

#include "core/app.h"

enum { DECISION_MAX_CONFUSION = 256 }; /* classes */

struct decision {
    int classes;
    bool calibrated;    /* false: zero below, but for `classes` */
    double temperature; /* that the logits were divided by */
    int images;         /* that it was measured on */
    const char *data;   /* which ones */
    const char *tta;    /* tta_name when it was measured */
    double loss[2];     /* before and after */
    double error[2];    /* expected calibration error, the same */

    bool has_threshold; /* below it there is no answer */
    float threshold;    /* of the largest probability */
    double max_error, confidence;
    double bound; /* of the error rate of the answers, with this confidence */
    double share; /* of images that have an answer */

    double coverage; /* of the prediction sets; 0: none */
    bool by_class;
    float *limits; /* classes: a class of at least this probability is in the set */
    double set_size;

    int *confusion; /* classes x (classes + 1): true class, answer or none; or NULL */
};

/* Reads it from a model, which must live as long. Free it afterwards, also on failure. */
enum app_exit decision_read(const struct app *app, const weft_model *model,
                            struct decision *out);
void decision_free(struct decision *decision);

/* The metadata that decision_read reads: names and values, NULL at the end; allocated. */
char **decision_metadata(const struct decision *decision);
void decision_metadata_free(char **metadata);

/* True: the image with this largest probability has no answer. */
bool decision_is_unsure(const struct decision *decision, float largest);

/* The prediction set of a row of probabilities, most likely class first. Returns its
 * size; `out` has room for all classes. */
int decision_set(const struct decision *decision, const float *probabilities, int *out);

/* Warns if test-time augmentation is not that of the measurements. */
void decision_check_tta(const struct decision *decision, const char *tta);

/* A few lines on stdout; an object `calibration`. Nothing without a calibration. */
void decision_print(const struct decision *decision);
void decision_json(const struct decision *decision, struct json *json);

#endif
