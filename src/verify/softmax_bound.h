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

/* The share of class `j` in the target of `label`. */
double softmax_target(int j, int label, int classes, double smoothing);

/* -weight sum q log p of a row, and its error bound. */
double softmax_loss(const struct softmax_row *row, const float *x, int label, int classes,
                    double smoothing, double weight, double *bound);

/* Error bound of weight (p - q) 2^loss_scale_log2 / batch. */
double softmax_gradient_bound(double p, double q, double distance, int classes,
                              double weight, int loss_scale_log2, int batch);

#endif
