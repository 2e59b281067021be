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
};

struct conv_runs {
    struct verify_run *forward, *data, *weights, *update, *step, *linear, *whole,
        *data_without_act_grad;
};

/* conv_bound.c. Records the runs on the device, because its algorithms decide which
 * bounds hold: those of sums, or of Winograd's algorithm. */
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

/* conv_winograd.c. Bounds of Winograd's algorithm on the present contents, to be freed:
 * of the elements of y before its activation, or of dx before that of `act_grad`. */
enum weft_status conv_winograd_bounds(struct conv_case *v, const struct verify_run *run,
                                      bool is_dgrad, bool integers, double **bounds);
/* Sets those of dw. */
enum weft_status conv_winograd_weight_bounds(struct conv_case *v,
                                             const struct verify_run *run, bool integers);
/* Numbers that show an error of a transform: in each of its tiles at most one, and in
 * each filter one tap. */
void conv_fill_impulses(struct conv_case *v);

#endif
