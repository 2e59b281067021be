/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalization of rows of C channels: [row][channel].
 *
 *     y = act(x_hat weight + bias),  x_hat = (x - mean) inv_std
 *
 * with the mean and inv_std = 1 / sqrt(variance + epsilon) of a row. Backward, with
 * g = dy act'(z) and means over the channels of a row:
 *
 *     dx = inv_std (g weight - mean(g weight) - x_hat mean(g weight x_hat))
 *     dweight = sum g x_hat, dbias = sum g over all rows (channel_sums.h)
 *
 * ROW_LANES work-items, the first local index, process a row, the second global index. A
 * work-group has GROUP_ROWS rows. Sums have a fixed order; the mean is that of deviations
 * from the row's first element, so that a large mean costs no precision. */
#ifndef C
#define C 32
#endif
#ifndef VW
#define VW 8
#endif
#ifndef ROW_LANES
#define ROW_LANES 4 /* a power of two */
#endif
#ifndef GROUP_ROWS
#define GROUP_ROWS 16
#endif
#ifndef SAVE
#define SAVE 1 /* ln_forward writes mean and inv_std */
#endif
#define SUMS    2
#define ALIGNED (C % VW == 0)
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/channels.h"
#include "lib/channel_sums.h"

#define ROW_KERNEL \
    __kernel __attribute__((reqd_work_group_size(ROW_LANES, GROUP_ROWS, 1)))

/* v, the vector at channel c, with zeros beyond the last channel. */
#if C % VW == 0
#define INSIDE(v, c) (v)
#else
#if VW == 2
#define LANE_NUMBERS (int2)(0, 1)
#elif VW == 4
#define LANE_NUMBERS (int4)(0, 1, 2, 3)
#elif VW == 8
#define LANE_NUMBERS (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#else
#define LANE_NUMBERS (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#endif
#define INSIDE(v, c) SELECT(LANE_NUMBERS < (intv)((int)(C - (c))), v, (floatv)(0.0f))
#endif

#if ROW_LANES > 1
#define LOCAL_SUMS __local float sums[GROUP_ROWS * ROW_LANES];
#else
#define LOCAL_SUMS __local float *const sums = 0;
#endif

/* Sum over the lanes of a row, returned to all of them. All add all: with a barrier in a
 * loop of a function that is called twice, PoCL 7.1 mixes the rows. */
static inline float row_sum(__local float *sums, floatv v)
{
    float parts[VW], sum = 0.0f;
    STORE_LANES(v, parts);
    for (uint i = 0; i < VW; i++)
        sum += parts[i];
#if ROW_LANES > 1
    __local float *of_row = sums + get_local_id(1) * ROW_LANES;
    of_row[get_local_id(0)] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    sum = 0.0f;
    for (uint i = 0; i < ROW_LANES; i++)
        sum += of_row[i];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return sum;
}

ROW_KERNEL void ln_forward(VIEW(const stored_x, x), VIEW(const float, weight),
                           VIEW(const float, bias), VIEW(float, mean),
                           VIEW(float, inv_std), VIEW(stored_y, y), uint rows,
                           float epsilon, float2 act_params)
{
    LOCAL_SUMS
    const uint row = get_global_id(1), lane = get_local_id(0);
    const uint end = row < rows ? C : 0, first = lane * VW;
    x += x_at + (size_t)row * C;
    y += y_at + (size_t)row * C;
    const float base = end ? LOAD_X(x) : 0.0f;
    floatv sum = (floatv)(0.0f);
    for (uint c = first; c < end; c += ROW_LANES * VW)
        sum += INSIDE(LOAD_IN(x + c) - base, c);
    const float row_mean = base + row_sum(sums, sum) / C;
    sum = (floatv)(0.0f);
    for (uint c = first; c < end; c += ROW_LANES * VW) {
        const floatv centered = INSIDE(LOAD_IN(x + c) - row_mean, c);
        sum = MAD(centered, centered, sum);
    }
    const float inverse = 1.0f / sqrt(row_sum(sums, sum) / C + epsilon);
    for (uint c = first; c < end; c += ROW_LANES * VW) {
        const floatv x_hat = (LOAD_IN(x + c) - row_mean) * inverse;
        const floatv z =
            MAD(x_hat, LOAD(weight + weight_at + c), LOAD(bias + bias_at + c));
        STORE_OUT(activate(z, act_params), y + c, c);
    }
    if (SAVE && end && lane == 0) {
        mean[mean_at + row] = row_mean;
        inv_std[inv_std_at + row] = inverse;
    }
}

/* dy times the derivative of the activation. */
static inline floatv gradient(floatv dy, floatv x_hat, floatv weight, floatv bias,
                              float2 act_params)
{
    const floatv z = MAD(x_hat, weight, bias);
    return dy * activate_gradient(z, activate(z, act_params), act_params);
}

/* dx may be dy. */
ROW_KERNEL void ln_bwd_data(VIEW(const stored_x, x), ALIASED_VIEW(const stored_other, dy),
                            VIEW(const float, weight), VIEW(const float, bias),
                            VIEW(const float, mean), VIEW(const float, inv_std),
                            ALIASED_VIEW(stored_y, dx), uint rows, float2 act_params)
{
    LOCAL_SUMS
    const uint row = get_global_id(1), first = get_local_id(0) * VW;
    const uint end = row < rows ? C : 0;
    x += x_at + (size_t)row * C;
    dy += dy_at + (size_t)row * C;
    dx += dx_at + (size_t)row * C;
    const float row_mean = end ? mean[mean_at + row] : 0.0f;
    const float inverse = end ? inv_std[inv_std_at + row] : 0.0f;
    floatv sum = (floatv)(0.0f), product = (floatv)(0.0f);
    for (uint c = first; c < end; c += ROW_LANES * VW) {
        const floatv x_hat = INSIDE((LOAD_IN(x + c) - row_mean) * inverse, c);
        const floatv w = LOAD(weight + weight_at + c);
        const floatv g = INSIDE(w * gradient(LOAD_OTHER_ROW(dy + c, c), x_hat, w,
                                             LOAD(bias + bias_at + c), act_params),
                                c);
        sum += g;
        product = MAD(g, x_hat, product);
    }
    const float g_mean = row_sum(sums, sum) / C;
    const float product_mean = row_sum(sums, product) / C;
    for (uint c = first; c < end; c += ROW_LANES * VW) {
        const floatv x_hat = (LOAD_IN(x + c) - row_mean) * inverse;
        const floatv w = LOAD(weight + weight_at + c);
        const floatv g = w * gradient(LOAD_OTHER_ROW(dy + c, c), x_hat, w,
                                      LOAD(bias + bias_at + c), act_params);
        STORE_OUT((g - MAD(x_hat, product_mean, g_mean)) * inverse, dx + c, c);
    }
}

/* Partial sums of dweight and dbias: a work-item for each vector and chunk. */
__kernel void ln_grad_partials(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                               VIEW(const float, weight), VIEW(const float, bias),
                               VIEW(const float, mean), VIEW(const float, inv_std),
                               VIEW(float, partials), uint rows, float2 act_params)
{
    const uint c = get_global_id(0) * VW, chunk = get_global_id(1);
    if (c >= C || chunk * ROWS >= rows)
        return;
    const uint end = min((chunk + 1) * ROWS, rows);
    const floatv w = LOAD(weight + weight_at + c), b = LOAD(bias + bias_at + c);
    floatv sum = (floatv)(0.0f), product = (floatv)(0.0f);
    for (uint row = chunk * ROWS; row < end; row++) {
        const size_t at = (size_t)row * C + c;
        const floatv x_hat =
            (LOAD_IN(x + x_at + at) - mean[mean_at + row]) * inv_std[inv_std_at + row];
        const floatv g = gradient(LOAD_OTHER(dy + dy_at + at), x_hat, w, b, act_params);
        sum += g;
        product = MAD(g, x_hat, product);
    }
    partials += partials_at + chunk * PARTIAL + c;
    STORE(product, partials, c);
    STORE(sum, partials + C, c);
}
