/* SPDX-License-Identifier: Apache-2.0 */
/* Expected results of convolutions, dense layers and pools. */
#include "verify/expect_conv.h"

#include <math.h>

static struct conv_data conv_data_of(const struct verify_call *v)
{
    const struct weft_conv_args *a = &v->call.args.conv_forward;
    return (struct conv_data){.conv = &a->conv,
                              .pool = &a->pool,
                              .activation = a->activation,
                              .act_grad = &a->act_grad,
                              .x = verify_floats(v, &a->x),
                              .w = verify_floats(v, &a->w),
                              .bias = verify_floats(v, &a->bias),
                              .dy = verify_floats(v, &a->dy),
                              .argmax = verify_before(v, &a->argmax)};
}

static struct conv_data dense_data_of(const struct verify_call *v, struct weft_conv *conv)
{
    static const struct weft_pool none = {0};
    const struct weft_dense_args *a = &v->call.args.dense_forward;
    *conv = weft_conv_from_gemm(a->dense.n, a->dense.in, a->dense.out, 1);
    return (struct conv_data){.conv = conv,
                              .pool = &none,
                              .activation = a->activation,
                              .act_grad = &a->act_grad,
                              .x = verify_floats(v, &a->x),
                              .w = verify_floats(v, &a->w),
                              .bias = verify_floats(v, &a->bias),
                              .dy = verify_floats(v, &a->dy)};
}

double expect_products_bound(const struct verify_call *v, double terms)
{
    return gamma_bound(v->tf32x3 ? 2 * terms + 12 : terms);
}

/* z and the sum of |x w| at an output position. */
static double sum_products(const struct conv_data *d, int n, int oy, int ox, int k,
                           double *size)
{
    const struct weft_conv *g = d->conv;
    int channels = g->c / g->groups, first = k / (g->k / g->groups) * channels;
    double z = d->bias ? (double)d->bias[k] : 0;
    *size = fabs(z);
    for (int r = 0; r < g->r; r++)
        for (int s = 0; s < g->s; s++) {
            int iy = oy * g->stride_y - g->pad_top + r * g->dilation_y;
            int ix = ox * g->stride_x - g->pad_left + s * g->dilation_x;
            if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
                continue;
            const float *x =
                d->x +
                (((size_t)n * (size_t)g->h + (size_t)iy) * (size_t)g->w + (size_t)ix) *
                    (size_t)g->c +
                first;
            const float *w =
                d->w + (size_t)(r * g->s + s) * (size_t)channels * (size_t)g->k + k;
            for (int c = 0; c < channels; c++, w += g->k) {
                double term = (double)x[c] * (double)*w;
                z += term;
                *size += fabs(term);
            }
        }
    return z;
}

static double forward_terms(const struct weft_conv *g)
{
    return (double)g->r * g->s * (g->c / g->groups) + 5;
}

/* f(z) at an output position of the convolution, and its error bound. */
static double activated(struct verify_call *v, const struct conv_data *d, int n, int oy,
                        int ox, int k, double *bound)
{
    double size, z = sum_products(d, n, oy, ox, k, &size);
    double y = act_reference(d->activation, z);
    double off = v->winograd ? expect_winograd_forward(v, d, n, oy, ox, k)
                             : expect_products_bound(v, forward_terms(d->conv)) * size;
    *bound = act_error_bound(d->activation, size, off, y) + FP32_UNIT_ROUNDOFF * fabs(y) +
             FP32_MIN_NORMAL;
    return y;
}

/* Position `tap` of a pool's window; false: outside. */
static bool pool_place(const struct weft_pool *p, int oy, int ox, int tap, int *y, int *x)
{
    *y = oy * p->stride_y - p->pad_top + tap / p->s;
    *x = ox * p->stride_x - p->pad_left + tap % p->s;
    return *y >= 0 && *y < p->h && *x >= 0 && *x < p->w;
}

struct place {
    int n, y, x, c;
};

static struct place place_of(size_t at, int h, int w, int c)
{
    size_t pixel = at / (size_t)c;
    return (struct place){(int)(pixel / (size_t)w / (size_t)h),
                          (int)(pixel / (size_t)w % (size_t)h), (int)(pixel % (size_t)w),
                          (int)(at % (size_t)c)};
}

/* The maximum of a window, and of its elements the one that `got` names: right if it may
 * be the largest. */
static void forward_pooled(struct verify_call *v, const struct conv_data *d,
                           bool is_argmax, struct verify_point *p)
{
    const struct weft_pool *pool = d->pool;
    struct place o = place_of(p->at, pool->out_h, pool->out_w, pool->c);
    double largest = -INFINITY, largest_bound = 0, low = -INFINITY, named = -INFINITY;
    int first = -1;
    for (int tap = 0; tap < pool->r * pool->s; tap++) {
        int y, x;
        double bound;
        if (!pool_place(pool, o.y, o.x, tap, &y, &x))
            continue;
        double value = activated(v, d, o.n, y, x, o.c, &bound);
        if (is_argmax && tap == (int)p->got)
            named = value + bound;
        if (value > largest) {
            largest = value;
            first = tap;
        }
        largest_bound = fmax(largest_bound, bound);
        low = fmax(low, value - bound);
    }
    p->exact_word = is_argmax;
    p->want = !is_argmax ? largest : named >= low ? p->got : first;
    p->bound = is_argmax ? 0 : largest_bound;
}

static void forward(struct verify_call *v, const struct conv_data *d, bool is_argmax,
                    struct verify_point *p)
{
    if (d->pool->r) {
        forward_pooled(v, d, is_argmax, p);
        return;
    }
    struct place o = place_of(p->at, d->conv->out_h, d->conv->out_w, d->conv->k);
    p->want = activated(v, d, o.n, o.y, o.x, o.c, &p->bound);
}

double expect_conv_gradient(const struct conv_data *d, int n, int oy, int ox, int k,
                            double *size)
{
    const struct weft_pool *p = d->pool;
    if (!p->r) {
        const struct weft_conv *g = d->conv;
        double dy =
            (double)
                d->dy[(((size_t)n * (size_t)g->out_h + (size_t)oy) * (size_t)g->out_w +
                       (size_t)ox) *
                          (size_t)g->k +
                      (size_t)k];
        *size = fabs(dy);
        return dy;
    }
    double sum = 0;
    *size = 0;
    for (int tap = 0; tap < p->r * p->s; tap++) {
        int top = oy + p->pad_top - tap / p->s, left = ox + p->pad_left - tap % p->s;
        if (top < 0 || left < 0 || top % p->stride_y || left % p->stride_x ||
            top / p->stride_y >= p->out_h || left / p->stride_x >= p->out_w)
            continue;
        size_t at = (((size_t)n * (size_t)p->out_h + (size_t)(top / p->stride_y)) *
                         (size_t)p->out_w +
                     (size_t)(left / p->stride_x)) *
                        (size_t)p->c +
                    (size_t)k;
        if (d->argmax[at] != tap)
            continue;
        sum += (double)d->dy[at];
        *size += fabs((double)d->dy[at]);
    }
    return sum;
}

/* The output position that reads an input position through a tap; false: none. */
static bool output_of(int in, int pad, int tap, int stride, int out, int *position)
{
    int at = in + pad - tap;
    *position = at / stride;
    return at >= 0 && at % stride == 0 && *position < out;
}

static void backward_data(struct verify_call *v, const struct conv_data *d,
                          struct verify_point *p)
{
    const struct weft_conv *g = d->conv;
    struct place i = place_of(p->at, g->h, g->w, g->c);
    int in = g->c / g->groups, out = g->k / g->groups, group = i.c / in;
    double size = 0, sum = 0;
    for (int r = 0; r < g->r; r++)
        for (int s = 0; s < g->s; s++) {
            int oy, ox;
            if (!output_of(i.y, g->pad_top, r * g->dilation_y, g->stride_y, g->out_h,
                           &oy) ||
                !output_of(i.x, g->pad_left, s * g->dilation_x, g->stride_x, g->out_w,
                           &ox))
                continue;
            const float *w =
                d->w +
                ((size_t)(r * g->s + s) * (size_t)in + (size_t)(i.c % in)) * (size_t)g->k;
            for (int k = group * out; k < (group + 1) * out; k++) {
                double dz_size, dz = expect_conv_gradient(d, i.n, oy, ox, k, &dz_size);
                sum += dz * (double)w[k];
                size += dz_size * fabs((double)w[k]);
            }
        }
    p->want = sum;
    double terms = (double)g->r * g->s * out + pool_max_overlap(d->pool) + 4;
    p->bound =
        FP32_MIN_NORMAL + (v->winograd ? expect_winograd_data(v, d, i.n, i.y, i.x, i.c)
                                       : expect_products_bound(v, terms) * size);
    verify_apply_act_grad(v, d->act_grad, p->at, size, p);
}

static void backward_weights(struct verify_call *v, const struct conv_data *d,
                             bool is_bias, struct verify_point *p)
{
    const struct weft_conv *g = d->conv;
    int in = g->c / g->groups, k = (int)(p->at % (size_t)g->k);
    int c = is_bias ? 0 : (int)(p->at / (size_t)g->k % (size_t)in);
    int tap = is_bias ? 0 : (int)(p->at / (size_t)g->k / (size_t)in);
    int channel = k / (g->k / g->groups) * in + c;
    double size = 0, sum = 0;
    for (int n = 0; n < g->n; n++)
        for (int oy = 0; oy < g->out_h; oy++) {
            int iy = oy * g->stride_y - g->pad_top + tap / g->s * g->dilation_y;
            if (!is_bias && (iy < 0 || iy >= g->h))
                continue;
            for (int ox = 0; ox < g->out_w; ox++) {
                int ix = ox * g->stride_x - g->pad_left + tap % g->s * g->dilation_x;
                if (!is_bias && (ix < 0 || ix >= g->w))
                    continue;
                double dz_size, dz = expect_conv_gradient(d, n, oy, ox, k, &dz_size),
                                x = 1;
                if (!is_bias)
                    x = (double)
                            d->x[(((size_t)n * (size_t)g->h + (size_t)iy) * (size_t)g->w +
                                  (size_t)ix) *
                                     (size_t)g->c +
                                 (size_t)channel];
                sum += x * dz;
                size += fabs(x) * dz_size;
            }
        }
    p->want = sum;
    double terms = (double)g->n * g->out_h * g->out_w + pool_max_overlap(d->pool) + 4;
    p->bound = FP32_MIN_NORMAL + (v->winograd && !is_bias
                                      ? expect_winograd_weights(v, d, tap, c, k)
                                      : expect_products_bound(v, terms) * size);
}

void expect_conv_forward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct conv_data d = conv_data_of(v);
    forward(v, &d, verify_is(v, output, &v->call.args.conv_forward.argmax), p);
}

void expect_conv_data(struct verify_call *v, int output, struct verify_point *p)
{
    const struct conv_data d = conv_data_of(v);
    (void)output;
    backward_data(v, &d, p);
}

void expect_conv_weights(struct verify_call *v, int output, struct verify_point *p)
{
    const struct conv_data d = conv_data_of(v);
    backward_weights(v, &d, verify_is(v, output, &v->call.args.conv_forward.dbias), p);
}

void expect_dense_forward(struct verify_call *v, int output, struct verify_point *p)
{
    struct weft_conv conv;
    const struct conv_data d = dense_data_of(v, &conv);
    (void)output;
    forward(v, &d, false, p);
}

void expect_dense_data(struct verify_call *v, int output, struct verify_point *p)
{
    struct weft_conv conv;
    const struct conv_data d = dense_data_of(v, &conv);
    (void)output;
    backward_data(v, &d, p);
}

void expect_dense_weights(struct verify_call *v, int output, struct verify_point *p)
{
    struct weft_conv conv;
    const struct conv_data d = dense_data_of(v, &conv);
    backward_weights(v, &d, verify_is(v, output, &v->call.args.dense_forward.dbias), p);
}

static double products_of(const struct weft_conv *g, const struct weft_pool *pool,
                          bool is_weights, bool is_data)
{
    double window = pool->r ? pool->r * pool->s : 1;
    if (is_weights)
        return (double)g->n * g->out_h * g->out_w * window;
    return (double)g->r * g->s * (is_data ? g->k : g->c) / g->groups * window;
}

double work_conv(const struct verify_call *v, int output)
{
    const struct weft_conv_args *a = &v->call.args.conv_forward;
    (void)output;
    return products_of(&a->conv, &a->pool,
                       v->call.primitive == WEFT_PRIMITIVE_conv_backward_weights,
                       v->call.primitive == WEFT_PRIMITIVE_conv_backward_data);
}

double work_dense(const struct verify_call *v, int output)
{
    const struct weft_dense *d = &v->call.args.dense_forward.dense;
    (void)output;
    return v->call.primitive == WEFT_PRIMITIVE_dense_forward         ? d->in
           : v->call.primitive == WEFT_PRIMITIVE_dense_backward_data ? d->out
                                                                     : d->n;
}

/* Positions by which the mean of a window is divided. */
static double divisor(const struct weft_pool *p, int oy, int ox)
{
    int top = oy * p->stride_y - p->pad_top, left = ox * p->stride_x - p->pad_left;
    int bottom = top + p->r, right = left + p->s;
    top = top < -p->count_top ? -p->count_top : top;
    left = left < -p->count_left ? -p->count_left : left;
    bottom = bottom > p->h + p->count_bottom ? p->h + p->count_bottom : bottom;
    right = right > p->w + p->count_right ? p->w + p->count_right : right;
    return (double)(bottom - top) * (right - left);
}

static size_t element(int n, int y, int x, int c, const struct weft_pool *p)
{
    return (((size_t)n * (size_t)p->h + (size_t)y) * (size_t)p->w + (size_t)x) *
               (size_t)p->c +
           (size_t)c;
}

void expect_pool_forward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_pool_args *a = &v->call.args.pool_forward;
    const struct weft_pool *pool = &a->pool;
    const float *x = verify_floats(v, &a->x);
    struct place o = place_of(p->at, pool->out_h, pool->out_w, pool->c);
    double largest = -INFINITY, sum = 0, size = 0;
    int first = 0;
    for (int tap = 0; tap < pool->r * pool->s; tap++) {
        int iy, ix;
        if (!pool_place(pool, o.y, o.x, tap, &iy, &ix))
            continue;
        double value = (double)x[element(o.n, iy, ix, o.c, pool)];
        sum += value;
        size += fabs(value);
        if (value > largest) {
            largest = value;
            first = tap;
        }
    }
    p->exact_word = verify_is(v, output, &a->argmax);
    p->want = p->exact_word                 ? first
              : pool->kind == WEFT_POOL_MAX ? largest
                                            : sum / divisor(pool, o.y, o.x);
    p->bound = pool->kind == WEFT_POOL_MAX ? 0
                                           : gamma_bound(pool->r * pool->s + 4.0) * size /
                                                     divisor(pool, o.y, o.x) +
                                                 FP32_MIN_NORMAL;
}

void expect_pool_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_pool_args *a = &v->call.args.pool_backward;
    const struct weft_pool *pool = &a->pool;
    const float *dy = verify_floats(v, &a->dy);
    const void *argmax = verify_before(v, &a->argmax);
    bool bytes = weft_pool_argmax_bytes(pool) == 1;
    struct place i = place_of(p->at, pool->h, pool->w, pool->c);
    double size = 0;
    (void)output;
    p->want = 0;
    for (int tap = 0; tap < pool->r * pool->s; tap++) {
        int oy, ox;
        if (!output_of(i.y, pool->pad_top, tap / pool->s, pool->stride_y, pool->out_h,
                       &oy) ||
            !output_of(i.x, pool->pad_left, tap % pool->s, pool->stride_x, pool->out_w,
                       &ox))
            continue;
        size_t at =
            (((size_t)i.n * (size_t)pool->out_h + (size_t)oy) * (size_t)pool->out_w +
             (size_t)ox) *
                (size_t)pool->c +
            (size_t)i.c;
        double term = (double)dy[at];
        if (pool->kind != WEFT_POOL_MAX)
            term /= divisor(pool, oy, ox);
        else if (tap != (bytes ? (int)((const uint8_t *)argmax)[at]
                               : (int)((const uint32_t *)argmax)[at]))
            continue;
        p->want += term;
        size += fabs(term);
    }
    p->bound = gamma_bound(pool_max_overlap(pool) + 3.0) * size;
}
