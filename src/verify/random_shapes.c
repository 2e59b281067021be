/* SPDX-License-Identifier: Apache-2.0 */
/* Random geometries and activations of cases. */
#include "verify/verify.h"

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

void window_axis_resolve(struct verify_context *k, struct window_axis *axis,
                         enum padding_mode padding)
{
    int extent = axis->dilation * (axis->window - 1) + 1;
    axis->before = axis->after = 0;
    /* At least half of the window's taps are inside the image. */
    axis->in = most(axis->in, (extent + 1) / 2);
    if (padding == PADDING_SAME) {
        int out = (axis->in + axis->stride - 1) / axis->stride;
        int total = most((out - 1) * axis->stride + extent - axis->in, 0);
        axis->before = total / 2;
        axis->after = total - axis->before;
    } else if (padding == PADDING_ASYMMETRIC) {
        axis->before = lab_random_int(&k->random, 0, least(extent - 1, 4));
        axis->after = lab_random_int(&k->random, 0, least(extent - 1, 4));
    }
    axis->in = most(axis->in, extent - axis->before - axis->after);
    axis->out = (axis->in + axis->before + axis->after - extent) / axis->stride + 1;
}

static void draw_pool_axis(struct verify_context *k, struct window_axis *axis)
{
    axis->window = least(LAB_RANDOM_CHOICE(&k->random, 1, 2, 2, 2, 3, 3, 4), axis->in);
    axis->stride =
        lab_random_bool(&k->random, 50) ? axis->window : lab_random_int(&k->random, 1, 3);
    axis->before = axis->after = 0;
    if (lab_random_bool(&k->random, 30)) {
        axis->before = lab_random_int(&k->random, 0, axis->window - 1);
        axis->after = lab_random_int(&k->random, 0, axis->window - 1);
    }
    axis->out = (axis->in + axis->before + axis->after - axis->window) / axis->stride + 1;
}

void random_pool(struct verify_context *k, struct weft_pool *pool)
{
    struct window_axis y = {.in = pool->h}, x = {.in = pool->w};
    draw_pool_axis(k, &y);
    draw_pool_axis(k, &x);
    pool->r = y.window;
    pool->s = x.window;
    pool->stride_y = y.stride;
    pool->stride_x = x.stride;
    pool->pad_top = y.before;
    pool->pad_bottom = y.after;
    pool->pad_left = x.before;
    pool->pad_right = x.after;
    pool->out_h = y.out;
    pool->out_w = x.out;
}

int pool_max_overlap(const struct weft_pool *pool)
{
    if (!pool->r)
        return 1;
    return ((pool->r + pool->stride_y - 1) / pool->stride_y) *
           ((pool->s + pool->stride_x - 1) / pool->stride_x);
}

struct weft_activation random_act_parameters(struct verify_context *k, enum weft_act act,
                                             bool exact)
{
    const struct weft_act_parameter *p = weft_act_parameters[act];
    struct weft_activation a = {.act = act};
    float *const values[WEFT_ACT_PARAMETERS] = {&a.alpha, &a.beta};
    for (int i = 0; i < WEFT_ACT_PARAMETERS && p[i].name; i++)
        *values[i] = p[i].tested[lab_random_int(&k->random, 0, exact ? 1 : 3)];
    return a;
}

/* Simple ones more often: they keep integer data exact. */
struct weft_activation random_activation(struct verify_context *k, bool grad_from_output)
{
    int act = LAB_RANDOM_CHOICE(&k->random, WEFT_ACT_identity, WEFT_ACT_relu,
                                WEFT_ACT_leaky_relu);
    if (lab_random_bool(&k->random, 40))
        do
            act = lab_random_int(&k->random, 0, WEFT_ACT_COUNT - 1);
        while (grad_from_output && !weft_act_grad_from_output[act]);
    return random_act_parameters(k, (enum weft_act)act, true);
}

double random_case_macs(struct verify_context *k, double *least)
{
    enum { SMALL = 5000, LARGE = 2000000 };
    bool large = lab_random_bool(&k->random, 25);
    double limit = k->params->tiny_shapes ? SMALL : large ? LARGE : TYPICAL_CASE_MACS;
    *least = k->params->tiny_shapes ? 0 : limit / 32;
    return limit;
}

double conv_macs(const struct weft_conv *v)
{
    return (double)v->n * v->out_h * v->out_w * v->k * v->r * v->s * (v->c / v->groups);
}

static void draw_channels(struct verify_context *k, struct weft_conv *v)
{
    int in =
        LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 40, 65);
    int out = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 32, 33,
                                40, 65);
    int kind = lab_random_int(&k->random, 0, 9);
    v->groups = kind < 6 ? 1 : kind == 6 ? 2 : kind == 7 ? 4 : in;
    if (kind >= 8) { /* depthwise, one to three filters a channel */
        v->c = in;
        v->k =
            in * (lab_random_bool(&k->random, 70) ? 1 : lab_random_int(&k->random, 2, 3));
    } else {
        v->c = v->groups * (v->groups > 1 ? (in + 3) / 4 : in);
        v->k = v->groups * (v->groups > 1 ? (out + 3) / 4 : out);
    }
}

/* True: some tap of some window is inside the image; a dilated window may straddle all of
 * it. */
static bool windows_tile_exactly(const struct window_axis *axis)
{
    for (int out = 0; out < axis->out; out++)
        for (int tap = 0; tap < axis->window; tap++) {
            int at = out * axis->stride - axis->before + tap * axis->dilation;
            if (at >= 0 && at < axis->in)
                return true;
        }
    return false;
}

static void draw_geometry(struct verify_context *k, struct weft_conv *v)
{
    struct window_axis axis[2];
    enum padding_mode padding = (enum padding_mode)LAB_RANDOM_CHOICE(
        &k->random, PADDING_VALID, PADDING_SAME, PADDING_ASYMMETRIC);
    int window = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 3, 3, 4, 5, 6, 7);
    int stride = LAB_RANDOM_CHOICE(&k->random, 1, 1, 1, 2, 3);
    int dilation = LAB_RANDOM_CHOICE(&k->random, 1, 1, 1, 1, 2, 3);
    bool square = lab_random_bool(&k->random, 60);
    if (lab_random_bool(&k->random,
                        25)) { /* common in networks, with kernels of its own */
        window = 3;
        stride = dilation = 1;
        square = true;
    }
    for (int i = 0; i < 2; i++) {
        axis[i] = (struct window_axis){
            .in = LAB_RANDOM_CHOICE(&k->random, 1, 3, 4, 5, 7, 8, 9, 13, 14, 17, 28, 33),
            .window = square ? window : LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7),
            .stride = square ? stride : lab_random_int(&k->random, 1, 3),
            .dilation = square ? dilation : LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3)};
        window_axis_resolve(k, &axis[i], padding);
        while (!windows_tile_exactly(&axis[i])) {
            axis[i].in++;
            window_axis_resolve(k, &axis[i], padding);
        }
    }
    draw_channels(k, v);
    v->n = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 9);
    v->h = axis[0].in;
    v->w = axis[1].in;
    v->r = axis[0].window;
    v->s = axis[1].window;
    v->stride_y = axis[0].stride;
    v->stride_x = axis[1].stride;
    v->dilation_y = axis[0].dilation;
    v->dilation_x = axis[1].dilation;
    v->pad_top = axis[0].before;
    v->pad_bottom = axis[0].after;
    v->pad_left = axis[1].before;
    v->pad_right = axis[1].after;
    v->out_h = axis[0].out;
    v->out_w = axis[1].out;
}

/* Most layers of networks: 3x3 windows with many positions and channels, for which
 * devices have algorithms of their own. */
static void draw_common(struct verify_context *k, struct weft_conv *v)
{
    int pad = lab_random_int(&k->random, 0, 1);
    int out_h = LAB_RANDOM_CHOICE(&k->random, 5, 6, 7, 8, 9, 12, 13, 14);
    int out_w = LAB_RANDOM_CHOICE(&k->random, 0, 0, 5, 7, 8, 12);
    *v = (struct weft_conv){
        .n = LAB_RANDOM_CHOICE(&k->random, 3, 5, 9),
        .c = LAB_RANDOM_CHOICE(&k->random, 8, 13, 16, 17, 32),
        .k = LAB_RANDOM_CHOICE(&k->random, 8, 13, 16, 17, 32),
        .r = 3,
        .s = 3,
        .stride_y = 1,
        .stride_x = 1,
        .dilation_y = 1,
        .dilation_x = 1,
        .groups = 1,
        .pad_top = pad,
        .pad_bottom = pad,
        .pad_left = pad,
        .pad_right = pad,
        .out_h = out_h,
        .out_w = out_w ? out_w : out_h,
    };
    v->h = v->out_h + 2 - 2 * pad;
    v->w = v->out_w + 2 - 2 * pad;
}

void random_conv(struct verify_context *k, struct weft_conv *v)
{
    enum { COMMON_PERIOD = 3 };
    bool common = k->number % COMMON_PERIOD == 1 && !k->params->tiny_shapes;
    double least, limit = random_case_macs(k, &least);
    if (common) {
        draw_common(k, v);
        return;
    }
    do
        draw_geometry(k, v);
    while (conv_macs(v) > limit || conv_macs(v) < least);
}
