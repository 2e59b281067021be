/* SPDX-License-Identifier: Apache-2.0 */
/* The optimizer step over all weights (formulas: struct weft_optimizer), and the
 * metrics of the step. */
#include "cpu/cpu.h"
#include "shared/state.h"
#include "shared/weight_groups.h"

#include <assert.h>
#include <math.h>

/* A range of weights with one learning rate and decay. */
struct weight_range {
    size_t begin, end;
    double rate, decay;
};

/* The factor of a stored gradient. */
static double gradient_scale(const struct weft_optimizer_step_args *a)
{
    double scale = ldexp(1.0, -a->loss_scale_log2);
    return a->optimizer.clip > 0 ? scale * (double)cpu_floats(a->state)[STATE_CLIP_FACTOR]
                                 : scale;
}

static void sgd(const struct weft_optimizer_step_args *a, const struct weight_range *r)
{
    const struct weft_optimizer *o = &a->optimizer;
    double momentum = (double)o->momentum;
    double scale = gradient_scale(a);
    const float *g = cpu_floats(a->g);
    float *w = cpu_floats(a->w), *m = cpu_floats(a->m);
    for (size_t i = r->begin; i < r->end; i++) {
        double gradient = (double)g[i] * scale + r->decay * (double)w[i];
        double velocity = momentum * (double)m[i] + gradient;
        double move = o->nesterov ? gradient + momentum * velocity : velocity;
        m[i] = (float)velocity;
        w[i] = (float)((double)w[i] - r->rate * move);
    }
}

/* Weight decay is part of the gradient in Adam, and separate in AdamW. */
static void adam_step(const struct weft_optimizer_step_args *a,
                      const struct weight_range *r, double l2_decay,
                      double decoupled_decay)
{
    const struct weft_optimizer *o = &a->optimizer;
    const float *state = cpu_floats(a->state), *g = cpu_floats(a->g);
    double epsilon = (double)o->epsilon;
    double beta1 = (double)o->beta1, beta2 = (double)o->beta2;
    double scale = gradient_scale(a);
    double correct1 = 1.0 - (double)state[STATE_BETA1_POWER];
    double correct2 = 1.0 - (double)state[STATE_BETA2_POWER];
    float *w = cpu_floats(a->w), *m = cpu_floats(a->m), *v = cpu_floats(a->v);
    for (size_t i = r->begin; i < r->end; i++) {
        double gradient = (double)g[i] * scale + l2_decay * (double)w[i];
        double mean = beta1 * (double)m[i] + (1.0 - beta1) * gradient;
        double square = beta2 * (double)v[i] + (1.0 - beta2) * gradient * gradient;
        double step = mean / correct1 / (sqrt(square / correct2) + epsilon);
        m[i] = (float)mean;
        v[i] = (float)square;
        w[i] = (float)((double)w[i] - r->rate * (step + decoupled_decay * (double)w[i]));
    }
}

static void adam(const struct weft_optimizer_step_args *a, const struct weight_range *r)
{
    adam_step(a, r, r->decay, 0.0);
}

static void adamw(const struct weft_optimizer_step_args *a, const struct weight_range *r)
{
    adam_step(a, r, 0.0, r->decay);
}

static void (*const updates[])(const struct weft_optimizer_step_args *,
                               const struct weight_range *) = {
    [WEFT_OPTIMIZER_SGD] = sgd,
    [WEFT_OPTIMIZER_ADAM] = adam,
    [WEFT_OPTIMIZER_ADAMW] = adamw,
};

/* Mean of the losses, number of correct rows, and the next step. */
static void update_metrics(const struct weft_optimizer_step_args *a)
{
    uint32_t *words = cpu_words(a->state), correct = 0;
    float *numbers = cpu_floats(a->state);
    double loss = 0.0;
    for (int i = 0; i < a->n; i++) {
        loss += (double)cpu_floats(a->loss)[i];
        correct += cpu_words(a->correct)[i];
    }
    size_t at = STATE_METRICS_RING + 2 * (words[STATE_STEP] % STATE_RING_STEPS);
    numbers[at] = (float)(loss / a->n);
    words[at + 1] = correct;
    numbers[STATE_NEXT_BETA1_POWER] = numbers[STATE_BETA1_POWER] * a->optimizer.beta1;
    numbers[STATE_NEXT_BETA2_POWER] = numbers[STATE_BETA2_POWER] * a->optimizer.beta2;
    words[STATE_STEP]++;
}

static void update_chunk(const void *data, size_t item)
{
    const struct weft_optimizer_step_args *a = data;
    float rate = cpu_floats(a->state)[STATE_LEARNING_RATE];
    struct weight_range r = {item * CPU_CHUNK, cpu_chunk_end(item, a->w.count),
                             (double)rate, (double)a->optimizer.weight_decay};
    if (!a->groups.mem)
        updates[a->optimizer.kind](a, &r);
    for (size_t end = r.end; a->groups.mem && r.begin < end; r.begin = r.end) {
        const float *settings =
            cpu_floats(a->settings) +
            GROUP_SETTINGS * cpu_words(a->groups)[r.begin / GROUP_WEIGHTS];
        r.end = r.begin + GROUP_WEIGHTS < end ? r.begin + GROUP_WEIGHTS : end;
        r.rate = (double)(rate * settings[GROUP_RATE]);
        r.decay = (double)settings[GROUP_DECAY];
        updates[a->optimizer.kind](a, &r);
    }
    if (a->n && item == 0)
        update_metrics(a);
}

enum weft_status cpu_optimizer_step(struct weft_command_list *list,
                                    const struct weft_optimizer_step_args *args)
{
    assert((size_t)args->optimizer.kind < WEFT_ARRAY_SIZE(updates));
    assert(args->g.count == args->w.count && args->m.count == args->w.count);
    assert(!args->n || args->state.count >= STATE_WORDS);
    assert(!args->groups.mem || args->groups.count * GROUP_WEIGHTS >= args->w.count);
    return cpu_append(list, cpu_chunks(args->w.count), update_chunk, args, sizeof(*args));
}
