/* SPDX-License-Identifier: Apache-2.0 */
/* exp errs by 3 ulp and carries its argument's rounding, the sum by one unit a class. */
#include "verify/softmax_bound.h"

#include "shared/augment.h"

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

struct softmax_target softmax_target_of(const struct weft_loss_args *args, size_t at,
                                        const int32_t *labels, const float *weights,
                                        const int32_t *partners, const int32_t *shares)
{
    struct softmax_target t = {.label = labels[at],
                               .partner = partners ? partners[at] : labels[at],
                               .classes = args->classes,
                               .share = shares ? shares[at] / (double)AUGMENT_SHARES : 1,
                               .smoothing = (double)args->label_smoothing,
                               .weight = 1};
    if (weights)
        t.weight = t.share * (double)weights[t.label] +
                   (1 - t.share) * (double)weights[t.partner];
    return t;
}

double softmax_target_part(const struct softmax_target *t, int j)
{
    double part = (j == t->label ? t->share : 0) + (j == t->partner ? 1 - t->share : 0);
    return (1 - t->smoothing) * part + t->smoothing / t->classes;
}

int softmax_target_label(const struct softmax_target *t)
{
    return t->share < 0.5 ? t->partner : t->label;
}

/* log sum exp(x - largest) + sum q (largest - x). */
double softmax_loss(const struct softmax_row *row, const float *x,
                    const struct softmax_target *target, double *bound)
{
    int classes = target->classes;
    double distances = 0, logarithm = log(row->sum);
    for (int j = 0; j < classes; j++)
        distances += softmax_target_part(target, j) * (row->largest - (double)x[j]);
    *bound = target->weight * FP32_EPSILON *
                 (15 + classes + 7 * logarithm + (7 + classes) * distances +
                  4 * fabs(row->largest)) +
             FP32_MIN_NORMAL;
    return target->weight * (logarithm + distances);
}

double softmax_gradient_bound(double p, double q, double distance, int classes,
                              double weight, int loss_scale_log2, int batch)
{
    return weight *
               ldexp(softmax_probability_bound(p, distance, classes) +
                         FP32_EPSILON * (3 * q + 4 * fabs(p - q)),
                     loss_scale_log2) /
               batch +
           FP32_MIN_NORMAL;
}
