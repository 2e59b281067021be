/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of dropout. */
#include "verify/verify.h"

#include <math.h>

struct dropout_case {
    struct verify_case base;
    float rate;
    unsigned layer;
    struct lab_tensor *state, *x, *y;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct dropout_case *d = (const struct dropout_case *)c;
    const struct weft_dropout_args args = {.rate = d->rate,
                                           .layer = d->layer,
                                           .state = lab_view(&c->lab, d->state, side),
                                           .x = lab_view(&c->lab, d->x, side),
                                           .y = lab_view(&c->lab, d->y, side)};
    return list->primitives->dropout(list, &args);
}

/* The dropped elements depend on the state alone and have a bound of zero; the others
 * have the bound of a scaled x. */
static void set_bounds(struct dropout_case *d)
{
    const float *x = lab_initial(&d->base.lab, d->x);
    const uint32_t *state = lab_initial(&d->base.lab, d->state);
    double fallen = floor(DROPOUT_LEVELS * (double)d->rate + 0.5),
           kept = 1 - fallen / DROPOUT_LEVELS;
    for (size_t i = 0; i < d->x->count; i++) {
        uint32_t number =
            weft_dropout_bits(state[STATE_SEED_LOW], state[STATE_SEED_HIGH], (uint32_t)i,
                              state[STATE_STEP], d->layer + (state[STATE_PART] << 16));
        d->y->bound[i] =
            number < fallen ? 0 : 3 * FP32_EPSILON * fabs((double)x[i] / kept);
    }
}

static enum weft_status run_case(struct dropout_case *d, bool exact)
{
    struct verify_case *c = &d->base;
    struct verify_run *run =
        case_add_run(c, "forward", record, (struct lab_tensor *[]){d->y, NULL});
    WEFT_TRY(case_allocate(c));
    uint32_t *state = lab_initial(&c->lab, d->state);
    for (size_t i = 0; i < d->state->count; i++)
        state[i] = lab_random_bits(&c->check->random);
    bounds_zero(c);
    lab_fill_integers(&c->lab, d->x, 1, 9);
    if (!exact)
        set_bounds(d);
    WEFT_TRY(run_and_compare(c, run, "integers"));
    lab_fill_uniform(&c->lab, d->x, -1, 1);
    if (!exact)
        set_bounds(d);
    return run_and_compare(c, run, "real");
}

static enum weft_status verify_dropout_case(struct verify_context *k)
{
    struct dropout_case d = {.layer = (unsigned)lab_random_int(&k->random, 0, 9)};
    struct verify_case *c = &d.base;
    int n = k->params->tiny_shapes
                ? lab_random_int(&k->random, 1, 70)
                : LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 13, 17, 33, 65, 257,
                                    1001, 4099, 10007);
    bool exact = lab_random_bool(&k->random, 50),
         in_place = lab_random_bool(&k->random, 30);
    /* 1 / (1 - rate) is a power of two. */
    d.rate = exact ? 1.0f - 1.0f / (float)LAB_RANDOM_CHOICE(&k->random, 1, 2, 4, 8)
                   : lab_random_float(&k->random, 0.01f, 0.9f);

    case_init(c, k);
    case_describe(c, " rate %.9g, layer %u, n=%d%s", (double)d.rate, d.layer, n,
                  in_place ? ", y is x" : "");
    d.state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    d.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, 1, 1, 1, n);
    d.y = in_place ? d.x : lab_add_tensor(&c->lab, "y", LAB_FLOAT, 1, 1, 1, n);
    d.y->is_in_out = in_place;
    /* A few elements may all be dropped. */
    d.y->may_be_zero = n < 256;
    tensor_set_fp16(c, d.x, 75);
    if (!in_place)
        tensor_set_fp16(c, d.y, 75);
    enum weft_status status = run_case(&d, exact);
    case_finish(c);
    return status;
}

const struct verify_check verify_dropout = {"dropout", verify_dropout_case, true};
