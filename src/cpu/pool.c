/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling: maxima and means of windows. */
#include "cpu/cpu.h"

#include <assert.h>

/* Input of window position `place` of an output, all channels; NULL: outside. */
static const float *input_at(const struct weft_pool_args *a, size_t n, int py, int px,
                             int place)
{
    const struct weft_pool *g = &a->pool;
    int iy = py * g->stride_y - g->pad_top + place / g->s;
    int ix = px * g->stride_x - g->pad_left + place % g->s;
    if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
        return NULL;
    return cpu_floats(a->x) + ((n * g->h + iy) * g->w + ix) * g->c;
}

static uint32_t read_place(const struct weft_pool_args *a, size_t at)
{
    return weft_pool_argmax_bytes(&a->pool) == 1 ? cpu_bytes(a->argmax)[at]
                                                 : cpu_words(a->argmax)[at];
}

static void write_places(const struct weft_pool_args *a, size_t at,
                         const uint32_t *places, int count)
{
    bool bytes = weft_pool_argmax_bytes(&a->pool) == 1;
    for (int j = 0; j < count && a->argmax.mem; j++)
        if (bytes)
            cpu_bytes(a->argmax)[at + j] = (uint8_t)places[j];
        else
            cpu_words(a->argmax)[at + j] = places[j];
}

static void maximum_row(const void *data, size_t item)
{
    const struct weft_pool_args *a = data;
    const struct weft_pool *g = &a->pool;
    size_t n = item / (size_t)g->out_h;
    int py = (int)(item % (size_t)g->out_h);
    for (int px = 0; px < g->out_w; px++)
        for (int c = 0, count; c < g->c; c += count) {
            size_t at = (item * g->out_w + px) * g->c + c;
            float *best = cpu_floats(a->y) + at;
            uint32_t places[CPU_BLOCK];
            bool first = true;
            count = cpu_block(c, g->c);
            for (int place = 0; place < g->r * g->s; place++) {
                const float *x = input_at(a, n, py, px, place);
                for (int j = 0; x && j < count; j++)
                    if (first || cpu_is_new_max(x[c + j], best[j])) {
                        best[j] = x[c + j];
                        places[j] = (uint32_t)place;
                    }
                first = first && !x;
            }
            write_places(a, at, places, count);
        }
}

/* Number of rows (or columns) of a window that its mean counts, of `extent` with `before`
 * and `after` around it. */
static int counted_extent(int at, int stride, int pad, int window, int before, int extent,
                          int after)
{
    int first = at * stride - pad, end = first + window;
    return (end < extent + after ? end : extent + after) -
           (first > -before ? first : -before);
}

static int divisor(const struct weft_pool *g, int py, int px)
{
    return counted_extent(py, g->stride_y, g->pad_top, g->r, g->count_top, g->h,
                          g->count_bottom) *
           counted_extent(px, g->stride_x, g->pad_left, g->s, g->count_left, g->w,
                          g->count_right);
}

static void mean_row(const void *data, size_t item)
{
    const struct weft_pool_args *a = data;
    const struct weft_pool *g = &a->pool;
    size_t n = item / (size_t)g->out_h;
    int py = (int)(item % (size_t)g->out_h);
    for (int px = 0; px < g->out_w; px++)
        for (int c = 0, count; c < g->c; c += count) {
            float *y = cpu_floats(a->y) + (item * g->out_w + px) * g->c + c;
            double sum[CPU_BLOCK] = {0};
            count = cpu_block(c, g->c);
            for (int place = 0; place < g->r * g->s; place++) {
                const float *x = input_at(a, n, py, px, place);
                if (x)
                    cpu_add_scaled(sum, 1.0, x + c, count);
            }
            for (int j = 0; j < count; j++)
                y[j] = (float)(sum[j] / divisor(g, py, px));
        }
}

/* Gradient that the window at (py, px) contributes to its position `place`. */
static void scatter_max_grad(const struct weft_pool_args *a, size_t at, int count,
                             int place, int divisor, double *dx)
{
    (void)divisor;
    for (int j = 0; j < count; j++)
        if (read_place(a, at + j) == (uint32_t)place)
            dx[j] += (double)cpu_floats(a->dy)[at + j];
}

static void scatter_mean_grad(const struct weft_pool_args *a, size_t at, int count,
                              int place, int divisor, double *dx)
{
    (void)place;
    for (int j = 0; j < count; j++)
        dx[j] += (double)cpu_floats(a->dy)[at + j] / divisor;
}

static const struct {
    cpu_work *forward;
    void (*spread)(const struct weft_pool_args *a, size_t at, int count, int place,
                   int divisor, double *dx);
} kinds[] = {
    [WEFT_POOL_MAX] = {maximum_row, scatter_max_grad},
    [WEFT_POOL_MEAN] = {mean_row, scatter_mean_grad},
};

static void backward_row(const void *data, size_t item)
{
    const struct weft_pool_args *a = data;
    const struct weft_pool *g = &a->pool;
    size_t n = item / (size_t)g->h;
    int iy = (int)(item % (size_t)g->h);
    for (int ix = 0; ix < g->w; ix++)
        for (int c = 0, count; c < g->c; c += count) {
            double dx[CPU_BLOCK] = {0};
            count = cpu_block(c, g->c);
            for (int place = 0; place < g->r * g->s; place++) {
                int py =
                    cpu_window_of(iy, place / g->s, g->pad_top, g->stride_y, g->out_h);
                int px =
                    cpu_window_of(ix, place % g->s, g->pad_left, g->stride_x, g->out_w);
                if (py < 0 || px < 0)
                    continue;
                kinds[g->kind].spread(a, ((n * g->out_h + py) * g->out_w + px) * g->c + c,
                                      count, place, divisor(g, py, px), dx);
            }
            float *to = cpu_floats(a->dx) + (item * g->w + ix) * g->c + c;
            for (int j = 0; j < count; j++)
                to[j] = (float)dx[j];
        }
}

enum weft_status cpu_pool_forward(struct weft_command_list *list,
                                  const struct weft_pool_args *args)
{
    const struct weft_pool *g = &args->pool;
    struct weft_pool_args a = *args;
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, (size_t)g->n * g->out_h, kinds[g->kind].forward, &a,
                             sizeof(a), a.y, args->y);
}

enum weft_status cpu_pool_backward(struct weft_command_list *list,
                                   const struct weft_pool_args *args)
{
    struct weft_pool_args a = *args;
    assert(a.argmax.mem || a.pool.kind != WEFT_POOL_MAX);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    a.dx = cpu_fp32_output(list, args->dx);
    return cpu_append_output(list, (size_t)a.pool.n * a.pool.h, backward_row, &a,
                             sizeof(a), a.dx, args->dx);
}
