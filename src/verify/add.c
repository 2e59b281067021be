/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the sum of two tensors: with an activation, as in a network, and with a fused
 * activation gradient, as in gradient accumulation. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct add_case {
    struct verify_case base;
    struct weft_activation activation, upstream_activation;
    struct lab_tensor *x, *other, *y;
    struct lab_tensor *dy, *part, *output,
        *sum; /* output: absent without an activation */
};

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct add_case *a = (const struct add_case *)c;
    const struct weft_add_args args = {.activation = a->activation,
                                       .x = lab_view(&c->lab, a->x, side),
                                       .other = lab_view(&c->lab, a->other, side),
                                       .y = lab_view(&c->lab, a->y, side)};
    return list->primitives->add(list, &args);
}

static enum weft_status record_doubled(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct add_case *a = (const struct add_case *)c;
    const struct weft_add_args args = {.x = lab_view(&c->lab, a->x, side),
                                       .other = lab_view(&c->lab, a->x, side),
                                       .y = lab_view(&c->lab, a->y, side)};
    return list->primitives->add(list, &args);
}

static enum weft_status record_act_grad(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct add_case *a = (const struct add_case *)c;
    const struct weft_add_args args = {
        .act_grad = {a->upstream_activation, lab_view(&c->lab, a->output, side)},
        .x = lab_view(&c->lab, a->dy, side),
        .other = lab_view(&c->lab, a->part, side),
        .y = lab_view(&c->lab, a->sum, side)};
    return list->primitives->add(list, &args);
}

struct add_runs {
    struct verify_run *forward, *doubled, *act_grad;
};

/* A sum rounds once; a sum of integers or of a number with itself is exact. */
static void set_bounds(struct add_case *a, bool integers)
{
    const struct verify_case *c = &a->base;
    const float *x = lab_initial(&c->lab, a->x), *other = lab_initial(&c->lab, a->other);
    const float *dy = lab_initial(&c->lab, a->dy), *part = lab_initial(&c->lab, a->part);
    const float *output = a->output ? lab_initial(&c->lab, a->output) : NULL;
    for (size_t i = 0; i < a->x->count; i++) {
        double sum = (double)x[i] + (double)other[i], size = fabs(sum);
        double value = act_reference(a->activation, sum);
        bool exact = integers && act_is_exact(a->activation);
        a->y->bound[i] =
            act_error_bound(a->activation, size, integers ? 0 : FP32_UNIT_ROUNDOFF * size,
                            value) +
            (exact ? 0 : FP32_UNIT_ROUNDOFF * fabs(value));
        double slope = output ? fabs(act_gradient_reference(a->upstream_activation, 0,
                                                            (double)output[i]))
                              : 1;
        a->sum->bound[i] =
            fabs((double)dy[i] + (double)part[i]) *
            (integers ? act_gradient_rounding(slope)
                      : FP32_UNIT_ROUNDOFF * (2 * slope + (output ? 4 : 0)));
    }
}

static void fill(struct add_case *a, bool integers)
{
    struct verify_case *c = &a->base;
    struct lab_tensor *const tensors[] = {a->x, a->other, a->dy, a->part};
    bounds_zero(c);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        if (integers)
            lab_fill_integers(&c->lab, tensors[i], -9, 9);
        else
            lab_fill_uniform(&c->lab, tensors[i], -4, 4);
    tensor_fill_act_outputs(c, a->output, a->upstream_activation, integers);
}

/* y = x + x, where x may be the output of the activation: both inputs have dy as their
 * gradient. */
static enum weft_status verify_add_gradient(struct add_case *a, struct add_runs *r)
{
    struct verify_case *c = &a->base;
    struct gradient_check slope = {.what = "of both",
                                   .forward = r->doubled,
                                   .backward = r->act_grad,
                                   .input = a->x,
                                   .output = a->y,
                                   .gradient = a->sum,
                                   .coefficients = a->dy,
                                   .act_output = a->output,
                                   .activation = a->upstream_activation,
                                   .step = 0.125};
    fill(a, true);
    if (a->output && !act_is_exact(a->upstream_activation)) {
        lab_fill_uniform(&c->lab, a->x, -1, 1);
        slope.step = 0x1p-6;
        slope.rounded = true;
    }
    memcpy(lab_initial(&c->lab, a->part), lab_initial(&c->lab, a->dy),
           a->dy->count * sizeof(float));
    return verify_gradient(c, &slope, LAB_REFERENCE);
}

static enum weft_status run_case(struct add_case *a, bool in_place)
{
    struct verify_case *c = &a->base;
    struct add_runs r;
    struct lab_tensor *y[] = {a->y, NULL}, *sum[] = {a->sum, NULL};
    r.forward = case_add_run(c, "forward", record_forward, y);
    r.doubled = case_add_run(c, "doubled", record_doubled, y);
    r.act_grad = case_add_run(c, "act grad", record_act_grad, sum);
    WEFT_TRY(case_allocate(c));
    for (int integers = 1; integers >= 0; integers--) {
        const char *name = integers ? "integers" : "real";
        fill(a, integers);
        if (!is_fp16_run(c->check))
            WEFT_TRY(run_and_compare(c, r.doubled, name));
        set_bounds(a, integers);
        WEFT_TRY(run_and_compare(c, r.forward, name));
        WEFT_TRY(run_and_compare(c, r.act_grad, name));
    }
    return in_place || is_fp16_run(c->check) ? WEFT_OK : verify_add_gradient(a, &r);
}

static enum weft_status verify_add_case(struct verify_context *k)
{
    struct add_case a = {.activation = random_activation(k, false),
                         .upstream_activation = random_activation(k, true)};
    struct verify_case *c = &a.base;
    int n = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 70)
                                   : LAB_RANDOM_CHOICE(&k->random, 1, 3, 4, 5, 13, 17, 31,
                                                       33, 65, 257, 1000, 4099, 10007);
    bool in_place = lab_random_bool(&k->random, 30);

    case_init(c, k);
    case_describe(c, " n=%d%s", n, in_place ? ", in place" : "");
    case_describe_act(c, ", ", a.activation);
    case_describe_act(c, ", upstream ", a.upstream_activation);
    a.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, 1, 1, 1, n);
    a.other = lab_add_tensor(&c->lab, "other", LAB_FLOAT, 1, 1, 1, n);
    a.y = in_place ? a.x : lab_add_tensor(&c->lab, "y", LAB_FLOAT, 1, 1, 1, n);
    a.dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, 1, 1, 1, n);
    a.part = lab_add_tensor(&c->lab, "part", LAB_FLOAT, 1, 1, 1, n);
    a.sum = in_place ? a.part : lab_add_tensor(&c->lab, "sum", LAB_FLOAT, 1, 1, 1, n);
    if (a.upstream_activation.act != WEFT_ACT_identity)
        a.output = lab_add_tensor(&c->lab, "output", LAB_FLOAT, 1, 1, 1, n);
    a.y->is_in_out = a.sum->is_in_out = in_place;
    tensor_set_fp16(c, a.x, 75);
    tensor_set_fp16(c, a.other, 75);
    tensor_set_fp16(c, a.dy, 75);
    tensor_set_fp16(c, a.part, 75);
    tensor_set_fp16(c, a.output, 75);
    if (!in_place) {
        tensor_set_fp16(c, a.y, 75);
        tensor_set_fp16(c, a.sum, 75);
    }
    enum weft_status status = run_case(&a, in_place);
    case_finish(c);
    return status;
}

const struct verify_check verify_add = {"add", verify_add_case, true};
