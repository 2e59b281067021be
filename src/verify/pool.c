/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of pooling. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct pool_case {
    struct verify_case base;
    struct weft_pool pool;
    bool has_argmax;
    struct lab_tensor *x, *y, *argmax, *dy, *dx;
};

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct pool_case *p = (const struct pool_case *)c;
    const struct weft_pool_args args = {
        .pool = p->pool,
        .x = lab_view(&c->lab, p->x, side),
        .y = lab_view(&c->lab, p->y, side),
        .argmax = lab_view(&c->lab, p->has_argmax ? p->argmax : NULL, side),
    };
    return list->primitives->pool_forward(list, &args);
}

/* Always with argmax, which the reference computes for the backward run. */
static enum weft_status record_with_argmax(const struct verify_case *c,
                                           enum lab_side side,
                                           struct weft_command_list *list)
{
    const struct pool_case *p = (const struct pool_case *)c;
    const struct weft_pool_args args = {
        .pool = p->pool,
        .x = lab_view(&c->lab, p->x, side),
        .y = lab_view(&c->lab, p->y, side),
        .argmax = lab_view(&c->lab, p->argmax, side),
    };
    return list->primitives->pool_forward(list, &args);
}

static enum weft_status record_backward(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct pool_case *p = (const struct pool_case *)c;
    const struct weft_pool_args args = {
        .pool = p->pool,
        .argmax = lab_view(&c->lab, p->argmax, side),
        .dy = lab_view(&c->lab, p->dy, side),
        .dx = lab_view(&c->lab, p->dx, side),
    };
    return list->primitives->pool_backward(list, &args);
}

struct pool_runs {
    struct verify_run *forward, *with_argmax, *backward;
};

/* The reference's argmax, as input of both sides. */
static enum weft_status set_argmax(struct pool_case *p, struct pool_runs *r)
{
    struct verify_case *c = &p->base;
    if (!p->argmax)
        return WEFT_OK;
    WEFT_TRY(run_execute(c, r->with_argmax, LAB_REFERENCE));
    memcpy(lab_initial(&c->lab, p->argmax), lab_result(&c->lab, p->argmax, LAB_REFERENCE),
           p->argmax->count * lab_element_bytes(p->argmax));
    return WEFT_OK;
}

/* Each sum rounds once a term; means round once more, by a division (2.5 ulp; OpenCL 1.2,
 * section 7.4) or a factor. */
static enum weft_status bound(struct pool_case *p, struct verify_run *run,
                              struct lab_tensor *t, double terms)
{
    struct verify_case *c = &p->base;
    WEFT_TRY(run_reference_abs(c, run));
    const float *sum = lab_result(&c->lab, t, LAB_REFERENCE);
    double division = p->pool.kind == WEFT_POOL_MEAN ? 3 * FP32_EPSILON : 0;
    for (size_t i = 0; i < t->count; i++)
        t->bound[i] = (gamma_bound(terms) + division) * (double)sum[i];
    return WEFT_OK;
}

/* A maximum is exact for any values, a sum for integers, a mean is not. */
static enum weft_status bound_forward(struct pool_case *p, struct pool_runs *r,
                                      bool integers)
{
    int terms = integers ? 1 : p->pool.r * p->pool.s + 1;
    return p->pool.kind == WEFT_POOL_MEAN ? bound(p, r->forward, p->y, terms) : WEFT_OK;
}

static enum weft_status bound_backward(struct pool_case *p, struct pool_runs *r,
                                       bool integers)
{
    if (integers && p->pool.kind == WEFT_POOL_MAX)
        return WEFT_OK;
    return bound(p, r->backward, p->dx, pool_max_overlap(&p->pool) + 1);
}

static enum weft_status run_fill(struct pool_case *p, struct pool_runs *r, bool integers)
{
    struct verify_case *c = &p->base;
    const char *name = integers ? "integers" : "real";
    WEFT_TRY(bound_forward(p, r, integers));
    WEFT_TRY(run_and_compare(c, r->forward, name));
    WEFT_TRY(set_argmax(p, r));
    WEFT_TRY(bound_backward(p, r, integers));
    return run_and_compare(c, r->backward, name);
}

static enum weft_status run_case(struct pool_case *p)
{
    struct verify_case *c = &p->base;
    struct pool_runs r;
    struct lab_tensor *both[] = {p->y, p->argmax, NULL};
    bool mean = p->pool.kind == WEFT_POOL_MEAN;
    r.forward = case_add_run(
        c, "forward", record_forward,
        (struct lab_tensor *[]){p->y, p->has_argmax ? p->argmax : NULL, NULL});
    r.with_argmax = case_add_run(c, "with argmax", record_with_argmax, both);
    r.backward = case_add_run(c, "backward", record_backward,
                              (struct lab_tensor *[]){p->dx, NULL});
    WEFT_TRY(case_allocate(c));

    /* Few values, hence ties; below zero, so that padding must not win. */
    int low = lab_random_bool(&c->check->random, 50) ? -9 : -3;
    bounds_zero(c);
    lab_fill_integers(&c->lab, p->x, low, low + 5);
    lab_fill_integers(&c->lab, p->dy, -9, 9);
    WEFT_TRY(run_fill(p, &r, true));
    lab_fill_uniform(&c->lab, p->x, -1, 1);
    lab_fill_uniform(&c->lab, p->dy, -1, 1);
    WEFT_TRY(run_fill(p, &r, false));

    lab_fill_integers(&c->lab, p->x, low, low + 5);
    float *x = lab_initial(&c->lab, p->x);
    for (int i = 0; i < 3; i++)
        x[lab_random_int(&c->check->random, 0, (int)p->x->count - 1)] = NAN;
    bounds_zero(c);
    WEFT_TRY(bound_forward(p, &r, true));
    p->y->allow_nonfinite = true;
    WEFT_TRY(run_and_compare(c, r.forward, "not a number"));

    if (is_fp16_run(c->check))
        return WEFT_OK;
    const struct gradient_check slope = {.what = "dx",
                                         .forward = r.with_argmax,
                                         .backward = r.backward,
                                         .input = p->x,
                                         .output = p->y,
                                         .gradient = p->dx,
                                         .coefficients = p->dy,
                                         .argmax = p->argmax,
                                         .step = 0.125,
                                         .rounded = mean};
    lab_fill_integers(&c->lab, p->x, -99, 99);
    lab_fill_integers(&c->lab, p->dy, -9, 9);
    return verify_gradient(c, &slope, LAB_REFERENCE);
}

static void random_typical_pool(struct verify_context *k, struct weft_pool *g)
{
    int limit = k->params->tiny_shapes ? 600 : 60000;
    do {
        g->n = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5);
        g->h = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 13, 14, 17, 28, 33);
        g->w = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 13, 14, 17, 28, 33);
        g->c = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 40,
                                 65);
    } while (g->n * g->h * g->w * g->c > limit);
    random_pool(k, g);
}

/* More positions than a byte can index. */
static void random_large_pool(struct verify_context *k, struct weft_pool *g)
{
    g->n = k->params->tiny_shapes ? 1 : lab_random_int(&k->random, 1, 3);
    g->c = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 2)
                                  : LAB_RANDOM_CHOICE(&k->random, 1, 3, 8, 17, 40);
    g->h = lab_random_int(&k->random, 16, 20);
    g->w = lab_random_int(&k->random, 17, 20);
    g->r = 16;
    g->s = 17;
    g->stride_y = lab_random_int(&k->random, 1, 16);
    g->stride_x = lab_random_int(&k->random, 1, 17);
    g->pad_top = lab_random_bool(&k->random, 50) ? lab_random_int(&k->random, 1, 15) : 0;
    g->pad_right =
        lab_random_bool(&k->random, 50) ? lab_random_int(&k->random, 1, 16) : 0;
    g->out_h = (g->h + g->pad_top - g->r) / g->stride_y + 1;
    g->out_w = (g->w + g->pad_right - g->s) / g->stride_x + 1;
}

static void random_global_pool(struct verify_context *k, struct weft_pool *g)
{
    random_typical_pool(k, g);
    g->r = g->stride_y = g->h;
    g->s = g->stride_x = g->w;
    g->pad_top = g->pad_left = g->pad_bottom = g->pad_right = 0;
    g->out_h = g->out_w = 1;
}

/* All of it, or without the positions that ceil mode adds. */
static void random_counted_padding(struct verify_context *k, struct weft_pool *g)
{
    bool all = lab_random_bool(&k->random, 60);
    g->count_top = g->pad_top;
    g->count_left = g->pad_left;
    g->count_bottom = all ? g->pad_bottom : lab_random_int(&k->random, 0, g->pad_bottom);
    g->count_right = all ? g->pad_right : lab_random_int(&k->random, 0, g->pad_right);
}

static enum weft_status verify_pool_case(struct verify_context *k)
{
    struct pool_case p = {0};
    struct verify_case *c = &p.base;
    struct weft_pool *g = &p.pool;
    int chance = lab_random_int(&k->random, 0, 99);
    void (*draw)(struct verify_context *, struct weft_pool *) =
        chance < 15   ? random_large_pool
        : chance < 35 ? random_global_pool
                      : random_typical_pool;
    draw(k, g);
    g->kind = lab_random_bool(&k->random, 60) ? WEFT_POOL_MAX : WEFT_POOL_MEAN;
    if (g->kind == WEFT_POOL_MEAN && lab_random_bool(&k->random, 50))
        random_counted_padding(k, g);
    p.has_argmax = g->kind == WEFT_POOL_MAX && lab_random_bool(&k->random, 70);

    case_init(c, k);
    case_describe(
        c,
        " %s of %dx%dx%dx%d, window %dx%d, stride %d %d, pad top %d left %d bottom %d "
        "right %d, counted %d %d %d %d, out %dx%d, argmax %s",
        g->kind == WEFT_POOL_MAX ? "maxima" : "means", g->n, g->h, g->w, g->c, g->r, g->s,
        g->stride_y, g->stride_x, g->pad_top, g->pad_left, g->pad_bottom, g->pad_right,
        g->count_top, g->count_left, g->count_bottom, g->count_right, g->out_h, g->out_w,
        p.has_argmax ? "present" : "absent");
    p.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, g->n, g->h, g->w, g->c);
    p.y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, g->n, g->out_h, g->out_w, g->c);
    if (g->kind == WEFT_POOL_MAX)
        p.argmax = lab_add_tensor(&c->lab, "argmax",
                                  weft_pool_argmax_bytes(g) == 1 ? LAB_BYTE : LAB_INT32,
                                  g->n, g->out_h, g->out_w, g->c);
    p.dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, g->n, g->out_h, g->out_w, g->c);
    p.dx = lab_add_tensor(&c->lab, "dx", LAB_FLOAT, g->n, g->h, g->w, g->c);
    tensor_set_fp16(c, p.x, 75);
    tensor_set_fp16(c, p.y, 75);
    tensor_set_fp16(c, p.dy, 75);
    tensor_set_fp16(c, p.dx, 75);
    p.dx->may_be_zero = p.dy->count < p.dx->count / 8;
    enum weft_status status = run_case(&p);
    case_finish(c);
    return status;
}

const struct verify_check verify_pool = {"pool", verify_pool_case, true};
