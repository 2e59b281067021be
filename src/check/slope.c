/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients against finite differences.
 *
 * All our ops but activations and softmax are piecewise linear: there a central
 * difference has no truncation error, whatever the step, and on small integers with a
 * step of a power of two no rounding either. So the two numbers must be equal. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Host copies: the input's middle and direction; outputs and choices at the three
 * points. */
struct probe {
    double *middle, *direction;
    float *y[3];
    unsigned char *choice[3];
};

static void probe_finish(struct probe *p)
{
    free(p->middle);
    free(p->direction);
    for (int i = 0; i < 3; i++) {
        free(p->y[i]);
        free(p->choice[i]);
    }
}

/* Of all choices. */
static size_t choice_bytes(const struct check_slope *s)
{
    return s->argmax ? s->argmax->count * check_element(s->argmax) : 0;
}

static bool probe_init(struct probe *p, const struct check_slope *s)
{
    bool whole = true;
    p->middle = malloc(s->input->count * sizeof(double));
    p->direction = malloc(s->input->count * sizeof(double));
    for (int i = 0; i < 3; i++) {
        p->y[i] = malloc(s->output->count * sizeof(float));
        p->choice[i] = malloc(choice_bytes(s) + 1);
        whole = whole && p->y[i] && p->choice[i];
    }
    return whole && p->middle && p->direction;
}

/* Sets the input to f(middle + t direction), runs forward, keeps what came out. */
static enum weft_status visit(struct check_case *c, const struct check_slope *s,
                              enum check_side side, struct probe *p, int point)
{
    static const int times[] = {-1, 1, 0};
    float *x = check_image(c, s->input);
    for (size_t i = 0; i < s->input->count; i++) {
        double z = p->middle[i] + times[point] * s->step * p->direction[i];
        x[i] = (float)(s->gate ? check_act_value(s->activation, z) : z);
    }
    WEFT_TRY(check_replay(c, s->forward, side));
    memcpy(p->y[point], check_result(c, s->output, side),
           s->output->count * sizeof(float));
    if (s->argmax)
        memcpy(p->choice[point], check_result(c, s->argmax, side), choice_bytes(s));
    return WEFT_OK;
}

/* What goes backward: the output and the choices of the middle. Where a maximum moved
 * between the points, L has a kink and the coefficient becomes zero. */
static void set_backward(struct check_case *c, const struct check_slope *s,
                         const struct probe *p)
{
    memcpy(check_image(c, s->output), p->y[2], s->output->count * sizeof(float));
    if (s->argmax) {
        float *dy = check_image(c, s->coefficients);
        size_t size = check_element(s->argmax);
        for (size_t i = 0; i < s->argmax->count; i++)
            if (memcmp(&p->choice[0][i * size], &p->choice[1][i * size], size) != 0 ||
                memcmp(&p->choice[0][i * size], &p->choice[2][i * size], size) != 0)
                dy[i] = 0;
        memcpy(check_image(c, s->argmax), p->choice[2], choice_bytes(s));
    }
    if (s->gate)
        memcpy(check_image(c, s->gate), check_image(c, s->input),
               s->gate->count * sizeof(float));
}

static void judge(struct check_case *c, const struct check_slope *s, enum check_side side,
                  const struct probe *p)
{
    const float *dx = check_result(c, s->gradient, side);
    const float *dy = s->coefficients ? check_image(c, s->coefficients) : NULL;
    double numeric = 0, analytic = 0, size = 0, rounding = 0;
    for (size_t i = 0; i < s->output->count; i++) {
        double by = dy ? (double)dy[i] : 1.0 / (double)s->output->count;
        numeric += by * ((double)p->y[1][i] - (double)p->y[0][i]);
        rounding += fabs(by) * (fabs((double)p->y[0][i]) + fabs((double)p->y[1][i]));
        size += fabs(by);
    }
    for (size_t i = 0; i < s->input->count; i++) {
        analytic += p->direction[i] * (double)dx[i];
        size += fabs((double)dx[i]);
    }
    numeric /= 2 * s->step;
    double bound = s->tolerance * size;
    if (s->tolerance > 0)
        bound += 16 * CHECK_UNIT * rounding / (2 * s->step);
    double off = fabs(numeric - analytic);
    char what[64], fault[256];
    snprintf(what, sizeof(what), "gradient %s%s", s->what,
             side == CHECK_REFERENCE ? " of the reference" : "");
    snprintf(fault, sizeof(fault),
             "the gradient along a direction is %.9g, the difference of forward %.9g, "
             "may differ by %.3g",
             analytic, numeric, bound);
    check_report(c, what, "", bound > 0 ? off / bound : 0, off <= bound ? NULL : fault);
}

enum weft_status check_slope(struct check_case *c, const struct check_slope *s,
                             enum check_side side)
{
    struct probe p = {0};
    enum weft_status status = WEFT_OK;
    const float *x = check_image(c, s->input);
    if (s->forward->broken || s->backward->broken)
        return WEFT_OK;
    if (!probe_init(&p, s)) {
        status = weft_out_of_memory(c->check->device[side]->context, "verify",
                                    s->input->count * 2 * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < s->input->count; i++) {
        p.middle[i] = (double)x[i];
        p.direction[i] = check_chance(c->check, 50) ? 1 : -1;
    }
    for (int point = 0; point < 3 && !status; point++)
        status = visit(c, s, side, &p, point);
    if (status)
        goto done;
    set_backward(c, s, &p);
    status = check_replay(c, s->backward, side);
    if (!status)
        judge(c, s, side, &p);

    float *restored = check_image(c, s->input);
    for (size_t i = 0; i < s->input->count; i++)
        restored[i] = (float)p.middle[i];
done:
    probe_finish(&p);
    return status;
}
