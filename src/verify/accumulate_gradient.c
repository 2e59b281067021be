/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the sums of gradients over the parts of a batch. */
#include "shared/state.h"
#include "verify/verify.h"

#include <math.h>

struct accumulate_case {
    struct verify_case base;
    int n, parts;
    struct lab_tensor *state, *g, *sum, *loss, *correct, *all_loss, *all_correct;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct accumulate_case *v = (const struct accumulate_case *)c;
    const struct weft_accumulate_gradient_args args = {
        .n = v->n,
        .parts = v->parts,
        .state = lab_view(&c->lab, v->state, side),
        .g = lab_view(&c->lab, v->g, side),
        .sum = lab_view(&c->lab, v->sum, side),
        .loss = lab_view(&c->lab, v->loss, side),
        .correct = lab_view(&c->lab, v->correct, side),
        .all_loss = lab_view(&c->lab, v->all_loss, side),
        .all_correct = lab_view(&c->lab, v->all_correct, side),
    };
    return list->primitives->accumulate_gradient(list, &args);
}

/* The first part and a later one. */
static void fill(struct accumulate_case *v, bool first)
{
    struct verify_case *c = &v->base;
    struct lab_random *random = &c->check->random;
    uint32_t *state = lab_initial(&c->lab, v->state);
    for (size_t i = 0; i < v->state->count; i++)
        state[i] = lab_random_bits(random);
    state[STATE_PART] = first ? 0 : (uint32_t)lab_random_int(random, 1, v->parts - 1);
    lab_fill_uniform(&c->lab, v->g, -1, 1);
    lab_fill_uniform(&c->lab, v->sum, -1, 1);
    lab_fill_uniform(&c->lab, v->loss, 0, 9);
    lab_fill_uniform(&c->lab, v->all_loss, 0, 9);
    lab_fill_below(&c->lab, v->correct, 2);
    lab_fill_below(&c->lab, v->all_correct, 2);
}

static enum weft_status verify_accumulate_case(struct verify_context *k)
{
    struct accumulate_case v = {0};
    struct verify_case *c = &v.base;
    bool tiny = k->params->tiny_shapes;
    int count = tiny ? lab_random_int(&k->random, 1, 70)
                     : LAB_RANDOM_CHOICE(&k->random, 1, 3, 5, 13, 17, 33, 4099, 10007);
    v.n = lab_random_int(&k->random, 1, tiny ? 9 : 300);
    v.parts = lab_random_int(&k->random, 2, 5);
    case_init(c, k);
    case_describe(c, " %d gradients, %d parts of %d rows", count, v.parts, v.n);
    v.state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    v.g = lab_add_tensor(&c->lab, "g", LAB_FLOAT, 1, 1, 1, count);
    v.sum = lab_add_tensor(&c->lab, "sum", LAB_FLOAT, 1, 1, 1, count);
    v.loss = lab_add_tensor(&c->lab, "loss", LAB_FLOAT, 1, 1, 1, v.n);
    v.correct = lab_add_tensor(&c->lab, "correct", LAB_INT32, 1, 1, 1, v.n);
    v.all_loss = lab_add_tensor(&c->lab, "all losses", LAB_FLOAT, 1, 1, 1, v.n * v.parts);
    v.all_correct =
        lab_add_tensor(&c->lab, "all correct", LAB_INT32, 1, 1, 1, v.n * v.parts);
    struct lab_tensor *const outputs[] = {v.sum, v.all_loss, v.all_correct, v.state,
                                          NULL};
    for (int i = 0; outputs[i]; i++)
        outputs[i]->is_in_out = true;
    struct verify_run *run =
        case_add_run(c, "sum", record, (struct lab_tensor **)outputs);
    enum weft_status status = case_allocate(c);
    for (int i = 0; i < 2 && !status; i++) { /* one addition: exact */
        bounds_zero(c);
        fill(&v, i == 0);
        status = run_and_compare(c, run, i ? "later part" : "first part");
    }
    case_finish(c);
    return status;
}

const struct verify_check verify_accumulate_gradient = {"accumulate-gradient",
                                                        verify_accumulate_case};
