/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that check convolution share. */
#ifndef WEFT_CHECK_CONV_H
#define WEFT_CHECK_CONV_H

#include "check.h"

struct conv_case {
    struct check_case base;
    struct weft_conv conv;
    struct weft_pool pool;
    struct weft_activation activation, gate_activation;
    bool want_argmax;
    /* `whole` is the convolution's output before pooling; NULL without a pool. */
    struct check_tensor *x, *w, *bias, *y, *argmax, *dy, *dw, *dbias, *dx, *gate, *whole;
    /* What an update makes of dw and dbias: the gradients themselves. */
    struct check_tensor *mw, *mbias, *state;
    double *tiled; /* errors of Winograd's algorithm, for each picture and channel */
};

struct conv_runs {
    struct check_run *forward, *data, *weights, *update, *step, *linear, *whole, *ungated;
};

/* conv_bound.c. Has the device record what it will run, for that tells which bounds hold:
 * those of sums, or of Winograd's algorithm. To be freed: v->tiled. */
enum weft_status check_conv_prepare(struct conv_case *v, struct conv_runs *r);
/* Whether it does a run by Winograd's algorithm; with integers, so that they do not stay
 * exact. */
bool check_conv_is_tiled(const struct check_run *run, bool integers);
/* Bounds of what each run writes. */
enum weft_status check_conv_bound_forward(struct conv_case *v, struct conv_runs *r,
                                          bool integers);
enum weft_status check_conv_bound_data(struct conv_case *v, struct conv_runs *r,
                                       bool integers);
enum weft_status check_conv_bound_weights(struct conv_case *v, struct conv_runs *r,
                                          bool integers);

#endif
