/* SPDX-License-Identifier: Apache-2.0 */
/* Moving average of the weights, and lookahead. */
#include "cpu/cpu.h"
#include "shared/state.h"

#include <assert.h>
#include <math.h>

static double share_kept(const struct weft_average_args *a)
{
    double step = cpu_words(a->state)[STATE_STEP];
    double updates = floor(step / a->every), decay = (double)a->decay;
    return a->steps ? decay * pow(fmin(step / a->steps, 1), 3)
                    : fmin(decay, updates / (updates + 9));
}

static void average_chunk(const void *data, size_t item)
{
    const struct weft_average_args *a = data;
    size_t end = cpu_chunk_end(item, a->w.count);
    double taken = 1 - share_kept(a);
    float *w = cpu_floats(a->w), *average = cpu_floats(a->average);
    for (size_t i = item * CPU_CHUNK; i < end; i++) {
        double old = (double)average[i];
        average[i] = (float)(old + taken * ((double)w[i] - old));
        if (a->steps)
            w[i] = average[i];
    }
}

enum weft_status cpu_average(struct weft_command_list *list,
                             const struct weft_average_args *args)
{
    assert(args->w.count == args->average.count && args->every > 0);
    return cpu_append(list, cpu_chunks(args->w.count), average_chunk, args,
                      sizeof(*args));
}
