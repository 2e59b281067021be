/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a training step and the images of its rows, for the kernels that make
 * batches. Macros: SHUFFLE, 0: images in order, and no step begins; BALANCED, 1: balanced
 * sampling; PART_ROWS, rows of a part of the batch, 0: it is not in parts. */
#ifndef WEFT_BATCH_H
#define WEFT_BATCH_H

#include "shared/balance.h"
#include "shared/state.h"

#ifndef C
#define C 1
#endif
#ifndef SHUFFLE
#define SHUFFLE 1
#endif
#ifndef BALANCED
#define BALANCED 0
#endif
#ifndef PART_ROWS
#define PART_ROWS 0
#endif
#ifndef HAS_LABELS
#define HAS_LABELS 1
#endif

/* The row of the batch, of one of the launch. */
static inline uint global_row(__global const uint *state, uint row)
{
    return PART_ROWS > 0 ? row + state[STATE_NEXT_PART] * PART_ROWS : row;
}

/* The image of a row, or the next one of the epoch's order; behind the last one the
 * first. */
static inline struct weft_sample sample_of(__global const uint *state,
                                           __global const uint *balance, uint row,
                                           bool partner, uint global_batch, uint count,
                                           uint steps_per_epoch)
{
    if (!SHUFFLE) {
        struct weft_sample s = {row, 0};
        return s;
    }
    const uint step = state[STATE_STEP], epoch = step / steps_per_epoch;
    const uint key0 = state[STATE_SEED_LOW], key1 = state[STATE_SEED_HIGH];
    const uint own = (step - epoch * steps_per_epoch) * global_batch + row;
    const uint at = !partner ? own : own + 1 < count ? own + 1 : 0;
    return BALANCED ? weft_balanced_sample(balance, count, at, epoch, key0, key1)
                    : weft_shuffled_sample(count, at, epoch, key0, key1);
}

/* By one work-item of the launch. */
static inline void begin_step(__global uint *state)
{
    state[STATE_BETA1_POWER] = state[STATE_NEXT_BETA1_POWER];
    state[STATE_BETA2_POWER] = state[STATE_NEXT_BETA2_POWER];
    state[STATE_PART] = state[STATE_NEXT_PART];
    const uint rates = state[STATE_RATE_COUNT];
    if (rates > 0)
        state[STATE_LEARNING_RATE] =
            state[STATE_WORDS + min(state[STATE_STEP], rates - 1)];
}

#endif
