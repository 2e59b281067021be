/* SPDX-License-Identifier: Apache-2.0 */
/* Error bounds of convolution by Winograd's algorithm. */
#include "verify/verify.h"

#include <math.h>

enum { MAX_OUTPUT_TILE = 4 };

/* The finite points of F(outputs, 3), outputs + 1 of them; see cl/lib/winograd.h. */
static const double points[MAX_OUTPUT_TILE + 1][MAX_OUTPUT_TILE + 1] = {
    [2] = {0, 1, -1},
    [3] = {0.5, -0.5, 1.5, -1.5},
    [4] = {0, 2.0 / 3, -2.0 / 3, 1.5, -1.5},
};

/* Sum of absolute coefficients of the product of x - point[i] over all i < count but
 * `without`. */
static double coefficients(const double *point, int count, int without)
{
    double c[MAX_OUTPUT_TILE + 2] = {1}, sum = 0;
    int degree = 0;
    for (int i = 0; i < count; i++) {
        if (i == without)
            continue;
        c[++degree] = 0;
        for (int j = degree; j > 0; j--)
            c[j] -= c[j - 1] * point[i];
    }
    for (int j = 0; j <= degree; j++)
        sum += fabs(c[j]);
    return sum;
}

/* share[tap]: the largest element of |A^T| diag(|B^T| 1) |G| in the column of a tap. The
 * points' distances N, by which either B or G may be divided, cancel. */
static void input_transform_bounds(int outputs, double share[3])
{
    const double *point = points[outputs];
    int count = outputs + 1;
    for (int tap = 0; tap < 3; tap++) {
        share[tap] = 0;
        for (int i = 0; i < outputs; i++) {
            double sum = 0;
            for (int p = 0; p < count; p++) {
                double distances = 1;
                for (int l = 0; l < count; l++)
                    distances *= l == p ? 1 : fabs(point[p] - point[l]);
                sum += pow(fabs(point[p]), i + tap) * coefficients(point, count, p) /
                       distances;
            }
            if (i == outputs - 1 && tap == 2)
                sum += coefficients(point, count, -1);
            share[tap] = fmax(share[tap], sum);
        }
    }
}

void winograd_maxima(const struct winograd_bound_args *p, int channels, double *out)
{
    size_t count = (size_t)channels;
    for (size_t i = 0; i < (size_t)p->conv->n * count; i++)
        out[i] = 0;
    for (size_t i = 0; i < (size_t)p->conv->n * p->places; i++) {
        double *most = out + i / p->places * count;
        const float *x = p->x + i * count;
        for (size_t c = 0; c < count; c++)
            most[c] = fmax(most[c], fabs((double)x[c]));
    }
}

/* The transforms are linear, so that the error is at most the number of roundings that a
 * term passes, times the result of the sizes of all numbers with the sizes of all
 * matrices (Barabasz et al., "Error analysis and improving the accuracy of Winograd
 * convolution for deep neural networks", 2020): |A^T| [(|G| |w| |G^T|) * (|B^T| |x| |B|)]
 * |A|. With an input that is everywhere as large as its image's largest, it does not
 * matter where the tiles are. A term is rounded at most 12 times on the way into a tile,
 * 18 in the weights', 14 on the way back with a bias, and once for each channel. */
double winograd_bound_at(const struct winograd_bound_args *p, const double *maxima, int n,
                         int channel)
{
    const struct weft_conv *g = p->conv;
    int in = p->is_dgrad ? g->k : g->c;
    const double *share = p->share;
    double gamma = gamma_bound(in + 48), sum = 0;
    for (int tap = 0; tap < 9; tap++) {
        int at = p->is_dgrad ? 8 - tap : tap;
        double size = gamma * share[at / 3] * share[at % 3] * p->scale;
        for (int c = 0; c < in; c++) {
            int row = tap * g->c + (p->is_dgrad ? channel : c);
            float w =
                p->w[(size_t)row * (size_t)g->k + (size_t)(p->is_dgrad ? c : channel)];
            sum += size * maxima[n * in + c] * fabs((double)w);
        }
    }
    return sum;
}

/* share[tap]: element `tap` of |G^T| diag(|A| 1) (|B^T| 1), as above. */
static void filter_transform_bounds(int outputs, double share[3])
{
    const double *point = points[outputs];
    int count = outputs + 1;
    for (int tap = 0; tap < 3; tap++) {
        share[tap] = tap == 2 ? coefficients(point, count, -1) : 0;
        for (int p = 0; p < count; p++) {
            double size = coefficients(point, count, p), gradient = 0;
            for (int l = 0; l < count; l++)
                size /= l == p ? 1 : fabs(point[p] - point[l]);
            for (int i = 0; i < outputs; i++)
                gradient += pow(fabs(point[p]), i);
            share[tap] += pow(fabs(point[p]), tap) * size * gradient;
        }
    }
}

void winograd_set_shares(struct winograd_bound_args *p, bool is_wgrad)
{
    if (is_wgrad)
        filter_transform_bounds(p->outputs, p->share);
    else
        input_transform_bounds(p->outputs, p->share);
}

static double tile_count(int extent, int outputs)
{
    return (double)((extent + outputs - 1) / outputs);
}

/* By the same argument: |G^T| [(|A| |dz| |A^T|) * (|B^T| |x| |B|)] |G|, summed over tiles
 * of numbers that are everywhere as large as their image's largest. A term is rounded
 * at most 12 times on either way into a tile, 14 on the way back, and once for each
 * tile. */
double winograd_weights_bound_at(const struct winograd_bound_args *x, const double *in,
                                 const double *out, double scale, int tap, int c, int k)
{
    const struct weft_conv *g = x->conv;
    double tiles = tile_count(g->out_h, x->outputs) * tile_count(g->out_w, x->outputs);
    const double *share = x->share;
    double gamma = gamma_bound(g->n * tiles + 48), sum = 0;
    for (int n = 0; n < g->n; n++)
        sum += in[n * g->c + c] * out[n * g->k + k];
    return share[tap / 3] * share[tap % 3] * tiles * gamma * x->scale * scale * sum;
}
