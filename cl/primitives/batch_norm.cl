/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization over rows of C channels: [row][channel].
 *
 *     y = act((x - mean) scale + bias),  scale = weight / sqrt(variance + epsilon)
 *
 * Forward: bn_stats_partials computes mean and sum of squared deviations of each chunk
 * of ROWS rows, bn_stats_merge_* merges these partials, bn_apply writes y. Backward,
 * with g = dy act'(z) and x_hat = (x - mean) inv_std: bn_grad_partials computes the sums
 * of g and of g (x - mean) of each chunk, bn_grad_merge_* adds them to dbias = sum g and
 * dweight = sum g x_hat, bn_bwd_data writes dx = scale (g - (dbias + x_hat dweight) /
 * rows).
 *
 * All sums have a fixed order. A chunk sums deviations from its first row, or from its
 * mean; the means of chunks are merged through their deviations from the first chunk's
 * mean (Chan, Golub and LeVeque 1983), so that a large mean costs no precision.
 *
 * A work-item processes the rows [ROWS i, ROWS (i + 1)), i its second global index, of
 * NV vectors of VW channels; its first global index, with the global size as stride,
 * selects these. In bn_*_partials_tree a work-group of ACROSS vectors and DOWN work-items
 * for each does: item k takes the rows k, k + DOWN, ... of the chunk, of which it loads
 * LOADS together, and joins their mean and squares. The merging kernels have a work-item
 * for each vector (serial), or a work-group of WORK_GROUP_SIZE work-items for each
 * channel (tree), where VW divides C. Partials are [chunk][2][PITCH]. */
#ifndef C
#define C 32
#endif
#ifndef VW
#define VW 8
#endif
#ifndef NV
#define NV 2
#endif
#ifndef ROWS
#define ROWS 64
#endif
#ifndef ACROSS
#define ACROSS 4 /* powers of two */
#define DOWN   16
#endif
#ifndef WORK_GROUP_SIZE
#define WORK_GROUP_SIZE 64 /* a power of two */
#endif
#ifndef FOLD_W
#define FOLD_W        1 /* presence of the optional views of bn_fold */
#define FOLD_BIAS     1
#define FOLD_OUT_BIAS 1
#endif
#define ALIGNED (C % VW == 0)
#include "lib/activation.h"
#include "lib/common.h"
#include "lib/channels.h"
#include "shared/workspace_layout.h"

#define BLOCKS  ((C + VW - 1) / VW)
#define PITCH   (BLOCKS * VW)
#define PARTIAL BATCH_NORM_PARTIAL(PITCH)

/* Alternate rows go to ACCUMULATORS accumulators, which hides the latency of additions.
 */
#define ACCUMULATORS 2

static inline uint chunk_rows(uint chunk, uint rows)
{
    return min((uint)ROWS, rows - chunk * ROWS);
}

__kernel void bn_stats_partials(VIEW(const stored_x, x), VIEW(float, partials), uint rows)
{
    const uint chunk = get_global_id(1);
    if (chunk * ROWS >= rows)
        return;
    const uint count = chunk_rows(chunk, rows);
    for (uint block = get_global_id(0) * NV; block < BLOCKS;
         block += get_global_size(0) * NV) {
        __global const stored_x *from = x + x_at + chunk * ROWS * C + block * VW;
        __global float *to = partials + partials_at + chunk * PARTIAL + block * VW;
        floatv base[NV], sum[ACCUMULATORS][NV];
        for (uint v = 0; v < NV; v++) {
            base[v] = LOAD_IN(from + v * VW);
            sum[0][v] = sum[1][v] = (floatv)(0.0f);
        }
        uint row = 0;
        for (; row + ACCUMULATORS <= count; row += ACCUMULATORS)
            for (uint s = 0; s < ACCUMULATORS; s++)
                for (uint v = 0; v < NV; v++)
                    sum[s][v] += LOAD_IN(from + (row + s) * C + v * VW) - base[v];
        for (; row < count; row++)
            for (uint v = 0; v < NV; v++)
                sum[0][v] += LOAD_IN(from + row * C + v * VW) - base[v];
        for (uint v = 0; v < NV; v++) {
            base[v] += (sum[0][v] + sum[1][v]) / (float)count;
            VSTORE(base[v], to + v * VW);
            sum[0][v] = sum[1][v] = (floatv)(0.0f);
        }
        for (row = 0; row + ACCUMULATORS <= count; row += ACCUMULATORS)
            for (uint s = 0; s < ACCUMULATORS; s++)
                for (uint v = 0; v < NV; v++) {
                    const floatv centered =
                        LOAD_IN(from + (row + s) * C + v * VW) - base[v];
                    sum[s][v] = MAD(centered, centered, sum[s][v]);
                }
        for (; row < count; row++)
            for (uint v = 0; v < NV; v++) {
                const floatv centered = LOAD_IN(from + row * C + v * VW) - base[v];
                sum[0][v] = MAD(centered, centered, sum[0][v]);
            }
        for (uint v = 0; v < NV; v++)
            VSTORE(sum[0][v] + sum[1][v], to + PITCH + v * VW);
    }
}

/* Rows that a work-item of a tree loads before it uses the first. */
#define LOADS 8

/* The row i of those that are loaded from `row` on, or the last one of the chunk. */
static inline uint row_of(uint row, uint i, uint end)
{
    return min(row + i * DOWN, end - 1);
}

struct moments {
    floatv mean, square; /* sum of squared deviations */
    float count;
};

/* Chan's formula. */
static inline struct moments join(struct moments a, struct moments b)
{
    struct moments all = {a.mean, a.square, a.count + b.count};
    if (b.count == 0.0f)
        return a;
    const float share = b.count / all.count;
    const floatv apart = b.mean - a.mean;
    all.mean += apart * share;
    all.square += MAD(apart * apart, a.count * share, b.square);
    return all;
}

__kernel __attribute__((reqd_work_group_size(ACROSS, DOWN, 1))) void
bn_stats_partials_tree(VIEW(const stored_x, x), VIEW(float, partials), uint rows)
{
    __local floatv means[DOWN][ACROSS], squares[DOWN][ACROSS];
    __local float counts[DOWN][ACROSS];
    const uint column = get_local_id(0), strand = get_local_id(1);
    const uint block = get_global_id(0), chunk = get_group_id(1);
    const uint end = chunk * ROWS + chunk_rows(chunk, rows);
    __global const stored_x *from = x + x_at + block * VW;
    struct moments all = {(floatv)(0.0f), (floatv)(0.0f), 0.0f};
    for (uint row = chunk * ROWS + strand; block < BLOCKS && row < end;
         row += DOWN * LOADS) {
        floatv v[LOADS], sum = (floatv)(0.0f), square = (floatv)(0.0f);
        const uint count = min((uint)LOADS, (end - row + DOWN - 1) / DOWN);
        for (uint i = 0; i < LOADS; i++)
            v[i] = LOAD_IN(from + row_of(row, i, end) * C);
        for (uint i = 1; i < LOADS; i++)
            sum += i < count ? v[i] - v[0] : (floatv)(0.0f);
        const floatv mean = v[0] + sum / (float)count;
        for (uint i = 0; i < LOADS; i++) {
            const floatv off = i < count ? v[i] - mean : (floatv)(0.0f);
            square = MAD(off, off, square);
        }
        const struct moments some = {mean, square, (float)count};
        all = join(all, some);
    }
    for (uint offset = DOWN / 2; offset > 0; offset /= 2) {
        means[strand][column] = all.mean;
        squares[strand][column] = all.square;
        counts[strand][column] = all.count;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (strand < offset) {
            const struct moments other = {means[strand + offset][column],
                                          squares[strand + offset][column],
                                          counts[strand + offset][column]};
            all = join(all, other);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (strand > 0 || block >= BLOCKS)
        return;
    __global float *to = partials + partials_at + chunk * PARTIAL + block * VW;
    VSTORE(all.mean, to);
    VSTORE(all.square, to + PITCH);
}

__kernel void bn_stats_merge_serial(VIEW(const float, partials),
                                    VIEW(const float, weight), VIEW(float, running_mean),
                                    VIEW(float, running_variance), VIEW(float, mean),
                                    VIEW(float, inv_std), VIEW(float, scale), uint rows,
                                    float momentum, float epsilon)
{
    const uint c = get_global_id(0) * VW;
    if (c >= C)
        return;
    partials += partials_at + c;
    const uint count = (rows + ROWS - 1) / ROWS;
    const floatv base = VLOAD(partials);
    floatv sum = (floatv)(0.0f), square = (floatv)(0.0f);
    for (uint chunk = 1; chunk < count; chunk++)
        sum +=
            (VLOAD(partials + chunk * PARTIAL) - base) * (float)chunk_rows(chunk, rows);
    const floatv batch_mean = base + sum / (float)rows;
    for (uint chunk = 0; chunk < count; chunk++) {
        const floatv centered = VLOAD(partials + chunk * PARTIAL) - batch_mean;
        square += MAD(centered * centered, (float)chunk_rows(chunk, rows),
                      VLOAD(partials + chunk * PARTIAL + PITCH));
    }
    const floatv inv_stddev = (floatv)(1.0f) / sqrt(square / (float)rows + epsilon);
    const floatv old_mean = VLOAD(running_mean + running_mean_at + c);
    const floatv old_variance = VLOAD(running_variance + running_variance_at + c);
    const floatv unbiased_variance = square / (float)max(rows - 1, 1u);
    STORE(batch_mean, mean + mean_at + c, c);
    STORE(inv_stddev, inv_std + inv_std_at + c, c);
    STORE(inv_stddev * VLOAD(weight + weight_at + c), scale + scale_at + c, c);
    STORE(MAD(momentum, batch_mean - old_mean, old_mean),
          running_mean + running_mean_at + c, c);
    STORE(MAD(momentum, unbiased_variance - old_variance, old_variance),
          running_variance + running_variance_at + c, c);
}

/* Sum of `value` over the work-group, returned to every work-item. */
static inline float work_group_sum(__local float *sums, float value)
{
    const uint lane = get_local_id(0);
    sums[lane] = value;
    for (uint offset = WORK_GROUP_SIZE / 2; offset > 0; offset /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < offset)
            sums[lane] += sums[lane + offset];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const float all = sums[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return all;
}

__kernel __attribute__((reqd_work_group_size(WORK_GROUP_SIZE, 1, 1))) void
bn_stats_merge_tree(VIEW(const float, partials), VIEW(const float, weight),
                    VIEW(float, running_mean), VIEW(float, running_variance),
                    VIEW(float, mean), VIEW(float, inv_std), VIEW(float, scale),
                    uint rows, float momentum, float epsilon)
{
    __local float sums[WORK_GROUP_SIZE];
    const uint c = get_group_id(0), lane = get_local_id(0);
    partials += partials_at + c;
    const uint count = (rows + ROWS - 1) / ROWS;
    const float base = partials[0];
    float sum = 0.0f, square = 0.0f;
    for (uint chunk = lane; chunk < count; chunk += WORK_GROUP_SIZE)
        sum += (partials[chunk * PARTIAL] - base) * (float)chunk_rows(chunk, rows);
    const float batch_mean = base + work_group_sum(sums, sum) / (float)rows;
    for (uint chunk = lane; chunk < count; chunk += WORK_GROUP_SIZE) {
        const float centered = partials[chunk * PARTIAL] - batch_mean;
        square += MAD(centered * centered, (float)chunk_rows(chunk, rows),
                      partials[chunk * PARTIAL + PITCH]);
    }
    square = work_group_sum(sums, square);
    if (lane)
        return;
    const float inv_stddev = 1.0f / sqrt(square / (float)rows + epsilon);
    const float unbiased_variance = square / (float)max(rows - 1, 1u);
    mean[mean_at + c] = batch_mean;
    inv_std[inv_std_at + c] = inv_stddev;
    scale[scale_at + c] = inv_stddev * weight[weight_at + c];
    running_mean[running_mean_at + c] +=
        momentum * (batch_mean - running_mean[running_mean_at + c]);
    running_variance[running_variance_at + c] +=
        momentum * (unbiased_variance - running_variance[running_variance_at + c]);
}

__kernel void bn_apply(VIEW(const stored_x, x), VIEW(const float, mean),
                       VIEW(const float, scale), VIEW(const float, bias),
                       VIEW(stored_y, y), uint rows, float2 act_params)
{
    const uint end = min(((uint)get_global_id(1) + 1) * ROWS, rows);
    for (uint row = get_global_id(1) * ROWS; row < end; row++)
        for (uint c = get_global_id(0) * VW; c < C; c += get_global_size(0) * VW) {
            const floatv centered =
                LOAD_IN(x + x_at + row * C + c) - VLOAD(mean + mean_at + c);
            const floatv z =
                MAD(centered, VLOAD(scale + scale_at + c), VLOAD(bias + bias_at + c));
            STORE_OUT(activate(z, act_params), y + y_at + row * C + c, c);
        }
}

/* dy times the derivative of the activation at z. */
static inline floatv gradient(floatv dy, floatv z, float2 act_params)
{
    return dy * activate_gradient(z, activate(z, act_params), act_params);
}

__kernel void bn_grad_partials(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                               VIEW(const float, mean), VIEW(const float, scale),
                               VIEW(const float, bias), VIEW(float, partials), uint rows,
                               float2 act_params)
{
    const uint chunk = get_global_id(1);
    if (chunk * ROWS >= rows)
        return;
    const uint count = chunk_rows(chunk, rows);
    for (uint block = get_global_id(0) * NV; block < BLOCKS;
         block += get_global_size(0) * NV) {
        const uint c = block * VW, at = chunk * ROWS * C + c;
        __global float *to = partials + partials_at + chunk * PARTIAL + c;
        floatv sum[NV], product[NV];
        for (uint v = 0; v < NV; v++)
            sum[v] = product[v] = (floatv)(0.0f);
        for (uint row = 0; row < count; row++)
            for (uint v = 0; v < NV; v++) {
                const floatv centered = LOAD_IN(x + x_at + at + row * C + v * VW) -
                                        VLOAD(mean + mean_at + c + v * VW);
                const floatv z = MAD(centered, VLOAD(scale + scale_at + c + v * VW),
                                     VLOAD(bias + bias_at + c + v * VW));
                const floatv g =
                    gradient(LOAD_OTHER(dy + dy_at + at + row * C + v * VW), z,
                             act_params);
                sum[v] += g;
                product[v] = MAD(g, centered, product[v]);
            }
        for (uint v = 0; v < NV; v++) {
            VSTORE(sum[v], to + v * VW);
            VSTORE(product[v], to + PITCH + v * VW);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(ACROSS, DOWN, 1))) void
bn_grad_partials_tree(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                      VIEW(const float, mean), VIEW(const float, scale),
                      VIEW(const float, bias), VIEW(float, partials), uint rows,
                      float2 act_params)
{
    __local floatv sums[DOWN][ACROSS], products[DOWN][ACROSS];
    const uint column = get_local_id(0), strand = get_local_id(1);
    const uint block = get_global_id(0), chunk = get_group_id(1), c = block * VW;
    const uint end = chunk * ROWS + chunk_rows(chunk, rows);
    floatv sum = (floatv)(0.0f), product = (floatv)(0.0f);
    if (block < BLOCKS) {
        const floatv mean_c = VLOAD(mean + mean_at + c);
        const floatv scale_c = VLOAD(scale + scale_at + c);
        const floatv bias_c = VLOAD(bias + bias_at + c);
        for (uint row = chunk * ROWS + strand; row < end; row += DOWN * LOADS / 2) {
            floatv v[LOADS / 2], d[LOADS / 2];
            for (uint i = 0; i < LOADS / 2; i++) {
                const uint at = row_of(row, i, end) * C + c;
                v[i] = LOAD_IN(x + x_at + at);
                d[i] = LOAD_OTHER(dy + dy_at + at);
            }
            for (uint i = 0; i < LOADS / 2; i++) {
                const floatv centered = v[i] - mean_c;
                const floatv g =
                    row + i * DOWN < end
                        ? gradient(d[i], MAD(centered, scale_c, bias_c), act_params)
                        : (floatv)(0.0f);
                sum += g;
                product = MAD(g, centered, product);
            }
        }
    }
    for (uint offset = DOWN / 2; offset > 0; offset /= 2) {
        sums[strand][column] = sum;
        products[strand][column] = product;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (strand < offset) {
            sum += sums[strand + offset][column];
            product += products[strand + offset][column];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (strand > 0 || block >= BLOCKS)
        return;
    __global float *to = partials + partials_at + chunk * PARTIAL + c;
    VSTORE(sum, to);
    VSTORE(product, to + PITCH);
}

__kernel void bn_grad_merge_serial(VIEW(const float, partials),
                                   VIEW(const float, inv_std), VIEW(float, dweight),
                                   VIEW(float, dbias), uint rows)
{
    const uint c = get_global_id(0) * VW;
    if (c >= C)
        return;
    partials += partials_at + c;
    floatv sum = (floatv)(0.0f), product = (floatv)(0.0f);
    for (uint chunk = 0; chunk * ROWS < rows; chunk++) {
        sum += VLOAD(partials + chunk * PARTIAL);
        product += VLOAD(partials + chunk * PARTIAL + PITCH);
    }
    STORE(sum, dbias + dbias_at + c, c);
    STORE(product * VLOAD(inv_std + inv_std_at + c), dweight + dweight_at + c, c);
}

__kernel __attribute__((reqd_work_group_size(WORK_GROUP_SIZE, 1, 1))) void
bn_grad_merge_tree(VIEW(const float, partials), VIEW(const float, inv_std),
                   VIEW(float, dweight), VIEW(float, dbias), uint rows)
{
    __local float sums[WORK_GROUP_SIZE];
    const uint c = get_group_id(0), lane = get_local_id(0);
    partials += partials_at + c;
    float sum = 0.0f, product = 0.0f;
    for (uint chunk = lane; chunk * ROWS < rows; chunk += WORK_GROUP_SIZE) {
        sum += partials[chunk * PARTIAL];
        product += partials[chunk * PARTIAL + PITCH];
    }
    sum = work_group_sum(sums, sum);
    product = work_group_sum(sums, product);
    if (lane)
        return;
    dbias[dbias_at + c] = sum;
    dweight[dweight_at + c] = product * inv_std[inv_std_at + c];
}

/* dx may be dy. */
__kernel void bn_bwd_data(VIEW(const stored_x, x), ALIASED_VIEW(const stored_other, dy),
                          VIEW(const float, mean), VIEW(const float, inv_std),
                          VIEW(const float, scale), VIEW(const float, bias),
                          VIEW(const float, dweight), VIEW(const float, dbias),
                          ALIASED_VIEW(stored_y, dx), uint rows, float2 act_params)
{
    const uint end = min(((uint)get_global_id(1) + 1) * ROWS, rows);
    const float inv_rows = 1.0f / (float)rows;
    for (uint row = get_global_id(1) * ROWS; row < end; row++)
        for (uint c = get_global_id(0) * VW; c < C; c += get_global_size(0) * VW) {
            const uint at = row * C + c;
            const floatv centered = LOAD_IN(x + x_at + at) - VLOAD(mean + mean_at + c);
            const floatv scale_c = VLOAD(scale + scale_at + c);
            const floatv z = MAD(centered, scale_c, VLOAD(bias + bias_at + c));
            const floatv g = gradient(LOAD_OTHER_ROW(dy + dy_at + at, c), z, act_params);
            const floatv common =
                MAD(centered * VLOAD(inv_std + inv_std_at + c),
                    VLOAD(dweight + dweight_at + c), VLOAD(dbias + dbias_at + c));
            STORE_OUT(scale_c * MAD(common, -inv_rows, g), dx + dx_at + at, c);
        }
}

/* out_w = w scale, out_bias = (bias - mean) scale + shift; see weft_fold_batch_norm_args.
 * */
__kernel void bn_fold(VIEW(const float, w), VIEW(const float, bias),
                      VIEW(const float, weight), VIEW(const float, shift),
                      VIEW(const float, mean), VIEW(const float, variance),
                      VIEW(stored_y, out_w), VIEW(float, out_bias), uint rows,
                      float epsilon)
{
    const uint end = min(((uint)get_global_id(1) + 1) * ROWS, rows);
    for (uint c = get_global_id(0) * VW; c < C; c += get_global_size(0) * VW) {
        const floatv scale = VLOAD(weight + weight_at + c) /
                             sqrt(VLOAD(variance + variance_at + c) + epsilon);
        for (uint row = get_global_id(1) * ROWS; row < end; row++)
#if FOLD_W
            STORE_OUT(LOAD(w + w_at + row * C + c) * scale,
                      out_w + out_w_at + row * C + c, c);
#else
            STORE_OUT(scale, out_w + out_w_at + row * C + c, c);
#endif
#if FOLD_OUT_BIAS
        if (get_global_id(1) > 0)
            continue;
        floatv from = -VLOAD(mean + mean_at + c);
#if FOLD_BIAS
        from += VLOAD(bias + bias_at + c);
#endif
        STORE(MAD(from, scale, VLOAD(shift + shift_at + c)), out_bias + out_bias_at + c,
              c);
#endif
    }
}
