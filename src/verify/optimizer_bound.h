/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizer steps in double with rounding bounds, for the checks of single ops and of
 * whole networks. */
#ifndef WEFT_VERIFY_OPTIMIZER_BOUND_H
#define WEFT_VERIFY_OPTIMIZER_BOUND_H

#include "verify/verify.h"

/* One weight, its gradient and moments, with a running error bound for each number. */
struct optimizer_weight {
    double w, g, m, v, g_off, w_off, m_off, v_off;
};

/* The optimizer of weight i, with the learning rate `rate` and the decay of its group.
 * `groups` NULL: there is one group, with those of `o`. */
struct weft_optimizer optimizer_of_weight(const struct weft_optimizer *o, float rate,
                                          const uint32_t *groups, const float *settings,
                                          size_t i);

/* Multiplies the gradient by the factor of its norm. */
void optimizer_clip(double factor, struct optimizer_weight *a);

/* Adds the decay to the gradient, unless it is apart from it (AdamW): then returns it,
 * else 0. */
double optimizer_decay(const struct weft_optimizer *o, struct optimizer_weight *a);

/* A step by the formulas of weft/net.h: `apart` is the decay apart from the gradient, the
 * powers are those of Adam's betas. */
void optimizer_step(const struct weft_optimizer *o, double rate, double apart,
                    double power1, double power2, struct optimizer_weight *a);

/* The norm of a gradient and the factor that limits it, with their rounding bounds.
 * `groups` NULL: there is one. */
struct gradient_norm {
    double norm, factor, norm_off, factor_off;
};
struct gradient_norm gradient_norm_of(const struct weft_clip_gradient_args *a,
                                      const float *g, const uint32_t *groups,
                                      const float *settings);

/* The average of a weight w after an update, and its rounding bound. `step`: finished
 * steps. */
double average_of(const struct weft_average_args *a, uint32_t step, double w,
                  double average, double *bound);

#endif
