/* SPDX-License-Identifier: Apache-2.0 */
/* Expected results of normalizations and of PReLU. */
#include "verify/expect.h"

#include <math.h>

/* Elements of a sum, `step` apart. */
struct line {
    size_t from, count, step;
};

/* Mean and variance of a line, and their error bounds. The terms of the sums are at most
 * two distances from the mean; partial means are rounded and merged. */
struct moments {
    double mean, variance, mean_bound, variance_bound;
};

static struct moments moments_of(const float *x, struct line l)
{
    struct moments m = {0};
    double far = 0, count = (double)l.count;
    for (size_t i = 0; i < l.count; i++)
        m.mean += (double)x[l.from + i * l.step] / count;
    for (size_t i = 0; i < l.count; i++) {
        double off = (double)x[l.from + i * l.step] - m.mean;
        m.variance += off * off / count;
        far = fmax(far, fabs(off));
    }
    m.mean_bound = 4 * FP32_UNIT_ROUNDOFF * fabs(m.mean) +
                   gamma_bound(count + 4) * 2 * far + FP32_MIN_NORMAL;
    m.variance_bound = gamma_bound(count + 8) * m.variance +
                       4 * m.mean_bound * (sqrt(m.variance) + m.mean_bound);
    return m;
}

static double inverse_at(double variance, double epsilon)
{
    return 1 / sqrt(fmax(variance, 0) + epsilon);
}

static double inverse_bound_at(const struct moments *m, double epsilon)
{
    double inverse = inverse_at(m->variance, epsilon);
    return fmax(inverse - inverse_at(m->variance + m->variance_bound, epsilon),
                inverse_at(m->variance - m->variance_bound, epsilon) - inverse) +
           8 * FP32_EPSILON * inverse;
}

/* The moments of a line, kept for the next element of it. */
static struct moments shared_moments(struct verify_call *v, const float *x, size_t row,
                                     struct line l)
{
    if (!v->row_known || v->row != row) {
        struct moments m = moments_of(x, l);
        const double all[] = {m.mean, m.variance, m.mean_bound, m.variance_bound};
        for (size_t i = 0; i < WEFT_ARRAY_SIZE(all); i++)
            v->shared[i] = all[i];
        v->row = row;
        v->row_known = true;
    }
    return (struct moments){v->shared[0], v->shared[1], v->shared[2], v->shared[3]};
}

static void set_point(struct verify_point *p, double want, double bound)
{
    p->want = want;
    p->bound = bound + FP32_UNIT_ROUNDOFF * fabs(want) + FP32_MIN_NORMAL;
}

/* y = f(off scale + bias), with off and scale as exact as given. */
static void set_output(struct verify_point *p, struct weft_activation act, double off,
                       double off_bound, double scale, double scale_bound, double bias)
{
    double size = fabs(off * scale) + fabs(bias);
    double bound = fabs(off) * scale_bound + (fabs(scale) + scale_bound) * off_bound +
                   5 * FP32_UNIT_ROUNDOFF * size;
    double y = act_reference(act, off * scale + bias);
    set_point(p, y, act_error_bound(act, size, bound, y));
}

static void expect_statistic(const struct verify_call *v, int output, size_t k,
                             const struct moments *m, struct verify_point *p)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_forward;
    double epsilon = (double)a->epsilon, momentum = (double)a->momentum;
    double inverse = inverse_at(m->variance, epsilon),
           inverse_bound = inverse_bound_at(m, epsilon);
    double weight = (double)verify_floats(v, &a->weight)[k];
    double spread = a->rows > 1 ? (double)a->rows / (a->rows - 1) : 1;
    if (verify_is(v, output, &a->mean))
        set_point(p, m->mean, m->mean_bound);
    else if (verify_is(v, output, &a->inverse))
        set_point(p, inverse, inverse_bound);
    else if (verify_is(v, output, &a->scale))
        set_point(p, weight * inverse,
                  fabs(weight) * (inverse_bound + FP32_EPSILON * inverse));
    else {
        bool is_mean = verify_is(v, output, &a->running_mean);
        const float *running =
            verify_floats(v, is_mean ? &a->running_mean : &a->running_variance);
        double old = (double)running[k], batch = is_mean ? m->mean : spread * m->variance;
        double off = is_mean ? m->mean_bound : spread * m->variance_bound;
        set_point(p, old + momentum * (batch - old),
                  momentum * off + 8 * FP32_UNIT_ROUNDOFF * (fabs(old) + fabs(batch)));
    }
}

void expect_batch_norm_forward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_forward;
    size_t channels = (size_t)a->channels, k = p->at % channels;
    const float *x = verify_floats(v, &a->x);
    struct moments m =
        shared_moments(v, x, k, (struct line){k, (size_t)a->rows, channels});
    if (!verify_is(v, output, &a->y)) {
        expect_statistic(v, output, k, &m, p);
        return;
    }
    double inverse = inverse_at(m.variance, (double)a->epsilon);
    double weight = (double)verify_floats(v, &a->weight)[k];
    double scale_bound = fabs(weight) * (inverse_bound_at(&m, (double)a->epsilon) +
                                         FP32_EPSILON * inverse);
    set_output(p, a->activation, (double)x[p->at] - m.mean, m.mean_bound,
               weight * inverse, scale_bound, (double)verify_floats(v, &a->bias)[k]);
}

void expect_batch_norm_inference(struct verify_call *v, int output,
                                 struct verify_point *p)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_inference;
    size_t k = p->at % (size_t)a->channels;
    double off =
        (double)verify_floats(v, &a->x)[p->at] - (double)verify_floats(v, &a->mean)[k];
    (void)output;
    set_output(p, a->activation, off, FP32_UNIT_ROUNDOFF * fabs(off),
               (double)verify_floats(v, &a->scale)[k], 0,
               (double)verify_floats(v, &a->bias)[k]);
}

/* g = dy act'(z) and x_hat of one position, and their error bounds. */
struct grad_element {
    double g, g_bound, x_hat, x_hat_bound;
};

static struct grad_element grad_element_at(double x, double mean, double inverse,
                                           double scale, double bias, double dy,
                                           struct weft_activation act)
{
    double off = x - mean, scaled = off * scale, z = scaled + bias;
    double z_bound = 6 * FP32_UNIT_ROUNDOFF * (fabs(scaled) + fabs(bias));
    struct grad_element e = {
        .g = dy * act_gradient_reference(act, z, act_reference(act, z)),
        .g_bound = fabs(dy) * act_gradient_error_bound(act, z, z_bound) + FP32_MIN_NORMAL,
        .x_hat = off * inverse,
    };
    e.g_bound += FP32_EPSILON * fabs(e.g);
    e.x_hat_bound = 3 * FP32_UNIT_ROUNDOFF * fabs(e.x_hat);
    return e;
}

/* Sums of g and of g x_hat, and their error bounds. */
struct grad_sums {
    double sum, product, sum_bound, product_bound;
};

static void add_element(struct grad_sums *s, struct grad_element e, double gamma)
{
    s->sum += e.g;
    s->product += e.g * e.x_hat;
    s->sum_bound += e.g_bound + gamma * fabs(e.g) + FP32_MIN_NORMAL;
    s->product_bound += (e.g_bound + gamma * fabs(e.g)) * fabs(e.x_hat) +
                        (e.g_bound + fabs(e.g)) * e.x_hat_bound + FP32_MIN_NORMAL;
}

/* dx = factor (g - (sum + x_hat product) / count). */
static void set_input_gradient(struct verify_point *p, const struct grad_sums *s,
                               struct grad_element e, double factor, double count)
{
    double size = fabs(e.g) + (fabs(s->sum) + fabs(e.x_hat * s->product)) / count;
    double off = s->sum_bound + fabs(e.x_hat) * s->product_bound +
                 e.x_hat_bound * (fabs(s->product) + s->product_bound);
    set_point(p, factor * (e.g - (s->sum + e.x_hat * s->product) / count),
              fabs(factor) * (e.g_bound + off / count + 8 * FP32_UNIT_ROUNDOFF * size));
}

static struct grad_element batch_element(const struct verify_call *v, size_t i)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_backward;
    size_t k = i % (size_t)a->channels;
    return grad_element_at(
        (double)verify_floats(v, &a->x)[i], (double)verify_floats(v, &a->mean)[k],
        (double)verify_floats(v, &a->inverse)[k], (double)verify_floats(v, &a->scale)[k],
        (double)verify_floats(v, &a->bias)[k], (double)verify_floats(v, &a->dy)[i],
        a->activation);
}

static void keep_sums(struct verify_call *v, size_t row, const struct grad_sums *s)
{
    const double all[] = {s->sum, s->product, s->sum_bound, s->product_bound};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(all); i++)
        v->shared[i] = all[i];
    v->row = row;
    v->row_known = true;
}

void expect_batch_norm_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_backward;
    size_t channels = (size_t)a->channels, k = p->at % channels;
    if (!v->row_known || v->row != k) {
        struct grad_sums s = {.sum_bound = FP32_MIN_NORMAL,
                              .product_bound = FP32_MIN_NORMAL};
        for (size_t row = 0; row < (size_t)a->rows; row++)
            add_element(&s, batch_element(v, row * channels + k),
                        gamma_bound(a->rows + 4.0));
        keep_sums(v, k, &s);
    }
    struct grad_sums s = {v->shared[0], v->shared[1], v->shared[2], v->shared[3]};
    if (verify_is(v, output, &a->dbias))
        set_point(p, s.sum, s.sum_bound);
    else if (verify_is(v, output, &a->dweight))
        set_point(p, s.product, s.product_bound);
    else
        set_input_gradient(p, &s, batch_element(v, p->at),
                           (double)verify_floats(v, &a->scale)[k], a->rows);
}

void expect_fold_batch_norm(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_fold_batch_norm_args *a = &v->call.args.fold_batch_norm;
    const float *w = verify_floats(v, &a->w), *bias = verify_floats(v, &a->bias);
    size_t k = p->at % (size_t)a->channels;
    double scale = (double)verify_floats(v, &a->weight)[k] /
                   sqrt((double)verify_floats(v, &a->variance)[k] + (double)a->epsilon);
    double mean = (double)verify_floats(v, &a->mean)[k],
           from = bias ? (double)bias[k] : 0;
    double shift = (double)verify_floats(v, &a->shift)[k];
    if (verify_is(v, output, &a->out_w)) {
        double value = (w ? (double)w[p->at] : 1) * scale;
        set_point(p, value, 8 * FP32_EPSILON * fabs(value));
    } else
        set_point(p, (from - mean) * scale + shift,
                  9 * FP32_EPSILON *
                      ((fabs(from) + fabs(mean)) * fabs(scale) + fabs(shift)));
}

void expect_layer_norm_forward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_forward;
    size_t channels = (size_t)a->channels, k = p->at % channels;
    bool is_y = verify_is(v, output, &a->y);
    size_t row = is_y ? p->at / channels : p->at;
    const float *x = verify_floats(v, &a->x);
    struct moments m =
        shared_moments(v, x, row, (struct line){row * channels, channels, 1});
    double inverse = inverse_at(m.variance, (double)a->epsilon);
    double inverse_bound = inverse_bound_at(&m, (double)a->epsilon);
    if (verify_is(v, output, &a->mean))
        set_point(p, m.mean, m.mean_bound);
    else if (verify_is(v, output, &a->inverse))
        set_point(p, inverse, inverse_bound);
    else {
        double weight = (double)verify_floats(v, &a->weight)[k];
        set_output(p, a->activation, (double)x[p->at] - m.mean, m.mean_bound,
                   inverse * weight, inverse_bound * fabs(weight),
                   (double)verify_floats(v, &a->bias)[k]);
    }
}

static struct grad_element layer_element(const struct verify_call *v, size_t i)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_backward;
    size_t k = i % (size_t)a->channels, row = i / (size_t)a->channels;
    double inverse = (double)verify_floats(v, &a->inverse)[row];
    return grad_element_at((double)verify_floats(v, &a->x)[i],
                           (double)verify_floats(v, &a->mean)[row], inverse,
                           inverse * (double)verify_floats(v, &a->weight)[k],
                           (double)verify_floats(v, &a->bias)[k],
                           (double)verify_floats(v, &a->dy)[i], a->activation);
}

/* The element times the weight of its channel. */
static struct grad_element weighted_element(const struct verify_call *v, size_t i)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_backward;
    struct grad_element e = layer_element(v, i);
    double weight = (double)verify_floats(v, &a->weight)[i % (size_t)a->channels];
    e.g *= weight;
    e.g_bound = fabs(weight) * e.g_bound + FP32_UNIT_ROUNDOFF * fabs(e.g);
    return e;
}

void expect_layer_norm_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_backward;
    size_t channels = (size_t)a->channels, row = p->at / channels;
    struct grad_sums s = {0};
    if (!verify_is(v, output, &a->dx)) {
        for (size_t i = 0; i < (size_t)a->rows; i++)
            add_element(&s, layer_element(v, i * channels + p->at),
                        gamma_bound(a->rows + 4.0));
        if (verify_is(v, output, &a->dbias))
            set_point(p, s.sum, s.sum_bound);
        else
            set_point(p, s.product, s.product_bound);
        return;
    }
    if (!v->row_known || v->row != row) {
        for (size_t k = 0; k < channels; k++)
            add_element(&s, weighted_element(v, row * channels + k),
                        gamma_bound(a->channels + 4.0));
        keep_sums(v, row, &s);
    }
    s = (struct grad_sums){v->shared[0], v->shared[1], v->shared[2], v->shared[3]};
    set_input_gradient(p, &s, weighted_element(v, p->at),
                       (double)verify_floats(v, &a->inverse)[row], a->channels);
}

void expect_prelu_forward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_prelu_args *a = &v->call.args.prelu_forward;
    double x = (double)verify_floats(v, &a->x)[p->at];
    double slope = (double)verify_floats(v, &a->slope)[p->at % (size_t)a->channels];
    (void)output;
    p->want = x > 0 ? x : slope * x;
    p->bound = x > 0 ? 0 : FP32_EPSILON * fabs(p->want) + FP32_MIN_NORMAL;
}

void expect_prelu_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_prelu_args *a = &v->call.args.prelu_backward;
    const float *x = verify_floats(v, &a->x), *dy = verify_floats(v, &a->dy);
    size_t channels = (size_t)a->channels, k = p->at % channels;
    double size = 0;
    if (verify_is(v, output, &a->dx)) {
        bool above = x[p->at] > 0;
        p->want =
            (double)dy[p->at] * (above ? 1 : (double)verify_floats(v, &a->slope)[k]);
        p->bound = above ? 0 : FP32_EPSILON * fabs(p->want) + FP32_MIN_NORMAL;
        return;
    }
    p->want = 0;
    for (size_t row = 0; row < (size_t)a->rows; row++) {
        size_t i = row * channels + k;
        double term = x[i] > 0 ? 0 : (double)x[i] * (double)dy[i];
        p->want += term;
        size += fabs(term) + FP32_MIN_NORMAL;
    }
    p->bound = gamma_bound(a->rows + 4.0) * size + FP32_MIN_NORMAL;
}
