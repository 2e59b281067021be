/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from step to step lives in one small buffer of 32-bit words, so that a
 * recorded step can be replayed unchanged. Read by C and OpenCL C. The last launch of a
 * step (`finish`) advances it. */
#ifndef WEFT_STATE_H
#define WEFT_STATE_H

enum {
    STATE_STEP,        /* uint: steps finished */
    STATE_SEED_LOW,    /* uint */
    STATE_SEED_HIGH,   /* uint */
    STATE_RATE,        /* float: learning rate of the coming step */
    STATE_BETA1_POWER, /* float: beta1^(step+1), for Adam's bias correction in the coming
                          step */
    STATE_BETA2_POWER, /* float: beta2^(step+1) */
    STATE_RING = 16,   /* then STATE_RING_STEPS pairs (float mean loss, uint correct),
                          written at step % STATE_RING_STEPS */
    STATE_RING_STEPS = 1024,
    STATE_WORDS = STATE_RING + 2 * STATE_RING_STEPS
};

#endif
