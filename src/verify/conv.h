/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the checks of convolution. */
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
    struct lab_tensor *x, *w, *bias, *y, *argmax, *dy, *dw, *dbias, *dx, *act_output,
        *whole;
    /* Moments after an optimizer step on dw and dbias: the gradients themselves. */
    struct lab_tensor *mw, *mbias, *state;
    double
        *winograd_bounds; /* errors of Winograd's algorithm, for each image and channel */
};

struct conv_runs {
    struct verify_run *forward, *data, *weights, *update, *step, *linear, *whole,
        *data_without_act_grad;
};

/* conv_bound.c. Records the runs on the device, because its algorithms decide which
 * bounds hold: those of sums, or of Winograd's algorithm. v->winograd_bounds is to be
 * freed. */
enum weft_status conv_record_runs(struct conv_case *v, struct conv_runs *r);
/* True: the device uses Winograd's algorithm; with `integers`, one that does not keep
 * integers exact. */
bool conv_run_is_winograd(const struct verify_run *run, bool integers);
/* Error bounds of the outputs of each run. */
enum weft_status conv_set_forward_bounds(struct conv_case *v, struct conv_runs *r,
                                         bool integers);
enum weft_status conv_set_dgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers);
enum weft_status conv_set_wgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers);

#endif
