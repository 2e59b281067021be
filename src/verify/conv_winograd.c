/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of convolutions that run by Winograd's algorithm: bounds, and numbers that show
 * an error of a transform. */
#include "verify/conv.h"
#include "verify/winograd_errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows and columns between two numbers that no input tile has both of. */
enum { IMPULSE_STEP = 6 };

static enum weft_status image_init(const struct conv_case *v,
                                   struct winograd_image *image, int h, int w, int c)
{
    return winograd_image_init(image, v->conv.n, h, w, c)
               ? WEFT_OK
               : weft_out_of_memory(lab_context(&v->base.lab), "verify", 0);
}

static void set_numbers(const struct conv_case *v, struct winograd_image *image,
                        const struct lab_tensor *t)
{
    const float *from = lab_initial(&v->base.lab, t);
    for (size_t i = 0; i < t->count; i++)
        image->v[i] = (double)from[i];
}

/* dz: dy, or behind a pool dy where argmax is; sums where windows overlap. */
static void set_gradient(const struct conv_case *v, struct winograd_image *dz,
                         bool integers)
{
    const struct weft_pool *p = &v->pool;
    const float *dy = lab_initial(&v->base.lab, v->dy);
    const uint8_t *argmax = v->argmax ? lab_initial(&v->base.lab, v->argmax) : NULL;
    if (!p->r) {
        set_numbers(v, dz, v->dy);
        return;
    }
    double gamma = integers ? 0 : gamma_bound(pool_max_overlap(p) - 1);
    size_t at = 0;
    for (int n = 0; n < v->conv.n; n++)
        for (int y = 0; y < p->out_h; y++)
            for (int x = 0; x < p->out_w; x++)
                for (int k = 0; k < p->c; k++, at++) {
                    int row = y * p->stride_y - p->pad_top + argmax[at] / p->s;
                    int column = x * p->stride_x - p->pad_left + argmax[at] % p->s;
                    size_t to = (((size_t)n * (size_t)p->h + (size_t)row) * (size_t)p->w +
                                 (size_t)column) *
                                    (size_t)p->c +
                                (size_t)k;
                    dz->v[to] += (double)dy[at];
                    dz->e[to] += gamma * fabs((double)dy[at]);
                }
}

/* The largest bound of a pool's window, for each element of y. */
static void largest_of_windows(const struct conv_case *v, const struct winograd_image *z,
                               double *bounds)
{
    const struct weft_pool *p = &v->pool;
    for (size_t i = 0; i < v->y->count; i++) {
        size_t channel = i % (size_t)p->c, rest = i / (size_t)p->c;
        int left = (int)(rest % (size_t)p->out_w) * p->stride_x - p->pad_left;
        int top =
            (int)(rest / (size_t)p->out_w % (size_t)p->out_h) * p->stride_y - p->pad_top;
        size_t n = rest / (size_t)p->out_w / (size_t)p->out_h;
        bounds[i] = 0;
        for (int y = top; y < top + p->r; y++)
            for (int x = left; x < left + p->s; x++)
                if (y >= 0 && y < p->h && x >= 0 && x < p->w)
                    bounds[i] = fmax(
                        bounds[i],
                        z->e[((n * (size_t)p->h + (size_t)y) * (size_t)p->w + (size_t)x) *
                                 (size_t)p->c +
                             channel]);
    }
}

static struct winograd_problem problem_of(const struct conv_case *v,
                                          const struct verify_run *run)
{
    return (struct winograd_problem){
        .outputs = run->list[LAB_DEVICE]->info.winograd,
        .images = v->conv.n,
        .pad_top = v->conv.pad_top,
        .pad_left = v->conv.pad_left,
        .w = lab_initial(&v->base.lab, v->w),
    };
}

enum weft_status conv_winograd_bounds(struct conv_case *v, const struct verify_run *run,
                                      bool is_dgrad, bool integers, double **bounds)
{
    const struct weft_conv *g = &v->conv;
    const struct lab_tensor *result = is_dgrad ? v->dx : v->y;
    struct winograd_problem p = problem_of(v, run);
    struct winograd_image *in = is_dgrad ? &p.out : &p.x, *out = is_dgrad ? &p.x : &p.out;
    enum weft_status status = image_init(v, in, g->h, g->w, g->c);
    if (!status)
        status = image_init(v, out, g->out_h, g->out_w, g->k);
    double *own = malloc(result->count * sizeof(*own));
    if (!status && !own)
        status = weft_out_of_memory(lab_context(&v->base.lab), "verify",
                                    result->count * sizeof(*own));
    if (status)
        goto done;
    if (is_dgrad) {
        set_gradient(v, &p.x, integers);
        p.rotated = true;
        p.pad_top = 2 - p.pad_top;
        p.pad_left = 2 - p.pad_left;
    } else {
        set_numbers(v, &p.x, v->x);
        p.bias = v->bias ? lab_initial(&v->base.lab, v->bias) : NULL;
    }
    if (!winograd_errors(&p))
        status = weft_out_of_memory(lab_context(&v->base.lab), "verify", 0);
    else if (!is_dgrad && v->pool.r)
        largest_of_windows(v, &p.out, own);
    else
        memcpy(own, p.out.e, result->count * sizeof(*own));
done:
    winograd_image_finish(&p.x);
    winograd_image_finish(&p.out);
    if (status)
        free(own);
    else
        *bounds = own;
    return status;
}

enum weft_status conv_winograd_weight_bounds(struct conv_case *v,
                                             const struct verify_run *run, bool integers)
{
    const struct weft_conv *g = &v->conv;
    struct winograd_problem p = problem_of(v, run);
    enum weft_status status = image_init(v, &p.x, g->h, g->w, g->c);
    if (!status)
        status = image_init(v, &p.out, g->out_h, g->out_w, g->k);
    if (!status) {
        set_numbers(v, &p.x, v->x);
        set_gradient(v, &p.out, integers);
        if (!winograd_weight_errors(&p, v->dw->bound))
            status = weft_out_of_memory(lab_context(&v->base.lab), "verify", 0);
    }
    winograd_image_finish(&p.x);
    winograd_image_finish(&p.out);
    return status;
}

/* A power of two in a random channel, every IMPULSE_STEP rows and columns. */
static void fill_image(struct conv_case *v, struct lab_tensor *t)
{
    struct lab_random *random = &v->base.check->random;
    float *to = lab_initial(&v->base.lab, t);
    memset(to, 0, t->count * sizeof(*to));
    for (int n = 0; n < t->n; n++) {
        int top = lab_random_int(random, 0, t->h < IMPULSE_STEP ? t->h - 1 : 5);
        int left = lab_random_int(random, 0, t->w < IMPULSE_STEP ? t->w - 1 : 5);
        for (int y = top; y < t->h; y += IMPULSE_STEP)
            for (int x = left; x < t->w; x += IMPULSE_STEP) {
                int channel = lab_random_int(random, 0, t->c - 1);
                float sign = lab_random_bool(random, 50) ? 1 : -1;
                to[(((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x) *
                       (size_t)t->c +
                   (size_t)channel] = sign * (float)(1 << lab_random_int(random, 0, 2));
            }
    }
}

/* Multiples of 36 stay exact in F(3, 3), whose weights' transform divides by 36; powers
 * of two have the smallest errors in F(4, 3). */
void conv_fill_impulses(struct conv_case *v)
{
    struct verify_case *c = &v->base;
    struct lab_random *random = &c->check->random;
    size_t filters = (size_t)(v->conv.c / v->conv.groups) * (size_t)v->conv.k;
    int taps = v->conv.r * v->conv.s;
    float *w = lab_initial(&c->lab, v->w);
    fill_image(v, v->x);
    fill_image(v, v->dy);
    memset(w, 0, v->w->count * sizeof(*w));
    for (size_t i = 0; i < filters; i++)
        w[(size_t)lab_random_int(random, 0, taps - 1) * filters + i] =
            LAB_RANDOM_CHOICE(random, 1, -1, 180, -180);
    if (v->bias)
        memset(lab_initial(&c->lab, v->bias), 0, v->bias->count * sizeof(*w));
}
