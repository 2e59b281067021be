/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax; cross-entropy with loss, gradient and correctness.
 *
 *     p = exp(z - max z) / sum exp(z - max z)
 *     q = (1 - label_smoothing) [class is the label] + label_smoothing / classes
 *     MIXED: [class is the label] becomes share [class is the label] +
 *     (1 - share) [class is the partner's label], and the label the one of more than half
 *     loss = -weight sum q log p,  dlogits = weight scale (p - q) / global_batch
 *     weight = class_weights[label], of two labels in their shares, or 1
 *     correct = the first maximum is the label
 *
 * A work-item computes a row of `classes`. Global size >= n. */
#include "lib/common.h"
#include "shared/augment.h"

#ifndef MIXED
#define MIXED 0
#endif
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
                            ALIASED_VIEW(const int, partner_labels),
                            ALIASED_VIEW(const int, shares), ALIASED_VIEW(float, dlogits),
                            ALIASED_VIEW(float, loss), ALIASED_VIEW(uint, correct),
                            uint n, uint classes, uint global_batch,
                            float label_smoothing, float scale)
{
    const uint row = get_global_id(0);
    if (row >= n)
        return;
    __global const float *z = logits + logits_at + (size_t)row * classes;
    __global float *d = dlogits + dlogits_at + (size_t)row * classes;
    uint label = labels[labels_at + row];
    const float top = row_max(z, classes);
    const float sum = exp_sum(z, d, GRADIENT, classes, top);
    const float log_sum = log(sum), even = label_smoothing / classes,
                one = 1.0f - label_smoothing;

    /* -log p of a class is log_sum - (z - top). */
#if MIXED
    /* `label` has the larger share of the two. */
    uint partner = partner_labels[partner_labels_at + row];
    int share = shares[shares_at + row];
    if (2 * share < AUGMENT_SHARES) {
        const uint swapped = label;
        label = partner;
        partner = swapped;
        share = AUGMENT_SHARES - share;
    }
    const float larger = convert_float(share) * (1.0f / AUGMENT_SHARES);
    const float major = one * larger, minor = one * (1.0f - larger);
    float total = major * (log_sum - (z[label] - top));
    total += minor > 0.0f ? minor * (log_sum - (z[partner] - top)) : 0.0f;
#else
    const float major = one;
    float total = one * (log_sum - (z[label] - top));
#endif
    if (label_smoothing > 0.0f) {
        float all = 0.0f;
        for (uint c = 0; c < classes; c++)
            all += log_sum - (z[c] - top);
        total += even * all;
    }
    float weight = 1.0f;
    if (WEIGHTED)
        weight = class_weights[class_weights_at + label];
#if WEIGHTED && MIXED
    weight =
        larger * weight + (1.0f - larger) * class_weights[class_weights_at + partner];
#endif
    loss[loss_at + row] = WEIGHTED ? weight * total : total;

    uint first = 0;
    while (first < label && z[first] < top)
        first++;
    correct[correct_at + row] = first == label && z[label] == top;

    if (!GRADIENT)
        return;
    for (uint c = 0; c < classes; c++) {
        float q = c == label ? major + even : even;
#if MIXED
        q += c == partner ? minor : 0.0f;
#endif
        const float slope = (d[c] / sum - q) / global_batch * scale;
        d[c] = WEIGHTED ? weight * slope : slope;
    }
}
