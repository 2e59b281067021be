/* SPDX-License-Identifier: Apache-2.0 */
/* Adjusted counting and its precision. */
#include "audience/shares.h"

#include "core/statistics.h"
#include "core/term.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *numbers(int count)
{
    return term_realloc_or_exit(NULL, (size_t)count * sizeof(double));
}

double *shares_rates(const int *confusion, int classes)
{
    int columns = classes + 1;
    double *rates = numbers(classes * columns);
    for (int i = 0; i < classes; i++) {
        double total = 1;
        for (int j = 0; j < columns; j++)
            total += confusion[i * columns + j];
        for (int j = 0; j < columns; j++)
            rates[i * columns + j] = (confusion[i * columns + j] + 1.0 / columns) / total;
    }
    return rates;
}

/* The probability of each answer. */
static void expect_answers(const double *rates, int classes, const double *shares,
                           double *out)
{
    int columns = classes + 1;
    memset(out, 0, (size_t)columns * sizeof(*out));
    for (int i = 0; i < classes; i++)
        for (int j = 0; j < columns; j++)
            out[j] += shares[i] * rates[i * columns + j];
}

/* Expectation maximization: each image is of class i with the probability that its answer
 * gives; the shares are the means of these. */
static void maximize(const double *rates, int classes, const int *answers, int count,
                     double *shares)
{
    enum { MOST_STEPS = 5000 };
    int columns = classes + 1;
    double *expected = numbers(columns), change = 1;
    for (int i = 0; i < classes; i++)
        shares[i] = 1.0 / classes;
    for (int step = 0; step < MOST_STEPS && change > 1e-8; step++) {
        expect_answers(rates, classes, shares, expected);
        change = 0;
        for (int i = 0; i < classes; i++) {
            double factor = 0;
            for (int j = 0; j < columns; j++)
                factor += answers[j] * rates[i * columns + j] / expected[j];
            factor /= count;
            change = fmax(change, shares[i] * fabs(factor - 1));
            shares[i] *= factor;
        }
    }
    free(expected);
}

/* The inverse of a positive definite matrix, in place, by Gauss and Jordan. */
static void invert(double *a, int n)
{
    for (int k = 0; k < n; k++) {
        double pivot = fmax(a[k * n + k], 1e-12);
        a[k * n + k] = 1;
        for (int j = 0; j < n; j++)
            a[k * n + j] /= pivot;
        for (int i = 0; i < n; i++) {
            double factor = a[i * n + k];
            if (i == k)
                continue;
            a[i * n + k] = 0;
            for (int j = 0; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
}

/* The variance of each share, times the number of images: of M, the inverse of the
 * information of one image, M - M 1 1' M / 1' M 1. */
static void find_variances(const double *rates, int classes, const double *shares,
                           double *out)
{
    int columns = classes + 1;
    double *expected = numbers(columns), *inverse = numbers(classes * classes),
           *sums = numbers(classes), total = 0;
    expect_answers(rates, classes, shares, expected);
    for (int a = 0; a < classes; a++)
        for (int b = 0; b < classes; b++) {
            double sum = 0;
            for (int j = 0; j < columns; j++)
                sum += rates[a * columns + j] * rates[b * columns + j] / expected[j];
            inverse[a * classes + b] = sum;
        }
    invert(inverse, classes);
    for (int a = 0; a < classes; a++) {
        sums[a] = 0;
        for (int b = 0; b < classes; b++)
            sums[a] += inverse[a * classes + b];
        total += sums[a];
    }
    for (int a = 0; a < classes; a++)
        out[a] = inverse[a * classes + a] - sums[a] * sums[a] / total;
    free(expected);
    free(inverse);
    free(sums);
}

static void set_interval(struct share *share, double value, double count)
{
    double range[2];
    statistics_wilson(value * count, count, range);
    *share = (struct share){value, range[0], range[1]};
}

void shares_adjusted(const double *rates, int classes, const int *answers,
                     struct share *out)
{
    double *shares = numbers(classes), *inner = numbers(classes),
           *variances = numbers(classes);
    int count = 0;
    for (int j = 0; j <= classes; j++)
        count += answers[j];
    maximize(rates, classes, answers, count, shares);
    for (int i = 0; i < classes; i++) /* a variance of 0 says nothing */
        inner[i] = (count * shares[i] + 1) / (count + classes);
    find_variances(rates, classes, inner, variances);
    for (int i = 0; i < classes; i++) {
        double ratio = variances[i] / (inner[i] * (1 - inner[i]));
        set_interval(&out[i], shares[i], ratio > 1 ? count / ratio : count);
    }
    free(shares);
    free(inner);
    free(variances);
}

void shares_counted(int classes, const int *answers, struct share *out)
{
    int count = 0;
    for (int k = 0; k < classes; k++)
        count += answers[k];
    for (int k = 0; k < classes; k++)
        set_interval(&out[k], (double)answers[k] / count, count);
}

int shares_leader(const struct share *shares, int classes)
{
    int leader = 0;
    for (int k = 1; k < classes; k++)
        leader = shares[k].value > shares[leader].value ? k : leader;
    for (int k = 0; k < classes; k++)
        if (k != leader && !(shares[leader].low > shares[k].high))
            return -1;
    return leader;
}
