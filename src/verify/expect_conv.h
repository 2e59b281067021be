/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by what is expected of convolutions. */
#ifndef WEFT_VERIFY_EXPECT_CONV_H
#define WEFT_VERIFY_EXPECT_CONV_H

#include "verify/expect.h"

/* A convolution, or the dense layer that is one, with its arguments on the host. */
struct conv_data {
    const struct weft_conv *conv;
    const struct weft_pool *pool;
    struct weft_activation activation;
    const struct weft_act_grad *act_grad;
    const float *x, *w, *bias, *dy;
    const uint8_t *argmax; /* before */
};

/* dz at an output position: dy, or of a pool what its windows scatter there; `size`: the
 * sum of absolute values. */
double expect_conv_gradient(const struct conv_data *d, int n, int oy, int ox, int k,
                            double *size);

/* The bound of a sum of `terms` products of the call, relative to sum |a b|. */
double expect_products_bound(const struct verify_call *v, double terms);

/* expect_winograd.c. How far one result of Winograd's algorithm may be off, from the
 * numbers of its own tiles: z at an output position, dx, dw. */
double expect_winograd_forward(struct verify_call *v, const struct conv_data *d, int n,
                               int oy, int ox, int k);
double expect_winograd_data(struct verify_call *v, const struct conv_data *d, int n,
                            int iy, int ix, int c);
double expect_winograd_weights(struct verify_call *v, const struct conv_data *d, int tap,
                               int c, int k);

#endif
