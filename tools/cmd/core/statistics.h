/* SPDX-License-Identifier: Apache-2.0 */
/* How much faster one series of samples is than another, and how sure that is. */
#ifndef WEFT_CMD_CORE_STATISTICS_H
#define WEFT_CMD_CORE_STATISTICS_H

#include <stdbool.h>

/* How many times faster the second is. */
struct statistics_ratio {
    double ratio;     /* of the medians; NaN: there are no samples, or one is not
                         above 0 */
    double low, high; /* of its 95 % interval; NaN: too few samples for one */
};

/* The ratio of medians m, and the interval
 *
 *     exp(log m +- t sqrt(s_a^2 / n_a + s_b^2 / n_b) sqrt(pi / 2))
 *
 * where s = 1.4826 c_n MAD of a series' logarithms, which no outlier moves, sqrt(pi / 2)
 * s / sqrt(n) the standard error of a median, and t Student's for n_a + n_b - 2 degrees.
 * (MAD and its correction c_n: Croux and Rousseeuw 1992, "Time-efficient algorithms for
 * two highly robust estimators of scale"; t: Abramowitz and Stegun, 26.7.5.) Of more than
 * 40 samples the medians of 20 blocks count, for neighbours are alike. Samples are
 * rates, or with `times` times. */
struct statistics_ratio statistics_speedup(const double *a, int count_a, const double *b,
                                           int count_b, bool times);

/* The 95 % interval of the median: between the k-th smallest and the k-th largest sample,
 * k the largest for which both tails, 2 P(Binomial(n, 1/2) < k), are together at most 5 %
 * (Thompson 1936, "On confidence ranges for the median and other expectation
 * distributions"). It supposes nothing of how samples are distributed. Of more than 40
 * samples the medians of blocks count, as above. False, and NaN: fewer than
 * STATISTICS_MIN_SAMPLES, of which not even all are sure to surround the median. */
enum { STATISTICS_MIN_SAMPLES = 6 };
bool statistics_interval(const double *values, int count, double out[2]);

/* Half the ratio's interval's width, NaN where there is none. */
double statistics_half_width(const struct statistics_ratio *ratio);

#endif
