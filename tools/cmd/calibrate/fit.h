/* SPDX-License-Identifier: Apache-2.0 */
/* Derives a calibration from the logits of images with known classes. */
#ifndef WEFT_CMD_CALIBRATE_FIT_H
#define WEFT_CMD_CALIBRATE_FIT_H

#include "core/decision.h"

struct fit_request {
    bool keep_temperature;
    double max_error, confidence; /* max_error 0: no threshold */
    double coverage;              /* 0: no sets */
    bool by_class;
};

/* Images with known classes. */
struct fit_images {
    float *logits; /* count x classes; become probabilities */
    const int32_t *labels;
    int count, classes;
    const char *const *names; /* of the classes */
    const char *source;       /* for messages */
};

/* Fills all of `out` but `data`, `tta` and `classes`, which stay. `scale` receives the
 * temperature by which the logits are to be divided. */
enum app_exit fit_decision(const struct app *app, const struct fit_request *request,
                           struct fit_images *images, double *scale,
                           struct decision *out);

#endif
