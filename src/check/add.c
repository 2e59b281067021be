/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the sum of two tensors: with an activation, as a network has it, and with a
 * gate, as the parts of a gradient are summed. */
#include "check.h"

#include <math.h>
#include <string.h>

struct add_case {
    struct check_case base;
    struct weft_activation activation, gate;
    struct check_tensor *x, *other, *y;
    struct check_tensor *dy, *part, *output, *sum; /* output is absent without a gate */
};

static enum weft_status record_forward(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct add_case *a = (const struct add_case *)c;
    const struct weft_add_args args = {.activation = a->activation,
                                       .x = check_view(c, a->x, side),
                                       .other = check_view(c, a->other, side),
                                       .y = check_view(c, a->y, side)};
    return list->device->backend->add(list, &args);
}

static enum weft_status record_doubled(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct add_case *a = (const struct add_case *)c;
    const struct weft_add_args args = {.x = check_view(c, a->x, side),
                                       .other = check_view(c, a->x, side),
                                       .y = check_view(c, a->y, side)};
    return list->device->backend->add(list, &args);
}

static enum weft_status record_gated(const struct check_case *c, enum check_side side,
                                     struct weft_list *list)
{
    const struct add_case *a = (const struct add_case *)c;
    const struct weft_add_args args = {.gate = {a->gate, check_view(c, a->output, side)},
                                       .x = check_view(c, a->dy, side),
                                       .other = check_view(c, a->part, side),
                                       .y = check_view(c, a->sum, side)};
    return list->device->backend->add(list, &args);
}

struct runs {
    struct check_run *forward, *doubled, *gated;
};

/* A sum rounds once; that of integers, and of a number with itself, not at all. */
static void set_bounds(struct add_case *a, bool integers)
{
    const struct check_case *c = &a->base;
    const float *x = check_image(c, a->x), *other = check_image(c, a->other);
    const float *dy = check_image(c, a->dy), *part = check_image(c, a->part);
    const float *output = a->output ? check_image(c, a->output) : NULL;
    for (size_t i = 0; i < a->x->count; i++) {
        double sum = (double)x[i] + (double)other[i], size = fabs(sum);
        double value = check_act_value(a->activation, sum);
        bool exact = integers && check_act_is_exact(a->activation);
        a->y->bound[i] = check_act_bound(a->activation, size,
                                         integers ? 0 : CHECK_UNIT * size, value) +
                         (exact ? 0 : CHECK_UNIT * fabs(value));
        double slope = output ? fabs(check_act_slope(a->gate, 0, (double)output[i])) : 1;
        a->sum->bound[i] = integers ? 0
                                    : fabs((double)dy[i] + (double)part[i]) * CHECK_UNIT *
                                          (2 * slope + (output ? 4 : 0));
    }
}

static void fill(struct add_case *a, bool integers)
{
    struct check_case *c = &a->base;
    struct check_tensor *const tensors[] = {a->x, a->other, a->dy, a->part};
    check_exact(c);
    for (size_t i = 0; i < WEFT_COUNT(tensors); i++)
        if (integers)
            check_integers(c, tensors[i], -9, 9);
        else
            check_reals(c, tensors[i], -4, 4);
    check_act_outputs(c, a->output, a->gate, integers);
}

/* y = x + x, where x may be the output of the gate's activation: each of the two reads
 * gives dy. */
static enum weft_status check_gradient(struct add_case *a, struct runs *r)
{
    struct check_case *c = &a->base;
    struct check_slope slope = {.what = "of both",
                                .forward = r->doubled,
                                .backward = r->gated,
                                .input = a->x,
                                .output = a->y,
                                .gradient = a->sum,
                                .coefficients = a->dy,
                                .gate = a->output,
                                .activation = a->gate,
                                .step = 0.125};
    fill(a, true);
    /* No kink between the points. */
    float *x = check_image(c, a->x);
    for (size_t i = 0; i < a->x->count; i++)
        x[i] += x[i] < 0 ? -1.0f : 1.0f;
    if (a->output && !check_act_is_exact(a->gate)) {
        check_reals(c, a->x, -1, 1);
        slope.step = 0x1p-6;
        slope.tolerance = 1e-3;
    }
    memcpy(check_image(c, a->part), check_image(c, a->dy), a->dy->count * sizeof(float));
    return check_slope(c, &slope, CHECK_REFERENCE);
}

static enum weft_status run_case(struct add_case *a, bool in_place)
{
    struct check_case *c = &a->base;
    struct runs r;
    struct check_tensor *y[] = {a->y, NULL}, *sum[] = {a->sum, NULL};
    r.forward = check_run_add(c, "forward", record_forward, y);
    r.doubled = check_run_add(c, "doubled", record_doubled, y);
    r.gated = check_run_add(c, "gated", record_gated, sum);
    WEFT_TRY(check_case_place(c));
    for (int integers = 1; integers >= 0; integers--) {
        const char *name = integers ? "integers" : "real";
        fill(a, integers);
        if (!check_halves(c->check))
            WEFT_TRY(check_compare(c, r.doubled, name));
        set_bounds(a, integers);
        WEFT_TRY(check_compare(c, r.forward, name));
        WEFT_TRY(check_compare(c, r.gated, name));
    }
    return in_place || check_halves(c->check) ? WEFT_OK : check_gradient(a, &r);
}

static enum weft_status run(struct check *k)
{
    struct add_case a = {.activation = check_act_draw(k, false),
                         .gate = check_act_draw(k, true)};
    struct check_case *c = &a.base;
    int n = k->params->small
                ? check_range(k, 1, 70)
                : CHECK_PICK(k, 1, 3, 4, 5, 13, 17, 31, 33, 65, 257, 1000, 4099, 10007);
    bool in_place = check_chance(k, 30);

    check_case_init(c, k);
    check_tell(c, " n=%d, %s slope %g, gate %s slope %g%s", n,
               weft_act_names[a.activation.act], (double)a.activation.slope,
               weft_act_names[a.gate.act], (double)a.gate.slope,
               in_place ? ", in place" : "");
    a.x = check_tensor_add(c, "x", CHECK_FLOAT, 1, 1, 1, n);
    a.other = check_tensor_add(c, "other", CHECK_FLOAT, 1, 1, 1, n);
    a.y = in_place ? a.x : check_tensor_add(c, "y", CHECK_FLOAT, 1, 1, 1, n);
    a.dy = check_tensor_add(c, "dy", CHECK_FLOAT, 1, 1, 1, n);
    a.part = check_tensor_add(c, "part", CHECK_FLOAT, 1, 1, 1, n);
    a.sum = in_place ? a.part : check_tensor_add(c, "sum", CHECK_FLOAT, 1, 1, 1, n);
    if (a.gate.act != WEFT_ACT_identity)
        a.output = check_tensor_add(c, "output", CHECK_FLOAT, 1, 1, 1, n);
    a.y->updated = a.sum->updated = in_place;
    check_store(c, a.x, 75);
    check_store(c, a.other, 75);
    check_store(c, a.dy, 75);
    check_store(c, a.part, 75);
    check_store(c, a.output, 75);
    if (!in_place) {
        check_store(c, a.y, 75);
        check_store(c, a.sum, 75);
    }
    enum weft_status status = run_case(&a, in_place);
    check_case_finish(c);
    return status;
}

const struct check_op check_add = {"add", run, true};
