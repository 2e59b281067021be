/* SPDX-License-Identifier: Apache-2.0 */
/* Error bounds of convolution by Winograd's algorithm on given numbers: the transforms of
 * cl/lib/winograd.h and the sums between them are followed tile by tile, and each number
 * carries what rounding may have changed in it. Where numbers fit a float nothing has. */
#include "verify/winograd_errors.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_OUTPUTS = 4, MAX_INPUTS = MAX_OUTPUTS + 2 };

/* A number, and how far the device's may be from it. */
struct approx {
    double v, e;
};

/* A sum in any order. */
struct approx_sum {
    struct approx total;
    double size; /* sum of absolute values */
    double grid; /* a power of two: all terms are multiples; 0: not all are exact */
    int terms;   /* that are not zero */
};

/* The points of the transforms, and the inverse products of their distances to the
 * others. */
struct points {
    int outputs;
    struct approx p, pp, ppp, q, qq, qqq, np, nq;
};

static double half_ulp(double size)
{
    int exponent;
    frexp(size, &exponent);
    return size > 0 ? ldexp(1, exponent - FLT_MANT_DIG - 1) : 0;
}

/* Up to the rounding of double. */
static bool is_float(double v)
{
    return fabs((double)(float)v - v) <= 8 * DBL_EPSILON * fabs(v);
}

/* The bound of a device's number against a reference's, rounded once. */
static double against_reference(struct approx a)
{
    return a.e + (is_float(a.v) ? 0 : half_ulp(fabs(a.v)));
}

/* True: the number is a float, and the nearest one to all that are off by `e`. Below a
 * power of two floats are closer. */
static bool rounds_to_itself(double v, double e)
{
    int exponent;
    bool is_power = fabs(frexp(v, &exponent)) == 0.5;
    return is_float(v) && (e == 0 || e < half_ulp(fabs(v)) / (is_power ? 2 : 1));
}

static struct approx rounded(double v, double e)
{
    if (rounds_to_itself(v, e))
        return (struct approx){v, 0};
    return (struct approx){v, e + half_ulp(fabs(v) + e) + FP32_MIN_NORMAL};
}

static struct approx constant(double v)
{
    return (struct approx){v, fabs((double)(float)v - v)};
}

static struct approx add(struct approx a, struct approx b)
{
    return rounded(a.v + b.v, a.e + b.e);
}

static struct approx sub(struct approx a, struct approx b)
{
    return rounded(a.v - b.v, a.e + b.e);
}

/* The product may be contracted with a sum: then it is not rounded. */
static struct approx mul(struct approx a, struct approx b)
{
    double v = a.v * b.v, e = fabs(a.v) * b.e + fabs(b.v) * a.e + a.e * b.e;
    struct approx r = rounded(v, e);
    return (struct approx){v, fmax(e, r.e)};
}

/* The product of constants, which the compiler computes. */
static struct approx constant_mul(struct approx a, struct approx b)
{
    struct approx product = mul(a, b);
    return rounds_to_itself(product.v, product.e) ? (struct approx){product.v, 0}
                                                  : product;
}

static struct approx negative(struct approx a)
{
    return (struct approx){-a.v, a.e};
}

static struct approx mad(struct approx a, struct approx b, struct approx c)
{
    return add(mul(a, b), c);
}

/* The lowest bit of a number. */
static double grid_of(double v)
{
    int exponent;
    double mantissa = frexp(fabs(v), &exponent);
    uint64_t bits = (uint64_t)ldexp(mantissa, DBL_MANT_DIG);
    return ldexp((double)(bits & -bits), exponent - DBL_MANT_DIG);
}

static void sum_add(struct approx_sum *s, struct approx a)
{
    if (a.v == 0 && a.e == 0)
        return;
    double grid = a.e > 0 ? 0 : grid_of(a.v);
    s->grid = s->terms && s->grid < grid ? s->grid : grid;
    s->terms++;
    s->total.v += a.v;
    s->total.e += a.e;
    s->size += fabs(a.v) + a.e;
}

static struct approx sum_of(const struct approx_sum *s)
{
    struct approx r = s->total;
    bool exact = s->grid > 0 && s->size <= ldexp(s->grid, FLT_MANT_DIG);
    if (s->terms > 1 && !exact)
        r.e += gamma_bound(s->terms - 1) * s->size + FP32_MIN_NORMAL;
    return r;
}

static struct points points_of(int outputs)
{
    struct points c = {.outputs = outputs};
    bool three = outputs == 3;
    double p = three ? 0.5 : 2.0 / 3, q = 1.5;
    c.p = constant(p);
    c.pp = constant(p * p);
    c.ppp = constant(three ? 0.125 : 8.0 / 27);
    c.q = constant(q);
    c.qq = constant(q * q);
    c.qqq = constant(q * q * q);
    c.np = constant(three ? -0.5 : -81.0 / 130);
    c.nq = constant(three ? 1.0 / 6 : 8.0 / 65);
    return c;
}

/* ---- the transforms along one axis, as in cl/lib/winograd.h ---- */

typedef void transform(const struct points *c, struct approx *to,
                       const struct approx *from);

static void transform_input(const struct points *c, struct approx *v,
                            const struct approx *d)
{
    if (c->outputs == 2) {
        v[0] = sub(d[0], d[2]);
        v[1] = add(d[1], d[2]);
        v[2] = sub(d[2], d[1]);
        v[3] = sub(d[1], d[3]);
        return;
    }
    int even = c->outputs == 4 ? 2 : 0;
    struct approx p = mad(d[1], negative(c->qq), d[3]);
    struct approx pp = mad(d[even], negative(c->qq), d[even + 2]);
    struct approx q = mad(d[1], negative(c->pp), d[3]);
    struct approx qq = mad(d[even], negative(c->pp), d[even + 2]);
    if (c->outputs == 3) {
        v[0] = mad(pp, c->p, p);
        v[1] = mad(pp, c->p, negative(p));
        v[2] = mad(qq, c->q, q);
        v[3] = mad(qq, c->q, negative(q));
        v[4] = mad(pp, negative(c->pp), mad(d[2], negative(c->qq), d[4]));
        return;
    }
    struct approx both = negative(add(c->pp, c->qq));
    v[0] = mad(d[2], both, add(d[0], d[4]));
    v[1] = mad(p, c->p, pp);
    v[2] = mad(p, negative(c->p), pp);
    v[3] = mad(q, c->q, qq);
    v[4] = mad(q, negative(c->q), qq);
    v[5] = mad(d[3], both, add(d[1], d[5]));
}

static void transform_weights(const struct points *c, struct approx *u,
                              const struct approx *g)
{
    const struct approx half = {0.5, 0};
    if (c->outputs == 2) {
        struct approx even = mul(add(g[0], g[2]), half), odd = mul(g[1], half);
        u[0] = g[0];
        u[1] = add(even, odd);
        u[2] = sub(even, odd);
        u[3] = g[2];
        return;
    }
    struct approx p = mul(mad(g[2], c->pp, g[0]), c->np);
    struct approx pp = mul(g[1], constant_mul(c->p, c->np));
    struct approx q = mul(mad(g[2], c->qq, g[0]), c->nq);
    struct approx qq = mul(g[1], constant_mul(c->q, c->nq));
    if (c->outputs == 4)
        *u++ = g[0];
    u[0] = add(p, pp);
    u[1] = sub(p, pp);
    u[2] = add(q, qq);
    u[3] = sub(q, qq);
    u[4] = g[2];
}

static void transform_output(const struct points *c, struct approx *y,
                             const struct approx *m)
{
    if (c->outputs == 2) {
        y[0] = add(add(m[0], m[1]), m[2]);
        y[1] = sub(sub(m[1], m[2]), m[3]);
        return;
    }
    const struct approx *f = m + (c->outputs == 4);
    struct approx p = add(f[0], f[1]), pp = sub(f[0], f[1]);
    struct approx q = add(f[2], f[3]), qq = sub(f[2], f[3]);
    y[1] = mad(pp, c->p, mul(qq, c->q));
    if (c->outputs == 3) {
        y[0] = add(p, q);
        y[2] = mad(p, c->pp, mad(q, c->qq, m[4]));
        return;
    }
    y[0] = add(add(m[0], p), q);
    y[2] = mad(p, c->pp, mul(q, c->qq));
    y[3] = mad(pp, c->ppp, mad(qq, c->qqq, m[5]));
}

static void transform_gradient(const struct points *c, struct approx *v,
                               const struct approx *y)
{
    if (c->outputs == 2) {
        v[0] = y[0];
        v[1] = add(y[0], y[1]);
        v[2] = sub(y[0], y[1]);
        v[3] = negative(y[1]);
        return;
    }
    struct approx p = mad(y[2], c->pp, y[0]), q = mad(y[2], c->qq, y[0]);
    struct approx pp = mul(y[1], c->p), qq = mul(y[1], c->q);
    v[c->outputs + 1] = y[c->outputs - 1];
    if (c->outputs == 4) {
        pp = mad(y[3], c->ppp, pp);
        qq = mad(y[3], c->qqq, qq);
        *v++ = y[0];
    }
    v[0] = add(p, pp);
    v[1] = sub(p, pp);
    v[2] = add(q, qq);
    v[3] = sub(q, qq);
}

static void transform_weight_gradient(const struct points *c, struct approx *g,
                                      const struct approx *u)
{
    const struct approx half = {0.5, 0};
    if (c->outputs == 2) {
        struct approx even = mul(add(u[1], u[2]), half);
        g[0] = add(u[0], even);
        g[1] = mul(sub(u[1], u[2]), half);
        g[2] = add(even, u[3]);
        return;
    }
    const struct approx *f = u + (c->outputs == 4);
    struct approx p = mul(add(f[0], f[1]), c->np), pp = sub(f[0], f[1]);
    struct approx q = mul(add(f[2], f[3]), c->nq), qq = sub(f[2], f[3]);
    g[0] = c->outputs == 3 ? add(p, q) : add(add(u[0], p), q);
    g[1] = mad(pp, constant_mul(c->p, c->np), mul(qq, constant_mul(c->q, c->nq)));
    g[2] = mad(p, c->pp, mad(q, c->qq, u[c->outputs + 1]));
}

/* Along columns, then along rows: `from` x `from` numbers to `to` x `to`. */
static void transform_both(const struct points *c, transform *axis, int from, int to,
                           struct approx *out, const struct approx *in)
{
    struct approx part[MAX_INPUTS * MAX_INPUTS], a[MAX_INPUTS], b[MAX_INPUTS];
    for (int j = 0; j < from; j++) {
        for (int i = 0; i < from; i++)
            a[i] = in[i * from + j];
        axis(c, b, a);
        for (int i = 0; i < to; i++)
            part[i * from + j] = b[i];
    }
    for (int i = 0; i < to; i++)
        axis(c, out + i * to, part + i * from);
}

/* ---- convolutions ---- */

bool winograd_image_init(struct winograd_image *image, int n, int h, int w, int c)
{
    size_t count = (size_t)n * (size_t)h * (size_t)w * (size_t)c;
    *image = (struct winograd_image){h, w, c, calloc(count, sizeof(double)),
                                     calloc(count, sizeof(double))};
    return image->v && image->e;
}

void winograd_image_finish(struct winograd_image *image)
{
    free(image->v);
    free(image->e);
}

static void load_tile(const struct winograd_image *x, int n, int top, int left, int c,
                      int side, struct approx *tile)
{
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int y = top + i, at = left + j;
            bool inside = y >= 0 && y < x->h && at >= 0 && at < x->w;
            size_t place =
                ((size_t)n * (size_t)x->h + (size_t)(inside ? y : 0)) * (size_t)x->w +
                (size_t)(inside ? at : 0);
            size_t element = place * (size_t)x->c + (size_t)c;
            tile[i * side + j] = inside ? (struct approx){x->v[element], x->e[element]}
                                        : (struct approx){0, 0};
        }
}

static struct approx filter_tap(const struct winograd_problem *p, int tap, int in,
                                int out)
{
    int k = p->rotated ? p->x.c : p->out.c;
    size_t at =
        p->rotated
            ? ((size_t)(8 - tap) * (size_t)p->out.c + (size_t)out) * (size_t)k +
                  (size_t)in
            : ((size_t)tap * (size_t)p->x.c + (size_t)in) * (size_t)k + (size_t)out;
    return (struct approx){(double)p->w[at], 0};
}

/* The outputs of a tile and channel: transformed inputs `v` and weights `u`, each
 * [channel][element]. */
static void finish_tile(const struct winograd_problem *p, const struct points *c,
                        const struct approx *v, const struct approx *u, int n, int top,
                        int left, int k)
{
    int side = p->outputs + 2, elements = side * side;
    struct approx m[MAX_INPUTS * MAX_INPUTS], y[MAX_OUTPUTS * MAX_OUTPUTS];
    for (int e = 0; e < elements; e++) {
        struct approx_sum sum = {.terms = 0};
        for (int in = 0; in < p->x.c; in++)
            sum_add(&sum, mul(v[in * elements + e], u[in * elements + e]));
        m[e] = sum_of(&sum);
    }
    transform_both(c, transform_output, side, p->outputs, y, m);
    struct approx bias = {p->bias ? (double)p->bias[k] : 0, 0};
    for (int i = 0; i < p->outputs && top + i < p->out.h; i++)
        for (int j = 0; j < p->outputs && left + j < p->out.w; j++) {
            struct approx z = add(y[i * p->outputs + j], bias);
            size_t at =
                (((size_t)n * (size_t)p->out.h + (size_t)(top + i)) * (size_t)p->out.w +
                 (size_t)(left + j)) *
                    (size_t)p->out.c +
                (size_t)k;
            p->out.v[at] = z.v;
            p->out.e[at] = against_reference(z);
        }
}

bool winograd_errors(const struct winograd_problem *p)
{
    struct points c = points_of(p->outputs);
    int side = p->outputs + 2, elements = side * side;
    size_t in = (size_t)p->x.c, out = (size_t)p->out.c, room = (size_t)elements;
    struct approx *u = malloc(in * out * room * sizeof(*u));
    struct approx *v = malloc(in * room * sizeof(*v)), tile[MAX_INPUTS * MAX_INPUTS];
    bool whole = u && v;
    for (size_t i = 0; whole && i < in * out; i++) { /* u: [out][in][element] */
        for (int tap = 0; tap < 9; tap++)
            tile[tap] = filter_tap(p, tap, (int)(i % in), (int)(i / in));
        transform_both(&c, transform_weights, 3, side, u + i * room, tile);
    }
    for (int n = 0; whole && n < p->images; n++)
        for (int top = 0; top < p->out.h; top += p->outputs)
            for (int left = 0; left < p->out.w; left += p->outputs) {
                for (int i = 0; i < p->x.c; i++) {
                    load_tile(&p->x, n, top - p->pad_top, left - p->pad_left, i, side,
                              tile);
                    transform_both(&c, transform_input, side, side, v + (size_t)i * room,
                                   tile);
                }
                for (size_t k = 0; k < out; k++)
                    finish_tile(p, &c, v, u + k * in * room, n, top, left, (int)k);
            }
    free(u);
    free(v);
    return whole;
}

/* Adds the products of a tile to the sums, [in][out][element]. */
static void accumulate_tile(const struct winograd_problem *p, const struct points *c,
                            int n, int top, int left, struct approx *v,
                            struct approx_sum *sums)
{
    int side = p->outputs + 2, elements = side * side, count = p->x.c + p->out.c;
    struct approx tile[MAX_INPUTS * MAX_INPUTS];
    for (int i = 0; i < p->x.c; i++) {
        load_tile(&p->x, n, top - p->pad_top, left - p->pad_left, i, side, tile);
        transform_both(c, transform_input, side, side, v + i * elements, tile);
    }
    for (int i = p->x.c; i < count; i++) {
        load_tile(&p->out, n, top, left, i - p->x.c, p->outputs, tile);
        transform_both(c, transform_gradient, p->outputs, side, v + i * elements, tile);
    }
    for (int i = 0; i < p->x.c; i++)
        for (int k = 0; k < p->out.c; k++)
            for (int e = 0; e < elements; e++)
                sum_add(sums++, mul(v[i * elements + e], v[(p->x.c + k) * elements + e]));
}

bool winograd_weight_errors(const struct winograd_problem *p, double *errors)
{
    struct points c = points_of(p->outputs);
    int side = p->outputs + 2, elements = side * side;
    size_t pairs = (size_t)p->x.c * (size_t)p->out.c, room = (size_t)elements;
    struct approx_sum *sums = calloc(pairs * room, sizeof(*sums));
    struct approx *v = malloc((size_t)(p->x.c + p->out.c) * room * sizeof(*v));
    bool whole = sums && v;
    for (int n = 0; whole && n < p->images; n++)
        for (int top = 0; top < p->out.h; top += p->outputs)
            for (int left = 0; left < p->out.w; left += p->outputs)
                accumulate_tile(p, &c, n, top, left, v, sums);
    for (size_t i = 0; whole && i < pairs; i++) {
        struct approx u[MAX_INPUTS * MAX_INPUTS], g[9];
        for (size_t e = 0; e < room; e++)
            u[e] = sum_of(&sums[i * room + e]);
        transform_both(&c, transform_weight_gradient, side, 3, g, u);
        for (size_t tap = 0; tap < 9; tap++)
            errors[tap * pairs + i] = against_reference(g[tap]);
    }
    free(sums);
    free(v);
    return whole;
}
