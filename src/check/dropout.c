/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of dropout. */
#include "check.h"

#include <math.h>

struct dropout_case {
    struct check_case base;
    float rate;
    unsigned layer;
    struct check_tensor *state, *x, *y;
};

static enum weft_status record(const struct check_case *c, enum check_side side,
                               struct weft_list *list)
{
    const struct dropout_case *d = (const struct dropout_case *)c;
    const struct weft_dropout_args args = {.rate = d->rate,
                                           .layer = d->layer,
                                           .state = check_view(c, d->state, side),
                                           .x = check_view(c, d->x, side),
                                           .y = check_view(c, d->y, side)};
    return list->device->backend->dropout(list, &args);
}

/* What is dropped depends on the state alone, so the bound is zero there: bound what x
 * becomes where it is kept. */
static void set_bounds(struct dropout_case *d)
{
    const float *x = check_image(&d->base, d->x);
    const uint32_t *state = check_image(&d->base, d->state);
    double fallen = floor(65536 * (double)d->rate + 0.5), kept = 1 - fallen / 65536;
    for (size_t i = 0; i < d->x->count; i++) {
        uint32_t number =
            weft_dropout_number(state[STATE_SEED_LOW], state[STATE_SEED_HIGH],
                                (uint32_t)i, state[STATE_STEP], d->layer);
        d->y->bound[i] = number < fallen ? 0 : 3 * CHECK_ULP * fabs((double)x[i] / kept);
    }
}

static enum weft_status run_case(struct dropout_case *d, bool exact)
{
    struct check_case *c = &d->base;
    struct check_run *run =
        check_run_add(c, "forward", record, (struct check_tensor *[]){d->y, NULL});
    WEFT_TRY(check_case_place(c));
    uint32_t *state = check_image(c, d->state);
    for (size_t i = 0; i < d->state->count; i++)
        state[i] = check_bits(c->check);
    check_exact(c);
    check_integers(c, d->x, 1, 9);
    if (!exact)
        set_bounds(d);
    WEFT_TRY(check_compare(c, run, "integers"));
    check_reals(c, d->x, -1, 1);
    if (!exact)
        set_bounds(d);
    return check_compare(c, run, "real");
}

static enum weft_status run(struct check *k)
{
    struct dropout_case d = {.layer = (unsigned)check_range(k, 0, 9)};
    struct check_case *c = &d.base;
    int n = k->params->small
                ? check_range(k, 1, 70)
                : CHECK_PICK(k, 1, 2, 3, 4, 5, 7, 13, 17, 33, 65, 257, 1001, 4099, 10007);
    bool exact = check_chance(k, 50), in_place = check_chance(k, 30);
    /* 1 / (1 - rate) is a power of two. */
    d.rate = exact ? 1.0f - 1.0f / (float)CHECK_PICK(k, 1, 2, 4, 8)
                   : check_real(k, 0.01f, 0.9f);

    check_case_init(c, k);
    check_tell(c, " rate %.9g, layer %u, n=%d%s", (double)d.rate, d.layer, n,
               in_place ? ", y is x" : "");
    d.state = check_tensor_add(c, "state", CHECK_WORD, 1, 1, 1, STATE_WORDS);
    d.x = check_tensor_add(c, "x", CHECK_FLOAT, 1, 1, 1, n);
    d.y = in_place ? d.x : check_tensor_add(c, "y", CHECK_FLOAT, 1, 1, 1, n);
    d.y->updated = in_place;
    /* Few numbers may all be dropped. */
    d.y->sparse = n < 256;
    check_store(c, d.x, 75);
    if (!in_place)
        check_store(c, d.y, 75);
    enum weft_status status = run_case(&d, exact);
    check_case_finish(c);
    return status;
}

const struct check_op check_dropout = {"dropout", run, true};
