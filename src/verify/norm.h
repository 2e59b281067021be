/* SPDX-License-Identifier: Apache-2.0 */
/* The common parts of the checks of batch and layer normalization. */
#ifndef WEFT_VERIFY_NORM_H
#define WEFT_VERIFY_NORM_H

#include "verify/norm_bound.h"

struct norm_kind;

struct norm_case {
    struct verify_case base;
    const struct norm_kind *kind;
    int rows, channels;
    float epsilon, momentum;
    struct weft_activation activation;
    struct lab_tensor *x, *weight, *bias, *y, *dy, *dx, *dweight, *dbias;
    struct lab_tensor *mean, *inverse; /* of each group */
    /* Batch normalization only. */
    struct lab_tensor *scale, *running_mean, *running_variance;
};

struct norm_kind {
    bool by_row; /* a group is a row */
    verify_record_fn forward, inference, backward;
    verify_record_fn backward_without_dx; /* no layer before has a gradient */
    void (*add_statistics)(struct norm_case *n, int images, int height, int width);
    /* Bounds of the statistics of the case's kind; NULL: none beside mean and inverse. */
    void (*bound_statistics)(struct norm_case *n, size_t group,
                             const struct norm_moments *m);
    bool inference_reads_statistics;
};

/* Draws the shape of a case from a list of channels that ends in 0, and runs it. */
enum weft_status norm_check(struct verify_context *k, const struct norm_kind *kind,
                            const int *channels);
/* An element of the initial contents. */
double norm_value(const struct norm_case *n, const struct lab_tensor *t, size_t i);

#endif
