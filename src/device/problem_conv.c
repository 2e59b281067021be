/* SPDX-License-Identifier: Apache-2.0 */
/* The problems of convolutions. */
#include "device/problem_fields.h"

#define CONV(field) offsetof(struct weft_conv_args, field)
#define CONV_SHAPE                                                                     \
    {"n", FIELD_NUMBERS, 1, {CONV(conv.n)}, FIELD_REQUIRED, NULL, 0},                  \
        {"in",           FIELD_NUMBERS, 3, {CONV(conv.h), CONV(conv.w), CONV(conv.c)}, \
         FIELD_REQUIRED, NULL,          0},                                            \
        {"out",                                                                        \
         FIELD_NUMBERS,                                                                \
         3,                                                                            \
         {CONV(conv.out_h), CONV(conv.out_w), CONV(conv.k)},                           \
         FIELD_REQUIRED,                                                               \
         NULL,                                                                         \
         0},                                                                           \
        {"window",       FIELD_NUMBERS, 2, {CONV(conv.r), CONV(conv.s)},               \
         FIELD_REQUIRED, NULL,          0},                                            \
        {"stride", FIELD_NUMBERS, 2, {CONV(conv.stride_y), CONV(conv.stride_x)},       \
         1,        NULL,          0},                                                  \
        {"dilation", FIELD_NUMBERS, 2, {CONV(conv.dilation_y), CONV(conv.dilation_x)}, \
         1,          NULL,          0},                                                \
        {"pad",                                                                        \
         FIELD_NUMBERS,                                                                \
         4,                                                                            \
         {CONV(conv.pad_top), CONV(conv.pad_left), CONV(conv.pad_bottom),              \
          CONV(conv.pad_right)},                                                       \
         0,                                                                            \
         NULL,                                                                         \
         0},                                                                           \
        {"groups", FIELD_NUMBERS, 1, {CONV(conv.groups)}, 1, NULL, 0},                 \
    {                                                                                  \
        "pool", FIELD_NUMBERS, 8,                                                      \
            {CONV(pool.r),        CONV(pool.s),       CONV(pool.stride_y),             \
             CONV(pool.stride_x), CONV(pool.pad_top), CONV(pool.pad_left),             \
             CONV(pool.out_h),    CONV(pool.out_w)},                                   \
            0, NULL, 0                                                                 \
    }

static const struct problem_field conv_forward[] = {
    CONV_SHAPE,
    {"bias", FIELD_VIEW, 1, {CONV(bias)}, 0, NULL, 0},
    {"argmax", FIELD_VIEW, 1, {CONV(argmax)}, 0, NULL, 0},
    FIELD_ACTIVATION(weft_conv_args, activation.act),
    {0}};
static const struct problem_field conv_backward_data[] = {
    CONV_SHAPE, FIELD_ACTIVATION(weft_conv_args, act_grad.activation.act), {0}};
static const struct problem_field conv_backward_weights[] = {
    CONV_SHAPE, {"bias", FIELD_VIEW, 1, {CONV(dbias)}, 0, NULL, 0}, {0}};

/* The padding that the last window reaches into. */
static int pad_after(int in, int before, int window, int stride, int out)
{
    int after = (out - 1) * stride + window - before - in;
    return after > 0 ? after : 0;
}

/* The shape and its pool; the elements of each tensor. */
static bool complete_conv(struct weft_conv_args *a, double *in, double *out,
                          double *pooled)
{
    const struct weft_conv *c = &a->conv;
    struct weft_pool *p = &a->pool;
    const int positive[] = {c->n,      c->h,         c->w,        c->c,
                            c->k,      c->r,         c->s,        c->out_h,
                            c->out_w,  c->stride_y,  c->stride_x, c->dilation_y,
                            c->groups, c->dilation_x};
    if (!is_positive(positive, WEFT_ARRAY_SIZE(positive)) || c->c % c->groups ||
        c->k % c->groups)
        return false;
    *in = images_in(c->n, c->h, c->w, c->c);
    *pooled = *out = images_in(c->n, c->out_h, c->out_w, c->k);
    if (!is_possible_count(*in) || !is_possible_count(*out) ||
        !is_possible_count((double)c->r * c->s * c->c * c->k) ||
        window_extent(c->h, c->pad_top, c->pad_bottom, c->r, c->dilation_y,
                      c->stride_y) != c->out_h ||
        window_extent(c->w, c->pad_left, c->pad_right, c->s, c->dilation_x,
                      c->stride_x) != c->out_w)
        return false;
    if (!p->r)
        return true;
    p->n = c->n;
    p->h = c->out_h;
    p->w = c->out_w;
    p->c = c->k;
    if ((int64_t)p->r * p->s > UINT8_MAX || !are_windows_possible(p))
        return false;
    p->pad_bottom = pad_after(p->h, p->pad_top, p->r, p->stride_y, p->out_h);
    p->pad_right = pad_after(p->w, p->pad_left, p->s, p->stride_x, p->out_w);
    *pooled = images_in(p->n, p->out_h, p->out_w, p->c);
    return true;
}

static double conv_weights(const struct weft_conv *c)
{
    return (double)c->r * c->s * (c->c / c->groups) * c->k;
}

static bool complete_conv_forward(union weft_primitive_args *args)
{
    struct weft_conv_args *a = &args->conv_forward;
    double in, out, pooled;
    if (!complete_conv(a, &in, &out, &pooled))
        return false;
    a->activation = weft_activation_init(a->activation.act);
    set_view(&a->x, in);
    set_view(&a->w, conv_weights(&a->conv));
    set_view(&a->y, pooled);
    set_optional_view(&a->bias, a->conv.k);
    set_optional_view(&a->argmax, pooled);
    return true;
}

static bool complete_conv_backward_data(union weft_primitive_args *args)
{
    struct weft_conv_args *a = &args->conv_backward_data;
    double in, out, pooled;
    if (!complete_conv(a, &in, &out, &pooled))
        return false;
    a->act_grad.activation = weft_activation_init(a->act_grad.activation.act);
    set_view(&a->dx, in);
    set_view(&a->w, conv_weights(&a->conv));
    set_view(&a->dy, pooled);
    if (a->pool.r)
        set_view(&a->argmax, pooled);
    if (a->act_grad.activation.act != WEFT_ACT_identity)
        set_view(&a->act_grad.output, in);
    return true;
}

static bool complete_conv_backward_weights(union weft_primitive_args *args)
{
    struct weft_conv_args *a = &args->conv_backward_weights;
    double in, out, pooled;
    if (!complete_conv(a, &in, &out, &pooled))
        return false;
    set_view(&a->x, in);
    set_view(&a->dw, conv_weights(&a->conv));
    set_view(&a->dy, pooled);
    if (a->pool.r)
        set_view(&a->argmax, pooled);
    set_optional_view(&a->dbias, a->conv.k);
    return true;
}

static double conv_work(const union weft_primitive_args *args)
{
    const struct weft_conv *c = &args->conv_forward.conv;
    return images_in(c->n, c->out_h, c->out_w, c->k) * c->r * c->s * (c->c / c->groups);
}

const struct problem_kind problem_conv_forward = {conv_forward, complete_conv_forward,
                                                  conv_work};
const struct problem_kind problem_conv_backward_data = {
    conv_backward_data, complete_conv_backward_data, conv_work};
const struct problem_kind problem_conv_backward_weights = {
    conv_backward_weights, complete_conv_backward_weights, conv_work};
