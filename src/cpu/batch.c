/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: images gathered by a permutation, augmented and normalized. */
#include "cpu/cpu.h"
#include "shared/state.h"

#include <assert.h>

static size_t global_row(const struct weft_batch_args *a, size_t row)
{
    row += (size_t)a->first;
    return a->part_rows && a->state.mem
               ? row + cpu_words(a->state)[STATE_NEXT_PART] * (size_t)a->part_rows
               : row;
}

/* The image of a row, or its partner. */
static struct weft_sample sample_of(const struct weft_batch_args *a, size_t row,
                                    bool partner)
{
    return weft_batch_sample(a, row, partner, cpu_words(a->state),
                             a->balance.mem ? cpu_words(a->balance) : NULL);
}

static void begin_step(uint32_t *state)
{
    state[STATE_BETA1_POWER] = state[STATE_NEXT_BETA1_POWER];
    state[STATE_BETA2_POWER] = state[STATE_NEXT_BETA2_POWER];
    state[STATE_PART] = state[STATE_NEXT_PART];
    uint32_t rates = state[STATE_RATE_COUNT], step = state[STATE_STEP];
    if (rates > 0)
        state[STATE_LEARNING_RATE] =
            state[STATE_WORDS + (step < rates ? step : rates - 1)];
}

static uint8_t byte_of(const void *data, size_t at)
{
    const struct weft_batch_args *a = data;
    return cpu_bytes(a->bytes)[at];
}

static float augmented(const struct weft_batch_args *a,
                       const struct weft_augment_draw *draw, size_t place, size_t at)
{
    size_t c = at % (size_t)a->channels;
    uint8_t byte;
    return weft_augment_pixel(a, draw, place, at, byte_of, a, &byte)
               ? (float)byte * a->scale[c] + a->shift[c]
               : 0;
}

/* `place`: of the image's bytes. */
static void augmented_row(const struct weft_batch_args *a, struct weft_sample sample,
                          size_t place, float *x)
{
    const uint32_t *state = cpu_words(a->state);
    struct weft_augment_draw draw =
        weft_batch_draw(a, sample, state[STATE_SEED_LOW], state[STATE_SEED_HIGH]);
    for (int i = 0; i < a->pixels; i++)
        x[i] = augmented(a, &draw, place, (size_t)i);
}

/* The image and the next one of the epoch's order. */
static void mixed_row(const struct weft_batch_args *a, size_t item,
                      struct weft_sample sample, size_t place, float *x)
{
    const uint32_t *state = cpu_words(a->state);
    uint32_t key0 = state[STATE_SEED_LOW], key1 = state[STATE_SEED_HIGH];
    struct weft_sample partner = sample_of(a, item, true);
    size_t partner_place = a->gathered ? place + 1 : partner.image;
    struct weft_augment_draw own = weft_batch_draw(a, sample, key0, key1),
                             other = weft_batch_draw(a, partner, key0, key1);
    struct weft_augment_mix mix = weft_batch_mix(a, sample, key0, key1);
    for (size_t i = 0; i < (size_t)a->pixels; i++) {
        float weight = weft_batch_weight(a, &mix, i);
        x[i] = weight * augmented(a, &own, place, i) +
               (1 - weight) * augmented(a, &other, partner_place, i);
    }
    if (!a->labels.mem)
        return;
    cpu_ints(a->partner_labels)[item] = cpu_ints(a->labels)[partner_place];
    cpu_ints(a->shares)[item] = mix.share;
}

static void plain_row(const struct weft_batch_args *a, size_t place, float *x)
{
    const uint8_t *bytes = cpu_bytes(a->bytes) + place * (size_t)a->pixels;
    for (int i = 0; i < a->pixels; i++) {
        int c = i % a->channels;
        x[i] = (float)bytes[i] * a->scale[c] + a->shift[c];
    }
}

static void input_row(const void *data, size_t item)
{
    const struct weft_batch_args *a = data;
    if (a->state.mem && item == 0)
        begin_step(cpu_words(a->state));
    struct weft_sample sample = sample_of(a, item, false);
    size_t place = a->gathered ? global_row(a, item) : sample.image;
    float *x = cpu_floats(a->x) + item * (size_t)a->pixels;
    if (a->augment.mix)
        mixed_row(a, item, sample, place, x);
    else if (a->augment.kind)
        augmented_row(a, sample, place, x);
    else
        plain_row(a, place, x);
    if (a->labels.mem)
        cpu_ints(a->batch_labels)[item] = cpu_ints(a->labels)[place];
}

enum weft_status cpu_make_batch(struct weft_command_list *list,
                                const struct weft_batch_args *args)
{
    assert(args->channels >= 1 && args->channels <= (int)WEFT_ARRAY_SIZE(args->scale));
    assert(!args->gathered || args->state.mem);
    assert(!args->augment.kind || (args->state.mem && args->width));
    assert(!args->augment.mix || !args->labels.mem ||
           (args->partner_labels.mem && args->shares.mem));
    assert(args->first >= 0 && args->first + args->n <= args->count);
    assert(!args->state.mem ||
           (args->first + args->n <= args->global_batch && args->steps_per_epoch >= 1 &&
            args->steps_per_epoch <= args->count / args->global_batch));
    struct weft_batch_args a = *args;
    cpu_begin(list);
    a.x = cpu_fp32_output(list, args->x);
    return cpu_append_output(list, (size_t)a.n, input_row, &a, sizeof(a), a.x, args->x);
}
