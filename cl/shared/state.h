/* SPDX-License-Identifier: Apache-2.0 */
/* Training state that changes from step to step: a buffer of 32-bit words on the device,
 * so that a recorded step can be replayed unchanged. Read by C and OpenCL C.
 *
 * The first launch of a step, or of a part of its batch (make_batch), and the last ones
 * (accumulate_gradient, clip_gradient, optimizer_step) write it, one work-item each,
 * while all others read; none writes a word that others read in the same launch. The
 * powers that the optimizer reads are those that make_batch copied from the ones stored
 * by the previous optimizer step; likewise the part of the batch. */
#ifndef WEFT_STATE_H
#define WEFT_STATE_H

enum {
    STATE_STEP,          /* uint: steps finished */
    STATE_SEED_LOW,      /* uint */
    STATE_SEED_HIGH,     /* uint */
    STATE_LEARNING_RATE, /* float: learning rate of the next step */
    /* float: beta1^(step + 1) and beta2^(step + 1), for Adam's bias correction in the
     * step that make_batch began; then those of the next step */
    STATE_BETA1_POWER,
    STATE_BETA2_POWER,
    STATE_NEXT_BETA1_POWER,
    STATE_NEXT_BETA2_POWER,
    /* uint: floats behind STATE_WORDS, the learning rates of the steps, of which
     * make_batch makes one STATE_LEARNING_RATE; the last is that of all later steps. 0:
     * the learning rate does not change. */
    STATE_RATE_COUNT,
    STATE_CLIP_FACTOR, /* float: what clip_gradient found for this step's gradient */
    /* uint: the part of the batch that make_batch began, where the gradients of parts are
     * accumulated, and the one that accumulate_gradient made the next; else 0 */
    STATE_PART,
    STATE_NEXT_PART,
    /* STATE_RING_STEPS pairs (float mean loss, uint correct), written at step %
     * STATE_RING_STEPS */
    STATE_METRICS_RING = 16,
    STATE_RING_STEPS = 1024,
    /* floats: the norms of the gradients, of clip_gradient, at step % STATE_RING_STEPS */
    STATE_NORM_RING = STATE_METRICS_RING + 2 * STATE_RING_STEPS,
    STATE_WORDS = STATE_NORM_RING + STATE_RING_STEPS
};

#endif
