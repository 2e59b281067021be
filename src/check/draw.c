/* SPDX-License-Identifier: Apache-2.0 */
/* What is drawn at random: numbers, window geometries, activations. */
#include "check.h"

uint32_t check_bits(struct check *k)
{
    uint32_t i = k->drawn++;
    uint64_t seed = k->params->seed;
    if (i % 4 == 0)
        k->words = weft_philox((uint32_t)seed, (uint32_t)(seed >> 32), i / 4,
                               (uint32_t)k->number, (uint32_t)k->op, RANDOM_CHECK);
    return k->words.v[i % 4];
}

int check_range(struct check *k, int low, int high)
{
    uint64_t width = (uint64_t)(high - low) + 1;
    return low + (int)((check_bits(k) * width) >> 32);
}

float check_real(struct check *k, float low, float high)
{
    return low + (high - low) * weft_uniform(check_bits(k));
}

bool check_chance(struct check *k, int percent)
{
    return check_range(k, 0, 99) < percent;
}

int check_pick(struct check *k, const int *values, size_t count)
{
    return values[check_range(k, 0, (int)count - 1)];
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

void check_axis_fit(struct check *k, struct check_axis *axis, enum check_padding padding)
{
    int extent = axis->dilation * (axis->window - 1) + 1;
    axis->before = axis->after = 0;
    /* At least half of the window's taps find a place inside. */
    axis->in = most(axis->in, (extent + 1) / 2);
    if (padding == CHECK_SAME) {
        int out = (axis->in + axis->stride - 1) / axis->stride;
        int total = most((out - 1) * axis->stride + extent - axis->in, 0);
        axis->before = total / 2;
        axis->after = total - axis->before;
    } else if (padding == CHECK_ASYMMETRIC) {
        axis->before = check_range(k, 0, least(extent - 1, 4));
        axis->after = check_range(k, 0, least(extent - 1, 4));
    }
    axis->in = most(axis->in, extent - axis->before - axis->after);
    axis->out = (axis->in + axis->before + axis->after - extent) / axis->stride + 1;
}

static void draw_pool_axis(struct check *k, struct check_axis *axis)
{
    axis->window = least(CHECK_PICK(k, 1, 2, 2, 2, 3, 3, 4), axis->in);
    axis->stride = check_chance(k, 50) ? axis->window : check_range(k, 1, 3);
    axis->before = axis->after = 0;
    if (check_chance(k, 30)) {
        axis->before = check_range(k, 0, axis->window - 1);
        axis->after = check_range(k, 0, axis->window - 1);
    }
    axis->out = (axis->in + axis->before + axis->after - axis->window) / axis->stride + 1;
}

void check_pool_draw(struct check *k, struct weft_pool *pool)
{
    struct check_axis y = {.in = pool->h}, x = {.in = pool->w};
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

int check_pool_overlap(const struct weft_pool *pool)
{
    if (!pool->r)
        return 1;
    return ((pool->r + pool->stride_y - 1) / pool->stride_y) *
           ((pool->s + pool->stride_x - 1) / pool->stride_x);
}

/* The simple ones more often: with them integer data stays exact. */
struct weft_activation check_act_draw(struct check *k, bool by_output)
{
    struct weft_activation a = {WEFT_ACT_identity, 0};
    if (check_chance(k, 70))
        a.act = (enum weft_act)CHECK_PICK(k, WEFT_ACT_identity, WEFT_ACT_relu,
                                          WEFT_ACT_leaky_relu);
    else
        do
            a.act = (enum weft_act)check_range(k, 0, WEFT_ACT_COUNT - 1);
        while (by_output && !weft_act_by_output[a.act]);
    if (a.act == WEFT_ACT_leaky_relu)
        a.slope = check_chance(k, 50) ? 0.25f : 0.5f;
    return a;
}

double check_work_draw(struct check *k, double *least)
{
    enum { SMALL = 5000, LARGE = 2000000 };
    bool large = check_chance(k, 25);
    double limit = k->params->small ? SMALL : large ? LARGE : CHECK_USUAL_WORK;
    *least = k->params->small ? 0 : limit / 32;
    return limit;
}

double check_conv_work(const struct weft_conv *v)
{
    return (double)v->n * v->out_h * v->out_w * v->k * v->r * v->s * (v->c / v->groups);
}

static void draw_channels(struct check *k, struct weft_conv *v)
{
    int in = CHECK_PICK(k, 1, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 40, 65);
    int out = CHECK_PICK(k, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 32, 33, 40, 65);
    int kind = check_range(k, 0, 9);
    v->groups = kind < 6 ? 1 : kind == 6 ? 2 : kind == 7 ? 4 : in;
    if (kind >= 8) { /* depthwise, one to three filters a channel */
        v->c = in;
        v->k = in * (check_chance(k, 70) ? 1 : check_range(k, 2, 3));
    } else {
        v->c = v->groups * (v->groups > 1 ? (in + 3) / 4 : in);
        v->k = v->groups * (v->groups > 1 ? (out + 3) / 4 : out);
    }
}

/* Whether any tap of any window finds a place inside: a dilated one may straddle all. */
static bool touches(const struct check_axis *axis)
{
    for (int out = 0; out < axis->out; out++)
        for (int tap = 0; tap < axis->window; tap++) {
            int at = out * axis->stride - axis->before + tap * axis->dilation;
            if (at >= 0 && at < axis->in)
                return true;
        }
    return false;
}

static void draw_geometry(struct check *k, struct weft_conv *v)
{
    struct check_axis axis[2];
    enum check_padding padding =
        (enum check_padding)CHECK_PICK(k, CHECK_VALID, CHECK_SAME, CHECK_ASYMMETRIC);
    int window = CHECK_PICK(k, 1, 2, 3, 3, 3, 4, 5, 6, 7);
    int stride = CHECK_PICK(k, 1, 1, 1, 2, 3);
    int dilation = CHECK_PICK(k, 1, 1, 1, 1, 2, 3);
    bool square = check_chance(k, 60);
    if (check_chance(
            k, 25)) { /* what many networks are made of, and has kernels of its own */
        window = 3;
        stride = dilation = 1;
        square = true;
    }
    for (int i = 0; i < 2; i++) {
        axis[i] = (struct check_axis){
            .in = CHECK_PICK(k, 1, 3, 4, 5, 7, 8, 9, 13, 14, 17, 28, 33),
            .window = square ? window : CHECK_PICK(k, 1, 2, 3, 4, 5, 7),
            .stride = square ? stride : check_range(k, 1, 3),
            .dilation = square ? dilation : CHECK_PICK(k, 1, 1, 2, 3)};
        check_axis_fit(k, &axis[i], padding);
        while (!touches(&axis[i])) {
            axis[i].in++;
            check_axis_fit(k, &axis[i], padding);
        }
    }
    draw_channels(k, v);
    v->n = CHECK_PICK(k, 1, 1, 2, 3, 5, 9);
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

void check_conv_draw(struct check *k, struct weft_conv *v)
{
    double least, limit = check_work_draw(k, &least);
    do
        draw_geometry(k, v);
    while (check_conv_work(v) > limit || check_conv_work(v) < least);
}
