/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding bounds of softmax and of the loss, for the checks of single ops and of whole
 * networks. */
#ifndef WEFT_VERIFY_SOFTMAX_BOUND_H
#define WEFT_VERIFY_SOFTMAX_BOUND_H

#include "verify/verify.h"

/* The largest logit of a row, its first class, and the sum of exp(logit - largest). */
struct softmax_row {
    double largest, sum;
    int first;
};

struct softmax_row softmax_row_of(const float *x, int classes);

/* Error bound of the probability `p` of a logit that is `distance` below the largest. */
double softmax_probability_bound(double p, double distance, int classes);

/* Target of a row: `share` of the label and the rest of the partner's. */
struct softmax_target {
    int label, partner, classes;
    double share, smoothing, weight;
};

/* That of row `at` of the loss; the labels; weights of the classes, and the labels of
 * partners and shares, or NULL. */
struct softmax_target softmax_target_of(const struct weft_loss_args *args, size_t at,
                                        const int32_t *labels, const float *weights,
                                        const int32_t *partners, const int32_t *shares);

/* The part of class `j`, and the label of more than half. */
double softmax_target_part(const struct softmax_target *target, int j);
int softmax_target_label(const struct softmax_target *target);

/* -weight sum q log p of a row, and its error bound. */
double softmax_loss(const struct softmax_row *row, const float *x,
                    const struct softmax_target *target, double *bound);

/* Error bound of weight (p - q) 2^loss_scale_log2 / batch. */
double softmax_gradient_bound(double p, double q, double distance, int classes,
                              double weight, int loss_scale_log2, int batch);

#endif
