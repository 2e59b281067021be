/* SPDX-License-Identifier: Apache-2.0 */
/* Medians and their confidence intervals. */
#include "core/statistics.h"

#include "core/term.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sorted_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static bool all_above_zero(const double *values, int count)
{
    for (int i = 0; i < count; i++)
        if (!(values[i] > 0))
            return false;
    return count > 0;
}

/* Correction of the MAD's bias for small samples. */
static double mad_correction(int count)
{
    static const double small[] = {1,     1,     1.196, 1.495, 1.363,
                                   1.206, 1.200, 1.140, 1.129, 1.107};
    return count < (int)(sizeof(small) / sizeof(*small)) ? small[count]
                                                         : count / (count - 0.8);
}

/* Two-sided 95 % quantile of Student's t. */
static double student_t_quantile(int degrees)
{
    static const double few[] = {12.706, 4.303, 3.182, 2.776};
    double d = degrees;
    return degrees <= 4 ? few[degrees - 1]
                        : 1.95996 + 2.3723 / d + 2.8225 / (d * d) + 2.5558 / (d * d * d);
}

/* Reduces a long series to the medians of blocks; returns their number. */
static int block_medians(double *values, int count)
{
    enum { BLOCKS = 20 };
    if (count <= 2 * BLOCKS)
        return count;
    for (int i = 0; i < BLOCKS; i++) {
        int from = (int)((int64_t)count * i / BLOCKS);
        int to = (int)((int64_t)count * (i + 1) / BLOCKS);
        values[i] = sorted_median(values + from, to - from);
    }
    return BLOCKS;
}

/* The median of the logarithms; *square receives its squared standard error. */
static double log_median(const double *values, int count, double *square)
{
    double *logs = term_realloc_or_exit(NULL, (size_t)count * sizeof(*logs));
    for (int i = 0; i < count; i++)
        logs[i] = log(values[i]);
    count = block_medians(logs, count);
    double middle = sorted_median(logs, count);
    for (int i = 0; i < count; i++)
        logs[i] = fabs(logs[i] - middle);
    double stddev = 1.4826 * mad_correction(count) * sorted_median(logs, count);
    *square = 1.5707963267948966 * stddev * stddev / count;
    free(logs);
    return middle;
}

struct statistics_ratio statistics_speedup(const double *a, int count_a, const double *b,
                                           int count_b, bool times)
{
    struct statistics_ratio r = {NAN, NAN, NAN};
    double square_a, square_b;
    if (!all_above_zero(a, count_a) || !all_above_zero(b, count_b))
        return r;
    double difference =
        log_median(b, count_b, &square_b) - log_median(a, count_a, &square_a);
    difference = times ? -difference : difference;
    r.ratio = exp(difference);
    if (count_a < 2 || count_b < 2)
        return r;
    double error = student_t_quantile(count_a + count_b - 2) * sqrt(square_a + square_b);
    r.low = exp(difference - error);
    r.high = exp(difference + error);
    return r;
}

bool statistics_interval(const double *values, int count, double out[2])
{
    out[0] = out[1] = NAN;
    if (count < STATISTICS_MIN_SAMPLES)
        return false;
    double *sorted = term_realloc_or_exit(NULL, (size_t)count * sizeof(*sorted));
    memcpy(sorted, values, (size_t)count * sizeof(*sorted));
    count = block_medians(sorted, count);
    qsort(sorted, (size_t)count, sizeof(*sorted), by_value);
    int k = 0;
    double term = ldexp(1, -count), below = term; /* P(Binomial = k), P(Binomial <= k) */
    while (2 * below <= 0.05) {
        term *= (double)(count - k) / (k + 1);
        below += term;
        k++;
    }
    out[0] = sorted[k - 1];
    out[1] = sorted[count - k];
    free(sorted);
    return true;
}

void statistics_wilson(double right, double count, double out[2])
{
    double z = 1.959964, n = count, share = right / n, half = z * z / (2 * n);
    double spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    out[0] = count > 0 ? fmax(0, (share + half - spread) / (1 + 2 * half)) : NAN;
    out[1] = count > 0 ? fmin(1, (share + half + spread) / (1 + 2 * half)) : NAN;
}

static double percentile(const double *sorted, int count, int percent)
{
    int rank = (percent * count + 99) / 100;
    return rank < count ? sorted[rank - 1] : NAN;
}

struct statistics_summary statistics_summarize(const double *values, int count)
{
    size_t bytes = (size_t)count * sizeof(*values);
    double *sorted = memcpy(term_realloc_or_exit(NULL, bytes), values, bytes);
    double median = sorted_median(sorted, count);
    struct statistics_summary summary = {median, sorted[0], sorted[count - 1],
                                         percentile(sorted, count, 95),
                                         percentile(sorted, count, 99)};
    free(sorted);
    return summary;
}

bool statistics_is_noisy(const double bounds[2])
{
    return bounds[1] > STATISTICS_NOISY * bounds[0];
}
