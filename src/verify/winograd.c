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

static double max_abs(const struct winograd_bound_args *p, int n, int c, int in)
{
    double most = 0;
    for (size_t i = 0; i < p->places; i++)
        most = fmax(
            most,
            fabs((double)p->x[((size_t)n * p->places + i) * (size_t)in + (size_t)c]));
    return most;
}

/* The transforms are linear, so that the error is at most the number of roundings that a
 * term passes, times the result of the sizes of all numbers with the sizes of all
 * matrices (Barabasz et al., "Error analysis and improving the accuracy of Winograd
 * convolution for deep neural networks", 2020): |A^T| [(|G| |w| |G^T|) * (|B^T| |x| |B|)]
 * |A|. With an input that is everywhere as large as its image's largest, it does not
 * matter where the tiles are. A term is rounded at most 12 times on the way into a tile,
 * 18 in the weights', 14 on the way back with a bias, and once for each channel. */
void winograd_error_bound(const struct winograd_bound_args *p, double *bound)
{
    const struct weft_conv *g = p->conv;
    int in = p->is_dgrad ? g->k : g->c, out = p->is_dgrad ? g->c : g->k;
    double share[3], gamma = gamma_bound(in + 48);
    input_transform_bounds(p->outputs, share);
    for (int i = 0; i < g->n * out; i++)
        bound[i] = 0;
    for (int n = 0; n < g->n; n++)
        for (int c = 0; c < in; c++) {
            double largest = p->scale * max_abs(p, n, c, in);
            for (int tap = 0; tap < 9; tap++) {
                int at = p->is_dgrad ? 8 - tap : tap;
                double size = gamma * share[at / 3] * share[at % 3] * largest;
                for (int k = 0; k < out; k++) {
                    int row = tap * g->c + (p->is_dgrad ? k : c);
                    float w =
                        p->w[(size_t)row * (size_t)g->k + (size_t)(p->is_dgrad ? c : k)];
                    bound[n * out + k] += size * fabs((double)w);
                }
            }
        }
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

static double tile_count(int extent, int outputs)
{
    return (double)((extent + outputs - 1) / outputs);
}

/* By the same argument: |G^T| [(|A| |dz| |A^T|) * (|B^T| |x| |B|)] |G|, summed over tiles
 * of numbers that are everywhere as large as their image's largest. A term is rounded
 * at most 12 times on either way into a tile, 14 on the way back, and once for each
 * tile. */
void winograd_weights_error_bound(const struct winograd_bound_args *x,
                                  const struct winograd_bound_args *dz, double *bound)
{
    const struct weft_conv *g = x->conv;
    double tiles = tile_count(g->out_h, x->outputs) * tile_count(g->out_w, x->outputs);
    double share[3], gamma = gamma_bound(g->n * tiles + 48);
    size_t plane = (size_t)g->c * (size_t)g->k;
    filter_transform_bounds(x->outputs, share);
    for (size_t i = 0; i < 9 * plane; i++)
        bound[i] = 0;
    for (int n = 0; n < g->n; n++)
        for (int c = 0; c < g->c; c++) {
            double in = x->scale * max_abs(x, n, c, g->c);
            for (int k = 0; k < g->k && in > 0; k++) {
                double size = tiles * gamma * in * dz->scale * max_abs(dz, n, k, g->k);
                for (int tap = 0; tap < 9; tap++)
                    bound[(size_t)tap * plane + (size_t)(c * g->k + k)] +=
                        share[tap / 3] * share[tap % 3] * size;
            }
        }
}
