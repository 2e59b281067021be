/* SPDX-License-Identifier: Apache-2.0 */
/* Linear classifiers on fixed features, with their leave-one-out cross-validation. */
#ifndef WEFT_TRAIN_HEAD_FIT_H
#define WEFT_TRAIN_HEAD_FIT_H

#include "base/context.h"

/* Examples; features of length 1 in rows. */
struct head_examples {
    int count, features, classes;
    const double *x;       /* count x features */
    const int32_t *labels; /* count; every class has an example */
};

/* A classifier: the class of x is the row of the largest product with x. */
struct head_fit {
    double *weights;  /* classes x features */
    double *held_out; /* count x classes: products for an example by a classifier without
                         it; -inf for a class that had no other example */
};

enum weft_status head_fit_init(weft_context *ctx, const struct head_examples *e,
                               struct head_fit *out);
void head_fit_finish(struct head_fit *fit);

/* Class means, of length 1 (nearest class mean by cosine). */
void head_fit_means(const struct head_examples *e, struct head_fit *out);

/* Least squares of 1 for the class and -1 for the others, plus `ridge` |weights|^2,
 * without an intercept. `gram` is head_gram's. WEFT_ERR_NOMEM. */
enum weft_status head_fit_ridge(weft_context *ctx, const struct head_examples *e,
                                const double *gram, double ridge, struct head_fit *out);

/* x^T x, features x features; to be freed. */
enum weft_status head_gram(weft_context *ctx, const struct head_examples *e,
                           double **out);

/* Share of held-out examples with the right class, and its mean over the classes. */
double head_accuracy(const struct head_examples *e, const struct head_fit *fit);
double head_macro_recall(const struct head_examples *e, const struct head_fit *fit);

#endif
