/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from step to step lives in one small buffer of 32-bit words, so that a
 * recorded step can be replayed unchanged. Read by C and OpenCL C.
 *
 * The first launch of a step (`input`) and the last (`update`) write it, one work-item
 * each, while all others read: so neither writes a word that others read in its launch.
 * The powers that the update reads are those that the input took over from the update
 * before. */
#ifndef WEFT_STATE_H
#define WEFT_STATE_H

enum {
    STATE_STEP,          /* uint: steps finished */
    STATE_SEED_LOW,      /* uint */
    STATE_SEED_HIGH,     /* uint */
    STATE_LEARNING_RATE, /* float: learning rate of the coming step */
    STATE_BETA1_POWER,   /* float: beta1^(step+1), for Adam's bias correction in the step
                          that `input` began */
    STATE_BETA2_POWER,   /* float: beta2^(step+1) */
    STATE_NEXT_BETA1_POWER, /* float: the same for the step that it will begin */
    STATE_NEXT_BETA2_POWER, /* float */
    STATE_METRICS_RING =
        16, /* then STATE_RING_STEPS pairs (float mean loss, uint correct),
                          written at step % STATE_RING_STEPS */
    STATE_RING_STEPS = 1024,
    STATE_WORDS = STATE_METRICS_RING + 2 * STATE_RING_STEPS
};

#endif
