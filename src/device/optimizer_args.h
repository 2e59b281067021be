/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of the primitives that change the weights. */
#ifndef WEFT_DEVICE_OPTIMIZER_ARGS_H
#define WEFT_DEVICE_OPTIMIZER_ARGS_H

#include <weft/net.h>

#include "device/view.h"

/* The last launch of a step, over all weights: w, g, m, v have the same length, and g
 * is 2^loss_scale_log2 times the gradient. The powers for Adam's bias correction are
 * in the state. SGD uses m only. With n > 0 it also updates the metrics: writes (mean
 * of loss, sum of correct) of the n rows into the ring, summed in a fixed order;
 * multiplies the powers by the betas for the next step; increments the step.
 * With `groups`, the group of each GROUP_WEIGHTS weights, `settings` has GROUP_SETTINGS
 * floats for each group (shared/weight_groups.h), and optimizer.weight_decay is not
 * used. With optimizer.clip above 0 the gradient is times the factor in the state. */
struct weft_optimizer_step_args {
    struct weft_optimizer optimizer; /* `learning_rate` is ignored: it is in the state */
    int loss_scale_log2;
    struct weft_view state, w, g, m, v;
    struct weft_view groups, settings; /* uints, floats; absent: one group */
    int n;
    struct weft_view loss, correct;
};

/* After the backward pass of a part of a batch, with gradients that are complete in g:
 * sum = g for part 0, and sum += g for the others. The rows' metrics become those of the
 * part among all, and the next part of the state this one + 1, after the last 0. */
struct weft_accumulate_gradient_args {
    int n, parts; /* rows of a part */
    struct weft_view state, g, sum;
    struct weft_view loss, correct;         /* n floats, uints */
    struct weft_view all_loss, all_correct; /* n * parts */
};

/* Before an optimizer step, of a gradient that is complete in g (no deferred sums): with
 * the norm of g 2^-loss_scale_log2, without groups of weights whose rate is 0, the clip
 * factor of the state becomes min(1, max_norm / (norm + 1e-6)), and the norm is that of
 * the step in its ring. Squares are summed in a fixed order, 1024 sums side by side or
 * more. */
struct weft_clip_gradient_args {
    float max_norm;
    int loss_scale_log2;
    struct weft_view state, g;
    struct weft_view groups, settings; /* of optimizer_step */
};

/* After an optimizer step, average += (1 - keep) (w - average) over weights and
 * statistics, and with `steps` w = average. With t = STATE_STEP / every, the updates with
 * this one, keep is min(decay, t / (9 + t)), or with `steps` decay (STATE_STEP /
 * steps)^3, at most decay. */
struct weft_average_args {
    float decay;
    int every; /* steps from one update to the next */
    int steps; /* of the run: lookahead; 0: a moving average */
    struct weft_view state, w, average;
};

#endif
