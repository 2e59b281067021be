/* SPDX-License-Identifier: Apache-2.0 */
/* Max-pooling. */
#include "cpu.h"

#include <assert.h>

void cpu_maximum(float *restrict best, uint8_t *restrict argmax,
                 const float *restrict values, int count, int place, bool first)
{
    for (int i = 0; i < count; i++)
        if (first || values[i] > best[i] || values[i] != values[i]) {
            best[i] = values[i];
            if (argmax)
                argmax[i] = (uint8_t)place;
        }
}

static void forward_row(const void *data, size_t item)
{
    const struct weft_pool_args *a = data;
    const struct weft_pool *g = &a->pool;
    size_t n = item / (size_t)g->out_h;
    int py = (int)(item % (size_t)g->out_h);
    for (int px = 0; px < g->out_w; px++) {
        size_t at = (item * g->out_w + px) * g->c;
        uint8_t *argmax = a->argmax.mem ? cpu_bytes(a->argmax) + at : NULL;
        bool first = true;
        for (int place = 0; place < g->r * g->s; place++) {
            int iy = py * g->stride_y - g->pad_top + place / g->s;
            int ix = px * g->stride_x - g->pad_left + place % g->s;
            if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
                continue;
            const float *x = cpu_floats(a->x) + ((n * g->h + iy) * g->w + ix) * g->c;
            cpu_maximum(cpu_floats(a->y) + at, argmax, x, g->c, place, first);
            first = false;
        }
    }
}

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
                size_t at = ((n * g->out_h + py) * g->out_w + px) * g->c + c;
                for (int j = 0; j < count; j++)
                    if (cpu_bytes(a->argmax)[at + j] == place)
                        dx[j] += (double)cpu_floats(a->dy)[at + j];
            }
            float *to = cpu_floats(a->dx) + (item * g->w + ix) * g->c + c;
            for (int j = 0; j < count; j++)
                to[j] = (float)dx[j];
        }
}

enum weft_status cpu_pool_forward(struct weft_list *list,
                                  const struct weft_pool_args *args)
{
    assert(args->pool.r * args->pool.s <= UINT8_MAX);
    return cpu_append(list, (size_t)args->pool.n * args->pool.out_h, forward_row, args,
                      sizeof(*args));
}

enum weft_status cpu_pool_backward(struct weft_list *list,
                                   const struct weft_pool_args *args)
{
    assert(args->argmax.mem);
    return cpu_append(list, (size_t)args->pool.n * args->pool.h, backward_row, args,
                      sizeof(*args));
}
