/* SPDX-License-Identifier: Apache-2.0 */
/* The accuracy of probabilities, and what follows from it: temperature, threshold,
 * prediction sets. */
#ifndef WEFT_CMD_CORE_CALIBRATION_H
#define WEFT_CMD_CORE_CALIBRATION_H

#include <weft/weft.h>

/* Images of one range of probabilities: 1/15 of 0..1 each (Guo et al. 2017,
 * arXiv:1706.04599). */
enum { CALIBRATION_BINS = 15 };
struct calibration_bin {
    int count, correct;
    double probability; /* their sum */
};

/* Fills the bins. Returns the expected calibration error, the mean distance of
 * probability and share of correct predictions weighed by images; NaN: no predictions. */
double calibration_error(const struct weft_prediction *predictions, const int32_t *labels,
                         int count, struct calibration_bin bins[CALIBRATION_BINS]);

/* Finite logits of images, a row each, and their true classes. */
struct calibration_rows {
    const float *logits;
    const int32_t *labels;
    int count, classes;
};

/* The mean of -log softmax(logits / temperature) of the true class. */
double calibration_loss(const struct calibration_rows *rows, double temperature);

/* The temperature of the least loss. CALIBRATION_COLDEST: the loss only falls towards it,
 * as where all images are classified correctly. CALIBRATION_WARMEST: the logits say
 * nothing about the classes. */
#define CALIBRATION_COLDEST 0.05
#define CALIBRATION_WARMEST 20.0
double calibration_temperature(const struct calibration_rows *rows);

/* The largest error rate p for which at most `errors` errors in `answers` answers have a
 * probability above `alpha`:
 *
 *     sum of C(answers, j) p^j (1 - p)^(answers - j), j = 0 to errors, = alpha
 *
 * (Clopper and Pearson 1934). With probability 1 - alpha the true rate is not above. */
double calibration_error_bound(int errors, int answers, double alpha);

/* A threshold of the largest probability, and those of the images that have it. */
struct calibration_threshold {
    float threshold;
    int answers, errors;
    double bound; /* of the error rate of all such images */
};

/* The lowest threshold for which the error rate of the images with at least this
 * probability is at most `max_error`, with probability `confidence`: binary search over
 * ceil(log2 count) thresholds, each of which has its bound with 1 - confidence over their
 * number (Geifman and El-Yaniv 2017, arXiv:1705.08500), from the fewest answers on that
 * can prove `max_error`. False: none of them holds; `out` is that of the lowest bound.
 * `count` at least 2. */
bool calibration_select(const struct weft_prediction *predictions, const int32_t *labels,
                        int count, double max_error, double confidence,
                        struct calibration_threshold *out);

/* Split conformal prediction (Vovk et al. 2005; Sadinle et al. 2019, arXiv:1609.00451): a
 * class is in the set of an image if its probability is at least the limit, which is the
 * ceil((count + 1) coverage)-th largest of `probabilities`, those of the true classes of
 * other images. Then the sets of new images have their true class with probability
 * `coverage`. Sorts. False: fewer than calibration_least_images. */
bool calibration_set_limit(float *probabilities, int count, double coverage, float *out);
int calibration_least_images(double coverage);

#endif
