/* SPDX-License-Identifier: Apache-2.0 */
/* The activations in double, and error bounds of a device's. */
#include "verify/verify.h"

#include <float.h>
#include <math.h>

/* The formulas in double. */
#define REAL(v)                 (v)
#define SELECT_LESS(v, w, a, b) ((v) < (w) ? (a) : (b))
#define EXP                     exp
#define TANH                    tanh
#define ERF                     erf
#define GELU_GRAD(v)                            \
    (0.5 * (1 + erf((v)*0.70710678118654752)) + \
     (v)*0.39894228040143268 * exp(-0.5 * (v) * (v)))
#define ACT(id, name, grad_from_output, f, g, parameters, checks)       \
    static double id##_f(double x, double alpha, double beta)           \
    {                                                                   \
        (void)alpha, (void)beta;                                        \
        return f;                                                       \
    }                                                                   \
    static double id##_g(double x, double y, double alpha, double beta) \
    {                                                                   \
        (void)x, (void)y, (void)alpha, (void)beta;                      \
        return g;                                                       \
    }
#include "shared/activations.def"
#undef ACT

/* The functions, and the effect of rounding on each, with OpenCL's built-in functions
 * (OpenCL 1.2, section 7.4: exp 3 ulp, tanh 5, erf 16, division 2.5). */
struct act_properties {
    double steepness; /* the largest |f'|, */
    double curvature; /* and the largest |f''| between kinks */
    bool kinked;      /* f' is not continuous */
    /* Error bounds of an output in ulps of y, and in ulps of |x|: where y is a small
     * difference of terms as large as x. */
    double ulps, ulps_of_x;
    bool exact_where_power_of_two; /* `ulps` is 0 then: the parameters */
    double gradient_ulps;          /* error bound of f' in ulps of 1 + |x| */
    float low, high;               /* outputs in gradient checks */
};
#define ROW(...) __VA_ARGS__
static const struct {
    double (*f)(double x, double alpha, double beta);
    double (*g)(double x, double y, double alpha, double beta);
    struct act_properties is;
} acts[WEFT_ACT_COUNT] = {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) \
    {id##_f, id##_g, {ROW checks}},
#include "shared/activations.def"
#undef ACT
};

double act_reference(struct weft_activation a, double x)
{
    return acts[a.act].f(x, (double)a.alpha, (double)a.beta);
}

double act_gradient_reference(struct weft_activation a, double x, double y)
{
    return acts[a.act].g(x, y, (double)a.alpha, (double)a.beta);
}

bool act_is_exact(struct weft_activation a)
{
    int exponent;
    if (acts[a.act].is.exact_where_power_of_two)
        return frexpf(a.alpha, &exponent) == 0.5f;
    return acts[a.act].is.ulps == 0;
}

double act_gradient_rounding(double gradient)
{
    bool is_float = (double)(float)gradient == gradient;
    return is_float ? 0 : 2 * FP32_EPSILON * fabs(gradient);
}

bool act_is_kinked(struct weft_activation a)
{
    return acts[a.act].is.kinked;
}

double act_off_kink(struct weft_activation a, double x, double step)
{
    for (double by = 4 * step;; by += 4 * step) {
        double low = act_gradient_reference(a, x - step, act_reference(a, x - step));
        double mid = act_gradient_reference(a, x, act_reference(a, x));
        double high = act_gradient_reference(a, x + step, act_reference(a, x + step));
        double smooth =
            acts[a.act].is.curvature * step + 64 * DBL_EPSILON * (1 + fabs(x));
        if (fabs(low - mid) <= smooth && fabs(high - mid) <= smooth)
            return x;
        x += by;
    }
}

void case_describe_act(struct verify_case *c, const char *what, struct weft_activation a)
{
    const struct weft_act_parameter *p = weft_act_parameters[a.act];
    const float values[WEFT_ACT_PARAMETERS] = {a.alpha, a.beta};
    case_describe(c, "%s%s", what, weft_act_names[a.act]);
    for (int i = 0; i < WEFT_ACT_PARAMETERS && p[i].name; i++)
        case_describe(c, " %s %g", p[i].name, (double)values[i]);
}

double act_error_bound(struct weft_activation a, double x_size, double x_bound, double y)
{
    double bound = acts[a.act].is.steepness * x_bound;
    if (act_is_exact(a))
        return bound;
    /* Where exp(-x) overflows, x / (1 + exp(-x)) vanishes too early: TINY x_size. */
    return bound + FP32_MIN_NORMAL * (1 + x_size) +
           FP32_EPSILON *
               (acts[a.act].is.ulps * fabs(y) + acts[a.act].is.ulps_of_x * x_size);
}

double act_gradient_error_bound(struct weft_activation a, double x, double x_bound)
{
    double slope = act_gradient_reference(a, x, act_reference(a, x)), moved = 0;
    for (int side = -1; side <= 1; side += 2) {
        double at = x + side * x_bound;
        double other = act_gradient_reference(a, at, act_reference(a, at));
        moved = fmax(moved, fabs(other - slope));
    }
    return moved + FP32_EPSILON *
                       (2 * fabs(slope) + acts[a.act].is.gradient_ulps * (1 + fabs(x)));
}

void tensor_set_passing(struct verify_case *c, struct lab_tensor *t, float value)
{
    float *to = lab_initial(&c->lab, t);
    for (size_t i = 0; i < t->count; i += 8)
        to[i] = value;
}

void tensor_fill_act_outputs(struct verify_case *c, struct lab_tensor *t,
                             struct weft_activation a, bool exact)
{
    if (!t)
        return;
    float low = acts[a.act].is.low, high = acts[a.act].is.high,
          *to = lab_initial(&c->lab, t);
    if (exact)
        lab_fill_integers(&c->lab, t, (int)(4 * low), (int)(4 * high));
    else
        lab_fill_uniform(&c->lab, t, low, high);
    for (size_t i = 0; exact && i < t->count; i++)
        to[i] /= 4;
    tensor_set_passing(c, t, 0.25f);
}
