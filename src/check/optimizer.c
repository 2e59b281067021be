/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the optimizers and of the account of a step, several steps in a row. */
#include "check.h"

#include <math.h>
#include <string.h>

struct optimizer_case {
    struct check_case base;
    struct weft_optimizer optimizer;
    bool exact; /* powers of two, so that small integers stay exact */
    int rows, steps, exponent;
    float rate;
    struct check_tensor *state, *w, *g, *m, *v, *loss, *hit, *byte, *x;
};

static const char *const names[] = {
    [WEFT_OPTIMIZER_SGD] = "sgd",
    [WEFT_OPTIMIZER_ADAM] = "adam",
    [WEFT_OPTIMIZER_ADAMW] = "adamw",
};

static enum weft_status record_update(const struct check_case *c, enum check_side side,
                                      struct weft_list *list)
{
    const struct optimizer_case *o = (const struct optimizer_case *)c;
    const struct weft_update_args args = {.optimizer = o->optimizer,
                                          .exponent = o->exponent,
                                          .state = check_view(c, o->state, side),
                                          .w = check_view(c, o->w, side),
                                          .g = check_view(c, o->g, side),
                                          .m = check_view(c, o->m, side),
                                          .v = check_view(c, o->v, side),
                                          .n = o->rows,
                                          .loss = check_view(c, o->loss, side),
                                          .hit = check_view(c, o->hit, side)};
    return list->device->backend->update(list, &args);
}

/* A batch of one byte: what begins a step hands the powers on. */
static enum weft_status record_step(const struct check_case *c, enum check_side side,
                                    struct weft_list *list)
{
    const struct optimizer_case *o = (const struct optimizer_case *)c;
    const struct weft_input_args args = {.n = 1,
                                         .count = 1,
                                         .pixels = 1,
                                         .channels = 1,
                                         .steps_per_epoch = 1,
                                         .state = check_view(c, o->state, side),
                                         .bytes = check_view(c, o->byte, side),
                                         .x = check_view(c, o->x, side)};
    WEFT_TRY(list->device->backend->input(list, &args));
    return record_update(c, side, list);
}

/* One weight, with what rounding may have done to each number so far: the formulas of
 * weft/net.h in double beside their running error bounds. ROUND is two units, one for
 * each side. */
struct weight {
    double w, g, m, v, w_off, m_off, v_off;
};
static const double ROUND = 2 * CHECK_UNIT;

static void step_sgd(const struct optimizer_case *o, struct weight *a)
{
    double momentum = (double)o->optimizer.momentum, decay = (double)o->optimizer.decay;
    double rate = (double)o->rate;
    double g = a->g + decay * a->w;
    double g_off = decay * a->w_off + ROUND * (fabs(decay * a->w) + fabs(g));
    double kept = momentum * a->m;
    a->m = kept + g;
    a->m_off = momentum * a->m_off + g_off + ROUND * (fabs(kept) + fabs(a->m));
    double move = a->m, move_off = a->m_off;
    if (o->optimizer.nesterov) {
        move = g + momentum * a->m;
        move_off =
            g_off + momentum * a->m_off + ROUND * (fabs(momentum * a->m) + fabs(move));
    }
    a->w -= rate * move;
    a->w_off += rate * move_off + ROUND * (fabs(rate * move) + fabs(a->w));
}

static void step_adam(const struct optimizer_case *o, struct weight *a, double power1,
                      double power2)
{
    const struct weft_optimizer *p = &o->optimizer;
    double beta1 = (double)p->beta1, beta2 = (double)p->beta2, rate = (double)o->rate;
    double decay = (double)p->decay, apart = 0, g = a->g, g_off = 0;
    if (p->kind == WEFT_OPTIMIZER_ADAMW)
        apart = decay;
    else {
        g += decay * a->w;
        g_off = decay * a->w_off + ROUND * (fabs(decay * a->w) + fabs(g));
    }
    double kept = beta1 * a->m, fresh = (1 - beta1) * g;
    a->m = kept + fresh;
    a->m_off =
        beta1 * a->m_off + (1 - beta1) * g_off + 3 * ROUND * (fabs(kept) + fabs(fresh));
    a->v = beta2 * a->v + (1 - beta2) * g * g;
    a->v_off =
        beta2 * a->v_off + (1 - beta2) * (2 * fabs(g) + g_off) * g_off + 4 * ROUND * a->v;
    double mean = a->m / (1 - power1), root = sqrt(a->v / (1 - power2));
    double root_low = sqrt(fmax(a->v - a->v_off, 0) / (1 - power2));
    double low = root_low + (double)p->epsilon, move = mean / (root + (double)p->epsilon);
    double move_off = a->m_off / (1 - power1) / low +
                      fabs(mean) / low * (root - root_low) / low +
                      16 * ROUND * fabs(mean) / low;
    double before = fabs(a->w);
    a->w -= rate * (move + apart * a->w);
    a->w_off += rate * (move_off + apart * a->w_off) +
                2 * ROUND * (rate * (fabs(move) + apart * before) + before + fabs(a->w));
}

static void bound_weights(struct optimizer_case *o, int steps)
{
    struct check_case *c = &o->base;
    const float *w = check_image(c, o->w), *g = check_image(c, o->g);
    const float *m = check_image(c, o->m), *v = o->v ? check_image(c, o->v) : NULL;
    const uint32_t *state = check_image(c, o->state);
    for (size_t i = 0; i < o->w->count; i++) {
        struct weight a = {.w = (double)w[i],
                           .g = ldexp((double)g[i], -o->exponent),
                           .m = (double)m[i],
                           .v = v ? (double)v[i] : 0};
        float power1, power2;
        memcpy(&power1, &state[STATE_NEXT_BETA1_POWER], sizeof(power1));
        memcpy(&power2, &state[STATE_NEXT_BETA2_POWER], sizeof(power2));
        for (int step = 0; step < steps; step++) {
            if (o->v)
                step_adam(o, &a, (double)power1, (double)power2);
            else
                step_sgd(o, &a);
            power1 *= o->optimizer.beta1;
            power2 *= o->optimizer.beta2;
        }
        o->w->bound[i] = a.w_off + CHECK_TINY;
        o->m->bound[i] = a.m_off + CHECK_TINY;
        if (o->v)
            o->v->bound[i] = a.v_off + CHECK_TINY;
    }
}

/* The ring's means: sums of rows in any order. All else in the state is exact. */
static void bound_ring(struct optimizer_case *o, int steps)
{
    struct check_case *c = &o->base;
    const float *loss = check_image(c, o->loss);
    const uint32_t *state = check_image(c, o->state);
    double sum = 0;
    for (int i = 0; i < o->rows; i++)
        sum += fabs((double)loss[i]);
    for (int step = 0; step < steps; step++) {
        uint32_t slot = (state[STATE_STEP] + (uint32_t)step) % STATE_RING_STEPS;
        o->state->bound[STATE_RING + 2 * slot] =
            check_gamma(o->rows + 6) * sum / o->rows + CHECK_TINY;
    }
}

static void fill_state(struct optimizer_case *o)
{
    struct check *k = o->base.check;
    uint32_t *state = check_image(&o->base, o->state);
    for (size_t i = 0; i < o->state->count; i++)
        state[i] = check_bits(k);
    uint32_t step = (uint32_t)CHECK_PICK(k, 0, 1, 7, STATE_RING_STEPS - 2,
                                         STATE_RING_STEPS - 1, 5 * STATE_RING_STEPS - 1);
    float power1 = powf(o->optimizer.beta1, (float)step + 1);
    float power2 = powf(o->optimizer.beta2, (float)step + 1);
    state[STATE_STEP] = step;
    memcpy(&state[STATE_RATE], &o->rate, sizeof(o->rate));
    memcpy(&state[STATE_BETA1_POWER], &power1, sizeof(power1));
    memcpy(&state[STATE_BETA2_POWER], &power2, sizeof(power2));
    memcpy(&state[STATE_NEXT_BETA1_POWER], &power1, sizeof(power1));
    memcpy(&state[STATE_NEXT_BETA2_POWER], &power2, sizeof(power2));
}

/* What the step before used: nobody may use it again. */
static void age_powers(struct optimizer_case *o)
{
    uint32_t *state = check_image(&o->base, o->state);
    state[STATE_BETA1_POWER] = state[STATE_BETA2_POWER] = 0;
}

static void fill(struct optimizer_case *o)
{
    struct check_case *c = &o->base;
    struct check_tensor *const tensors[] = {o->w, o->g, o->m};
    for (size_t i = 0; i < WEFT_COUNT(tensors); i++)
        if (o->exact)
            check_integers(c, tensors[i], -5, 5);
        else
            check_reals(c, tensors[i], -1, 1);
    check_reals(c, o->v, 0, 1);
    if (check_chance(c->check, 30)) { /* as a training begins */
        check_integers(c, o->m, 0, 0);
        check_integers(c, o->v, 0, 0);
    }
    if (o->exact)
        check_integers(c, o->loss, 0, 9);
    else
        check_reals(c, o->loss, 0, 5);
    uint32_t *hit = check_image(c, o->hit);
    for (int i = 0; i < o->rows; i++)
        hit[i] = check_chance(c->check, 50);
    fill_state(o);
}

static enum weft_status run_case(struct optimizer_case *o)
{
    struct check_case *c = &o->base;
    const char *name = o->exact ? "integers" : "real";
    struct check_tensor *all[] = {o->w, o->m, o->state, o->v, NULL};
    struct check_run *update = check_run_add(c, "update", record_update, all);
    struct check_run *step =
        check_run_add(c, "steps", record_step,
                      (struct check_tensor *[]){o->w, o->m, o->state, o->x, o->v, NULL});
    step->replays = o->steps;
    WEFT_TRY(check_case_place(c));
    for (int i = 0; i < 2; i++) {
        check_exact(c);
        fill(o);
        if (!o->exact)
            bound_weights(o, 1);
        bound_ring(o, 1);
        WEFT_TRY(check_compare(c, update, name));
        age_powers(o);
        if (!o->exact)
            bound_weights(o, o->steps);
        bound_ring(o, o->steps);
        WEFT_TRY(check_compare(c, step, name));
    }
    return WEFT_OK;
}

static void draw(struct optimizer_case *o, struct check *k)
{
    struct weft_optimizer *p = &o->optimizer;
    p->kind = (enum weft_optimizer_kind)(k->number % (int)WEFT_COUNT(names));
    o->exact = p->kind == WEFT_OPTIMIZER_SGD && check_chance(k, 50);
    bool decays = check_chance(k, 50);
    p->nesterov = p->kind == WEFT_OPTIMIZER_SGD && check_chance(k, 50);
    p->momentum = (float)CHECK_PICK(k, 0, 1, 2) / 4;
    p->decay = decays ? 0.25f : 0;
    o->rate = 0.25f;
    if (!o->exact) {
        p->momentum = check_chance(k, 20) ? 0 : check_real(k, 0.5f, 0.99f);
        p->decay = decays ? check_real(k, 1e-4f, 0.1f) : 0;
        o->rate = check_real(k, 1e-4f, 0.1f);
    }
    p->beta1 = check_chance(k, 50) ? 0.9f : check_real(k, 0.5f, 0.95f);
    p->beta2 = check_chance(k, 50) ? 0.999f : check_real(k, 0.9f, 0.999f);
    p->epsilon = check_chance(k, 50) ? 1e-8f : 1e-3f;
    p->rate = 12345; /* the state's counts */
    o->steps = o->exact ? 3 : check_range(k, 2, 5);
    o->exponent = check_chance(k, 50) ? 0 : check_range(k, 1, o->exact ? 2 : 16);
}

static enum weft_status run(struct check *k)
{
    struct optimizer_case o = {0};
    struct check_case *c = &o.base;
    const struct weft_optimizer *p = &o.optimizer;
    draw(&o, k);
    bool small = k->params->small;
    int n = small ? check_range(k, 1, 70)
                  : CHECK_PICK(k, 1, 3, 4, 5, 13, 17, 33, 65, 257, 1001, 4099, 10007);
    o.rows = small ? check_range(k, 1, 33)
                   : CHECK_PICK(k, 1, 2, 3, 5, 13, 17, 33, 64, 65, 257, 513, 1001);

    check_case_init(c, k);
    check_tell(c,
               " %s, %d weights, rate %.9g, momentum %.9g%s, betas %.9g %.9g, epsilon "
               "%.9g, decay %.9g, gradients times 2^%d, %d rows, %d steps",
               names[p->kind], n, (double)o.rate, (double)p->momentum,
               p->nesterov ? " nesterov" : "", (double)p->beta1, (double)p->beta2,
               (double)p->epsilon, (double)p->decay, o.exponent, o.rows, o.steps);
    o.state = check_tensor_add(c, "state", CHECK_WORD, 1, 1, 1, STATE_WORDS);
    o.w = check_tensor_add(c, "w", CHECK_FLOAT, 1, 1, 1, n);
    o.g = check_tensor_add(c, "g", CHECK_FLOAT, 1, 1, 1, n);
    o.m = check_tensor_add(c, "m", CHECK_FLOAT, 1, 1, 1, n);
    if (p->kind != WEFT_OPTIMIZER_SGD)
        o.v = check_tensor_add(c, "v", CHECK_FLOAT, 1, 1, 1, n);
    o.loss = check_tensor_add(c, "loss", CHECK_FLOAT, 1, 1, 1, o.rows);
    o.hit = check_tensor_add(c, "hit", CHECK_WORD, 1, 1, 1, o.rows);
    o.byte = check_tensor_add(c, "byte", CHECK_BYTE, 1, 1, 1, 1);
    o.x = check_tensor_add(c, "x", CHECK_FLOAT, 1, 1, 1, 1);
    struct check_tensor *const updated[] = {o.state, o.w, o.m, o.v};
    for (size_t i = 0; i < WEFT_COUNT(updated); i++)
        if (updated[i])
            updated[i]->updated = true;
    enum weft_status status = run_case(&o);
    check_case_finish(c);
    return status;
}

const struct check_op check_optimizer = {"optimizer", run};
