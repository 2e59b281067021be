/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax, and cross-entropy with everything that follows from it.
 *
 *     p = exp(z - max z) / sum exp(z - max z)
 *     q = (1 - smoothing) [class is the label] + smoothing / classes
 *     loss = -sum q log p,  dlogits = (p - q) / n,  hit = first largest is the label
 *
 * One work-item a row of `classes`. Global size >= n. */
#include "common.h"

#ifndef GRADIENT
#define GRADIENT 1 /* write dlogits */
#endif

static inline float largest(__global const float *z, uint classes, uint *where)
{
    float best = z[0];
    *where = 0;
    for (uint c = 1; c < classes; c++)
        if (z[c] > best) {
            best = z[c];
            *where = c;
        }
    return best;
}

/* y may be x: a row is read whole before its quotients are written. */
__kernel void softmax(__global const float *x, uint x_at, __global float *y, uint y_at,
                      uint n, uint classes)
{
    const uint row = get_global_id(0);
    if (row >= n)
        return;
    __global const float *z = x + x_at + (size_t)row * classes;
    __global float *p = y + y_at + (size_t)row * classes;
    uint where;
    const float top = largest(z, classes, &where);
    float sum = 0.0f;
    for (uint c = 0; c < classes; c++) {
        const float e = exp(z[c] - top);
        p[c] = e;
        sum += e;
    }
    for (uint c = 0; c < classes; c++)
        p[c] = p[c] / sum;
}

__kernel void loss(__global const float *logits, uint logits_at,
                   __global const int *labels, uint labels_at, __global float *dlogits,
                   uint dlogits_at, __global float *loss, uint loss_at,
                   __global uint *hit, uint hit_at, uint n, uint classes, float smoothing)
{
    const uint row = get_global_id(0);
    if (row >= n)
        return;
    __global const float *z = logits + logits_at + (size_t)row * classes;
    const uint label = labels[labels_at + row];
    uint where;
    const float top = largest(z, classes, &where);
    float sum = 0.0f, shifted = 0.0f;
    for (uint c = 0; c < classes; c++) {
        sum += exp(z[c] - top);
        shifted += z[c] - top;
    }
    const float log_sum = log(sum), even = smoothing / classes, one = 1.0f - smoothing;
    /* -log p of a class is log_sum - (z - top). */
    float total = one * (log_sum - (z[label] - top));
    if (smoothing > 0.0f)
        total += even * (classes * log_sum - shifted);
    loss[loss_at + row] = total;
    hit[hit_at + row] = where == label;
    if (!GRADIENT)
        return;
    __global float *d = dlogits + dlogits_at + (size_t)row * classes;
    for (uint c = 0; c < classes; c++) {
        const float q = c == label ? one + even : even;
        d[c] = (exp(z[c] - top) / sum - q) / n;
    }
}
