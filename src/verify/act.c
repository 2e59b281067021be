/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the activations, and their error bounds. */
#include "verify/verify.h"

#include "util/half.h"

#include <math.h>

/* The formulas in double. */
#define REAL(v)                  (v)
#define SELECT_NEGATIVE(v, a, b) ((v) < 0 ? (a) : (b))
#define SELECT_POSITIVE(v, a, b) ((v) > 0 ? (a) : (b))
#define EXP                      exp
#define TANH                     tanh
#define ERF                      erf
#define GELU_GRAD(v)                            \
    (0.5 * (1 + erf((v)*0.70710678118654752)) + \
     (v)*0.39894228040143268 * exp(-0.5 * (v) * (v)))
#define ACT(id, name, grad_from_output, f, g)              \
    static double id##_f(double x, double slope)           \
    {                                                      \
        (void)slope;                                       \
        return f;                                          \
    }                                                      \
    static double id##_g(double x, double y, double slope) \
    {                                                      \
        (void)x;                                           \
        (void)y;                                           \
        (void)slope;                                       \
        return g;                                          \
    }
#include "shared/activations.def"
#undef ACT

static double (*const functions[])(double, double) = {
#define ACT(id, name, grad_from_output, f, g) id##_f,
#include "shared/activations.def"
#undef ACT
};

static double (*const slopes[])(double, double, double) = {
#define ACT(id, name, grad_from_output, f, g) id##_g,
#include "shared/activations.def"
#undef ACT
};

/* What rounding does to each, with OpenCL's built-in functions (OpenCL 1.2, section 7.4:
 * exp 3 ulp, tanh 5, erf 16, division 2.5).
 *
 *   steep      the largest |f'|
 *   ulps       of y
 *   ulps_x     of |x|: where y is a small difference of terms as large as x
 *   slope_ulps f' may be off by so many ulps of 1 + |x|
 *   low, high  what an output may be, for gates */
static const struct {
    double steep, ulps, ulps_x, slope_ulps;
    float low, high;
} traits[WEFT_ACT_COUNT] = {
    [WEFT_ACT_identity] = {1, 0, 0, 0, -1, 1},
    [WEFT_ACT_relu] = {1, 0, 0, 0, 0, 1},
    [WEFT_ACT_leaky_relu] = {1, 1, 0, 1, -1, 1},
    [WEFT_ACT_sigmoid] = {0.25, 8, 0, 4, 0, 1},
    [WEFT_ACT_tanh] = {1, 7, 0, 4, -1, 1},
    [WEFT_ACT_gelu] = {1.13, 4, 12, 24, -1, 1},
    [WEFT_ACT_silu] = {1.1, 8, 0, 24, -1, 1},
};

double act_reference(struct weft_activation a, double x)
{
    return functions[a.act](x, (double)a.negative_slope);
}

double act_gradient_reference(struct weft_activation a, double x, double y)
{
    return slopes[a.act](x, y, (double)a.negative_slope);
}

/* Leaky with a slope that is a power of two, which all fused cases have. */
bool act_is_exact(struct weft_activation a)
{
    int exponent;
    if (a.act == WEFT_ACT_leaky_relu)
        return frexpf(a.negative_slope, &exponent) == 0.5f;
    return a.act == WEFT_ACT_identity || a.act == WEFT_ACT_relu;
}

double act_error_bound(struct weft_activation a, double x_size, double x_bound, double y)
{
    double bound = traits[a.act].steep * x_bound;
    if (act_is_exact(a))
        return bound;
    /* Where exp(-x) overflows, x / (1 + exp(-x)) vanishes too early: TINY x_size. */
    return bound + FP32_MIN_NORMAL * (1 + x_size) +
           FP32_EPSILON * (traits[a.act].ulps * fabs(y) + traits[a.act].ulps_x * x_size);
}

double act_gradient_error_bound(struct weft_activation a, double x, double x_bound)
{
    double slope = act_gradient_reference(a, x, act_reference(a, x)), moved = 0;
    for (int side = -1; side <= 1; side += 2) {
        double at = x + side * x_bound;
        double other = act_gradient_reference(a, at, act_reference(a, at));
        moved = fmax(moved, fabs(other - slope));
    }
    return moved +
           FP32_EPSILON * (2 * fabs(slope) + traits[a.act].slope_ulps * (1 + fabs(x)));
}

void tensor_fill_act_outputs(struct verify_case *c, struct lab_tensor *t,
                             struct weft_activation a, bool exact)
{
    if (!t)
        return;
    float low = traits[a.act].low, high = traits[a.act].high,
          *to = lab_initial(&c->lab, t);
    if (exact)
        lab_fill_integers(&c->lab, t, (int)(4 * low), (int)(4 * high));
    else
        lab_fill_uniform(&c->lab, t, low, high);
    for (size_t i = 0; exact && i < t->count; i++)
        to[i] /= 4;
}

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
    lab_fill_integers(&c->lab, a->dy, -9, 9);
    bind_values(a, true);
    WEFT_TRY(run_and_compare(c, forward, "integers"));
    bind_values(a, true);
    WEFT_TRY(run_and_compare(c, backward, "integers"));

    bounds_zero(c);
    lab_fill_uniform(&c->lab, a->x, -8, 8);
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
    /* A step this small crosses no kink: x is at least 1/16 away from 0. */
    float *x = lab_initial(&c->lab, a->x);
    lab_fill_uniform(&c->lab, a->x, 0.0625f, 4);
    for (size_t i = 0; i < a->x->count; i++)
        x[i] = lab_random_bool(&c->check->random, 50) ? x[i] : -x[i];
    lab_fill_uniform(&c->lab, a->dy, -1, 1);
    bind_values(a, false);
    const struct gradient_check slope = {.what = "dx",
                                         .forward = forward,
                                         .backward = backward,
                                         .input = a->x,
                                         .output = a->y,
                                         .gradient = a->dx,
                                         .coefficients = a->dy,
                                         .step = 0x1p-7,
                                         .tolerance = 3e-4};
    return verify_gradient(c, &slope, LAB_REFERENCE);
}

static enum weft_status verify_act_case(struct verify_context *k)
{
    struct act_case a = {
        .activation = {.act = (enum weft_act)(k->number % WEFT_ACT_COUNT)}};
    struct verify_case *c = &a.base;
    int n = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 70)
                                   : LAB_RANDOM_CHOICE(&k->random, 1, 3, 4, 5, 13, 17, 31,
                                                       33, 65, 257, 1000, 4099, 10007);
    if (a.activation.act == WEFT_ACT_leaky_relu)
        a.activation.negative_slope = lab_random_bool(&k->random, 50)
                                          ? 0.25f
                                          : lab_random_float(&k->random, 0.001f, 0.9f);
    a.needed_only = lab_random_bool(&k->random, 50);
    bool in_place = lab_random_bool(&k->random, 25);

    case_init(c, k);
    case_describe(c, " %s slope %g, n=%d%s%s", weft_act_names[a.activation.act],
                  (double)a.activation.negative_slope, n,
                  a.needed_only ? ", needed views only" : "",
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

const struct verify_op verify_act = {"act", verify_act_case, true};
