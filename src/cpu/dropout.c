/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout: which elements fall is a function of (seed, step, layer, index). */
#include "cpu.h"
#include "random.h"
#include "state.h"

#include <assert.h>

static void dropout_chunk(const void *data, size_t item)
{
    const struct weft_dropout_args *a = data;
    const uint32_t *state = cpu_words(a->state);
    const float *x = cpu_floats(a->x);
    float *y = cpu_floats(a->y);
    size_t end = cpu_chunk_end(item, a->x.count);
    double kept = 1.0 - (double)a->rate;
    struct weft_random random = {0};
    for (size_t i = item * CPU_CHUNK; i < end; i++) {
        if (i % 4 == 0)
            random = weft_philox(state[STATE_SEED_LOW], state[STATE_SEED_HIGH],
                                 (uint32_t)(i / 4), state[STATE_STEP], a->layer,
                                 RANDOM_DROPOUT);
        bool drop = weft_uniform(random.v[i % 4]) < a->rate;
        y[i] = drop ? 0.0f : (float)((double)x[i] / kept);
    }
}

enum weft_status cpu_dropout(struct weft_list *list, const struct weft_dropout_args *args)
{
    assert(args->x.count == args->y.count && args->rate >= 0 && args->rate < 1);
    return cpu_append(list, cpu_chunks(args->x.count), dropout_chunk, args,
                      sizeof(*args));
}
