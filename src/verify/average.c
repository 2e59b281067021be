/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the moving average of weights, and of lookahead. */
#include "verify/optimizer_bound.h"

struct average_case {
    struct verify_case base;
    struct weft_average_args args; /* without views */
    struct lab_tensor *state, *w, *average;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct average_case *v = (const struct average_case *)c;
    struct weft_average_args args = v->args;
    args.state = lab_view(&c->lab, v->state, side);
    args.w = lab_view(&c->lab, v->w, side);
    args.average = lab_view(&c->lab, v->average, side);
    return list->primitives->average(list, &args);
}

static void fill(struct average_case *v, bool exact)
{
    struct verify_case *c = &v->base;
    uint32_t *state = lab_initial(&c->lab, v->state);
    for (size_t i = 0; i < v->state->count; i++)
        state[i] = lab_random_bits(&c->check->random);
    int updates = lab_random_int(&c->check->random, 1, 2000);
    /* A third of 9 + 3 is kept: a quarter. */
    state[STATE_STEP] = (uint32_t)((exact ? 3 : updates) * v->args.every);
    if (exact) {
        lab_fill_integers(&c->lab, v->w, -9, 9);
        lab_fill_integers(&c->lab, v->average, -9, 9);
        return;
    }
    lab_fill_uniform(&c->lab, v->w, -1, 1);
    lab_fill_uniform(&c->lab, v->average, -1, 1);
    const float *w = lab_initial(&c->lab, v->w);
    const float *average = lab_initial(&c->lab, v->average);
    for (size_t i = 0; i < v->w->count; i++) {
        average_of(&v->args, state[STATE_STEP], (double)w[i], (double)average[i],
                   &v->average->bound[i]);
        v->w->bound[i] = v->args.steps ? v->average->bound[i] : 0;
    }
}

static enum weft_status verify_average_case(struct verify_context *k)
{
    struct average_case v = {0};
    struct verify_case *c = &v.base;
    int n = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 70)
                                   : LAB_RANDOM_CHOICE(&k->random, 1, 3, 5, 13, 17, 31,
                                                       33, 257, 4099, 10007);
    bool lookahead = lab_random_bool(&k->random, 50);
    v.args.every = LAB_RANDOM_CHOICE(&k->random, 1, 2, 5);
    v.args.decay = lab_random_float(&k->random, 0.5f, 0.9999f);
    v.args.steps = lookahead ? lab_random_int(&k->random, 1, 9000) : 0;
    case_init(c, k);
    case_describe(c, " %s, decay %.9g, every %d, %d steps, n=%d",
                  lookahead ? "lookahead" : "moving average", (double)v.args.decay,
                  v.args.every, v.args.steps, n);
    v.state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    v.w = lab_add_tensor(&c->lab, "w", LAB_FLOAT, 1, 1, 1, n);
    v.average = lab_add_tensor(&c->lab, "average", LAB_FLOAT, 1, 1, 1, n);
    v.w->is_in_out = v.average->is_in_out = true;
    struct verify_run *run =
        case_add_run(c, "update", record, (struct lab_tensor *[]){v.average, v.w, NULL});
    enum weft_status status = case_allocate(c);
    for (int i = 0; i < 2 && !status; i++) {
        bool exact = i == 0 && !lookahead;
        bounds_zero(c);
        fill(&v, exact);
        status = run_and_compare(c, run, exact ? "integers" : "real");
    }
    case_finish(c);
    return status;
}

const struct verify_check verify_average = {"average", verify_average_case};
