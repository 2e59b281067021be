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
 * ROW_ITEMS work-items compute a row of `classes`: one, or a work-group of a power of
 * two, each every ROW_ITEMS-th vector. Global size >= n, or n work-groups. */
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
#ifndef ROW_ITEMS
#define ROW_ITEMS 1
#endif

/* MAX_OF_ITEMS, SUM_OF_ITEMS: of the values of all work-items of the row, for each of
 * them. What they wrote before can be read afterwards by all. */
#if ROW_ITEMS > 1
#define ROW             get_group_id(0)
#define ITEM            get_local_id(0)
#define SHARED_TREE     __local float tree[ROW_ITEMS]
#define MAX_OF_ITEMS(v) of_items(tree, v, false)
#define SUM_OF_ITEMS(v) of_items(tree, v, true)
INLINE float of_items(__local float *tree, float value, bool sum)
{
    const uint item = ITEM;
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    tree[item] = value;
    for (uint offset = ROW_ITEMS / 2; offset > 0; offset /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < offset) {
            const float own = tree[item], other = tree[item + offset];
            tree[item] = sum ? own + other : other > own ? other : own;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return tree[0];
}
#else
#define ROW  get_global_id(0)
#define ITEM 0
#define SHARED_TREE
#define MAX_OF_ITEMS(v) (v)
#define SUM_OF_ITEMS(v) (v)
#endif

/* The vectors of a work-item, and its classes behind the last whole one. */
#define FOR_VECTORS(c) for (uint c = ITEM * VW; c + VW <= classes; c += ROW_ITEMS * VW)
#define REST           (classes / VW * VW)
#define FOR_REST(c)    for (uint c = REST + ITEM; c < classes; c += ROW_ITEMS)

static inline float row_max(__global const float *z, uint classes)
{
    float top = z[0], lanes[VW];
    floatv tops = (floatv)(top);
    FOR_VECTORS(c) {
        const floatv v = VLOAD(z + c);
        tops = SELECT(v > tops, v, tops);
    }
    STORE_LANES(tops, lanes);
    for (uint lane = 0; lane < VW; lane++)
        top = lanes[lane] > top ? lanes[lane] : top;
    FOR_REST(c)
        top = z[c] > top ? z[c] : top;
    return top;
}

static inline float sum_of_lanes(floatv v)
{
    float lanes[VW], sum = 0.0f;
    STORE_LANES(v, lanes);
    for (uint lane = 0; lane < VW; lane++)
        sum += lanes[lane];
    return sum;
}

/* Returns the sum of exp(z - top); stores the terms in `e` where `keep`. e may be z. */
static inline float exp_sum(__global const float *z, __global float *e, bool keep,
                            uint classes, float top)
{
    floatv sums = (floatv)(0.0f);
    FOR_VECTORS(c) {
        const floatv v = exp(VLOAD(z + c) - top);
        if (keep)
            VSTORE(v, e + c);
        sums += v;
    }
    float sum = sum_of_lanes(sums);
    FOR_REST(c) {
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
    SHARED_TREE;
    const uint row = ROW;
    if (row >= n)
        return;
    __global const float *z = x + x_at + (size_t)row * classes;
    __global float *p = y + y_at + (size_t)row * classes;
    const float top = MAX_OF_ITEMS(row_max(z, classes));
    const float sum = SUM_OF_ITEMS(exp_sum(z, p, true, classes, top));
    FOR_VECTORS(c)
        VSTORE(VLOAD(p + c) / sum, p + c);
    FOR_REST(c)
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
    SHARED_TREE;
    const uint row = ROW;
    if (row >= n)
        return;
    __global const float *z = logits + logits_at + (size_t)row * classes;
    __global float *d = dlogits + dlogits_at + (size_t)row * classes;
    uint label = labels[labels_at + row];
    const float top = MAX_OF_ITEMS(row_max(z, classes));
    const float sum = SUM_OF_ITEMS(exp_sum(z, d, GRADIENT, classes, top));
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
        for (uint c = ITEM; c < classes; c += ROW_ITEMS)
            all += log_sum - (z[c] - top);
        total += even * SUM_OF_ITEMS(all);
    }
    float weight = 1.0f;
    if (WEIGHTED)
        weight = class_weights[class_weights_at + label];
#if WEIGHTED && MIXED
    weight =
        larger * weight + (1.0f - larger) * class_weights[class_weights_at + partner];
#endif
    bool smaller = true; /* the classes before the label */
    for (uint c = ITEM; smaller && c < label; c += ROW_ITEMS)
        smaller = z[c] < top;
    const bool all_smaller = MAX_OF_ITEMS(smaller ? 0.0f : 1.0f) == 0.0f;
    if (ITEM == 0) {
        loss[loss_at + row] = WEIGHTED ? weight * total : total;
        correct[correct_at + row] = all_smaller && z[label] == top;
    }

    if (!GRADIENT)
        return;
    for (uint c = ITEM; c < classes; c += ROW_ITEMS) {
        float q = c == label ? major + even : even;
#if MIXED
        q += c == partner ? minor : 0.0f;
#endif
        const float slope = (d[c] / sum - q) / global_batch * scale;
        d[c] = WEIGHTED ? weight * slope : slope;
    }
}
