/* SPDX-License-Identifier: Apache-2.0 */
/* Expected results of normalizations and of PReLU. */
#include "verify/expect.h"
#include "verify/norm_bound.h"

#include <math.h>
#include <string.h>

/* The moments of a group, kept for the next element of it. */
static struct norm_moments shared_moments(struct verify_call *v, const float *x,
                                          size_t row, struct norm_group g, float epsilon)
{
    struct norm_moments m;
    _Static_assert(sizeof(m) <= sizeof(v->shared), "room for all of them");
    if (!v->row_known || v->row != row) {
        m = norm_moments_of(x, g, (double)epsilon);
        memcpy(v->shared, &m, sizeof(m));
        v->row = row;
        v->row_known = true;
    }
    memcpy(&m, v->shared, sizeof(m));
    return m;
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
                             const struct norm_moments *m, struct verify_point *p)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_forward;
    double momentum = (double)a->momentum;
    double weight = (double)verify_floats(v, &a->weight)[k];
    double spread = a->rows > 1 ? (double)a->rows / (a->rows - 1) : 1;
    if (verify_is(v, output, &a->mean))
        set_point(p, m->mean, m->mean_bound);
    else if (verify_is(v, output, &a->inverse))
        set_point(p, m->inverse, m->inverse_bound);
    else if (verify_is(v, output, &a->scale))
        set_point(p, weight * m->inverse,
                  fabs(weight) * (m->inverse_bound + FP32_EPSILON * m->inverse));
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
    struct norm_moments m = shared_moments(
        v, x, k, (struct norm_group){k, channels, (size_t)a->rows}, a->epsilon);
    if (!verify_is(v, output, &a->y)) {
        expect_statistic(v, output, k, &m, p);
        return;
    }
    double weight = (double)verify_floats(v, &a->weight)[k];
    double scale_bound = fabs(weight) * (m.inverse_bound + FP32_EPSILON * m.inverse);
    set_output(p, a->activation, (double)x[p->at] - m.mean, m.mean_bound,
               weight * m.inverse, scale_bound, (double)verify_floats(v, &a->bias)[k]);
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

/* dx = factor (g - (sum + x_hat product) / count). */
static void set_input_gradient(struct verify_point *p, const struct norm_sums *s,
                               struct norm_element e, double factor, double count)
{
    set_point(p, factor * (e.g - (s->sum + e.x_hat * s->product) / count),
              norm_input_gradient_bound(s, e, factor, count));
}

static struct norm_element batch_element(const struct verify_call *v, size_t i)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_backward;
    size_t k = i % (size_t)a->channels;
    return norm_element_of(
        (double)verify_floats(v, &a->x)[i] - (double)verify_floats(v, &a->mean)[k],
        (double)verify_floats(v, &a->inverse)[k], (double)verify_floats(v, &a->scale)[k],
        (double)verify_floats(v, &a->bias)[k], (double)verify_floats(v, &a->dy)[i],
        a->activation);
}

static void keep_sums(struct verify_call *v, size_t row, const struct norm_sums *s)
{
    _Static_assert(sizeof(*s) <= sizeof(v->shared), "room for all of them");
    memcpy(v->shared, s, sizeof(*s));
    v->row = row;
    v->row_known = true;
}

static struct norm_sums kept_sums(const struct verify_call *v)
{
    struct norm_sums s;
    memcpy(&s, v->shared, sizeof(s));
    return s;
}

void expect_batch_norm_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_batch_norm_args *a = &v->call.args.batch_norm_backward;
    size_t channels = (size_t)a->channels, k = p->at % channels;
    if (!v->row_known || v->row != k) {
        struct norm_sums s = {.sum_bound = FP32_MIN_NORMAL,
                              .product_bound = FP32_MIN_NORMAL};
        for (size_t row = 0; row < (size_t)a->rows; row++)
            norm_sums_add(&s, batch_element(v, row * channels + k),
                          gamma_bound(a->rows + 4.0));
        keep_sums(v, k, &s);
    }
    struct norm_sums s = kept_sums(v);
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
    struct norm_moments m = shared_moments(
        v, x, row, (struct norm_group){row * channels, 1, channels}, a->epsilon);
    if (verify_is(v, output, &a->mean))
        set_point(p, m.mean, m.mean_bound);
    else if (verify_is(v, output, &a->inverse))
        set_point(p, m.inverse, m.inverse_bound);
    else {
        double weight = (double)verify_floats(v, &a->weight)[k];
        set_output(p, a->activation, (double)x[p->at] - m.mean, m.mean_bound,
                   m.inverse * weight, m.inverse_bound * fabs(weight),
                   (double)verify_floats(v, &a->bias)[k]);
    }
}

static struct norm_element layer_element(const struct verify_call *v, size_t i)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_backward;
    size_t k = i % (size_t)a->channels, row = i / (size_t)a->channels;
    double inverse = (double)verify_floats(v, &a->inverse)[row];
    return norm_element_of((double)verify_floats(v, &a->x)[i] -
                               (double)verify_floats(v, &a->mean)[row],
                           inverse, inverse * (double)verify_floats(v, &a->weight)[k],
                           (double)verify_floats(v, &a->bias)[k],
                           (double)verify_floats(v, &a->dy)[i], a->activation);
}

static struct norm_element weighted_element(const struct verify_call *v, size_t i)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_backward;
    return norm_weighted(layer_element(v, i),
                         (double)verify_floats(v, &a->weight)[i % (size_t)a->channels]);
}

void expect_layer_norm_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_backward;
    size_t channels = (size_t)a->channels, row = p->at / channels;
    struct norm_sums s = {0};
    if (!verify_is(v, output, &a->dx)) {
        for (size_t i = 0; i < (size_t)a->rows; i++)
            norm_sums_add(&s, layer_element(v, i * channels + p->at),
                          gamma_bound(a->rows + 4.0));
        if (verify_is(v, output, &a->dbias))
            set_point(p, s.sum, s.sum_bound);
        else
            set_point(p, s.product, s.product_bound);
        return;
    }
    if (!v->row_known || v->row != row) {
        for (size_t k = 0; k < channels; k++)
            norm_sums_add(&s, weighted_element(v, row * channels + k),
                          gamma_bound(a->channels + 4.0));
        keep_sums(v, row, &s);
    }
    s = kept_sums(v);
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
