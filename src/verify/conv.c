/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of convolution and of the activation and pool fused to it. */
#include "verify/conv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct weft_conv_args forward_args(const struct conv_case *v, enum lab_side side)
{
    const struct verify_case *c = &v->base;
    return (struct weft_conv_args){
        .conv = v->conv,
        .activation = v->activation,
        .pool = v->pool,
        .x = lab_view(&c->lab, v->x, side),
        .w = lab_view(&c->lab, v->w, side),
        .bias = lab_view(&c->lab, v->bias, side),
        .y = lab_view(&c->lab, v->y, side),
        .argmax = lab_view(&c->lab, v->has_argmax ? v->argmax : NULL, side),
    };
}

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = forward_args(v, side);
    return list->primitives->conv_forward(list, &args);
}

/* Without an activation: sums of |x w| for the bounds, and the loss L of the gradient
 * checks. */
static enum weft_status record_linear(const struct verify_case *c, enum lab_side side,
                                      struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = forward_args(v, side);
    args.activation = (struct weft_activation){0};
    args.argmax = lab_view(&c->lab, v->argmax, side);
    return list->primitives->conv_forward(list, &args);
}

/* Without the pool: the candidates of each maximum. */
static enum weft_status record_whole(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = forward_args(v, side);
    args.pool = (struct weft_pool){0};
    args.y = lab_view(&c->lab, v->whole, side);
    args.argmax = (struct weft_view){0};
    return list->primitives->conv_forward(list, &args);
}

static struct weft_conv_args backward_args(const struct conv_case *v, enum lab_side side)
{
    const struct verify_case *c = &v->base;
    return (struct weft_conv_args){
        .conv = v->conv,
        .activation = v->activation,
        .pool = v->pool,
        .dy = lab_view(&c->lab, v->dy, side),
        .argmax = lab_view(&c->lab, v->argmax, side),
    };
}

static enum weft_status record_data(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = backward_args(v, side);
    args.w = lab_view(&c->lab, v->w, side);
    args.dx = lab_view(&c->lab, v->dx, side);
    args.act_grad.activation = v->upstream_activation;
    args.act_grad.output = lab_view(&c->lab, v->act_output, side);
    return list->primitives->conv_backward_data(list, &args);
}

/* Without the fused activation gradient, for the bounds. */
static enum weft_status record_data_without_act_grad(const struct verify_case *c,
                                                     enum lab_side side,
                                                     struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = backward_args(v, side);
    args.w = lab_view(&c->lab, v->w, side);
    args.dx = lab_view(&c->lab, v->dx, side);
    return list->primitives->conv_backward_data(list, &args);
}

static enum weft_status record_weights(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    struct weft_conv_args args = backward_args(v, side);
    args.x = lab_view(&c->lab, v->x, side);
    args.dw = lab_view(&c->lab, v->dw, side);
    args.dbias = lab_view(&c->lab, v->dbias, side);
    return list->primitives->conv_backward_weights(list, &args);
}

/* The moments of plain SGD without momentum, at a learning rate of 0. */
static enum weft_status record_moments(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list,
                                       struct lab_tensor *w, struct lab_tensor *g,
                                       struct lab_tensor *m)
{
    const struct conv_case *v = (const struct conv_case *)c;
    const struct weft_optimizer_step_args args = {.optimizer.kind = WEFT_OPTIMIZER_SGD,
                                                  .state =
                                                      lab_view(&c->lab, v->state, side),
                                                  .w = lab_view(&c->lab, w, side),
                                                  .g = lab_view(&c->lab, g, side),
                                                  .m = lab_view(&c->lab, m, side)};
    return list->primitives->optimizer_step(list, &args);
}

/* Weight gradients that may stay partial sums until an optimizer step adds them. */
static enum weft_status record_update(const struct verify_case *c, enum lab_side side,
                                      struct weft_command_list *list)
{
    const struct conv_case *v = (const struct conv_case *)c;
    WEFT_TRY(record_weights(c, side, list));
    WEFT_TRY(record_moments(c, side, list, v->w, v->dw, v->mw));
    return v->bias ? record_moments(c, side, list, v->bias, v->dbias, v->mbias) : WEFT_OK;
}

/* All three in one list, as in training: each finds the outputs and the workspace that
 * the one before left. */
static enum weft_status record_step(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    WEFT_TRY(record_forward(c, side, list));
    WEFT_TRY(record_weights(c, side, list));
    return record_data(c, side, list);
}

static void add_runs(struct conv_case *v, struct conv_runs *r)
{
    struct verify_case *c = &v->base;
    struct lab_tensor *argmax = v->has_argmax ? v->argmax : NULL;
    r->forward = case_add_run(c, "forward", record_forward,
                              (struct lab_tensor *[]){v->y, argmax, NULL});
    r->data = case_add_run(c, "backward-data", record_data,
                           (struct lab_tensor *[]){v->dx, NULL});
    r->weights = case_add_run(c, "backward-weights", record_weights,
                              (struct lab_tensor *[]){v->dw, v->dbias, NULL});
    r->update =
        case_add_run(c, "backward-weights and update", record_update,
                     (struct lab_tensor *[]){v->mw, v->dw, v->mbias, v->dbias, NULL});
    r->update->list_params.defer_weight_grad_reduction = true;
    struct lab_tensor *step[] = {v->y, v->dx, v->dw, NULL, NULL, NULL};
    int count = 3;
    if (v->dbias)
        step[count++] = v->dbias;
    if (argmax)
        step[count] = argmax;
    r->step = case_add_run(c, "step", record_step, step);
    r->linear = case_add_run(c, "linear", record_linear,
                             (struct lab_tensor *[]){v->y, v->argmax, NULL});
    r->whole =
        case_add_run(c, "whole", record_whole, (struct lab_tensor *[]){v->whole, NULL});
    r->data_without_act_grad =
        case_add_run(c, "backward-data without act grad", record_data_without_act_grad,
                     (struct lab_tensor *[]){v->dx, NULL});
}

static void fill(struct conv_case *v, bool integers)
{
    struct verify_case *c = &v->base;
    struct lab_tensor *const tensors[] = {v->x, v->w, v->bias, v->dy};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        if (integers)
            lab_fill_nonzero(&c->lab, tensors[i], 3);
        else
            lab_fill_uniform(&c->lab, tensors[i], -1, 1);
    struct lab_tensor *const zeros[] = {v->mw, v->mbias, v->state};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(zeros); i++)
        if (zeros[i])
            memset(lab_initial(&c->lab, zeros[i]), 0, 4 * zeros[i]->count);
    /* At least one filter is not disabled by its bias. */
    float *bias = v->bias ? lab_initial(&c->lab, v->bias) : &(float){0};
    bias[0] = fabsf(bias[0]);
    tensor_fill_act_outputs(c, v->act_output, v->upstream_activation, integers);
    lab_fill_argmax(&v->base.lab, v->argmax, &v->pool);
}

/* Among real numbers a near tie may go either way: the position in the device's argmax
 * must have a value within the bound of the maximum. */
static enum weft_status verify_argmax(struct conv_case *v, struct conv_runs *r,
                                      const char *name)
{
    struct verify_case *c = &v->base;
    const struct weft_pool *p = &v->pool;
    if (!v->has_argmax || r->forward->unsupported)
        return WEFT_OK;
    WEFT_TRY(run_execute(c, r->whole, LAB_REFERENCE));
    const float *whole = lab_result(&c->lab, v->whole, LAB_REFERENCE);
    const float *y = lab_result(&c->lab, v->y, LAB_DEVICE);
    const uint8_t *argmax = lab_result(&c->lab, v->argmax, LAB_DEVICE);
    char fault[160];
    bool wrong = false;
    for (size_t i = 0; i < v->argmax->count && !wrong; i++) {
        size_t channel = i % (size_t)p->c, rest = i / (size_t)p->c;
        int column = (int)(rest % (size_t)p->out_w);
        int row = (int)(rest / (size_t)p->out_w % (size_t)p->out_h);
        int n = (int)(rest / (size_t)p->out_w / (size_t)p->out_h);
        int at_y = row * p->stride_y - p->pad_top + argmax[i] / p->s;
        int at_x = column * p->stride_x - p->pad_left + argmax[i] % p->s;
        bool inside = argmax[i] < p->r * p->s && at_y >= 0 && at_y < p->h && at_x >= 0 &&
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
            bound = lab_fp16_error_bound(there, bound);
        wrong = !inside || fabs(there - (double)y[i]) > bound;
        if (wrong)
            snprintf(fault, sizeof(fault),
                     "argmax[%d,%d,%d,%zu] is %d, %s %.9g, but y is %.9g", n, row, column,
                     channel, argmax[i],
                     inside ? "the position of" : "outside the image:", there,
                     (double)y[i]);
    }
    report_result(c, "forward, argmax", name, 0, wrong ? fault : NULL);
    return WEFT_OK;
}

/* The gradients themselves may be written or not. */
static enum weft_status compare_update(struct conv_case *v, struct conv_runs *r,
                                       const char *name)
{
    struct lab_tensor none, *dbias = v->dbias ? v->dbias : &none;
    v->dw->not_compared = dbias->not_compared = true;
    enum weft_status status = run_and_compare(&v->base, r->update, name);
    v->dw->not_compared = dbias->not_compared = false;
    return status;
}

static enum weft_status compare_all(struct conv_case *v, struct conv_runs *r,
                                    bool integers)
{
    const char *name = integers ? "integers" : "real";
    struct verify_case *c = &v->base;
    fill(v, integers);
    bounds_zero(c);
    if (v->argmax)
        v->argmax->not_compared = !integers || !act_is_exact(v->activation) ||
                                  conv_run_is_winograd(r->forward, true);
    WEFT_TRY(conv_set_forward_bounds(v, r, integers));
    WEFT_TRY(run_and_compare(c, r->forward, name));
    if (!integers || conv_run_is_winograd(r->forward, true))
        WEFT_TRY(verify_argmax(v, r, name));
    /* The forward run overwrote the argmax that backward reads. */
    lab_fill_argmax(&v->base.lab, v->argmax, &v->pool);
    WEFT_TRY(conv_set_dgrad_bounds(v, r, integers));
    WEFT_TRY(run_and_compare(c, r->data, name));
    WEFT_TRY(conv_set_wgrad_bounds(v, r, integers));
    WEFT_TRY(run_and_compare(c, r->weights, name));
    if (integers && !v->w->half && !conv_run_is_winograd(r->update, true))
        WEFT_TRY(compare_update(v, r, name));
    /* Backward reads the argmax of this forward run: it must be the same on both sides.
     */
    bool same_choices = !v->argmax || (v->has_argmax && act_is_exact(v->activation) &&
                                       !conv_run_is_winograd(r->step, true));
    bool unsupported =
        r->forward->unsupported || r->data->unsupported || r->weights->unsupported;
    return integers && same_choices && !unsupported ? run_and_compare(c, r->step, name)
                                                    : WEFT_OK;
}

/* The runs by Winograd's algorithm with points that are not exact. */
static enum weft_status compare_impulses(struct conv_case *v, struct conv_runs *r)
{
    struct verify_case *c = &v->base;
    struct {
        struct verify_run *run;
        enum weft_status (*bounds)(struct conv_case *, struct conv_runs *, bool);
    } const checks[] = {{r->forward, conv_set_forward_bounds},
                        {r->data, conv_set_dgrad_bounds},
                        {r->weights, conv_set_wgrad_bounds}};
    conv_fill_impulses(v);
    tensor_fill_act_outputs(c, v->act_output, v->upstream_activation, true);
    lab_fill_argmax(&c->lab, v->argmax, &v->pool);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(checks); i++) {
        if (!conv_run_is_winograd(checks[i].run, true))
            continue;
        bounds_zero(c);
        if (v->argmax) /* of equal maxima, zeros most of them */
            v->argmax->not_compared = true;
        for (int t = 0; checks[i].run->outputs[t]; t++)
            checks[i].run->outputs[t]->may_be_zero = true;
        WEFT_TRY(checks[i].bounds(v, r, true));
        WEFT_TRY(run_and_compare(c, checks[i].run, "impulses"));
    }
    return WEFT_OK;
}

/* The NaN that NVIDIA's arithmetic produces. A kernel that rounds a float by its bits can
 * turn it into a zero. */
static float fill_with_nan(void)
{
    const uint32_t bits = 0x7FFFFFFF;
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* A NaN must show in every sum and maximum that it takes part in. */
static enum weft_status compare_nonfinite(struct conv_case *v, struct conv_runs *r)
{
    struct verify_case *c = &v->base;
    if (!act_is_exact(v->activation))
        return WEFT_OK;
    fill(v, true);
    bounds_zero(c);
    WEFT_TRY(conv_set_forward_bounds(v, r, true));
    v->y->nan_may_spread = conv_run_is_winograd(r->forward, false);
    float *x = lab_initial(&c->lab, v->x);
    for (int i = 0; i < 3; i++)
        x[lab_random_int(&c->check->random, 0, (int)v->x->count - 1)] =
            i ? fill_with_nan() : NAN;
    v->y->allow_nonfinite = true;
    if (v->argmax)
        v->argmax->not_compared = true; /* no index of a window with a NaN is right */
    return run_and_compare(c, r->forward, "not a number");
}

static enum weft_status verify_gradients(struct conv_case *v, struct conv_runs *r,
                                         enum lab_side side)
{
    struct verify_case *c = &v->base;
    struct gradient_check slope = {.what = "dw",
                                   .forward = r->linear,
                                   .backward = r->weights,
                                   .input = v->w,
                                   .output = v->y,
                                   .gradient = v->dw,
                                   .coefficients = v->dy,
                                   .argmax = v->argmax,
                                   .step = 0.125};
    fill(v, true);
    WEFT_TRY(verify_gradient(c, &slope, side));
    if (v->bias) {
        slope.what = "dbias";
        slope.input = v->bias;
        slope.gradient = v->dbias;
        fill(v, true);
        WEFT_TRY(verify_gradient(c, &slope, side));
    }
    slope.what = "dx";
    slope.backward = r->data;
    slope.input = v->x;
    slope.gradient = v->dx;
    slope.act_output = v->act_output;
    slope.activation = v->upstream_activation;
    fill(v, true);
    if (v->act_output && !act_is_exact(v->upstream_activation)) {
        /* The argmax may change along a curved input. */
        if (v->argmax || side == LAB_DEVICE)
            return WEFT_OK;
        lab_fill_uniform(&c->lab, v->x, -2, 2);
        slope.step = 0x1p-5;
        slope.rounded = true;
    }
    return verify_gradient(c, &slope, side);
}

static enum weft_status run_case(struct conv_case *v)
{
    struct verify_case *c = &v->base;
    struct conv_runs r;
    add_runs(v, &r);
    WEFT_TRY(case_allocate(c));
    WEFT_TRY(conv_record_runs(v, &r));
    WEFT_TRY(compare_all(v, &r, true));
    WEFT_TRY(compare_all(v, &r, false));
    WEFT_TRY(compare_nonfinite(v, &r));
    if (!is_fp16_run(c->check))
        WEFT_TRY(verify_gradients(v, &r, LAB_REFERENCE));
    /* The linear forward run needs no other kernels where these conditions hold. */
    if (!is_fp16_run(c->check) && v->activation.act == WEFT_ACT_identity &&
        v->has_argmax == !!v->argmax && !conv_run_is_winograd(r.step, true) &&
        conv_macs(&v->conv) <= TYPICAL_CASE_MACS)
        WEFT_TRY(verify_gradients(v, &r, LAB_DEVICE));
    return compare_impulses(v, &r); /* last: what is random depends on the device */
}

static void add_tensors(struct conv_case *v, bool bias)
{
    const struct weft_conv *g = &v->conv;
    const struct weft_pool *p = &v->pool;
    struct verify_case *c = &v->base;
    int out_h = p->r ? p->out_h : g->out_h, out_w = p->r ? p->out_w : g->out_w;
    v->x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, g->n, g->h, g->w, g->c);
    v->w = lab_add_tensor(&c->lab, "w", LAB_FLOAT, g->r, g->s, g->c / g->groups, g->k);
    v->y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, g->n, out_h, out_w, g->k);
    v->dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, g->n, out_h, out_w, g->k);
    v->dw = lab_add_tensor(&c->lab, "dw", LAB_FLOAT, g->r, g->s, g->c / g->groups, g->k);
    v->dx = lab_add_tensor(&c->lab, "dx", LAB_FLOAT, g->n, g->h, g->w, g->c);
    /* Elements that an output reaches: behind a relu every second may be 0. */
    size_t reached = (size_t)g->n * (size_t)(g->out_h * g->out_w) *
                     (size_t)(g->r * g->s) * (size_t)g->c;
    v->dx->may_be_zero =
        reached < 32 || v->dy->count * v->w->count / (size_t)g->k < v->dx->count / 8;
    if (bias) {
        v->bias = lab_add_tensor(&c->lab, "bias", LAB_FLOAT, 1, 1, 1, g->k);
        v->dbias = lab_add_tensor(&c->lab, "dbias", LAB_FLOAT, 1, 1, 1, g->k);
        v->mbias = lab_add_tensor(&c->lab, "mbias", LAB_FLOAT, 1, 1, 1, g->k);
        v->mbias->is_in_out = true;
    }
    v->mw = lab_add_tensor(&c->lab, "mw", LAB_FLOAT, g->r, g->s, g->c / g->groups, g->k);
    v->mw->is_in_out = true;
    v->state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    if (v->upstream_activation.act != WEFT_ACT_identity)
        v->act_output =
            lab_add_tensor(&c->lab, "act_output", LAB_FLOAT, g->n, g->h, g->w, g->c);
    if (p->r) {
        v->argmax = lab_add_tensor(&c->lab, "argmax", LAB_BYTE, g->n, out_h, out_w, g->k);
        v->whole =
            lab_add_tensor(&c->lab, "whole", LAB_FLOAT, g->n, g->out_h, g->out_w, g->k);
    }
}

static enum weft_status verify_conv_case(struct verify_context *k)
{
    struct conv_case v = {0};
    struct verify_case *c = &v.base;
    struct weft_conv *g = &v.conv;
    struct weft_pool *p = &v.pool;
    random_conv(k, g);
    if (lab_random_bool(&k->random, 35)) {
        *p = (struct weft_pool){.n = g->n, .h = g->out_h, .w = g->out_w, .c = g->k};
        random_pool(k, p);
        v.has_argmax = lab_random_bool(&k->random, 60);
    }
    v.activation = random_activation(k, false);
    v.upstream_activation = random_activation(k, true);
    bool bias = lab_random_bool(&k->random, 70);

    case_init(c, k);
    case_describe(
        c,
        " %dx%dx%dx%d, %d filters %dx%d, stride %d %d, dilation %d %d, pad top %d "
        "left %d bottom %d right %d, groups %d, out %dx%d, %s bias",
        g->n, g->h, g->w, g->c, g->k, g->r, g->s, g->stride_y, g->stride_x, g->dilation_y,
        g->dilation_x, g->pad_top, g->pad_left, g->pad_bottom, g->pad_right, g->groups,
        g->out_h, g->out_w, bias ? "with" : "no");
    case_describe_act(c, ", ", v.activation);
    if (p->r)
        case_describe(
            c,
            ", pool %dx%d stride %d %d pad top %d left %d bottom %d right %d out "
            "%dx%d, argmax %s",
            p->r, p->s, p->stride_y, p->stride_x, p->pad_top, p->pad_left, p->pad_bottom,
            p->pad_right, p->out_h, p->out_w, v.has_argmax ? "present" : "absent");
    case_describe_act(c, ", upstream ", v.upstream_activation);
    add_tensors(&v, bias);
    tensor_set_fp16(c, v.x, 75);
    tensor_set_fp16(c, v.w, 75);
    tensor_set_fp16(c, v.y, 75);
    tensor_set_fp16(c, v.dy, 75);
    tensor_set_fp16(c, v.dx, 75);
    tensor_set_fp16(c, v.act_output, 75);
    enum weft_status status = run_case(&v);
    case_finish(c);
    return status;
}

const struct verify_check verify_conv = {"conv", verify_conv_case, true};
