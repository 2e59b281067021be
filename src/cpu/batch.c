/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: images gathered by a permutation and normalized. */
#include "cpu/cpu.h"
#include "shared/random.h"
#include "shared/state.h"

#include <assert.h>

static size_t image_of(const struct weft_batch_args *a, size_t row)
{
    const uint32_t *state = cpu_words(a->state);
    row += (size_t)a->first;
    if (!state)
        return row;
    uint32_t steps = (uint32_t)a->steps_per_epoch, step = state[STATE_STEP];
    return weft_shuffle(step % steps * (uint32_t)a->global_batch + (uint32_t)row,
                        (uint32_t)a->count, state[STATE_SEED_LOW], state[STATE_SEED_HIGH],
                        step / steps);
}

static void begin_step(uint32_t *state)
{
    state[STATE_BETA1_POWER] = state[STATE_NEXT_BETA1_POWER];
    state[STATE_BETA2_POWER] = state[STATE_NEXT_BETA2_POWER];
    uint32_t rates = state[STATE_RATE_COUNT], step = state[STATE_STEP];
    if (rates > 0)
        state[STATE_LEARNING_RATE] =
            state[STATE_WORDS + (step < rates ? step : rates - 1)];
}

static void input_row(const void *data, size_t item)
{
    const struct weft_batch_args *a = data;
    if (a->state.mem && item == 0)
        begin_step(cpu_words(a->state));
    size_t image = image_of(a, item);
    const uint8_t *bytes = cpu_bytes(a->bytes) + image * a->pixels;
    float *x = cpu_floats(a->x) + item * a->pixels;
    for (int i = 0; i < a->pixels; i++) {
        int c = i % a->channels;
        x[i] = (float)bytes[i] * a->scale[c] + a->shift[c];
    }
    if (a->labels.mem)
        cpu_ints(a->batch_labels)[item] = cpu_ints(a->labels)[image];
}

enum weft_status cpu_make_batch(struct weft_command_list *list,
                                const struct weft_batch_args *args)
{
    assert(args->channels >= 1 && args->channels <= (int)WEFT_ARRAY_SIZE(args->scale));
    assert(args->first >= 0 && args->first + args->n <= args->count);
    assert(!args->state.mem ||
           (args->first + args->n <= args->global_batch && args->steps_per_epoch >= 1 &&
            args->steps_per_epoch <= args->count / args->global_batch));
    struct weft_batch_args a = *args;
    cpu_begin(list);
    a.x = cpu_fp32_output(list, args->x);
    return cpu_append_output(list, (size_t)a.n, input_row, &a, sizeof(a), a.x, args->x);
}
