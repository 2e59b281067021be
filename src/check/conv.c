/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of convolution with what is fused to it. */
#include "conv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct weft_conv_args forward_args(const struct conv_case *v, enum check_side side)
{
    const struct check_case *c = &v->base;
    return (struct weft_conv_args){
        .conv = v->conv,
        .activation = v->activation,
        .pool = v->pool,
        .x = check_view(c, v->x, side),
        .w = check_view(c, v->w, side),
        .bias = check_view(c, v->bias, side),
        .y = check_view(c, v->y, side),
        .argmax = check_view(c, v->want_argmax ? v->argmax : NULL, side),
    };
}

static enum weft_status record_forward(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = forward_args(v, side);
    return list->device->backend->conv_forward(list, &args);
}

/* Without an activation: sums of |x w| for the bounds, and L for the gradients. */
static enum weft_status record_linear(const struct check_case *c, enum check_side side,
                                      struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = forward_args(v, side);
    args.activation = (struct weft_activation){0};
    args.argmax = check_view(c, v->argmax, side);
    return list->device->backend->conv_forward(list, &args);
}

/* Without the pool: the values that a maximum chose among. */
static enum weft_status record_whole(const struct check_case *c, enum check_side side,
                                     struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = forward_args(v, side);
    args.pool = (struct weft_pool){0};
    args.y = check_view(c, v->whole, side);
    args.argmax = (struct weft_view){0};
    return list->device->backend->conv_forward(list, &args);
}

static struct weft_conv_args backward_args(const struct conv_case *v,
                                           enum check_side side)
{
    const struct check_case *c = &v->base;
    return (struct weft_conv_args){
        .conv = v->conv,
        .activation = v->activation,
        .pool = v->pool,
        .dy = check_view(c, v->dy, side),
        .argmax = check_view(c, v->argmax, side),
    };
}

static enum weft_status record_data(const struct check_case *c, enum check_side side,
                                    struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = backward_args(v, side);
    args.w = check_view(c, v->w, side);
    args.dx = check_view(c, v->dx, side);
    args.gate.activation = v->gate_activation;
    args.gate.output = check_view(c, v->gate, side);
    return list->device->backend->conv_backward_data(list, &args);
}

/* Without the gate, for the bounds. */
static enum weft_status record_ungated(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = backward_args(v, side);
    args.w = check_view(c, v->w, side);
    args.dx = check_view(c, v->dx, side);
    return list->device->backend->conv_backward_data(list, &args);
}

static enum weft_status record_weights(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = backward_args(v, side);
    args.x = check_view(c, v->x, side);
    args.dw = check_view(c, v->dw, side);
    args.dbias = check_view(c, v->dbias, side);
    return list->device->backend->conv_backward_weights(list, &args);
}

/* The moments of plain SGD without momentum, at a rate of 0. */
static enum weft_status record_moments(const struct check_case *c, enum check_side side,
                                       struct weft_list *list, struct check_tensor *w,
                                       struct check_tensor *g, struct check_tensor *m)
{
    const struct conv_case *v = (const struct conv_case *)c;
    const struct weft_update_args args = {.optimizer.kind = WEFT_OPTIMIZER_SGD,
                                          .state = check_view(c, v->state, side),
                                          .w = check_view(c, w, side),
                                          .g = check_view(c, g, side),
                                          .m = check_view(c, m, side)};
    return list->device->backend->update(list, &args);
}

/* Gradients that may be left in parts until an update reads them. */
static enum weft_status record_update(const struct check_case *c, enum check_side side,
                                      struct weft_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    list->sums_later = true;
    WEFT_TRY(record_weights(c, side, list));
    WEFT_TRY(record_moments(c, side, list, v->w, v->dw, v->mw));
    return v->bias ? record_moments(c, side, list, v->bias, v->dbias, v->mbias) : WEFT_OK;
}

/* All three in one list, as in training: what one leaves, in its outputs or in scratch,
 * the next one finds. */
static enum weft_status record_step(const struct check_case *c, enum check_side side,
                                    struct weft_list *list)
{
    WEFT_TRY(record_forward(c, side, list));
    WEFT_TRY(record_weights(c, side, list));
    return record_data(c, side, list);
}

static void add_runs(struct conv_case *v, struct conv_runs *r)
{
    struct check_case *c = &v->base;
    struct check_tensor *argmax = v->want_argmax ? v->argmax : NULL;
    r->forward = check_run_add(c, "forward", record_forward,
                               (struct check_tensor *[]){v->y, argmax, NULL});
    r->data = check_run_add(c, "backward-data", record_data,
                            (struct check_tensor *[]){v->dx, NULL});
    r->weights = check_run_add(c, "backward-weights", record_weights,
                               (struct check_tensor *[]){v->dw, v->dbias, NULL});
    r->update =
        check_run_add(c, "backward-weights and update", record_update,
                      (struct check_tensor *[]){v->mw, v->dw, v->mbias, v->dbias, NULL});
    struct check_tensor *step[] = {v->y, v->dx, v->dw, NULL, NULL, NULL};
    int count = 3;
    if (v->dbias)
        step[count++] = v->dbias;
    if (argmax)
        step[count] = argmax;
    r->step = check_run_add(c, "step", record_step, step);
    r->linear = check_run_add(c, "linear", record_linear,
                              (struct check_tensor *[]){v->y, v->argmax, NULL});
    r->whole = check_run_add(c, "whole", record_whole,
                             (struct check_tensor *[]){v->whole, NULL});
    r->ungated = check_run_add(c, "ungated", record_ungated,
                               (struct check_tensor *[]){v->dx, NULL});
}

/* Any place of each window that lies inside the convolution's output. */
static void draw_argmax(struct conv_case *v)
{
    const struct weft_pool *p = &v->pool;
    struct check *k = v->base.check;
    if (!v->argmax)
        return;
    uint8_t *to = check_image(&v->base, v->argmax);
    for (size_t i = 0; i < v->argmax->count; i++) {
        int column = (int)(i / (size_t)p->c) % p->out_w;
        int row = (int)(i / (size_t)p->c / (size_t)p->out_w) % p->out_h, y, x;
        do {
            y = check_range(k, 0, p->r - 1);
            x = check_range(k, 0, p->s - 1);
        } while (row * p->stride_y - p->pad_top + y < 0 ||
                 row * p->stride_y - p->pad_top + y >= p->h ||
                 column * p->stride_x - p->pad_left + x < 0 ||
                 column * p->stride_x - p->pad_left + x >= p->w);
        to[i] = (uint8_t)(y * p->s + x);
    }
}

static void fill(struct conv_case *v, bool integers)
{
    struct check_case *c = &v->base;
    struct check_tensor *const tensors[] = {v->x, v->w, v->bias, v->dy};
    for (size_t i = 0; i < WEFT_COUNT(tensors); i++)
        if (integers)
            check_nonzero(c, tensors[i], 3);
        else
            check_reals(c, tensors[i], -1, 1);
    struct check_tensor *const zeros[] = {v->mw, v->mbias, v->state};
    for (size_t i = 0; i < WEFT_COUNT(zeros); i++)
        if (zeros[i])
            memset(check_image(c, zeros[i]), 0, 4 * zeros[i]->count);
    /* One filter at least is not shut by its bias. */
    float *bias = v->bias ? check_image(c, v->bias) : &(float){0};
    bias[0] = fabsf(bias[0]);
    check_act_outputs(c, v->gate, v->gate_activation, integers);
    draw_argmax(v);
}

/* Among real numbers a near tie may go either way: the place that the device names must
 * hold a value within the bound of the maximum. */
static enum weft_status check_choices(struct conv_case *v, struct conv_runs *r,
                                      const char *name)
{
    struct check_case *c = &v->base;
    const struct weft_pool *p = &v->pool;
    if (!v->want_argmax || r->forward->broken)
        return WEFT_OK;
    WEFT_TRY(check_replay(c, r->whole, CHECK_REFERENCE));
    const float *whole = check_result(c, v->whole, CHECK_REFERENCE);
    const float *y = check_result(c, v->y, CHECK_DEVICE);
    const uint8_t *choice = check_result(c, v->argmax, CHECK_DEVICE);
    char fault[160];
    bool wrong = false;
    for (size_t i = 0; i < v->argmax->count && !wrong; i++) {
        size_t channel = i % (size_t)p->c, rest = i / (size_t)p->c;
        int column = (int)(rest % (size_t)p->out_w);
        int row = (int)(rest / (size_t)p->out_w % (size_t)p->out_h);
        int n = (int)(rest / (size_t)p->out_w / (size_t)p->out_h);
        int at_y = row * p->stride_y - p->pad_top + choice[i] / p->s;
        int at_x = column * p->stride_x - p->pad_left + choice[i] % p->s;
        bool inside = choice[i] < p->r * p->s && at_y >= 0 && at_y < p->h && at_x >= 0 &&
                      at_x < p->w;
        double there =
            inside ? (double)
                         whole[(((size_t)n * (size_t)p->h + (size_t)at_y) * (size_t)p->w +
                                (size_t)at_x) *
                                   (size_t)p->c +
                               channel]
                   : 0;
        double bound = 2 * v->y->bound[i];
        if (v->y->half)
            bound = check_half_bound(there, bound);
        wrong = !inside || fabs(there - (double)y[i]) > bound;
        if (wrong)
            snprintf(fault, sizeof(fault),
                     "argmax[%d,%d,%d,%zu] is %d: %s %.9g, but y is %.9g", n, row, column,
                     channel, choice[i], inside ? "there stands" : "outside the picture;",
                     there, (double)y[i]);
    }
    check_report(c, "forward, argmax", name, 0, wrong ? fault : NULL);
    return WEFT_OK;
}

/* The gradients themselves may be there or not. */
static enum weft_status compare_update(struct conv_case *v, struct conv_runs *r,
                                       const char *name)
{
    struct check_tensor none, *dbias = v->dbias ? v->dbias : &none;
    v->dw->unordered = dbias->unordered = true;
    enum weft_status status = check_compare(&v->base, r->update, name);
    v->dw->unordered = dbias->unordered = false;
    return status;
}

static enum weft_status compare_all(struct conv_case *v, struct conv_runs *r,
                                    bool integers)
{
    const char *name = integers ? "integers" : "real";
    struct check_case *c = &v->base;
    fill(v, integers);
    check_exact(c);
    if (v->argmax)
        v->argmax->unordered = !integers || !check_act_is_exact(v->activation) ||
                               check_conv_is_tiled(r->forward, true);
    WEFT_TRY(check_conv_bound_forward(v, r, integers));
    WEFT_TRY(check_compare(c, r->forward, name));
    if (!integers || check_conv_is_tiled(r->forward, true))
        WEFT_TRY(check_choices(v, r, name));
    /* Forward wrote over the choices that backward is to read. */
    draw_argmax(v);
    WEFT_TRY(check_conv_bound_data(v, r, integers));
    WEFT_TRY(check_compare(c, r->data, name));
    WEFT_TRY(check_conv_bound_weights(v, r, integers));
    WEFT_TRY(check_compare(c, r->weights, name));
    if (integers && !v->w->half && !check_conv_is_tiled(r->update, true))
        WEFT_TRY(compare_update(v, r, name));
    /* Backward reads the choices of this forward: they must be the same on both sides. */
    bool same_choices =
        !v->argmax || (v->want_argmax && check_act_is_exact(v->activation) &&
                       !check_conv_is_tiled(r->step, true));
    bool broken = r->forward->broken || r->data->broken || r->weights->broken;
    return integers && same_choices && !broken ? check_compare(c, r->step, name)
                                               : WEFT_OK;
}

/* The NaN that NVIDIA's arithmetic makes. A kernel that rounds a float by its bits can
 * carry it over into a zero. */
static float full_nan(void)
{
    const uint32_t bits = 0x7FFFFFFF;
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* A number that is none must show in every sum and maximum that it takes part in. */
static enum weft_status compare_strange(struct conv_case *v, struct conv_runs *r)
{
    struct check_case *c = &v->base;
    if (!check_act_is_exact(v->activation))
        return WEFT_OK;
    fill(v, true);
    check_exact(c);
    WEFT_TRY(check_conv_bound_forward(v, r, true));
    v->y->spreads = check_conv_is_tiled(r->forward, false);
    float *x = check_image(c, v->x);
    for (int i = 0; i < 3; i++)
        x[check_range(c->check, 0, (int)v->x->count - 1)] = i ? full_nan() : NAN;
    v->y->unbounded = true;
    if (v->argmax)
        v->argmax->unordered = true; /* no place of a NaN's window is right */
    return check_compare(c, r->forward, "not a number");
}

static enum weft_status check_slopes(struct conv_case *v, struct conv_runs *r,
                                     enum check_side side)
{
    struct check_case *c = &v->base;
    struct check_slope slope = {.what = "dw",
                                .forward = r->linear,
                                .backward = r->weights,
                                .input = v->w,
                                .output = v->y,
                                .gradient = v->dw,
                                .coefficients = v->dy,
                                .argmax = v->argmax,
                                .step = 0.125};
    fill(v, true);
    WEFT_TRY(check_slope(c, &slope, side));
    if (v->bias) {
        slope.what = "dbias";
        slope.input = v->bias;
        slope.gradient = v->dbias;
        fill(v, true);
        WEFT_TRY(check_slope(c, &slope, side));
    }
    slope.what = "dx";
    slope.backward = r->data;
    slope.input = v->x;
    slope.gradient = v->dx;
    slope.gate = v->gate;
    slope.activation = v->gate_activation;
    fill(v, true);
    if (v->gate && !check_act_is_exact(v->gate_activation)) {
        /* A maximum that moves with a curved input would be no small matter. */
        if (v->argmax || side == CHECK_DEVICE)
            return WEFT_OK;
        check_reals(c, v->x, -2, 2);
        slope.step = 0x1p-5;
        slope.tolerance = 2e-3;
    }
    return check_slope(c, &slope, side);
}

static enum weft_status run_case(struct conv_case *v)
{
    struct check_case *c = &v->base;
    struct conv_runs r;
    add_runs(v, &r);
    WEFT_TRY(check_case_place(c));
    WEFT_TRY(check_conv_prepare(v, &r));
    WEFT_TRY(compare_all(v, &r, true));
    WEFT_TRY(compare_all(v, &r, false));
    WEFT_TRY(compare_strange(v, &r));
    if (check_halves(c->check))
        return WEFT_OK;
    WEFT_TRY(check_slopes(v, &r, CHECK_REFERENCE));
    /* The linear forward run is compiled already where nothing else is asked of it. */
    if (v->activation.act == WEFT_ACT_identity && v->want_argmax == !!v->argmax &&
        !check_conv_is_tiled(r.step, true) &&
        check_conv_work(&v->conv) <= CHECK_USUAL_WORK)
        return check_slopes(v, &r, CHECK_DEVICE);
    return WEFT_OK;
}

static void add_tensors(struct conv_case *v, bool bias)
{
    const struct weft_conv *g = &v->conv;
    const struct weft_pool *p = &v->pool;
    struct check_case *c = &v->base;
    int out_h = p->r ? p->out_h : g->out_h, out_w = p->r ? p->out_w : g->out_w;
    v->x = check_tensor_add(c, "x", CHECK_FLOAT, g->n, g->h, g->w, g->c);
    v->w = check_tensor_add(c, "w", CHECK_FLOAT, g->r, g->s, g->c / g->groups, g->k);
    v->y = check_tensor_add(c, "y", CHECK_FLOAT, g->n, out_h, out_w, g->k);
    v->dy = check_tensor_add(c, "dy", CHECK_FLOAT, g->n, out_h, out_w, g->k);
    v->dw = check_tensor_add(c, "dw", CHECK_FLOAT, g->r, g->s, g->c / g->groups, g->k);
    v->dx = check_tensor_add(c, "dx", CHECK_FLOAT, g->n, g->h, g->w, g->c);
    v->dx->sparse = v->dy->count * v->w->count / (size_t)g->k < v->dx->count / 8;
    if (bias) {
        v->bias = check_tensor_add(c, "bias", CHECK_FLOAT, 1, 1, 1, g->k);
        v->dbias = check_tensor_add(c, "dbias", CHECK_FLOAT, 1, 1, 1, g->k);
        v->mbias = check_tensor_add(c, "mbias", CHECK_FLOAT, 1, 1, 1, g->k);
        v->mbias->updated = true;
    }
    v->mw = check_tensor_add(c, "mw", CHECK_FLOAT, g->r, g->s, g->c / g->groups, g->k);
    v->mw->updated = true;
    v->state = check_tensor_add(c, "state", CHECK_WORD, 1, 1, 1, STATE_WORDS);
    if (v->gate_activation.act != WEFT_ACT_identity)
        v->gate = check_tensor_add(c, "gate", CHECK_FLOAT, g->n, g->h, g->w, g->c);
    if (p->r) {
        v->argmax = check_tensor_add(c, "argmax", CHECK_BYTE, g->n, out_h, out_w, g->k);
        v->whole =
            check_tensor_add(c, "whole", CHECK_FLOAT, g->n, g->out_h, g->out_w, g->k);
    }
}

static enum weft_status run(struct check *k)
{
    struct conv_case v = {0};
    struct check_case *c = &v.base;
    struct weft_conv *g = &v.conv;
    struct weft_pool *p = &v.pool;
    check_conv_draw(k, g);
    if (check_chance(k, 35)) {
        *p = (struct weft_pool){.n = g->n, .h = g->out_h, .w = g->out_w, .c = g->k};
        check_pool_draw(k, p);
        v.want_argmax = check_chance(k, 60);
    }
    v.activation = check_act_draw(k, false);
    v.gate_activation = check_act_draw(k, true);
    bool bias = check_chance(k, 70);

    check_case_init(c, k);
    check_tell(c,
               " %dx%dx%dx%d, %d filters %dx%d, stride %d %d, dilation %d %d, pad top %d "
               "left %d bottom %d right %d, groups %d, out %dx%d, %s bias, %s slope %g",
               g->n, g->h, g->w, g->c, g->k, g->r, g->s, g->stride_y, g->stride_x,
               g->dilation_y, g->dilation_x, g->pad_top, g->pad_left, g->pad_bottom,
               g->pad_right, g->groups, g->out_h, g->out_w, bias ? "with" : "no",
               weft_act_names[v.activation.act], (double)v.activation.slope);
    if (p->r)
        check_tell(c,
                   ", pool %dx%d stride %d %d pad top %d left %d bottom %d right %d out "
                   "%dx%d, argmax %s",
                   p->r, p->s, p->stride_y, p->stride_x, p->pad_top, p->pad_left,
                   p->pad_bottom, p->pad_right, p->out_h, p->out_w,
                   v.want_argmax ? "wanted" : "absent");
    check_tell(c, ", gate %s slope %g", weft_act_names[v.gate_activation.act],
               (double)v.gate_activation.slope);
    add_tensors(&v, bias);
    check_store(c, v.x, 75);
    check_store(c, v.w, 75);
    check_store(c, v.y, 75);
    check_store(c, v.dy, 75);
    check_store(c, v.dx, 75);
    check_store(c, v.gate, 75);
    enum weft_status status = run_case(&v);
    check_case_finish(c);
    free(v.tiled);
    return status;
}

const struct check_op check_conv = {"conv", run, true};
