/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding bounds of normalizations, for the checks of single ops and of whole networks.
 * Values are normalized in groups: the rows of a channel, or the channels of a row. */
#ifndef WEFT_VERIFY_NORM_BOUND_H
#define WEFT_VERIFY_NORM_BOUND_H

#include "verify/verify.h"

/* Elements of a group: `count`, from `first` on, `step` apart. */
struct norm_group {
    size_t first, step, count;
};

/* Mean, variance and inverse standard deviation of a group, and their error bounds. */
struct norm_moments {
    double mean, variance, inverse, mean_bound, variance_bound, inverse_bound;
};

struct norm_moments norm_moments_of(const float *x, struct norm_group group,
                                    double epsilon);

/* g = dy act'(z) and x_hat of one element, and their error bounds. */
struct norm_element {
    double g, g_bound, x_hat, x_hat_bound;
};

/* z = off scale + bias, and its error bound. */
double norm_preactivation(double off, double scale, double bias, double *bound);

/* `off` is the distance from the mean; x_hat = off inverse. */
struct norm_element norm_element_of(double off, double inverse, double scale, double bias,
                                    double dy, struct weft_activation act);

/* The element times a weight. */
struct norm_element norm_weighted(struct norm_element element, double weight);

/* Sums of g and of g x_hat, and their error bounds. */
struct norm_sums {
    double sum, product, sum_bound, product_bound;
};

/* `gamma`: gamma_bound of the count of terms and 4. */
void norm_sums_add(struct norm_sums *sums, struct norm_element element, double gamma);

/* Error bound of dx = factor (g - (sum + x_hat product) / count), without its own
 * rounding. */
double norm_input_gradient_bound(const struct norm_sums *sums,
                                 struct norm_element element, double factor,
                                 double count);

#endif
