/* SPDX-License-Identifier: Apache-2.0 */
/* Error bounds of results of Winograd's algorithm, from the numbers of their own tiles.
 *
 * The transforms are linear, so that the error is at most the number of roundings that a
 * term passes, times the result of the sizes of all numbers with the sizes of all
 * matrices (Barabasz et al., "Error analysis and improving the accuracy of Winograd
 * convolution for deep neural networks", 2020): |A^T| [(|G| |w| |G^T|) * (|B^T| |x| |B|)]
 * |A|, and of a weight's gradient |G^T| [(|A| |dz| |A^T|) * (|B^T| |x| |B|)] |G|, summed
 * over tiles. */
#include "util/multiversion.h"
#include "verify/expect_conv.h"
#include "verify/winograd.h"

#include <math.h>
#include <string.h>

/* Channels or tiles that are transformed together. */
enum { LANES = 16, ELEMENTS = WINOGRAD_SIDE * WINOGRAD_SIDE };
typedef double block[ELEMENTS][LANES];

/* Roundings of a term, by the tile: of both axes on the ways into a tile and out of it,
 * of the constants, the product and a bias; but for the sum over channels or tiles. */
static const double roundings[] = {[2] = 14, [3] = 32, [4] = 32};

static void add_scaled(double to[LANES], double factor, const double from[LANES])
{
    for (int i = 0; i < LANES; i++)
        to[i] += factor * from[i];
}

/* Both axes of each lane's numbers: columns x columns of them to rows x rows. */
static void transform(const double m[WINOGRAD_SIDE][WINOGRAD_SIDE], int rows, int columns,
                      block from, block to)
{
    block part;
    memset(part, 0, sizeof(part));
    memset(to, 0, sizeof(block));
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++)
            for (int j = 0; j < columns && m[i][k] > 0; j++)
                add_scaled(part[i * columns + j], m[i][k], from[k * columns + j]);
    for (int j = 0; j < rows; j++)
        for (int k = 0; k < columns; k++)
            for (int i = 0; i < rows && m[j][k] > 0; i++)
                add_scaled(to[i * rows + j], m[j][k], part[i * columns + k]);
}

static void add_products(block a, block b, block sums)
{
    for (int e = 0; e < ELEMENTS; e++)
        for (int i = 0; i < LANES; i++)
            sums[e][i] += a[e][i] * b[e][i];
}

static void add_lanes(block from, double sums[ELEMENTS])
{
    for (int e = 0; e < ELEMENTS; e++) {
        sums[e] = 0;
        for (int i = 0; i < LANES; i++)
            sums[e] += from[e][i];
    }
}

/* A result of both axes from the sums. */
static double back(const double m[WINOGRAD_SIDE][WINOGRAD_SIDE], int side,
                   const double sums[ELEMENTS], int row, int column)
{
    double result = 0;
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            result += m[i][row] * m[j][column] * sums[i * side + j];
    return result;
}

/* |x|, or the size of dz, at a position of an image; 0 outside. */
static double size_at(const struct conv_data *d, bool is_gradient, int n, int y, int x,
                      int c)
{
    const struct weft_conv *g = d->conv;
    int h = is_gradient ? g->out_h : g->h, w = is_gradient ? g->out_w : g->w;
    double size = 0;
    if (y < 0 || y >= h || x < 0 || x >= w)
        return 0;
    if (is_gradient)
        expect_conv_gradient(d, n, y, x, c, &size);
    else
        size = fabs(
            (double)d->x[(((size_t)n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x) *
                             (size_t)g->c +
                         (size_t)c]);
    return size;
}

/* Sizes of `count` channels from `first` on of a position of the input. */
static void load_position(const struct conv_data *d, bool is_dgrad, int n, int y, int x,
                          int first, int count, double to[LANES])
{
    const struct weft_conv *g = d->conv;
    int h = is_dgrad ? g->out_h : g->h, w = is_dgrad ? g->out_w : g->w;
    if (y < 0 || y >= h || x < 0 || x >= w)
        return;
    size_t place = ((size_t)n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x;
    if (is_dgrad && d->pool->r) {
        for (int i = 0; i < count; i++)
            to[i] = size_at(d, true, n, y, x, first + i);
        return;
    }
    const float *from = (is_dgrad ? d->dy : d->x) +
                        place * (size_t)(is_dgrad ? g->k : g->c) + (size_t)first;
    for (int i = 0; i < count; i++)
        to[i] = fabs((double)from[i]);
}

/* The sums over channels of the tile that begins at row `top` and column `left` of the
 * input, and of a filter or, for dx, an input channel. */
CPU_MULTIVERSION static void sum_tile(const struct conv_data *d,
                                      const struct winograd_sizes *m, bool is_dgrad,
                                      int n, int top, int left, int k,
                                      double sums[ELEMENTS])
{
    const struct weft_conv *g = d->conv;
    int channels = is_dgrad ? g->k : g->c, side = m->side;
    block x, w, v, u, all;
    memset(all, 0, sizeof(all));
    for (int first = 0; first < channels; first += LANES) {
        int count = channels - first < LANES ? channels - first : LANES;
        memset(x, 0, sizeof(x));
        memset(w, 0, sizeof(w));
        for (int e = 0; e < side * side; e++)
            load_position(d, is_dgrad, n, top + e / side, left + e % side, first, count,
                          x[e]);
        for (int tap = 0; tap < 9; tap++)
            for (int i = 0; i < count; i++) {
                int row = (is_dgrad ? 8 - tap : tap) * g->c + (is_dgrad ? k : first + i);
                int column = is_dgrad ? first + i : k;
                w[tap][i] =
                    fabs((double)d->w[(size_t)row * (size_t)g->k + (size_t)column]);
            }
        transform(m->input, side, side, x, v);
        transform(m->weights, side, 3, w, u);
        add_products(v, u, all);
    }
    add_lanes(all, sums);
}

/* The bound of the result at row y and column x of an image, with `pad` rows and columns
 * of zeros before its input. Results of one tile and filter share their sums. */
static double tile_bound(struct verify_call *v, const struct conv_data *d, bool is_dgrad,
                         int n, int y, int x, int k, const int pad[2], double more_terms)
{
    const struct weft_conv *g = d->conv;
    const struct winograd_sizes m = winograd_sizes_of(v->winograd);
    int h = is_dgrad ? g->h : g->out_h, w = is_dgrad ? g->w : g->out_w;
    int channels = is_dgrad ? g->c : g->k;
    int row = y % m.outputs, column = x % m.outputs;
    size_t corner =
        ((size_t)n * (size_t)h + (size_t)(y - row)) * (size_t)w + (size_t)(x - column);
    size_t tile = corner * (size_t)channels + (size_t)k;
    if (!v->tile_known || v->tile != tile) {
        sum_tile(d, &m, is_dgrad, n, y - row - pad[0], x - column - pad[1], k, v->sums);
        v->tile = tile;
        v->tile_known = true;
    }
    double size = back(m.output, m.side, v->sums, row, column);
    if (!is_dgrad && d->bias)
        size += fabs((double)d->bias[k]);
    double terms = (is_dgrad ? g->k : g->c) + roundings[m.outputs] + more_terms;
    return expect_products_bound(v, terms) * size;
}

double expect_winograd_forward(struct verify_call *v, const struct conv_data *d, int n,
                               int oy, int ox, int k)
{
    return tile_bound(v, d, false, n, oy, ox, k,
                      (const int[]){d->conv->pad_top, d->conv->pad_left}, 0);
}

double expect_winograd_data(struct verify_call *v, const struct conv_data *d, int n,
                            int iy, int ix, int c)
{
    return tile_bound(v, d, true, n, iy, ix, c,
                      (const int[]){2 - d->conv->pad_top, 2 - d->conv->pad_left},
                      pool_max_overlap(d->pool));
}

/* Tile `tile` of all images: its input of channel c and its gradient of filter k. */
static void load_tile(const struct conv_data *d, const struct winograd_sizes *m, int tile,
                      int c, int k, int lane, block x, block dz)
{
    const struct weft_conv *g = d->conv;
    int columns = (g->out_w + m->outputs - 1) / m->outputs;
    int rows = (g->out_h + m->outputs - 1) / m->outputs;
    int n = tile / columns / rows, top = tile / columns % rows * m->outputs,
        left = tile % columns * m->outputs;
    for (int e = 0; e < m->side * m->side; e++)
        x[e][lane] = size_at(d, false, n, top - g->pad_top + e / m->side,
                             left - g->pad_left + e % m->side, c);
    for (int e = 0; e < m->outputs * m->outputs; e++)
        dz[e][lane] = size_at(d, true, n, top + e / m->outputs, left + e % m->outputs, k);
}

/* The sums over all tiles of an input channel and a filter. */
CPU_MULTIVERSION static void sum_tiles(const struct conv_data *d,
                                       const struct winograd_sizes *m, int tiles, int c,
                                       int k, double sums[ELEMENTS])
{
    block x, dz, a, b, all;
    memset(all, 0, sizeof(all));
    for (int first = 0; first < tiles; first += LANES) {
        memset(x, 0, sizeof(x));
        memset(dz, 0, sizeof(dz));
        for (int i = 0; i < LANES && first + i < tiles; i++)
            load_tile(d, m, first + i, c, k, i, x, dz);
        transform(m->input, m->side, m->side, x, a);
        transform(m->output, m->side, m->outputs, dz, b);
        add_products(a, b, all);
    }
    add_lanes(all, sums);
}

double expect_winograd_weights(struct verify_call *v, const struct conv_data *d, int tap,
                               int c, int k)
{
    const struct weft_conv *g = d->conv;
    const struct winograd_sizes m = winograd_sizes_of(v->winograd);
    double sums[ELEMENTS];
    int tiles = g->n * ((g->out_h + m.outputs - 1) / m.outputs) *
                ((g->out_w + m.outputs - 1) / m.outputs);
    sum_tiles(d, &m, tiles, c, k, sums);
    double terms = tiles + roundings[m.outputs] + pool_max_overlap(d->pool);
    return expect_products_bound(v, terms) *
           back(m.weights, m.side, sums, tap / 3, tap % 3);
}
