/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of the gradients of parts of a batch. */
#include "cpu/cpu.h"
#include "shared/state.h"

#include <assert.h>

static void accumulate_chunk(const void *data, size_t item)
{
    const struct weft_accumulate_gradient_args *a = data;
    uint32_t *state = cpu_words(a->state), part = state[STATE_PART];
    size_t end = cpu_chunk_end(item, a->g.count), first = part * (size_t)a->n;
    const float *g = cpu_floats(a->g);
    float *sum = cpu_floats(a->sum);
    for (size_t i = item * CPU_CHUNK; i < end; i++)
        sum[i] = part ? sum[i] + g[i] : g[i];
    if (item)
        return;
    assert(part < (uint32_t)a->parts);
    for (size_t row = 0; row < (size_t)a->n; row++) {
        cpu_floats(a->all_loss)[first + row] = cpu_floats(a->loss)[row];
        cpu_words(a->all_correct)[first + row] = cpu_words(a->correct)[row];
    }
    state[STATE_NEXT_PART] = (part + 1) % (uint32_t)a->parts;
}

enum weft_status cpu_accumulate_gradient(struct weft_command_list *list,
                                         const struct weft_accumulate_gradient_args *args)
{
    assert(args->g.count == args->sum.count && args->n > 0 && args->parts > 1);
    assert(args->all_loss.count == (size_t)args->n * (size_t)args->parts);
    return cpu_append(list, cpu_chunks(args->g.count), accumulate_chunk, args,
                      sizeof(*args));
}
