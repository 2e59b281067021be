/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of classes among images, from the answers of a classifier that confuses them. */
#ifndef WEFT_CMD_AUDIENCE_SHARES_H
#define WEFT_CMD_AUDIENCE_SHARES_H

#include <stdbool.h>

struct share {
    double value, low, high; /* with its 95 % interval */
};

/* P(answer | true class), classes x (classes + 1), the last column being no answer, from
 * counts of images. One image is added to each class, spread over all answers, so that
 * what was not seen is not impossible. Allocated. */
double *shares_rates(const int *confusion, int classes);

/* The shares s of the true classes for which the answers are most likely, each of which
 * is an answer j with probability sum_i s_i rates_ij (adjusted counting; Saerens et al.
 * 2002, Neural Computation 14:21). If there always is an answer, that is the solution of
 * rates' s = answers / their number, where it is not negative. `answers`: classes + 1
 * counts, not all 0.
 *
 * The interval is Wilson's, for the number of images of which a classifier without
 * confusions would know the share as well: those divided by the ratio of the variances
 * (the inverse of Fisher's information, on sum s = 1). */
void shares_adjusted(const double *rates, int classes, const int *answers,
                     struct share *out);

/* The shares of the answers, with Wilson's intervals; of no answers NaN. */
void shares_counted(int classes, const int *answers, struct share *out);

/* The class with the largest share, if its interval is above those of all others; -1. */
int shares_leader(const struct share *shares, int classes);

#endif
