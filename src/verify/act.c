/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the activations. */
#include "verify/verify.h"

#include "util/half.h"

#include <math.h>

struct act_case {
    struct verify_case base;
    struct weft_activation activation;
    bool needed_only; /* backward reads only what its derivative needs */
    struct lab_tensor *x, *y, *dy, *dx;
};

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct act_case *a = (const struct act_case *)c;
    const struct weft_act_args args = {.activation = a->activation,
                                       .x = lab_view(&c->lab, a->x, side),
                                       .y = lab_view(&c->lab, a->y, side)};
    return list->primitives->act_forward(list, &args);
}

static enum weft_status record_backward(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct act_case *a = (const struct act_case *)c;
    bool grad_from_output = weft_act_grad_from_output[a->activation.act];
    struct weft_act_args args = {.activation = a->activation,
                                 .dy = lab_view(&c->lab, a->dy, side),
                                 .dx = lab_view(&c->lab, a->dx, side)};
    if (!a->needed_only || !grad_from_output)
        args.x = lab_view(&c->lab, a->x, side);
    if (!a->needed_only || grad_from_output)
        args.y = lab_view(&c->lab, a->y, side);
    return list->primitives->act_backward(list, &args);
}

/* x, and y = f(x) as input of backward; bounds of both runs. */
static void bind_values(struct act_case *a, bool integers)
{
    struct verify_case *c = &a->base;
    const float *x = lab_initial(&c->lab, a->x), *dy = lab_initial(&c->lab, a->dy);
    float *y = lab_initial(&c->lab, a->y);
    bool exact = integers && act_is_exact(a->activation);
    for (size_t i = 0; i < a->x->count; i++) {
        double size = fabs((double)x[i]),
               value = act_reference(a->activation, (double)x[i]);
        y[i] = (float)value;
        if (exact)
            continue;
        /* y is rounded in memory, which changes f' where it is computed from y. */
        a->y->bound[i] = act_error_bound(a->activation, size, 0, value) +
                         FP32_UNIT_ROUNDOFF * fabs(value);
        a->dx->bound[i] = fabs((double)dy[i]) *
                              act_gradient_error_bound(a->activation, (double)x[i], 0) +
                          FP32_MIN_NORMAL;
    }
}

/* Numbers that overflow exp or underflow, and NaN. */
static void set_specials(struct act_case *a)
{
    static const float specials[] = {0.0f,   -0.0f,   1e-30f, -1e-30f, 30.0f, -30.0f,
                                     120.0f, -120.0f, 1e30f,  -1e30f,  NAN};
    float *x = lab_initial(&a->base.lab, a->x);
    for (size_t i = 0; i < a->x->count; i++)
        x[i] = specials[i % WEFT_ARRAY_SIZE(specials)];
    for (size_t i = 0; a->x->half && i < a->x->count; i++)
        if (fabsf(x[i]) > WEFT_FP16_MAX)
            x[i] = copysignf(WEFT_FP16_MAX, x[i]);
    lab_quantize(&a->base.lab, a->x);
    a->y->allow_nonfinite = true;
}

static enum weft_status run_fills(struct act_case *a, struct verify_run *forward,
                                  struct verify_run *backward)
{
    struct verify_case *c = &a->base;
    bounds_zero(c);
    lab_fill_integers(&c->lab, a->x, -9, 9);
    tensor_set_passing(c, a->x, 1);
    lab_fill_integers(&c->lab, a->dy, -9, 9);
    bind_values(a, true);
    WEFT_TRY(run_and_compare(c, forward, "integers"));
    bind_values(a, true);
    WEFT_TRY(run_and_compare(c, backward, "integers"));

    bounds_zero(c);
    lab_fill_uniform(&c->lab, a->x, -8, 8);
    tensor_set_passing(c, a->x, 1);
    lab_fill_uniform(&c->lab, a->dy, -1, 1);
    bind_values(a, false);
    WEFT_TRY(run_and_compare(c, forward, "real"));
    bind_values(a, false);
    WEFT_TRY(run_and_compare(c, backward, "real"));

    set_specials(a);
    bind_values(a, false);
    return run_and_compare(c, forward, "special");
}

static enum weft_status run_case(struct act_case *a)
{
    struct verify_case *c = &a->base;
    struct verify_run *forward =
        case_add_run(c, "forward", record_forward, (struct lab_tensor *[]){a->y, NULL});
    struct verify_run *backward = case_add_run(c, "backward", record_backward,
                                               (struct lab_tensor *[]){a->dx, NULL});
    WEFT_TRY(case_allocate(c));
    WEFT_TRY(run_fills(a, forward, backward));
    if (a->dx == a->dy || is_fp16_run(c->check))
        return WEFT_OK;
    const double step = 0x1p-7;
    float *x = lab_initial(&c->lab, a->x);
    lab_fill_uniform(&c->lab, a->x, -4, 7);
    for (size_t i = 0; i < a->x->count; i++)
        x[i] = (float)act_off_kink(a->activation, (double)x[i], 2 * step);
    lab_fill_uniform(&c->lab, a->dy, -1, 1);
    bind_values(a, false);
    const struct gradient_check slope = {.what = "dx",
                                         .forward = forward,
                                         .backward = backward,
                                         .input = a->x,
                                         .output = a->y,
                                         .gradient = a->dx,
                                         .coefficients = a->dy,
                                         .step = step,
                                         .rounded = true};
    return verify_gradient(c, &slope, LAB_REFERENCE);
}

static enum weft_status verify_act_case(struct verify_context *k)
{
    struct act_case a = {.activation = random_act_parameters(
                             k, (enum weft_act)(k->number % WEFT_ACT_COUNT), false)};
    struct verify_case *c = &a.base;
    int n = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 70)
                                   : LAB_RANDOM_CHOICE(&k->random, 1, 3, 4, 5, 13, 17, 31,
                                                       33, 65, 257, 1000, 4099, 10007);
    a.needed_only = lab_random_bool(&k->random, 50);
    bool in_place = lab_random_bool(&k->random, 25);

    case_init(c, k);
    case_describe_act(c, " ", a.activation);
    case_describe(c, ", n=%d%s%s", n, a.needed_only ? ", needed views only" : "",
                  in_place ? ", dx is dy" : "");
    a.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, 1, 1, 1, n);
    a.y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, 1, 1, 1, n);
    a.dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, 1, 1, 1, n);
    a.dx = in_place ? a.dy : lab_add_tensor(&c->lab, "dx", LAB_FLOAT, 1, 1, 1, n);
    a.dy->is_in_out = in_place;
    tensor_set_fp16(c, a.x, 75);
    tensor_set_fp16(c, a.y, 75);
    tensor_set_fp16(c, a.dy, 75);
    if (!in_place)
        tensor_set_fp16(c, a.dx, 75);
    enum weft_status status = run_case(&a);
    case_finish(c);
    return status;
}

const struct verify_check verify_act = {"act", verify_act_case, true};
