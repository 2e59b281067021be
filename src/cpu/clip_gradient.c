/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of the gradient, and its limit. */
#include "cpu/cpu.h"
#include "shared/state.h"
#include "shared/weight_groups.h"

#include <assert.h>
#include <math.h>

static bool counts(const struct weft_clip_gradient_args *a, size_t i)
{
    if (!a->groups.mem)
        return true;
    const uint32_t *group = cpu_words(a->groups) + i / GROUP_WEIGHTS;
    return cpu_floats(a->settings)[GROUP_SETTINGS * *group + GROUP_RATE] != 0;
}

static void clip(const void *data, size_t item)
{
    const struct weft_clip_gradient_args *a = data;
    const float *g = cpu_floats(a->g);
    float *state = cpu_floats(a->state);
    uint32_t step = cpu_words(a->state)[STATE_STEP];
    double squares = 0;
    (void)item;
    for (size_t i = 0; i < a->g.count; i++)
        squares += counts(a, i) ? (double)g[i] * (double)g[i] : 0;
    double norm = ldexp(sqrt(squares), -a->loss_scale_log2);
    state[STATE_CLIP_FACTOR] = (float)fmin(1.0, (double)a->max_norm / (norm + 1e-6));
    state[STATE_NORM_RING + step % STATE_RING_STEPS] = (float)norm;
}

enum weft_status cpu_clip_gradient(struct weft_command_list *list,
                                   const struct weft_clip_gradient_args *args)
{
    assert(args->max_norm > 0 && args->state.count >= STATE_WORDS);
    assert(!args->groups.mem || args->groups.count * GROUP_WEIGHTS >= args->g.count);
    return cpu_append(list, 1, clip, args, sizeof(*args));
}
