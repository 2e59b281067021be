/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the optimizers and of the metrics of a step, several steps in a row. */
#include "shared/weight_groups.h"
#include "verify/optimizer_bound.h"

#include <math.h>
#include <string.h>

struct optimizer_case {
    struct verify_case base;
    struct weft_optimizer optimizer;
    bool exact; /* powers of two, so that small integers stay exact */
    int rows, steps, loss_scale_log2;
    float rate;
    struct lab_tensor *state, *w, *g, *m, *v, *loss, *correct, *byte, *x;
    struct lab_tensor *groups, *settings; /* NULL: one group */
};

static const char *const names[] = {
    [WEFT_OPTIMIZER_SGD] = "sgd",
    [WEFT_OPTIMIZER_ADAM] = "adam",
    [WEFT_OPTIMIZER_ADAMW] = "adamw",
};

static enum weft_status record_update(const struct verify_case *c, enum lab_side side,
                                      struct weft_command_list *list)
{
    const struct optimizer_case *o = (const struct optimizer_case *)c;
    const struct weft_optimizer_step_args args = {
        .optimizer = o->optimizer,
        .loss_scale_log2 = o->loss_scale_log2,
        .state = lab_view(&c->lab, o->state, side),
        .w = lab_view(&c->lab, o->w, side),
        .g = lab_view(&c->lab, o->g, side),
        .m = lab_view(&c->lab, o->m, side),
        .v = lab_view(&c->lab, o->v, side),
        .groups = lab_view(&c->lab, o->groups, side),
        .settings = lab_view(&c->lab, o->settings, side),
        .n = o->rows,
        .loss = lab_view(&c->lab, o->loss, side),
        .correct = lab_view(&c->lab, o->correct, side)};
    return list->primitives->optimizer_step(list, &args);
}

/* A batch of one byte: the beginning of a step passes the powers on. */
static enum weft_status record_step(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct optimizer_case *o = (const struct optimizer_case *)c;
    const struct weft_batch_args args = {.n = 1,
                                         .count = 1,
                                         .global_batch = 1,
                                         .pixels = 1,
                                         .channels = 1,
                                         .steps_per_epoch = 1,
                                         .state = lab_view(&c->lab, o->state, side),
                                         .bytes = lab_view(&c->lab, o->byte, side),
                                         .x = lab_view(&c->lab, o->x, side)};
    WEFT_TRY(list->primitives->make_batch(list, &args));
    return record_update(c, side, list);
}

static void bound_weights(struct optimizer_case *o, int steps)
{
    struct verify_case *c = &o->base;
    const float *w = lab_initial(&c->lab, o->w), *g = lab_initial(&c->lab, o->g);
    const float *m = lab_initial(&c->lab, o->m),
                *v = o->v ? lab_initial(&c->lab, o->v) : NULL;
    const uint32_t *state = lab_initial(&c->lab, o->state);
    for (size_t i = 0; i < o->w->count; i++) {
        double gradient = ldexp((double)g[i], -o->loss_scale_log2);
        struct optimizer_weight a = {
            .w = (double)w[i], .m = (double)m[i], .v = v ? (double)v[i] : 0};
        const struct weft_optimizer own = optimizer_of_weight(
            &o->optimizer, o->rate, o->groups ? lab_initial(&c->lab, o->groups) : NULL,
            o->groups ? lab_initial(&c->lab, o->settings) : NULL, i);
        float power1, power2, factor;
        memcpy(&factor, &state[STATE_CLIP_FACTOR], sizeof(factor));
        memcpy(&power1, &state[STATE_NEXT_BETA1_POWER], sizeof(power1));
        memcpy(&power2, &state[STATE_NEXT_BETA2_POWER], sizeof(power2));
        for (int step = 0; step < steps; step++) {
            a.g = gradient;
            a.g_off = 0;
            if (own.clip > 0)
                optimizer_clip((double)factor, &a);
            double apart = optimizer_decay(&own, &a);
            optimizer_step(&own, (double)own.learning_rate, apart, (double)power1,
                           (double)power2, &a);
            power1 *= o->optimizer.beta1;
            power2 *= o->optimizer.beta2;
        }
        o->w->bound[i] = a.w_off + FP32_MIN_NORMAL;
        o->m->bound[i] = a.m_off + FP32_MIN_NORMAL;
        if (o->v)
            o->v->bound[i] = a.v_off + FP32_MIN_NORMAL;
    }
}

/* The means in the ring are sums of rows in any order. All else in the state is exact. */
static void metrics_bound(struct optimizer_case *o, int steps)
{
    struct verify_case *c = &o->base;
    const float *loss = lab_initial(&c->lab, o->loss);
    const uint32_t *state = lab_initial(&c->lab, o->state);
    double sum = 0;
    for (int i = 0; i < o->rows; i++)
        sum += fabs((double)loss[i]);
    for (int step = 0; step < steps; step++) {
        uint32_t slot = (state[STATE_STEP] + (uint32_t)step) % STATE_RING_STEPS;
        o->state->bound[STATE_METRICS_RING + 2 * slot] =
            gamma_bound(o->rows + 6) * sum / o->rows + FP32_MIN_NORMAL;
    }
}

static void fill_state(struct optimizer_case *o)
{
    struct verify_context *k = o->base.check;
    uint32_t *state = lab_initial(&o->base.lab, o->state);
    for (size_t i = 0; i < o->state->count; i++)
        state[i] = lab_random_bits(&k->random);
    uint32_t step =
        (uint32_t)LAB_RANDOM_CHOICE(&k->random, 0, 1, 7, STATE_RING_STEPS - 2,
                                    STATE_RING_STEPS - 1, 5 * STATE_RING_STEPS - 1);
    float power1 = powf(o->optimizer.beta1, (float)step + 1);
    float power2 = powf(o->optimizer.beta2, (float)step + 1);
    float factor = o->exact ? 0.5f : lab_random_float(&k->random, 0.1f, 1);
    state[STATE_STEP] = step;
    state[STATE_RATE_COUNT] = 0;
    memcpy(&state[STATE_LEARNING_RATE], &o->rate, sizeof(o->rate));
    memcpy(&state[STATE_CLIP_FACTOR], &factor, sizeof(factor));
    memcpy(&state[STATE_BETA1_POWER], &power1, sizeof(power1));
    memcpy(&state[STATE_BETA2_POWER], &power2, sizeof(power2));
    memcpy(&state[STATE_NEXT_BETA1_POWER], &power1, sizeof(power1));
    memcpy(&state[STATE_NEXT_BETA2_POWER], &power2, sizeof(power2));
}

/* Overwrites what the step before used: it must not be read again. */
static void advance_beta_powers(struct optimizer_case *o)
{
    uint32_t *state = lab_initial(&o->base.lab, o->state);
    state[STATE_BETA1_POWER] = state[STATE_BETA2_POWER] = 0;
}

/* Some groups are frozen, some have no decay. */
static void fill_groups(struct optimizer_case *o)
{
    struct lab_random *random = &o->base.check->random;
    float *settings = lab_initial(&o->base.lab, o->settings);
    for (size_t i = 0; i < o->settings->count; i++) {
        float value = i % GROUP_SETTINGS == GROUP_RATE ? 0.5f : 0.25f;
        if (!o->exact)
            value = i % GROUP_SETTINGS == GROUP_RATE ? lab_random_float(random, 0.1f, 8)
                                                     : lab_random_float(random, 0, 0.1f);
        settings[i] = lab_random_bool(random, 30) ? 0 : value;
    }
    lab_fill_below(&o->base.lab, o->groups,
                   (unsigned)(o->settings->count / GROUP_SETTINGS));
}

static void fill(struct optimizer_case *o)
{
    struct verify_case *c = &o->base;
    struct lab_tensor *const tensors[] = {o->w, o->g, o->m};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        if (o->exact)
            lab_fill_integers(&c->lab, tensors[i], -5, 5);
        else
            lab_fill_uniform(&c->lab, tensors[i], -1, 1);
    lab_fill_uniform(&c->lab, o->v, 0, 1);
    if (lab_random_bool(&c->check->random, 30)) { /* as at the start of training */
        lab_fill_integers(&c->lab, o->m, 0, 0);
        lab_fill_integers(&c->lab, o->v, 0, 0);
    }
    if (o->exact)
        lab_fill_integers(&c->lab, o->loss, 0, 9);
    else
        lab_fill_uniform(&c->lab, o->loss, 0, 5);
    uint32_t *correct = lab_initial(&c->lab, o->correct);
    for (int i = 0; i < o->rows; i++)
        correct[i] = lab_random_bool(&c->check->random, 50);
    if (o->groups)
        fill_groups(o);
    fill_state(o);
}

static enum weft_status run_case(struct optimizer_case *o)
{
    struct verify_case *c = &o->base;
    const char *name = o->exact ? "integers" : "real";
    struct lab_tensor *all[] = {o->w, o->m, o->state, o->v, NULL};
    struct verify_run *update = case_add_run(c, "update", record_update, all);
    struct verify_run *step =
        case_add_run(c, "steps", record_step,
                     (struct lab_tensor *[]){o->w, o->m, o->state, o->x, o->v, NULL});
    step->replays = o->steps;
    WEFT_TRY(case_allocate(c));
    for (int i = 0; i < 2; i++) {
        bounds_zero(c);
        fill(o);
        if (!o->exact)
            bound_weights(o, 1);
        metrics_bound(o, 1);
        WEFT_TRY(run_and_compare(c, update, name));
        advance_beta_powers(o);
        if (!o->exact)
            bound_weights(o, o->steps);
        metrics_bound(o, o->steps);
        WEFT_TRY(run_and_compare(c, step, name));
    }
    return WEFT_OK;
}

static void random_geometry(struct optimizer_case *o, struct verify_context *k)
{
    struct weft_optimizer *p = &o->optimizer;
    p->kind = (enum weft_optimizer_kind)(k->number % (int)WEFT_ARRAY_SIZE(names));
    o->exact = p->kind == WEFT_OPTIMIZER_SGD && lab_random_bool(&k->random, 50);
    bool decays = lab_random_bool(&k->random, 50);
    p->nesterov = p->kind == WEFT_OPTIMIZER_SGD && lab_random_bool(&k->random, 50);
    p->momentum = (float)LAB_RANDOM_CHOICE(&k->random, 0, 1, 2) / 4;
    p->weight_decay = decays ? 0.25f : 0;
    o->rate = 0.25f;
    if (!o->exact) {
        p->momentum = lab_random_bool(&k->random, 20)
                          ? 0
                          : lab_random_float(&k->random, 0.5f, 0.99f);
        p->weight_decay = decays ? lab_random_float(&k->random, 1e-4f, 0.1f) : 0;
        o->rate = lab_random_float(&k->random, 1e-4f, 0.1f);
    }
    p->beta1 = lab_random_bool(&k->random, 50)
                   ? 0.9f
                   : lab_random_float(&k->random, 0.5f, 0.95f);
    p->beta2 = lab_random_bool(&k->random, 50)
                   ? 0.999f
                   : lab_random_float(&k->random, 0.9f, 0.999f);
    p->epsilon = lab_random_bool(&k->random, 50) ? 1e-8f : 1e-3f;
    p->clip = lab_random_bool(&k->random, 30) ? 1 : 0; /* the state's factor is used */
    p->learning_rate = 12345;                          /* the state's is used */
    o->steps = o->exact ? 3 : lab_random_int(&k->random, 2, 5);
    o->loss_scale_log2 = lab_random_bool(&k->random, 50)
                             ? 0
                             : lab_random_int(&k->random, 1, o->exact ? 2 : 16);
}

static enum weft_status verify_optimizer_case(struct verify_context *k)
{
    struct optimizer_case o = {0};
    struct verify_case *c = &o.base;
    const struct weft_optimizer *p = &o.optimizer;
    random_geometry(&o, k);
    bool small = k->params->tiny_shapes;
    int n = small ? lab_random_int(&k->random, 1, 70)
                  : LAB_RANDOM_CHOICE(&k->random, 1, 3, 4, 5, 13, 17, 33, 65, 257, 1001,
                                      4099, 10007);
    o.rows = small ? lab_random_int(&k->random, 1, 33)
                   : LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 13, 17, 33, 64, 65, 257,
                                       513, 1001);

    int groups = LAB_RANDOM_CHOICE(&k->random, 0, 0, 1, 3, 16);

    case_init(c, k);
    case_describe(
        c,
        " %s, %d weights, rate %.9g, momentum %.9g%s, betas %.9g %.9g, epsilon "
        "%.9g, decay %.9g%s, %d groups, gradients times 2^%d, %d rows, %d steps",
        names[p->kind], n, (double)o.rate, (double)p->momentum,
        p->nesterov ? " nesterov" : "", (double)p->beta1, (double)p->beta2,
        (double)p->epsilon, (double)p->weight_decay, p->clip > 0 ? ", clipped" : "",
        groups, o.loss_scale_log2, o.rows, o.steps);
    o.state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    o.w = lab_add_tensor(&c->lab, "w", LAB_FLOAT, 1, 1, 1, n);
    o.g = lab_add_tensor(&c->lab, "g", LAB_FLOAT, 1, 1, 1, n);
    o.m = lab_add_tensor(&c->lab, "m", LAB_FLOAT, 1, 1, 1, n);
    if (p->kind != WEFT_OPTIMIZER_SGD)
        o.v = lab_add_tensor(&c->lab, "v", LAB_FLOAT, 1, 1, 1, n);
    if (groups) {
        o.groups = lab_add_tensor(&c->lab, "groups", LAB_INT32, 1, 1, 1,
                                  (n + GROUP_WEIGHTS - 1) / GROUP_WEIGHTS);
        o.settings = lab_add_tensor(&c->lab, "settings", LAB_FLOAT, 1, 1, 1,
                                    GROUP_SETTINGS * groups);
    }
    o.loss = lab_add_tensor(&c->lab, "loss", LAB_FLOAT, 1, 1, 1, o.rows);
    o.correct = lab_add_tensor(&c->lab, "correct", LAB_INT32, 1, 1, 1, o.rows);
    o.byte = lab_add_tensor(&c->lab, "byte", LAB_BYTE, 1, 1, 1, 1);
    o.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, 1, 1, 1, 1);
    struct lab_tensor *const updated[] = {o.state, o.w, o.m, o.v};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(updated); i++)
        if (updated[i])
            updated[i]->is_in_out = true;
    enum weft_status status = run_case(&o);
    case_finish(c);
    return status;
}

const struct verify_check verify_optimizer_step = {"optimizer", verify_optimizer_case};
