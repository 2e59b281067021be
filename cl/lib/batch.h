/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a training step and the images of its rows, for the kernels that make
 * batches. Macros: SHUFFLE, 0: images in order, and no step begins; PART_ROWS, rows of a
 * part of the batch, 0: it is not in parts. */
#ifndef WEFT_BATCH_H
#define WEFT_BATCH_H

#include "shared/random.h"
#include "shared/state.h"

#ifndef C
#define C 1
#endif
#ifndef SHUFFLE
#define SHUFFLE 1
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

static inline uint batch_epoch(__global const uint *state, uint steps_per_epoch)
{
    return state[STATE_STEP] / steps_per_epoch;
}

static inline uint sample_index(__global const uint *state, uint row, uint global_batch,
                                uint count, uint steps_per_epoch)
{
    if (!SHUFFLE)
        return row;
    const uint step = state[STATE_STEP], epoch = step / steps_per_epoch;
    return weft_shuffle((step - epoch * steps_per_epoch) * global_batch + row, count,
                        state[STATE_SEED_LOW], state[STATE_SEED_HIGH], epoch);
}

/* The next image of the epoch's order; behind the last one the first. */
static inline uint next_index(__global const uint *state, uint row, uint global_batch,
                              uint count, uint steps_per_epoch)
{
    const uint step = state[STATE_STEP], epoch = step / steps_per_epoch;
    const uint at = (step - epoch * steps_per_epoch) * global_batch + row + 1;
    return weft_shuffle(at < count ? at : 0, count, state[STATE_SEED_LOW],
                        state[STATE_SEED_HIGH], epoch);
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
