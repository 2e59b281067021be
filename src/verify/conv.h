/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that check convolution share. */
#ifndef WEFT_VERIFY_CONV_H
#define WEFT_VERIFY_CONV_H

#include "verify/verify.h"

struct conv_case {
    struct verify_case base;
    struct weft_conv conv;
    struct weft_pool pool;
    struct weft_activation activation, upstream_activation;
    bool has_argmax;
    /* `whole` is the convolution's output before pooling; NULL without a pool. */
    struct lab_tensor *x, *w, *bias, *y, *argmax, *dy, *dw, *dbias, *dx, *gate, *whole;
    /* What an update makes of dw and dbias: the gradients themselves. */
    struct lab_tensor *mw, *mbias, *state;
    double
        *winograd_bounds; /* errors of Winograd's algorithm, for each image and channel */
};

struct conv_runs {
    struct verify_run *forward, *data, *weights, *update, *step, *linear, *whole,
        *ungated;
};

/* conv_bound.c. Has the device record what it will run, for that tells which bounds hold:
 * those of sums, or of Winograd's algorithm. To be freed: v->winograd_bounds. */
enum weft_status conv_record_runs(struct conv_case *v, struct conv_runs *r);
/* Whether it does a run by Winograd's algorithm; with integers, so that they do not stay
 * exact. */
bool conv_run_is_winograd(const struct verify_run *run, bool integers);
/* Bounds of what each run writes. */
enum weft_status conv_set_forward_bounds(struct conv_case *v, struct conv_runs *r,
                                         bool integers);
enum weft_status conv_set_dgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers);
enum weft_status conv_set_wgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers);

#endif
