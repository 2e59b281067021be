/* SPDX-License-Identifier: Apache-2.0 */
/* Class means and ridge regression. The result of leaving one example out follows from
 * the fit of all of them: a mean without its example is the sum minus the example; of
 * ridge regression, the residual without example i is r_i / (1 - h_i), with h_i = x_i^T
 * (x^T x + ridge)^-1 x_i (Hastie, Tibshirani and Friedman 2009, section 7.10). */
#include "train/head_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 }; /* examples solved together, and rows of the Gram matrix */

enum weft_status head_fit_init(weft_context *ctx, const struct head_examples *e,
                               struct head_fit *out)
{
    size_t weights = (size_t)e->classes * (size_t)e->features * sizeof(double);
    size_t held_out = (size_t)e->classes * (size_t)e->count * sizeof(double);
    *out = (struct head_fit){malloc(weights), malloc(held_out)};
    if (out->weights && out->held_out)
        return WEFT_OK;
    head_fit_finish(out);
    return weft_out_of_memory(ctx, "classifier", weights + held_out);
}

void head_fit_finish(struct head_fit *fit)
{
    free(fit->weights);
    free(fit->held_out);
    *fit = (struct head_fit){0};
}

static const double *example(const struct head_examples *e, int i)
{
    return e->x + (size_t)i * (size_t)e->features;
}

static double dot(const double *a, const double *b, int count)
{
    double sums[4] = {0};
    int i = 0;
    for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < count; i++)
        sums[0] += a[i] * b[i];
    return sums[0] + sums[1] + sums[2] + sums[3];
}

void head_fit_means(const struct head_examples *e, struct head_fit *out)
{
    const int d = e->features;
    memset(out->weights, 0, (size_t)e->classes * (size_t)d * sizeof(double));
    for (int i = 0; i < e->count; i++) {
        double *sum = out->weights + (size_t)e->labels[i] * (size_t)d;
        for (int f = 0; f < d; f++)
            sum[f] += example(e, i)[f];
    }
    for (int i = 0; i < e->count; i++) {
        const double *x = example(e, i);
        double *held_out = out->held_out + (size_t)i * (size_t)e->classes;
        for (int k = 0; k < e->classes; k++) {
            const double *sum = out->weights + (size_t)k * (size_t)d;
            double product = dot(x, sum, d), square = dot(sum, sum, d);
            if (k == e->labels[i]) { /* |sum - x|^2 and its product with x */
                square += 1 - 2 * product;
                product -= 1;
            }
            held_out[k] = square > 1e-12 ? product / sqrt(square) : -INFINITY;
        }
    }
    for (int k = 0; k < e->classes; k++) {
        double *sum = out->weights + (size_t)k * (size_t)d;
        double length = sqrt(dot(sum, sum, d));
        for (int f = 0; f < d; f++)
            sum[f] /= length > 0 ? length : 1;
    }
}

enum weft_status head_gram(weft_context *ctx, const struct head_examples *e, double **out)
{
    const int d = e->features;
    size_t bytes = (size_t)d * (size_t)d * sizeof(double);
    double *gram = calloc(1, bytes);
    if (!gram)
        return weft_out_of_memory(ctx, "classifier", bytes);
    for (int first = 0; first < d; first += BLOCK)
        for (int i = 0; i < e->count; i++) {
            const double *x = example(e, i);
            for (int f = first; f < d && f < first + BLOCK; f++) {
                double *row = gram + (size_t)f * (size_t)d;
                for (int g = 0; g <= f; g++)
                    row[g] += x[f] * x[g];
            }
        }
    for (int f = 0; f < d; f++)
        for (int g = f + 1; g < d; g++)
            gram[(size_t)f * (size_t)d + (size_t)g] =
                gram[(size_t)g * (size_t)d + (size_t)f];
    *out = gram;
    return WEFT_OK;
}

/* The lower triangle of a becomes l with l l^T = a. */
static void cholesky(double *a, int d)
{
    for (int i = 0; i < d; i++) {
        double *row = a + (size_t)i * (size_t)d;
        for (int j = 0; j <= i; j++) {
            const double *other = a + (size_t)j * (size_t)d;
            double rest = row[j] - dot(row, other, j);
            row[j] = i == j ? sqrt(rest) : rest / other[j];
        }
    }
}

/* Solves l y = b in place for BLOCK right sides, b[row][side]. */
static void forward(const double *l, int d, double *b)
{
    for (int i = 0; i < d; i++) {
        const double *row = l + (size_t)i * (size_t)d;
        double *to = b + (size_t)i * BLOCK;
        for (int j = 0; j < i; j++)
            for (int s = 0; s < BLOCK; s++)
                to[s] -= row[j] * b[(size_t)j * BLOCK + (size_t)s];
        for (int s = 0; s < BLOCK; s++)
            to[s] /= row[i];
    }
}

/* Solves l^T y = b in place for one right side. */
static void backward(const double *l, int d, double *b)
{
    for (int i = d; i-- > 0;) {
        const double *row = l + (size_t)i * (size_t)d;
        b[i] /= row[i];
        for (int j = 0; j < i; j++)
            b[j] -= row[j] * b[i];
    }
}

static double target(const struct head_examples *e, int i, int k)
{
    return e->labels[i] == k ? 1 : -1;
}

/* The weights, from x^T times the targets. */
static void solve_weights(const struct head_examples *e, const double *l, double *block,
                          struct head_fit *out)
{
    const int d = e->features;
    for (int first = 0; first < e->classes; first += BLOCK) {
        int sides = e->classes - first < BLOCK ? e->classes - first : BLOCK;
        memset(block, 0, (size_t)d * BLOCK * sizeof(*block));
        for (int i = 0; i < e->count; i++)
            for (int f = 0; f < d; f++)
                for (int s = 0; s < sides; s++)
                    block[(size_t)f * BLOCK + (size_t)s] +=
                        example(e, i)[f] * target(e, i, first + s);
        forward(l, d, block);
        for (int s = 0; s < sides; s++) {
            double *w = out->weights + (size_t)(first + s) * (size_t)d;
            for (int f = 0; f < d; f++)
                w[f] = block[(size_t)f * BLOCK + (size_t)s];
            backward(l, d, w);
        }
    }
}

/* The held-out products: target - (target - product) / (1 - h). */
static void hold_out(const struct head_examples *e, const double *l, double *block,
                     struct head_fit *out)
{
    const int d = e->features;
    for (int first = 0; first < e->count; first += BLOCK) {
        int sides = e->count - first < BLOCK ? e->count - first : BLOCK;
        memset(block, 0, (size_t)d * BLOCK * sizeof(*block));
        for (int s = 0; s < sides; s++)
            for (int f = 0; f < d; f++)
                block[(size_t)f * BLOCK + (size_t)s] = example(e, first + s)[f];
        forward(l, d, block);
        double h[BLOCK] = {0};
        for (int f = 0; f < d; f++)
            for (int s = 0; s < BLOCK; s++)
                h[s] += block[(size_t)f * BLOCK + (size_t)s] *
                        block[(size_t)f * BLOCK + (size_t)s];
        for (int s = 0; s < sides; s++)
            for (int k = 0; k < e->classes; k++) {
                double t = target(e, first + s, k);
                double product =
                    dot(example(e, first + s), out->weights + (size_t)k * (size_t)d, d);
                out->held_out[(size_t)(first + s) * (size_t)e->classes + (size_t)k] =
                    t - (t - product) / (1 - h[s]);
            }
    }
}

enum weft_status head_fit_ridge(weft_context *ctx, const struct head_examples *e,
                                const double *gram, double ridge, struct head_fit *out)
{
    const int d = e->features;
    size_t matrix = (size_t)d * (size_t)d, block = (size_t)d * BLOCK;
    double *l = malloc((matrix + block) * sizeof(*l));
    if (!l)
        return weft_out_of_memory(ctx, "classifier", (matrix + block) * sizeof(*l));
    memcpy(l, gram, matrix * sizeof(*l));
    for (int f = 0; f < d; f++)
        l[(size_t)f * (size_t)d + (size_t)f] += ridge;
    cholesky(l, d);
    solve_weights(e, l, l + matrix, out);
    hold_out(e, l, l + matrix, out);
    free(l);
    return WEFT_OK;
}

/* The class of a held-out example, or -1 where no class had an example. */
static int held_out_class(const struct head_examples *e, const struct head_fit *fit,
                          int i)
{
    const double *products = fit->held_out + (size_t)i * (size_t)e->classes;
    int best = 0;
    for (int k = 1; k < e->classes; k++)
        best = products[k] > products[best] ? k : best;
    return isfinite(products[best]) ? best : -1;
}

double head_accuracy(const struct head_examples *e, const struct head_fit *fit)
{
    int correct = 0;
    for (int i = 0; i < e->count; i++)
        correct += held_out_class(e, fit, i) == e->labels[i];
    return e->count ? (double)correct / e->count : 0;
}

double head_macro_recall(const struct head_examples *e, const struct head_fit *fit)
{
    double sum = 0;
    for (int k = 0; k < e->classes; k++) {
        int count = 0, correct = 0;
        for (int i = 0; i < e->count; i++) {
            count += e->labels[i] == k;
            correct += e->labels[i] == k && held_out_class(e, fit, i) == k;
        }
        sum += count ? (double)correct / count : 0;
    }
    return sum / e->classes;
}
