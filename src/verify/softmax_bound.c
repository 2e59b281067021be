/* SPDX-License-Identifier: Apache-2.0 */
/* exp errs by 3 ulp and carries its argument's rounding, the sum by one unit a class. */
#include "verify/softmax_bound.h"

#include <math.h>

struct softmax_row softmax_row_of(const float *x, int classes)
{
    struct softmax_row row = {.largest = -INFINITY};
    for (int j = 0; j < classes; j++)
        if ((double)x[j] > row.largest) {
            row.largest = (double)x[j];
            row.first = j;
        }
    for (int j = 0; j < classes; j++)
        row.sum += exp((double)x[j] - row.largest);
    return row;
}

double softmax_probability_bound(double p, double distance, int classes)
{
    return p * FP32_EPSILON * (12 + classes + 4 * distance) + 2 * FP32_MIN_NORMAL;
}

double softmax_target(int j, int label, int classes, double smoothing)
{
    return (j == label ? 1 - smoothing : 0) + smoothing / classes;
}

/* log sum exp(x - largest) + sum q (largest - x). */
double softmax_loss(const struct softmax_row *row, const float *x, int label, int classes,
                    double smoothing, double weight, double *bound)
{
    double distances = 0, logarithm = log(row->sum);
    for (int j = 0; j < classes; j++)
        distances +=
            softmax_target(j, label, classes, smoothing) * (row->largest - (double)x[j]);
    *bound = weight * FP32_EPSILON *
                 (13 + classes + 5 * logarithm + (5 + classes) * distances +
                  4 * fabs(row->largest)) +
             FP32_MIN_NORMAL;
    return weight * (logarithm + distances);
}

double softmax_gradient_bound(double p, double q, double distance, int classes,
                              double weight, int loss_scale_log2, int batch)
{
    return weight *
               ldexp(softmax_probability_bound(p, distance, classes) +
                         FP32_EPSILON * (3 * q + 2 * fabs(p - q)),
                     loss_scale_log2) /
               batch +
           FP32_MIN_NORMAL;
}
