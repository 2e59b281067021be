/* SPDX-License-Identifier: Apache-2.0 */
/* Whitening: the mean of x x' over patches, its eigenvectors by Jacobi's rotations. */
#include "train/whiten.h"

#include "dataset/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 5000, MOST_PATCHES = 4 << 20, MOST_ROUNDS = 64 };

static const double EPSILON = 5e-4;

/* The rotation that makes a[p][q] zero, of a and of the vectors. */
static void rotate(double *a, double *vectors, int n, int p, int q)
{
    double off = a[p * n + q];
    if (off == 0)
        return;
    double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
    double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;
    for (int k = 0; k < n; k++) {
        double kp = a[k * n + p], kq = a[k * n + q];
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for (int k = 0; k < n; k++) {
        double pk = a[p * n + k], qk = a[q * n + k];
        double vp = vectors[p * n + k], vq = vectors[q * n + k];
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
        vectors[p * n + k] = c * vp - s * vq;
        vectors[q * n + k] = s * vp + c * vq;
    }
}

/* The sum of squares beside the diagonal, relative to that on it. */
static double remainder_of(const double *a, int n)
{
    double off = 0, diagonal = 0;
    for (int i = 0; i < n * n; i++)
        *(i % (n + 1) ? &off : &diagonal) += a[i] * a[i];
    return off > 0 ? off / diagonal : 0;
}

static void exchange(double *x, double *y, int count)
{
    for (int i = 0; i < count; i++) {
        double kept = x[i];
        x[i] = y[i];
        y[i] = kept;
    }
}

void weft_eigenvectors(double *a, int n, double *values, double *vectors)
{
    for (int i = 0; i < n * n; i++)
        vectors[i] = i % (n + 1) == 0;
    for (int round = 0; round < MOST_ROUNDS && remainder_of(a, n) > 1e-30; round++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++)
                rotate(a, vectors, n, p, q);
    for (int i = 0; i < n; i++)
        values[i] = a[i * n + i];
    for (int i = 0; i < n; i++) {
        int largest = i, peak = 0;
        for (int k = i + 1; k < n; k++)
            largest = values[k] > values[largest] ? k : largest;
        exchange(&values[i], &values[largest], largest != i);
        exchange(vectors + i * n, vectors + largest * n, largest != i ? n : 0);
        double *e = vectors + i * n;
        for (int k = 1; k < n; k++)
            peak = fabs(e[k]) > fabs(e[peak]) ? k : peak;
        double sign = e[peak] < 0 ? -1 : 1;
        for (int k = 0; k < n; k++)
            e[k] *= sign;
    }
}

/* Values of the patch at (y, x), in the order of the weights: row, column, channel. */
static void gather(const struct weft_conv *g, const uint8_t *image,
                   const struct weft_normalization *normalization, int y, int x,
                   double *patch)
{
    for (int r = 0; r < g->r; r++)
        for (int s = 0; s < g->s; s++)
            for (int c = 0; c < g->c; c++)
                *patch++ = (double)image[((y + r) * g->w + x + s) * g->c + c] *
                               (double)normalization->scale[c] +
                           (double)normalization->shift[c];
}

static void add_products(const double *patch, int values, double *sums)
{
    for (int i = 0; i < values; i++)
        for (int k = 0; k <= i; k++)
            sums[i * values + k] += patch[i] * patch[k];
}

/* The mean of x x' over all patches inside an image. */
static enum weft_status second_moments(const struct weft_conv *g,
                                       const weft_dataset *data,
                                       const struct weft_normalization *normalization,
                                       double *patch, double *moments)
{
    struct weft_image_block block = {.pixels = NULL};
    enum weft_status status = WEFT_OK;
    int rows = g->h - g->r + 1, columns = g->w - g->s + 1, values = g->r * g->s * g->c;
    int images = MOST_PATCHES / (rows * columns);
    images = images < 1 ? 1 : images < MOST_IMAGES ? images : MOST_IMAGES;
    images = images < data->info.count ? images : data->info.count;
    double count = (double)images * rows * columns;
    memset(moments, 0, (size_t)(values * values) * sizeof(*moments));
    for (int n = 0; n < images && !status; n++) {
        status = weft_dataset_block(data->context, data, n, 1, &block);
        for (int y = 0; y < rows && !status; y++)
            for (int x = 0; x < columns; x++) {
                gather(g, block.pixels, normalization, y, x, patch);
                add_products(patch, values, moments);
            }
    }
    weft_image_block_free(&block);
    for (int i = 0; i < values; i++)
        for (int k = 0; k <= i; k++)
            moments[i * values + k] = moments[k * values + i] =
                moments[i * values + k] / count;
    return status;
}

static enum weft_status whiten_conv(const struct weft_node *node,
                                    const weft_dataset *data,
                                    const struct weft_normalization *normalization,
                                    float *weight)
{
    const struct weft_conv *g = &node->as.conv;
    int n = g->r * g->s * g->c, half = g->k / 2;
    size_t count = 2 * (size_t)(n * n) + 2 * (size_t)n;
    double *moments = malloc(count * sizeof(*moments));
    if (!moments)
        return weft_out_of_memory(data->context, "whitening", count * sizeof(*moments));
    double *vectors = moments + n * n, *values = vectors + n * n, *patch = values + n;
    enum weft_status status = second_moments(g, data, normalization, patch, moments);
    weft_eigenvectors(moments, n, values, vectors);
    for (int j = 0; j < half; j++)
        for (int i = 0; i < n; i++) {
            double value = vectors[j * n + i] / sqrt(fmax(values[j], 0) + EPSILON);
            weight[i * g->k + j] = (float)value;
            weight[i * g->k + half + j] = (float)-value;
        }
    free(moments);
    return status;
}

static bool is_whitening(const struct weft_node *node)
{
    return node->params[WEFT_PARAM_WEIGHT].init == WEFT_INIT_WHITEN &&
           node->op == &weft_op_conv;
}

bool weft_whitens(const struct weft_net *net)
{
    for (int i = 0; i < net->graph.count; i++)
        if (is_whitening(&net->graph.nodes[i]))
            return true;
    return false;
}

enum weft_status weft_whiten(const struct weft_net *net, const weft_dataset *data,
                             const struct weft_normalization *normalization,
                             float *weights)
{
    for (int i = 0; i < net->graph.count; i++) {
        const struct weft_node *node = &net->graph.nodes[i];
        if (is_whitening(node))
            WEFT_TRY(whiten_conv(node, data, normalization,
                                 weights + node->params[WEFT_PARAM_WEIGHT].at));
    }
    return WEFT_OK;
}
