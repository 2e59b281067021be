/* SPDX-License-Identifier: Apache-2.0 */
/* The error of one result of Winograd's algorithm, followed through its tile. The bound
 * of all results (winograd.c) takes every number of an image for its largest. */
#include "verify/expect_conv.h"
#include "verify/winograd_errors.h"

#include <math.h>
#include <stdlib.h>

static void set_gradient(const struct conv_data *d, struct winograd_image *to, size_t at,
                         int n, int oy, int ox, int k)
{
    double size;
    to->v[at] = expect_conv_gradient(d, n, oy, ox, k, &size);
    to->e[at] = d->pool->r ? gamma_bound(pool_max_overlap(d->pool) - 1) * size : 0;
}

/* The input of the tile that begins at row `top` and column `left`: of x, or of dz. */
static void load_tile(const struct conv_data *d, bool is_dgrad, int n, int top, int left,
                      struct winograd_image *tile)
{
    const struct weft_conv *g = d->conv;
    int h = is_dgrad ? g->out_h : g->h, w = is_dgrad ? g->out_w : g->w;
    size_t at = 0;
    for (int i = 0; i < tile->h * tile->w; i++) {
        int y = top + i / tile->w, x = left + i % tile->w;
        bool inside = y >= 0 && y < h && x >= 0 && x < w;
        size_t place = ((size_t)n * (size_t)h + (size_t)(inside ? y : 0)) * (size_t)w +
                       (size_t)(inside ? x : 0);
        for (int c = 0; c < tile->c; c++, at++)
            if (inside && is_dgrad)
                set_gradient(d, tile, at, n, y, x, c);
            else if (inside)
                tile->v[at] = (double)d->x[place * (size_t)tile->c + (size_t)c];
    }
}

/* The weights that a result needs, [tap][input]: of filter k, or of input channel k. */
static float *weights_of(const struct conv_data *d, bool is_dgrad, int k)
{
    size_t c = (size_t)d->conv->c, filters = (size_t)d->conv->k, own = (size_t)k;
    size_t in = is_dgrad ? filters : c;
    float *w = malloc(9 * in * sizeof(*w));
    for (size_t i = 0; w && i < 9 * in; i++)
        w[i] = is_dgrad ? d->w[(i / in * c + own) * filters + i % in]
                        : d->w[i * filters + own];
    return w;
}

/* The bound of the result at row y and column x of an image, with `pad` rows and columns
 * of zeros before its input. */
static double tile_error(const struct verify_call *v, const struct conv_data *d,
                         bool is_dgrad, int n, int y, int x, int k, const int pad[2])
{
    int outputs = v->winograd, side = outputs + 2;
    int top = y - y % outputs, left = x - x % outputs;
    float *w = weights_of(d, is_dgrad, k);
    struct winograd_problem p = {.outputs = outputs,
                                 .images = 1,
                                 .w = w,
                                 .bias = !is_dgrad && d->bias ? d->bias + k : NULL,
                                 .rotated = is_dgrad};
    double error = INFINITY;
    bool whole =
        winograd_image_init(&p.x, 1, side, side, is_dgrad ? d->conv->k : d->conv->c);
    whole = winograd_image_init(&p.out, 1, outputs, outputs, 1) && whole && w;
    if (whole)
        load_tile(d, is_dgrad, n, top - pad[0], left - pad[1], &p.x);
    if (whole && winograd_errors(&p))
        error = p.out.e[(y - top) * outputs + x - left];
    winograd_image_finish(&p.x);
    winograd_image_finish(&p.out);
    free(w);
    return error;
}

double expect_winograd_forward(const struct verify_call *v, const struct conv_data *d,
                               int n, int oy, int ox, int k)
{
    return tile_error(v, d, false, n, oy, ox, k,
                      (const int[]){d->conv->pad_top, d->conv->pad_left});
}

double expect_winograd_data(const struct verify_call *v, const struct conv_data *d, int n,
                            int iy, int ix, int c)
{
    return tile_error(v, d, true, n, iy, ix, c,
                      (const int[]){2 - d->conv->pad_top, 2 - d->conv->pad_left});
}

/* All tiles of one input channel and one filter. */
double expect_winograd_weights(const struct verify_call *v, const struct conv_data *d,
                               int tap, int c, int k)
{
    const struct weft_conv *g = d->conv;
    struct winograd_problem p = {.outputs = v->winograd,
                                 .images = g->n,
                                 .pad_top = g->pad_top,
                                 .pad_left = g->pad_left};
    double errors[9] = {0};
    bool whole = winograd_image_init(&p.x, g->n, g->h, g->w, 1);
    whole = winograd_image_init(&p.out, g->n, g->out_h, g->out_w, 1) && whole;
    size_t inputs = (size_t)g->n * (size_t)g->h * (size_t)g->w, at = 0;
    for (size_t i = 0; whole && i < inputs; i++)
        p.x.v[i] = (double)d->x[i * (size_t)g->c + (size_t)c];
    for (int n = 0; whole && n < g->n; n++)
        for (int y = 0; y < g->out_h; y++)
            for (int x = 0; x < g->out_w; x++)
                set_gradient(d, &p.out, at++, n, y, x, k);
    whole = whole && winograd_weight_errors(&p, errors);
    winograd_image_finish(&p.x);
    winograd_image_finish(&p.out);
    return whole ? errors[tap] : INFINITY;
}
