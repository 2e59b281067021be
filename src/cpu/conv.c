/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution with fused bias, activation, pool and activation gradient. No pool is a
 * 1x1 pool. Several images are processed together, so that weights are loaded once for
 * all of them. */
#include "cpu/cpu.h"

#include <assert.h>

enum { IMAGES = 8 };

static size_t groups_of(int images)
{
    return ((size_t)images + IMAGES - 1) / IMAGES;
}

static int images_from(int first, int n)
{
    return n - first < IMAGES ? n - first : IMAGES;
}

/* Number of taps from `s` on, with pixel column `ix`, that are contiguous in the image
 * and in the weights. */
static int contiguous_taps(const struct weft_conv *g, int s, int ix)
{
    if (g->dilation_x > 1 || g->groups > 1 || ix < 0 || ix >= g->w)
        return 1;
    return g->s - s < g->w - ix ? g->s - s : g->w - ix;
}

/* z of channels [k, k + count), all of one group, at one position of images [n, n +
 * images). */
static void convolve(const struct weft_conv_args *a, int n, int images, int oy, int ox,
                     int k, int count, double z[][CPU_BLOCK])
{
    const struct weft_conv *g = &a->conv;
    int channels = g->c / g->groups, first = k / (g->k / g->groups) * channels;
    size_t image = (size_t)g->h * g->w * g->c;
    const float *x = cpu_floats(a->x) + n * image + first;
    const float *w = cpu_floats(a->w) + k, *bias = cpu_floats(a->bias);
    for (int p = 0; p < images; p++)
        for (int j = 0; j < count; j++)
            z[p][j] = bias ? (double)bias[k + j] : 0.0;
    for (int r = 0; r < g->r; r++) {
        int iy = oy * g->stride_y - g->pad_top + r * g->dilation_y;
        if (iy < 0 || iy >= g->h)
            continue;
        for (int s = 0, taps; s < g->s; s += taps) {
            int ix = ox * g->stride_x - g->pad_left + s * g->dilation_x;
            taps = contiguous_taps(g, s, ix);
            if (ix < 0 || ix >= g->w)
                continue;
            const float *pixel = x + ((size_t)iy * g->w + ix) * g->c;
            const float *rows = w + (size_t)(r * g->s + s) * channels * g->k;
            for (int p = 0; p < images; p++)
                cpu_add_rows(z[p], pixel + p * image, taps * channels, rows, (size_t)g->k,
                             count);
        }
    }
}

/* y and argmax of these channels and images, at one position after the pool. */
static void forward_position(const struct weft_conv_args *a, int n, int images, int py,
                             int px, int k, int count)
{
    const struct weft_pool *pool = &a->pool;
    size_t image = (size_t)pool->out_h * pool->out_w * pool->c;
    size_t at = n * image + ((size_t)py * pool->out_w + px) * pool->c + k;
    float *y = cpu_floats(a->y) + at;
    uint8_t *argmax = a->argmax.mem ? cpu_bytes(a->argmax) + at : NULL;
    bool first = true;
    for (int place = 0; place < pool->r * pool->s; place++) {
        int oy = py * pool->stride_y - pool->pad_top + place / pool->s;
        int ox = px * pool->stride_x - pool->pad_left + place % pool->s;
        if (oy < 0 || oy >= pool->h || ox < 0 || ox >= pool->w)
            continue;
        double z[IMAGES][CPU_BLOCK];
        convolve(a, n, images, oy, ox, k, count, z);
        for (int p = 0; p < images; p++) {
            float values[CPU_BLOCK];
            cpu_activate(a->activation, z[p], (size_t)count);
            for (int j = 0; j < count; j++)
                values[j] = (float)z[p][j];
            cpu_update_max(y + p * image, argmax ? argmax + p * image : NULL, values,
                           count, place, first);
        }
        first = false;
    }
}

CPU_MULTIVERSION static void forward_row(const void *data, size_t item)
{
    const struct weft_conv_args *a = data;
    int filters = a->conv.k / a->conv.groups, rows = a->pool.out_h;
    int n = (int)(item / (size_t)rows) * IMAGES, py = (int)(item % (size_t)rows);
    for (int px = 0; px < a->pool.out_w; px++)
        for (int k = 0, count; k < a->conv.k; k += count) {
            count = cpu_block(k, filters);
            forward_position(a, n, images_from(n, a->conv.n), py, px, k, count);
        }
}

/* Gradient of z at one position: dy of the windows whose maximum is there. */
static void z_grad_at(const struct weft_conv_args *a, int n, int oy, int ox, int k,
                      int count, double *dz)
{
    const struct weft_pool *pool = &a->pool;
    for (int j = 0; j < count; j++)
        dz[j] = 0.0;
    for (int place = 0; place < pool->r * pool->s; place++) {
        int py = cpu_window_of(oy, place / pool->s, pool->pad_top, pool->stride_y,
                               pool->out_h);
        int px = cpu_window_of(ox, place % pool->s, pool->pad_left, pool->stride_x,
                               pool->out_w);
        if (py < 0 || px < 0)
            continue;
        size_t at = (((size_t)n * pool->out_h + py) * pool->out_w + px) * pool->c + k;
        const float *dy = cpu_floats(a->dy) + at;
        const uint8_t *argmax = a->argmax.mem ? cpu_bytes(a->argmax) + at : NULL;
        for (int j = 0; j < count; j++)
            dz[j] += !argmax || argmax[j] == place ? (double)dy[j] : 0.0;
    }
}

/* dx, before the activation gradient, of channels [c, c + count), all of one group, at
 * one position. */
static void input_grad_at(const struct weft_conv_args *a, int n, int images, int iy,
                          int ix, int c, int count, double dx[][CPU_BLOCK])
{
    const struct weft_conv *g = &a->conv;
    int channels = g->c / g->groups, filters = g->k / g->groups;
    int first = c / channels * filters;
    for (int p = 0; p < images; p++)
        for (int j = 0; j < count; j++)
            dx[p][j] = 0.0;
    for (int tap = 0; tap < g->r * g->s; tap++) {
        int oy = cpu_window_of(iy, tap / g->s * g->dilation_y, g->pad_top, g->stride_y,
                               g->out_h);
        int ox = cpu_window_of(ix, tap % g->s * g->dilation_x, g->pad_left, g->stride_x,
                               g->out_w);
        if (oy < 0 || ox < 0)
            continue;
        const float *rows =
            cpu_floats(a->w) + ((size_t)tap * channels + c % channels) * g->k;
        for (int k = first, width; k < first + filters; k += width) {
            double dz[IMAGES][CPU_BLOCK];
            width = cpu_block(k, filters);
            for (int p = 0; p < images; p++)
                z_grad_at(a, n + p, oy, ox, k, width, dz[p]);
            for (int j = 0; j < count; j++)
                for (int p = 0; p < images; p++)
                    dx[p][j] += cpu_dot(dz[p], rows + (size_t)j * g->k + k, width);
        }
    }
}

CPU_MULTIVERSION static void backward_row(const void *data, size_t item)
{
    const struct weft_conv_args *a = data;
    const struct weft_conv *g = &a->conv;
    const float *output = cpu_floats(a->act_grad.output);
    int n = (int)(item / (size_t)g->h) * IMAGES, iy = (int)(item % (size_t)g->h);
    int images = images_from(n, g->n);
    for (int ix = 0; ix < g->w; ix++)
        for (int c = 0, count; c < g->c; c += count) {
            double dx[IMAGES][CPU_BLOCK];
            count = cpu_block(c, g->c / g->groups);
            input_grad_at(a, n, images, iy, ix, c, count, dx);
            for (int p = 0; p < images; p++) {
                size_t at = (((size_t)(n + p) * g->h + iy) * g->w + ix) * g->c + c;
                cpu_apply_act_grad(a->act_grad.activation, dx[p], NULL,
                                   output ? output + at : NULL, (size_t)count);
                for (int j = 0; j < count; j++)
                    cpu_floats(a->dx)[at + j] = (float)dx[p][j];
            }
        }
}

/* Inputs of channel `c` that a weight multiplies at each position of a pool window: zero
 * outside the image. */
static void gather_window_inputs(const struct weft_conv_args *a, int tap, int c, int n,
                                 int py, int px, double *x)
{
    const struct weft_conv *g = &a->conv;
    const struct weft_pool *pool = &a->pool;
    const float *image = cpu_floats(a->x) + (size_t)n * g->h * g->w * g->c + c;
    int top = (py * pool->stride_y - pool->pad_top) * g->stride_y - g->pad_top +
              tap / g->s * g->dilation_y;
    int left = (px * pool->stride_x - pool->pad_left) * g->stride_x - g->pad_left +
               tap % g->s * g->dilation_x;
    for (int i = 0; i < pool->r; i++)
        for (int j = 0; j < pool->s; j++, x++) {
            int iy = top + i * g->stride_y, ix = left + j * g->stride_x;
            bool inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
            *x = inside ? (double)image[((size_t)iy * g->w + ix) * g->c] : 0.0;
        }
}

/* Weight gradient of channels [k, k + count), all of one group, at `tap` for input
 * channel `c`. Visits only the maximum of each window. */
static void weight_grad(const struct weft_conv_args *a, int tap, int c, int k, int count,
                        double *dw)
{
    const struct weft_pool *pool = &a->pool;
    const float *dy = cpu_floats(a->dy) + k;
    const uint8_t *argmax = a->argmax.mem ? cpu_bytes(a->argmax) + k : NULL;
    for (int j = 0; j < count; j++)
        dw[j] = 0.0;
    for (int n = 0; n < pool->n; n++)
        for (int py = 0; py < pool->out_h; py++)
            for (int px = 0; px < pool->out_w; px++, dy += pool->c) {
                double x[UINT8_MAX + 1];
                gather_window_inputs(a, tap, c, n, py, px, x);
                if (!argmax) {
                    cpu_add_scaled(dw, x[0], dy, count);
                    continue;
                }
                for (int j = 0; j < count; j++)
                    dw[j] += x[argmax[j]] * (double)dy[j];
                argmax += pool->c;
            }
}

/* Bias gradient: each dy affects one position. */
static void bias_grad(const struct weft_conv_args *a)
{
    const struct weft_pool *pool = &a->pool;
    size_t places = (size_t)pool->n * pool->out_h * pool->out_w;
    for (int k = 0, count; k < pool->c; k += count) {
        double sum[CPU_BLOCK] = {0};
        count = cpu_block(k, pool->c);
        for (size_t i = 0; i < places; i++)
            cpu_add_scaled(sum, 1.0, cpu_floats(a->dy) + i * pool->c + k, count);
        for (int j = 0; j < count; j++)
            cpu_floats(a->dbias)[k + j] = (float)sum[j];
    }
}

/* An item is one row of dw, with one weight of every filter; the last is dbias. */
static size_t weight_rows(const struct weft_conv *g)
{
    return (size_t)g->r * g->s * (g->c / g->groups);
}

CPU_MULTIVERSION static void weight_row(const void *data, size_t item)
{
    const struct weft_conv_args *a = data;
    const struct weft_conv *g = &a->conv;
    if (item == weight_rows(g)) {
        bias_grad(a);
        return;
    }
    int channels = g->c / g->groups, filters = g->k / g->groups;
    int tap = (int)(item / (size_t)channels), c = (int)(item % (size_t)channels);
    float *row = cpu_floats(a->dw) + item * g->k;
    for (int k = 0, count; k < g->k; k += count) {
        double dw[CPU_BLOCK];
        count = cpu_block(k, filters);
        weight_grad(a, tap, k / filters * channels + c, k, count, dw);
        for (int j = 0; j < count; j++)
            row[k + j] = (float)dw[j];
    }
}

/* The arguments, with a 1x1 pool if they have none. */
static struct weft_conv_args with_pool(const struct weft_conv_args *args)
{
    struct weft_conv_args a = *args;
    const struct weft_conv *g = &a.conv;
    assert(g->c % g->groups == 0 && g->k % g->groups == 0);
    if (!a.pool.r) {
        a.pool = (struct weft_pool){.n = g->n,
                                    .h = g->out_h,
                                    .w = g->out_w,
                                    .c = g->k,
                                    .r = 1,
                                    .s = 1,
                                    .stride_y = 1,
                                    .stride_x = 1,
                                    .out_h = g->out_h,
                                    .out_w = g->out_w};
        a.argmax = (struct weft_view){0};
    }
    assert(a.pool.n == g->n && a.pool.h == g->out_h && a.pool.w == g->out_w &&
           a.pool.c == g->k && a.pool.r * a.pool.s <= UINT8_MAX);
    return a;
}

enum weft_status cpu_conv_forward(struct weft_command_list *list,
                                  const struct weft_conv_args *args)
{
    struct weft_conv_args a = with_pool(args);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.w));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, groups_of(a.conv.n) * a.pool.out_h, forward_row, &a,
                             sizeof(a), a.y, args->y);
}

enum weft_status cpu_conv_backward_data(struct weft_command_list *list,
                                        const struct weft_conv_args *args)
{
    struct weft_conv_args a = with_pool(args);
    assert(!args->pool.r || args->argmax.mem);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.w));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.act_grad.output));
    a.dx = cpu_fp32_output(list, args->dx);
    return cpu_append_output(list, groups_of(a.conv.n) * a.conv.h, backward_row, &a,
                             sizeof(a), a.dx, args->dx);
}

enum weft_status cpu_conv_backward_weights(struct weft_command_list *list,
                                           const struct weft_conv_args *args)
{
    struct weft_conv_args a = with_pool(args);
    assert(!args->pool.r || args->argmax.mem);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    return cpu_append(list, weight_rows(&a.conv) + (a.dbias.mem != NULL), weight_row, &a,
                      sizeof(a));
}
