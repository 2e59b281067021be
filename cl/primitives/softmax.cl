/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax; cross-entropy with loss, gradient and correctness.
 *
 *     p = exp(z - max z) / sum exp(z - max z)
 *     q = (1 - label_smoothing) [class is the label] + label_smoothing / classes
 *     loss = -weight sum q log p,  dlogits = weight scale (p - q) / global_batch
 *     weight = class_weights[label], or 1
 *     correct = the first maximum is the label
 *
 * A work-item computes a row of `classes`. Global size >= n. */
#include "lib/common.h"

#ifndef GRADIENT
#define GRADIENT 1 /* write dlogits */
#endif
#ifndef WEIGHTED
#define WEIGHTED 0 /* read class_weights */
#endif

static inline float row_max(__global const float *z, uint classes)
{
    float top = z[0];
    uint c = 0;
    if (classes >= VW) {
        floatv tops = VLOAD(z);
        for (c = VW; c + VW <= classes; c += VW) {
            const floatv v = VLOAD(z + c);
            tops = SELECT(v > tops, v, tops);
        }
        float lanes[VW];
        VSTORE(tops, lanes);
        for (uint lane = 0; lane < VW; lane++)
            top = lanes[lane] > top ? lanes[lane] : top;
    }
    for (; c < classes; c++)
        top = z[c] > top ? z[c] : top;
    return top;
}

static inline float sum_of_lanes(floatv v)
{
    float lanes[VW], sum = 0.0f;
    VSTORE(v, lanes);
    for (uint lane = 0; lane < VW; lane++)
        sum += lanes[lane];
    return sum;
}

/* Returns the sum of exp(z - top); stores the terms in `e` where `keep`. e may be z. */
static inline float exp_sum(__global const float *z, __global float *e, bool keep,
                            uint classes, float top)
{
    floatv sums = (floatv)(0.0f);
    uint c;
    for (c = 0; c + VW <= classes; c += VW) {
        const floatv v = exp(VLOAD(z + c) - top);
        if (keep)
            VSTORE(v, e + c);
        sums += v;
    }
    float sum = sum_of_lanes(sums);
    for (; c < classes; c++) {
        const float v = exp(z[c] - top);
        if (keep)
            e[c] = v;
        sum += v;
    }
    return sum;
}

/* y may be x. */
__kernel void softmax(ALIASED_VIEW(const float, x), ALIASED_VIEW(float, y), uint n,
                      uint classes)
{
    const uint row = get_global_id(0);
    if (row >= n)
        return;
    __global const float *z = x + x_at + (size_t)row * classes;
    __global float *p = y + y_at + (size_t)row * classes;
    const float sum = exp_sum(z, p, true, classes, row_max(z, classes));
    uint c;
    for (c = 0; c + VW <= classes; c += VW)
        VSTORE(VLOAD(p + c) / sum, p + c);
    for (; c < classes; c++)
        p[c] = p[c] / sum;
}

__kernel void cross_entropy(ALIASED_VIEW(const float, logits),
                            ALIASED_VIEW(const int, labels),
                            ALIASED_VIEW(const float, class_weights),
                            ALIASED_VIEW(float, dlogits),
                            ALIASED_VIEW(float, loss), ALIASED_VIEW(uint, correct),
                            uint n, uint classes, uint global_batch,
                            float label_smoothing, float scale)
{
    const uint row = get_global_id(0);
    if (row >= n)
        return;
    __global const float *z = logits + logits_at + (size_t)row * classes;
    __global float *d = dlogits + dlogits_at + (size_t)row * classes;
    const uint label = labels[labels_at + row];
    const float top = row_max(z, classes);
    const float sum = exp_sum(z, d, GRADIENT, classes, top);
    const float log_sum = log(sum), even = label_smoothing / classes,
                one = 1.0f - label_smoothing;

    /* -log p of a class is log_sum - (z - top). */
    float total = one * (log_sum - (z[label] - top));
    if (label_smoothing > 0.0f) {
        float all = 0.0f;
        for (uint c = 0; c < classes; c++)
            all += log_sum - (z[c] - top);
        total += even * all;
    }
    const float weight = WEIGHTED ? class_weights[class_weights_at + label] : 1.0f;
    loss[loss_at + row] = WEIGHTED ? weight * total : total;

    uint first = 0;
    while (first < label && z[first] < top)
        first++;
    correct[correct_at + row] = first == label && z[label] == top;

    if (!GRADIENT)
        return;
    for (uint c = 0; c < classes; c++) {
        const float q = c == label ? one + even : even;
        const float slope = (d[c] / sum - q) / global_batch * scale;
        d[c] = WEIGHTED ? weight * slope : slope;
    }
}
