/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout: the mask is a function of (seed, step, layer, index). */
#include "cpu/cpu.h"
#include "shared/random.h"
#include "shared/state.h"

#include <assert.h>
#include <math.h>

static void dropout_chunk(const void *data, size_t item)
{
    const struct weft_dropout_args *a = data;
    const uint32_t *state = cpu_words(a->state);
    const float *x = cpu_floats(a->x);
    float *y = cpu_floats(a->y);
    size_t end = cpu_chunk_end(item, a->x.count);
    double fallen = floor(DROPOUT_LEVELS * (double)a->rate + 0.5),
           kept = 1 - fallen / DROPOUT_LEVELS;
    for (size_t i = item * CPU_CHUNK; i < end; i++) {
        uint32_t number =
            weft_dropout_bits(state[STATE_SEED_LOW], state[STATE_SEED_HIGH], (uint32_t)i,
                              state[STATE_STEP], a->layer + (state[STATE_PART] << 16));
        y[i] = number < fallen ? 0.0f : (float)((double)x[i] / kept);
    }
}

enum weft_status cpu_dropout(struct weft_command_list *list,
                             const struct weft_dropout_args *args)
{
    struct weft_dropout_args a = *args;
    assert(a.x.count == a.y.count && a.rate >= 0 && a.rate < 1);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, cpu_chunks(a.x.count), dropout_chunk, &a, sizeof(a),
                             a.y, args->y);
}
