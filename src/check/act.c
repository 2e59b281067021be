/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the activations, and what other checks must know of them. */
#include "check.h"

#include "../util/half.h"

#include <math.h>

/* The formulas in double. */
#define REAL(v)                 (v)
#define WHERE_NEGATIVE(v, a, b) ((v) < 0 ? (a) : (b))
#define WHERE_POSITIVE(v, a, b) ((v) > 0 ? (a) : (b))
#define EXP                     exp
#define TANH                    tanh
#define ERF                     erf
#define GELU_SLOPE(v)                           \
    (0.5 * (1 + erf((v)*0.70710678118654752)) + \
     (v)*0.39894228040143268 * exp(-0.5 * (v) * (v)))
#define ACT(id, name, by_output, f, g)                     \
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
#include "../../cl/activations.def"
#undef ACT

static double (*const functions[])(double, double) = {
#define ACT(id, name, by_output, f, g) id##_f,
#include "../../cl/activations.def"
#undef ACT
};

static double (*const slopes[])(double, double, double) = {
#define ACT(id, name, by_output, f, g) id##_g,
#include "../../cl/activations.def"
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

double check_act_value(struct weft_activation a, double x)
{
    return functions[a.act](x, (double)a.slope);
}

double check_act_slope(struct weft_activation a, double x, double y)
{
    return slopes[a.act](x, y, (double)a.slope);
}

/* Leaky with a slope that is a power of two, which all fused cases have. */
bool check_act_is_exact(struct weft_activation a)
{
    int exponent;
    if (a.act == WEFT_ACT_leaky_relu)
        return frexpf(a.slope, &exponent) == 0.5f;
    return a.act == WEFT_ACT_identity || a.act == WEFT_ACT_relu;
}

double check_act_bound(struct weft_activation a, double x_size, double x_bound, double y)
{
    double bound = traits[a.act].steep * x_bound;
    if (check_act_is_exact(a))
        return bound;
    /* Where exp(-x) overflows, x / (1 + exp(-x)) vanishes too early: TINY x_size. */
    return bound + CHECK_TINY * (1 + x_size) +
           CHECK_ULP * (traits[a.act].ulps * fabs(y) + traits[a.act].ulps_x * x_size);
}

double check_act_slope_bound(struct weft_activation a, double x, double x_bound)
{
    double slope = check_act_slope(a, x, check_act_value(a, x)), moved = 0;
    for (int side = -1; side <= 1; side += 2) {
        double at = x + side * x_bound;
        double other = check_act_slope(a, at, check_act_value(a, at));
        moved = fmax(moved, fabs(other - slope));
    }
    return moved +
           CHECK_ULP * (2 * fabs(slope) + traits[a.act].slope_ulps * (1 + fabs(x)));
}

void check_act_outputs(struct check_case *c, struct check_tensor *t,
                       struct weft_activation a, bool exact)
{
    if (!t)
        return;
    float low = traits[a.act].low, high = traits[a.act].high, *to = check_image(c, t);
    if (exact)
        check_integers(c, t, (int)(4 * low), (int)(4 * high));
    else
        check_reals(c, t, low, high);
    for (size_t i = 0; exact && i < t->count; i++)
        to[i] /= 4;
}

struct act_case {
    struct check_case base;
    struct weft_activation activation;
    bool needed_only; /* backward is given only what f' is made of */
    struct check_tensor *x, *y, *dy, *dx;
};

static enum weft_status record_forward(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct act_case *a = (const struct act_case *)c;
    const struct weft_act_args args = {.activation = a->activation,
                                       .x = check_view(c, a->x, side),
                                       .y = check_view(c, a->y, side)};
    return list->device->backend->act_forward(list, &args);
}

static enum weft_status record_backward(const struct check_case *c, enum check_side side,
                                        struct weft_list *list)
{
    const struct act_case *a = (const struct act_case *)c;
    bool by_output = weft_act_by_output[a->activation.act];
    struct weft_act_args args = {.activation = a->activation,
                                 .dy = check_view(c, a->dy, side),
                                 .dx = check_view(c, a->dx, side)};
    if (!a->needed_only || !by_output)
        args.x = check_view(c, a->x, side);
    if (!a->needed_only || by_output)
        args.y = check_view(c, a->y, side);
    return list->device->backend->act_backward(list, &args);
}

/* x, and y = f(x) as the layer before would have left it; bounds of both runs. */
static void bind_values(struct act_case *a, bool integers)
{
    struct check_case *c = &a->base;
    const float *x = check_image(c, a->x), *dy = check_image(c, a->dy);
    float *y = check_image(c, a->y);
    bool exact = integers && check_act_is_exact(a->activation);
    for (size_t i = 0; i < a->x->count; i++) {
        double size = fabs((double)x[i]),
               value = check_act_value(a->activation, (double)x[i]);
        y[i] = (float)value;
        if (exact)
            continue;
        /* y stands rounded in memory, which moves f' where it is made of y. */
        a->y->bound[i] =
            check_act_bound(a->activation, size, 0, value) + CHECK_UNIT * fabs(value);
        a->dx->bound[i] =
            fabs((double)dy[i]) * check_act_slope_bound(a->activation, (double)x[i], 0) +
            CHECK_TINY;
    }
}

/* Numbers that overflow exp, vanish, or are not numbers. */
static void set_specials(struct act_case *a)
{
    static const float specials[] = {0.0f,   -0.0f,   1e-30f, -1e-30f, 30.0f, -30.0f,
                                     120.0f, -120.0f, 1e30f,  -1e30f,  NAN};
    float *x = check_image(&a->base, a->x);
    for (size_t i = 0; i < a->x->count; i++)
        x[i] = specials[i % WEFT_COUNT(specials)];
    for (size_t i = 0; a->x->half && i < a->x->count; i++)
        if (fabsf(x[i]) > WEFT_HALF_MOST)
            x[i] = copysignf(WEFT_HALF_MOST, x[i]);
    check_round(&a->base, a->x);
    a->y->unbounded = true;
}

static enum weft_status run_fills(struct act_case *a, struct check_run *forward,
                                  struct check_run *backward)
{
    struct check_case *c = &a->base;
    check_exact(c);
    check_integers(c, a->x, -9, 9);
    check_integers(c, a->dy, -9, 9);
    bind_values(a, true);
    WEFT_TRY(check_compare(c, forward, "integers"));
    bind_values(a, true);
    WEFT_TRY(check_compare(c, backward, "integers"));

    check_exact(c);
    check_reals(c, a->x, -8, 8);
    check_reals(c, a->dy, -1, 1);
    bind_values(a, false);
    WEFT_TRY(check_compare(c, forward, "real"));
    bind_values(a, false);
    WEFT_TRY(check_compare(c, backward, "real"));

    set_specials(a);
    bind_values(a, false);
    return check_compare(c, forward, "special");
}

static enum weft_status run_case(struct act_case *a)
{
    struct check_case *c = &a->base;
    struct check_run *forward = check_run_add(c, "forward", record_forward,
                                              (struct check_tensor *[]){a->y, NULL});
    struct check_run *backward = check_run_add(c, "backward", record_backward,
                                               (struct check_tensor *[]){a->dx, NULL});
    WEFT_TRY(check_case_place(c));
    WEFT_TRY(run_fills(a, forward, backward));
    if (a->dx == a->dy || check_halves(c->check))
        return WEFT_OK;
    /* A step this small crosses no kink: x is at least 1/16 away from 0. */
    float *x = check_image(c, a->x);
    check_reals(c, a->x, 0.0625f, 4);
    for (size_t i = 0; i < a->x->count; i++)
        x[i] = check_chance(c->check, 50) ? x[i] : -x[i];
    check_reals(c, a->dy, -1, 1);
    bind_values(a, false);
    const struct check_slope slope = {.what = "dx",
                                      .forward = forward,
                                      .backward = backward,
                                      .input = a->x,
                                      .output = a->y,
                                      .gradient = a->dx,
                                      .coefficients = a->dy,
                                      .step = 0x1p-7,
                                      .tolerance = 3e-4};
    return check_slope(c, &slope, CHECK_REFERENCE);
}

static enum weft_status run(struct check *k)
{
    struct act_case a = {
        .activation = {.act = (enum weft_act)(k->number % WEFT_ACT_COUNT)}};
    struct check_case *c = &a.base;
    int n = k->params->small
                ? check_range(k, 1, 70)
                : CHECK_PICK(k, 1, 3, 4, 5, 13, 17, 31, 33, 65, 257, 1000, 4099, 10007);
    if (a.activation.act == WEFT_ACT_leaky_relu)
        a.activation.slope = check_chance(k, 50) ? 0.25f : check_real(k, 0.001f, 0.9f);
    a.needed_only = check_chance(k, 50);
    bool in_place = check_chance(k, 25);

    check_case_init(c, k);
    check_tell(c, " %s slope %g, n=%d%s%s", weft_act_names[a.activation.act],
               (double)a.activation.slope, n, a.needed_only ? ", needed views only" : "",
               in_place ? ", dx is dy" : "");
    a.x = check_tensor_add(c, "x", CHECK_FLOAT, 1, 1, 1, n);
    a.y = check_tensor_add(c, "y", CHECK_FLOAT, 1, 1, 1, n);
    a.dy = check_tensor_add(c, "dy", CHECK_FLOAT, 1, 1, 1, n);
    a.dx = in_place ? a.dy : check_tensor_add(c, "dx", CHECK_FLOAT, 1, 1, 1, n);
    a.dy->updated = in_place;
    check_store(c, a.x, 75);
    check_store(c, a.y, 75);
    check_store(c, a.dy, 75);
    if (!in_place)
        check_store(c, a.dx, 75);
    enum weft_status status = run_case(&a);
    check_case_finish(c);
    return status;
}

const struct check_op check_act = {"act", run, true};
