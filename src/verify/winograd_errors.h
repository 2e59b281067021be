/* SPDX-License-Identifier: Apache-2.0 */
/* Error bounds of convolution by Winograd's algorithm on given numbers. */
#ifndef WEFT_VERIFY_WINOGRAD_ERRORS_H
#define WEFT_VERIFY_WINOGRAD_ERRORS_H

#include "verify/verify.h"

/* [n][h][w][c]: numbers, and how far the device's may be from them. */
struct winograd_image {
    int h, w, c;
    double *v, *e;
};
/* Zeros. False: out of memory; finish frees either. */
bool winograd_image_init(struct winograd_image *image, int n, int h, int w, int c);
void winograd_image_finish(struct winograd_image *image);

/* A convolution with 3x3 filters, in tiles of outputs x outputs. Its weight gradient
 * takes the gradient of the result in `out`. */
struct winograd_problem {
    int outputs, images, pad_top, pad_left;
    struct winograd_image x, out;
    const float *w, *bias; /* bias: NULL is 0 */
    bool rotated;          /* the data gradient: filters turned by 180 degrees */
};

/* Sets out.v and out.e: results and their bounds. False: out of memory. */
bool winograd_errors(const struct winograd_problem *p);
/* The bounds of dw, [tap][c][k]. */
bool winograd_weight_errors(const struct winograd_problem *p, double *errors);

#endif
