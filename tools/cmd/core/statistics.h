/* SPDX-License-Identifier: Apache-2.0 */
/* Ratios of medians with confidence intervals. */
#ifndef WEFT_CMD_CORE_STATISTICS_H
#define WEFT_CMD_CORE_STATISTICS_H

#include <stdbool.h>

/* Speed of the second series relative to the first. */
struct statistics_ratio {
    double ratio;     /* of the medians; NaN: no samples, or one is not positive */
    double low, high; /* its 95 % interval; NaN: too few samples */
};

/* The ratio of medians m, and the interval
 *
 *     exp(log m +- t sqrt(s_a^2 / n_a + s_b^2 / n_b) sqrt(pi / 2))
 *
 * where s = 1.4826 c_n MAD of a series' logarithms, robust against outliers, sqrt(pi / 2)
 * s / sqrt(n) is the standard error of a median, and t is Student's for n_a + n_b - 2
 * degrees. (MAD and its correction c_n: Croux and Rousseeuw 1992, "Time-efficient
 * algorithms for two highly robust estimators of scale"; t: Abramowitz and Stegun,
 * 26.7.5.) Series of more than 40 samples are reduced to the medians of 20 blocks, since
 * consecutive samples are correlated. Samples are rates, or durations if `times`. */
struct statistics_ratio statistics_speedup(const double *a, int count_a, const double *b,
                                           int count_b, bool times);

/* The 95 % interval of the median: between the k-th smallest and the k-th largest sample,
 * k the largest for which both tails, 2 P(Binomial(n, 1/2) < k), are together at most 5 %
 * (Thompson 1936, "On confidence ranges for the median and other expectation
 * distributions"). Distribution-free. Long series are reduced to blocks as above. False
 * and NaN for fewer than STATISTICS_MIN_SAMPLES, too few for any 95 % interval. */
enum { STATISTICS_MIN_SAMPLES = 6 };
bool statistics_interval(const double *values, int count, double out[2]);

/* True where other work must have disturbed the samples: the ends of the interval above
 * differ by a factor of STATISTICS_NOISY, as they do not on a quiet machine. */
#define STATISTICS_NOISY 1.5
bool statistics_is_noisy(const double bounds[2]);

struct statistics_summary {
    double median, min, max;
    double p95, p99; /* percentiles: the smallest value that as many do not exceed.
                      * NaN: no sample is above it, so that it would be the maximum */
};
struct statistics_summary statistics_summarize(const double *values, int count);

/* Wilson's 95 % interval of a share, `right` of `count`; NaN: none of none. Neither
 * must be whole: an effective number of samples. */
void statistics_wilson(double right, double count, double out[2]);

#endif
