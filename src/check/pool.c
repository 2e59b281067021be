/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of pooling on its own. */
#include "check.h"

#include <math.h>
#include <string.h>

struct pool_case {
    struct check_case base;
    struct weft_pool pool;
    bool want_argmax;
    struct check_tensor *x, *y, *argmax, *dy, *dx;
};

static enum weft_status record_forward(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct pool_case *p = (const struct pool_case *)c;
    const struct weft_pool_args args = {
        .pool = p->pool,
        .x = check_view(c, p->x, side),
        .y = check_view(c, p->y, side),
        .argmax = check_view(c, p->want_argmax ? p->argmax : NULL, side),
    };
    return list->device->backend->pool_forward(list, &args);
}

/* Always with the choices, for the reference to make what backward reads. */
static enum weft_status record_choose(const struct check_case *c, enum check_side side,
                                      struct weft_list *list)
{
    const struct pool_case *p = (const struct pool_case *)c;
    const struct weft_pool_args args = {
        .pool = p->pool,
        .x = check_view(c, p->x, side),
        .y = check_view(c, p->y, side),
        .argmax = check_view(c, p->argmax, side),
    };
    return list->device->backend->pool_forward(list, &args);
}

static enum weft_status record_backward(const struct check_case *c, enum check_side side,
                                        struct weft_list *list)
{
    const struct pool_case *p = (const struct pool_case *)c;
    const struct weft_pool_args args = {
        .pool = p->pool,
        .argmax = check_view(c, p->argmax, side),
        .dy = check_view(c, p->dy, side),
        .dx = check_view(c, p->dx, side),
    };
    return list->device->backend->pool_backward(list, &args);
}

struct runs {
    struct check_run *forward, *choose, *backward;
};

/* The reference's choices, as input of both sides. */
static enum weft_status choose(struct pool_case *p, struct runs *r)
{
    struct check_case *c = &p->base;
    if (!p->argmax)
        return WEFT_OK;
    WEFT_TRY(check_replay(c, r->choose, CHECK_REFERENCE));
    memcpy(check_image(c, p->argmax), check_result(c, p->argmax, CHECK_REFERENCE),
           p->argmax->count * check_element(p->argmax));
    return WEFT_OK;
}

/* Of the larger of both runs' sums: each rounds once a term, and means round once more,
 * by a division (2.5 ulp; OpenCL 1.2, section 7.4) or a factor. */
static enum weft_status bound(struct pool_case *p, struct check_run *run,
                              struct check_tensor *t, double terms)
{
    struct check_case *c = &p->base;
    WEFT_TRY(check_absolute(c, run));
    const float *sum = check_result(c, t, CHECK_REFERENCE);
    double division = p->pool.kind == WEFT_POOL_MEAN ? 3 * CHECK_ULP : 0;
    for (size_t i = 0; i < t->count; i++)
        t->bound[i] = (check_gamma(terms) + division) * (double)sum[i];
    return WEFT_OK;
}

/* A maximum is exact whatever the numbers. A sum of integers is, a mean is not. */
static enum weft_status bound_forward(struct pool_case *p, struct runs *r, bool integers)
{
    int terms = integers ? 1 : p->pool.r * p->pool.s + 1;
    return p->pool.kind == WEFT_POOL_MEAN ? bound(p, r->forward, p->y, terms) : WEFT_OK;
}

static enum weft_status bound_backward(struct pool_case *p, struct runs *r, bool integers)
{
    if (integers && p->pool.kind == WEFT_POOL_MAX)
        return WEFT_OK;
    return bound(p, r->backward, p->dx, check_pool_overlap(&p->pool) + 1);
}

static enum weft_status run_fill(struct pool_case *p, struct runs *r, bool integers)
{
    struct check_case *c = &p->base;
    const char *name = integers ? "integers" : "real";
    WEFT_TRY(bound_forward(p, r, integers));
    WEFT_TRY(check_compare(c, r->forward, name));
    WEFT_TRY(choose(p, r));
    WEFT_TRY(bound_backward(p, r, integers));
    return check_compare(c, r->backward, name);
}

static enum weft_status run_case(struct pool_case *p)
{
    struct check_case *c = &p->base;
    struct runs r;
    struct check_tensor *both[] = {p->y, p->argmax, NULL};
    bool mean = p->pool.kind == WEFT_POOL_MEAN;
    r.forward = check_run_add(
        c, "forward", record_forward,
        (struct check_tensor *[]){p->y, p->want_argmax ? p->argmax : NULL, NULL});
    r.choose = check_run_add(c, "choose", record_choose, both);
    r.backward = check_run_add(c, "backward", record_backward,
                               (struct check_tensor *[]){p->dx, NULL});
    WEFT_TRY(check_case_place(c));

    /* Few values: many ties. Below zero: the padding must not win. */
    int low = check_chance(c->check, 50) ? -9 : -3;
    check_exact(c);
    check_integers(c, p->x, low, low + 5);
    check_integers(c, p->dy, -9, 9);
    WEFT_TRY(run_fill(p, &r, true));
    check_reals(c, p->x, -1, 1);
    check_reals(c, p->dy, -1, 1);
    WEFT_TRY(run_fill(p, &r, false));

    check_integers(c, p->x, low, low + 5);
    float *x = check_image(c, p->x);
    for (int i = 0; i < 3; i++)
        x[check_range(c->check, 0, (int)p->x->count - 1)] = NAN;
    check_exact(c);
    WEFT_TRY(bound_forward(p, &r, true));
    p->y->unbounded = true;
    WEFT_TRY(check_compare(c, r.forward, "not a number"));

    if (check_halves(c->check))
        return WEFT_OK;
    const struct check_slope slope = {.what = "dx",
                                      .forward = r.choose,
                                      .backward = r.backward,
                                      .input = p->x,
                                      .output = p->y,
                                      .gradient = p->dx,
                                      .coefficients = p->dy,
                                      .argmax = p->argmax,
                                      .step = 0.125,
                                      .tolerance = mean ? 1e-5 : 0};
    check_integers(c, p->x, -99, 99);
    check_integers(c, p->dy, -9, 9);
    return check_slope(c, &slope, CHECK_REFERENCE);
}

static void draw_usual(struct check *k, struct weft_pool *g)
{
    int limit = k->params->small ? 600 : 60000;
    do {
        g->n = CHECK_PICK(k, 1, 2, 3, 5);
        g->h = CHECK_PICK(k, 1, 2, 3, 4, 5, 7, 13, 14, 17, 28, 33);
        g->w = CHECK_PICK(k, 1, 2, 3, 4, 5, 7, 13, 14, 17, 28, 33);
        g->c = CHECK_PICK(k, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 40, 65);
    } while (g->n * g->h * g->w * g->c > limit);
    check_pool_draw(k, g);
}

/* More places than a byte can count. */
static void draw_large(struct check *k, struct weft_pool *g)
{
    g->n = k->params->small ? 1 : check_range(k, 1, 3);
    g->c = k->params->small ? check_range(k, 1, 2) : CHECK_PICK(k, 1, 3, 8, 17, 40);
    g->h = check_range(k, 16, 20);
    g->w = check_range(k, 17, 20);
    g->r = 16;
    g->s = 17;
    g->stride_y = check_range(k, 1, 16);
    g->stride_x = check_range(k, 1, 17);
    g->pad_top = check_chance(k, 50) ? check_range(k, 1, 15) : 0;
    g->pad_right = check_chance(k, 50) ? check_range(k, 1, 16) : 0;
    g->out_h = (g->h + g->pad_top - g->r) / g->stride_y + 1;
    g->out_w = (g->w + g->pad_right - g->s) / g->stride_x + 1;
}

static void draw_whole(struct check *k, struct weft_pool *g)
{
    draw_usual(k, g);
    g->r = g->stride_y = g->h;
    g->s = g->stride_x = g->w;
    g->pad_top = g->pad_left = g->pad_bottom = g->pad_right = 0;
    g->out_h = g->out_w = 1;
}

static enum weft_status run(struct check *k)
{
    struct pool_case p = {0};
    struct check_case *c = &p.base;
    struct weft_pool *g = &p.pool;
    int chance = check_range(k, 0, 99);
    void (*draw)(struct check *, struct weft_pool *) = chance < 15   ? draw_large
                                                       : chance < 35 ? draw_whole
                                                                     : draw_usual;
    draw(k, g);
    g->kind = check_chance(k, 60) ? WEFT_POOL_MAX : WEFT_POOL_MEAN;
    p.want_argmax = g->kind == WEFT_POOL_MAX && check_chance(k, 70);

    check_case_init(c, k);
    check_tell(
        c,
        " %s of %dx%dx%dx%d, window %dx%d, stride %d %d, pad top %d left %d bottom %d "
        "right %d, out %dx%d, argmax %s",
        g->kind == WEFT_POOL_MAX ? "maxima" : "means", g->n, g->h, g->w, g->c, g->r, g->s,
        g->stride_y, g->stride_x, g->pad_top, g->pad_left, g->pad_bottom, g->pad_right,
        g->out_h, g->out_w, p.want_argmax ? "wanted" : "absent");
    p.x = check_tensor_add(c, "x", CHECK_FLOAT, g->n, g->h, g->w, g->c);
    p.y = check_tensor_add(c, "y", CHECK_FLOAT, g->n, g->out_h, g->out_w, g->c);
    if (g->kind == WEFT_POOL_MAX)
        p.argmax = check_tensor_add(
            c, "argmax", weft_pool_place_bytes(g) == 1 ? CHECK_BYTE : CHECK_WORD, g->n,
            g->out_h, g->out_w, g->c);
    p.dy = check_tensor_add(c, "dy", CHECK_FLOAT, g->n, g->out_h, g->out_w, g->c);
    p.dx = check_tensor_add(c, "dx", CHECK_FLOAT, g->n, g->h, g->w, g->c);
    check_store(c, p.x, 75);
    check_store(c, p.y, 75);
    check_store(c, p.dy, 75);
    check_store(c, p.dx, 75);
    p.dx->sparse = p.dy->count < p.dx->count / 8;
    enum weft_status status = run_case(&p);
    check_case_finish(c);
    return status;
}

const struct check_op check_pool = {"pool", run, true};
