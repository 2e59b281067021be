/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients against finite differences.
 *
 * All ops but activations and softmax are piecewise linear: there a central difference
 * has no truncation error, whatever the step, and on small integers with a step of a
 * power of two no rounding error either. So the two numbers must be equal. Else the
 * truncation error of two steps, h and h/2, is known from their difference, and is
 * removed; that difference and the roundings are the bound. */
#include "verify/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Points along the direction, in steps; the center last, whose tensors backward reads. */
enum { LOW, HIGH, HALF_LOW, HALF_HIGH, CENTER, POINTS };
static const double point_at[POINTS] = {-1, 1, -0.5, 0.5, 0};

/* Host copies: the input's center and direction; outputs and argmax at the points. */
struct difference_scratch {
    double *center, *direction;
    float *y[POINTS];
    unsigned char *argmax[POINTS];
};

static void difference_scratch_free(struct difference_scratch *p)
{
    free(p->center);
    free(p->direction);
    for (int i = 0; i < POINTS; i++) {
        free(p->y[i]);
        free(p->argmax[i]);
    }
}

/* The size of the argmax tensor. */
static size_t argmax_bytes(const struct gradient_check *s)
{
    return s->argmax ? s->argmax->count * lab_element_bytes(s->argmax) : 0;
}

static bool difference_scratch_init(struct difference_scratch *p,
                                    const struct gradient_check *s)
{
    bool whole = true;
    p->center = malloc(s->input->count * sizeof(double));
    p->direction = malloc(s->input->count * sizeof(double));
    for (int i = 0; i < POINTS; i++) {
        p->y[i] = malloc(s->output->count * sizeof(float));
        p->argmax[i] = malloc(argmax_bytes(s) + 1);
        whole = whole && p->y[i] && p->argmax[i];
    }
    return whole && p->center && p->direction;
}

/* Sets the input to f(center + t direction), runs forward and keeps the results. */
static enum weft_status evaluate_point(struct verify_case *c,
                                       const struct gradient_check *s, enum lab_side side,
                                       struct difference_scratch *p, int point)
{
    float *x = lab_initial(&c->lab, s->input);
    for (size_t i = 0; i < s->input->count; i++) {
        double z = p->center[i] + point_at[point] * s->step * p->direction[i];
        x[i] = (float)(s->act_output ? act_reference(s->activation, z) : z);
    }
    WEFT_TRY(run_execute(c, s->forward, side));
    memcpy(p->y[point], lab_result(&c->lab, s->output, side),
           s->output->count * sizeof(float));
    if (s->argmax)
        memcpy(p->argmax[point], lab_result(&c->lab, s->argmax, side), argmax_bytes(s));
    return WEFT_OK;
}

/* Inputs of backward: output and argmax at the center. Where a maximum moved between the
 * points, L has a kink and the coefficient becomes zero. */
static void set_backward(struct verify_case *c, const struct gradient_check *s,
                         const struct difference_scratch *p)
{
    memcpy(lab_initial(&c->lab, s->output), p->y[CENTER],
           s->output->count * sizeof(float));
    if (s->argmax) {
        float *dy = lab_initial(&c->lab, s->coefficients);
        size_t size = lab_element_bytes(s->argmax);
        for (size_t i = 0; i < s->argmax->count; i++)
            if (memcmp(&p->argmax[LOW][i * size], &p->argmax[HIGH][i * size], size) !=
                    0 ||
                memcmp(&p->argmax[LOW][i * size], &p->argmax[CENTER][i * size], size) !=
                    0)
                dy[i] = 0;
        memcpy(lab_initial(&c->lab, s->argmax), p->argmax[CENTER], argmax_bytes(s));
    }
    if (s->act_output)
        memcpy(lab_initial(&c->lab, s->act_output), lab_initial(&c->lab, s->input),
               s->act_output->count * sizeof(float));
}

/* The gradient with respect to the input itself: dx over the slope of the activation that
 * makes it. */
static double gradient_of_input(const struct gradient_check *s, double center, double x,
                                double gradient)
{
    double slope = s->act_output ? act_gradient_reference(s->activation, center, x) : 1;
    return slope != 0 ? gradient / slope : 0;
}

/* The bound of the extrapolated difference, and of `analytic`: inputs and outputs of the
 * forward runs are rounded once, numbers of backward a few times. */
static double difference_rounding(struct verify_case *c, const struct gradient_check *s,
                                  const struct difference_scratch *p, const float *dx,
                                  const float *dy)
{
    enum { BACKWARD_ROUNDINGS = 8 };
    const float *x = lab_initial(&c->lab, s->input);
    double forward = 0, backward = 0;
    for (size_t i = 0; i < s->output->count; i++) {
        double by = fabs(dy ? (double)dy[i] : 1.0 / s->batch);
        forward += by * (fabs((double)p->y[LOW][i]) + fabs((double)p->y[HIGH][i]));
        backward += by;
    }
    for (size_t i = 0; i < s->input->count; i++) {
        double by = gradient_of_input(s, p->center[i], (double)x[i], (double)dx[i]);
        forward += 2 * fabs(by * (double)x[i]);
        backward += fabs((double)dx[i]);
    }
    /* (4 D(h/2) - D(h)) / 3, where D(h/2) has twice the rounding error of D(h). */
    return FP32_UNIT_ROUNDOFF *
           (3 * forward / (2 * s->step) + BACKWARD_ROUNDINGS * backward);
}

static void compare_finite_difference(struct verify_case *c,
                                      const struct gradient_check *s, enum lab_side side,
                                      const struct difference_scratch *p)
{
    const float *dx = lab_result(&c->lab, s->gradient, side);
    const float *dy = s->coefficients ? lab_initial(&c->lab, s->coefficients) : NULL;
    double whole = 0, half = 0, analytic = 0, bound = 0;
    for (size_t i = 0; i < s->output->count; i++) {
        double by = dy ? (double)dy[i] : 1.0 / s->batch;
        whole += by * ((double)p->y[HIGH][i] - (double)p->y[LOW][i]);
        half += by * ((double)p->y[HALF_HIGH][i] - (double)p->y[HALF_LOW][i]);
    }
    whole /= 2 * s->step;
    half /= s->step;
    for (size_t i = 0; i < s->input->count; i++)
        analytic += p->direction[i] * (double)dx[i];
    double numeric = whole;
    if (s->rounded) {
        numeric = (4 * half - whole) / 3;
        bound = fabs(whole - half) + difference_rounding(c, s, p, dx, dy);
    }
    double off = fabs(numeric - analytic);
    char what[64], fault[256];
    snprintf(what, sizeof(what), "gradient %s%s", s->what,
             side == LAB_REFERENCE ? " of the reference" : "");
    snprintf(fault, sizeof(fault),
             "the gradient along a direction is %.9g, the difference of forward %.9g, "
             "may differ by %.3g",
             analytic, numeric, bound);
    report_result(c, what, "", bound > 0 ? off / bound : 0, off <= bound ? NULL : fault);
}

enum weft_status verify_gradient(struct verify_case *c, const struct gradient_check *s,
                                 enum lab_side side)
{
    struct difference_scratch p = {0};
    enum weft_status status = WEFT_OK;
    const float *x = lab_initial(&c->lab, s->input);
    if (s->forward->unsupported || s->backward->unsupported)
        return WEFT_OK;
    if (!difference_scratch_init(&p, s)) {
        status = weft_out_of_memory(c->check->device[side]->context, "verify",
                                    s->input->count * 2 * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < s->input->count; i++) {
        p.center[i] = s->act_output ? act_off_kink(s->activation, (double)x[i], s->step)
                                    : (double)x[i];
        p.direction[i] = lab_random_bool(&c->check->random, 50) ? 1 : -1;
    }
    for (int point = 0; point < POINTS && !status; point++)
        status = evaluate_point(c, s, side, &p, point);
    if (status)
        goto done;
    set_backward(c, s, &p);
    status = run_execute(c, s->backward, side);
    if (!status)
        compare_finite_difference(c, s, side, &p);

    float *restored = lab_initial(&c->lab, s->input);
    for (size_t i = 0; i < s->input->count; i++)
        restored[i] = (float)p.center[i];
done:
    difference_scratch_free(&p);
    return status;
}
