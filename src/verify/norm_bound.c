/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds hold for sums of distances from a value near the mean of a group; the mean
 * of squares minus the square of the mean exceeds them where the mean is large. */
#include "verify/norm_bound.h"

#include <math.h>

static double inverse_at(double variance, double epsilon)
{
    return 1 / sqrt(fmax(variance, 0) + epsilon);
}

struct norm_moments norm_moments_of(const float *x, struct norm_group g, double epsilon)
{
    struct norm_moments m = {0};
    double count = (double)g.count, far = 0;
    for (size_t j = 0; j < g.count; j++)
        m.mean += (double)x[g.first + j * g.step] / count;
    for (size_t j = 0; j < g.count; j++) {
        double off = (double)x[g.first + j * g.step] - m.mean;
        m.variance += off * off / count;
        far = fmax(far, fabs(off));
    }
    /* The terms are at most 2 far; partial means are rounded and merged. */
    m.mean_bound = 4 * FP32_UNIT_ROUNDOFF * fabs(m.mean) +
                   gamma_bound(count + 4) * 2 * far + FP32_MIN_NORMAL;
    m.variance_bound = gamma_bound(count + 8) * m.variance +
                       4 * m.mean_bound * (sqrt(m.variance) + m.mean_bound);
    m.inverse = inverse_at(m.variance, epsilon);
    m.inverse_bound =
        fmax(m.inverse - inverse_at(m.variance + m.variance_bound, epsilon),
             inverse_at(m.variance - m.variance_bound, epsilon) - m.inverse) +
        8 * FP32_EPSILON * m.inverse;
    return m;
}

double norm_preactivation(double off, double scale, double bias, double *bound)
{
    double scaled = off * scale;
    *bound = 6 * FP32_UNIT_ROUNDOFF * (fabs(scaled) + fabs(bias));
    return scaled + bias;
}

struct norm_element norm_element_of(double off, double inverse, double scale, double bias,
                                    double dy, struct weft_activation act)
{
    double z_bound, z = norm_preactivation(off, scale, bias, &z_bound);
    struct norm_element e = {
        .g = dy * act_gradient_reference(act, z, act_reference(act, z)),
        .g_bound = fabs(dy) * act_gradient_error_bound(act, z, z_bound) + FP32_MIN_NORMAL,
        .x_hat = off * inverse,
    };
    e.g_bound += FP32_EPSILON * fabs(e.g);
    e.x_hat_bound = 3 * FP32_UNIT_ROUNDOFF * fabs(e.x_hat);
    return e;
}

struct norm_element norm_weighted(struct norm_element e, double weight)
{
    e.g *= weight;
    e.g_bound = fabs(weight) * e.g_bound + FP32_UNIT_ROUNDOFF * fabs(e.g);
    return e;
}

void norm_sums_add(struct norm_sums *s, struct norm_element e, double gamma)
{
    double bound = e.g_bound + gamma * fabs(e.g);
    s->sum += e.g;
    s->product += e.g * e.x_hat;
    s->sum_bound += bound + FP32_MIN_NORMAL;
    s->product_bound +=
        bound * fabs(e.x_hat) + (e.g_bound + fabs(e.g)) * e.x_hat_bound + FP32_MIN_NORMAL;
}

double norm_input_gradient_bound(const struct norm_sums *s, struct norm_element e,
                                 double factor, double count)
{
    double size = fabs(e.g) + (fabs(s->sum) + fabs(e.x_hat * s->product)) / count;
    double off = s->sum_bound + fabs(e.x_hat) * s->product_bound +
                 e.x_hat_bound * (fabs(s->product) + s->product_bound);
    return fabs(factor) * (e.g_bound + off / count + 8 * FP32_UNIT_ROUNDOFF * size);
}
