/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization over rows of C channels: [row][channel].
 *
 *     y = act((x - mean) scale + bias),  scale = weight / sqrt(variance + epsilon)
 *
 * Forward: norm_statistics takes mean and sum of squares about it of each part (ROWS
 * rows), norm_finish_* joins the parts, norm_apply writes y. Backward, with g = dy
 * act'(z) and normal = (x - mean) inverse: norm_sums takes the sums of g and of g (x -
 * mean) of each part, norm_total_* adds the parts to dbias = sum g and dweight = sum g
 * normal, norm_data writes dx = scale (g - (dbias + normal dweight) / rows).
 *
 * All sums have a fixed shape. What is added is the distance from the part's first row,
 * or from its mean, and means are joined by their distance from the first part's (Chan,
 * Golub and LeVeque 1983), so that a large mean costs no digits.
 *
 * A work-item takes the rows [ROWS i, ROWS (i + 1)), i its second global index, of NV
 * vectors of VW channels; the first global index, its stride the global size, runs over
 * these. The kernels that join parts: a work-item a vector (serial), or a work-group of
 * GROUP work-items a channel (tree), where VW divides C. Parts are [part][2][PITCH]. */
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
#ifndef GROUP
#define GROUP 64 /* a power of two */
#endif
#ifndef FOLD_W
#define FOLD_W        1 /* whether these are there: */
#define FOLD_BIAS     1
#define FOLD_OUT_BIAS 1
#endif
#include "common.h"
#include "channels.h"

#define BLOCKS ((C + VW - 1) / VW)
#define PITCH  (BLOCKS * VW)

/* Rows are added in STRANDS sums, which hides the additions' latency. */
#define STRANDS 2

static inline uint rows_of(uint part, uint rows)
{
    return min((uint)ROWS, rows - part * ROWS);
}

__kernel void norm_statistics(__global const stored_x *restrict x, uint x_at,
                              __global float *restrict parts, uint parts_at, uint rows)
{
    const uint part = get_global_id(1);
    if (part * ROWS >= rows)
        return;
    const uint count = rows_of(part, rows);
    for (uint block = get_global_id(0) * NV; block < BLOCKS;
         block += get_global_size(0) * NV) {
        __global const stored_x *from = x + x_at + part * ROWS * C + block * VW;
        __global float *to = parts + parts_at + part * 2 * PITCH + block * VW;
        floatv base[NV], sum[STRANDS][NV];
        for (uint v = 0; v < NV; v++) {
            base[v] = LOAD_IN(from + v * VW);
            sum[0][v] = sum[1][v] = (floatv)(0.0f);
        }
        uint row = 0;
        for (; row + STRANDS <= count; row += STRANDS)
            for (uint s = 0; s < STRANDS; s++)
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
        for (row = 0; row + STRANDS <= count; row += STRANDS)
            for (uint s = 0; s < STRANDS; s++)
                for (uint v = 0; v < NV; v++) {
                    const floatv off = LOAD_IN(from + (row + s) * C + v * VW) - base[v];
                    sum[s][v] = MAD(off, off, sum[s][v]);
                }
        for (; row < count; row++)
            for (uint v = 0; v < NV; v++) {
                const floatv off = LOAD_IN(from + row * C + v * VW) - base[v];
                sum[0][v] = MAD(off, off, sum[0][v]);
            }
        for (uint v = 0; v < NV; v++)
            VSTORE(sum[0][v] + sum[1][v], to + PITCH + v * VW);
    }
}

__kernel void norm_finish_serial(__global const float *restrict parts, uint parts_at,
                                 __global const float *restrict weight, uint weight_at,
                                 __global float *restrict running_mean, uint rm_at,
                                 __global float *restrict running_variance, uint rv_at,
                                 __global float *restrict mean, uint mean_at,
                                 __global float *restrict inverse, uint inverse_at,
                                 __global float *restrict scale, uint scale_at, uint rows,
                                 float momentum, float epsilon)
{
    const uint c = get_global_id(0) * VW;
    if (c >= C)
        return;
    parts += parts_at + c;
    const uint count = (rows + ROWS - 1) / ROWS;
    const floatv base = VLOAD(parts);
    floatv sum = (floatv)(0.0f), square = (floatv)(0.0f);
    for (uint part = 1; part < count; part++)
        sum += (VLOAD(parts + part * 2 * PITCH) - base) * (float)rows_of(part, rows);
    const floatv middle = base + sum / (float)rows;
    for (uint part = 0; part < count; part++) {
        const floatv off = VLOAD(parts + part * 2 * PITCH) - middle;
        square += MAD(off * off, (float)rows_of(part, rows),
                      VLOAD(parts + part * 2 * PITCH + PITCH));
    }
    const floatv root = (floatv)(1.0f) / sqrt(square / (float)rows + epsilon);
    const floatv moved_mean = VLOAD(running_mean + rm_at + c);
    const floatv moved_variance = VLOAD(running_variance + rv_at + c);
    const floatv spread = square / (float)max(rows - 1, 1u);
    STORE(middle, mean + mean_at + c, c);
    STORE(root, inverse + inverse_at + c, c);
    STORE(root * VLOAD(weight + weight_at + c), scale + scale_at + c, c);
    STORE(MAD(momentum, middle - moved_mean, moved_mean), running_mean + rm_at + c, c);
    STORE(MAD(momentum, spread - moved_variance, moved_variance),
          running_variance + rv_at + c, c);
}

/* The sum of all work-items' `value`, to each of them. */
static inline float add_group(__local float *sums, float value)
{
    const uint me = get_local_id(0);
    sums[me] = value;
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < reach)
            sums[me] += sums[me + reach];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const float all = sums[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return all;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
norm_finish_tree(__global const float *restrict parts, uint parts_at,
                 __global const float *restrict weight, uint weight_at,
                 __global float *restrict running_mean, uint rm_at,
                 __global float *restrict running_variance, uint rv_at,
                 __global float *restrict mean, uint mean_at,
                 __global float *restrict inverse, uint inverse_at,
                 __global float *restrict scale, uint scale_at, uint rows, float momentum,
                 float epsilon)
{
    __local float sums[GROUP];
    const uint c = get_group_id(0), me = get_local_id(0);
    parts += parts_at + c;
    const uint count = (rows + ROWS - 1) / ROWS;
    const float base = parts[0];
    float sum = 0.0f, square = 0.0f;
    for (uint part = me; part < count; part += GROUP)
        sum += (parts[part * 2 * PITCH] - base) * (float)rows_of(part, rows);
    const float middle = base + add_group(sums, sum) / (float)rows;
    for (uint part = me; part < count; part += GROUP) {
        const float off = parts[part * 2 * PITCH] - middle;
        square +=
            MAD(off * off, (float)rows_of(part, rows), parts[part * 2 * PITCH + PITCH]);
    }
    square = add_group(sums, square);
    if (me)
        return;
    const float root = 1.0f / sqrt(square / (float)rows + epsilon);
    const float spread = square / (float)max(rows - 1, 1u);
    mean[mean_at + c] = middle;
    inverse[inverse_at + c] = root;
    scale[scale_at + c] = root * weight[weight_at + c];
    running_mean[rm_at + c] += momentum * (middle - running_mean[rm_at + c]);
    running_variance[rv_at + c] += momentum * (spread - running_variance[rv_at + c]);
}

__kernel void norm_apply(__global const stored_x *restrict x, uint x_at,
                         __global const float *restrict mean, uint mean_at,
                         __global const float *restrict scale, uint scale_at,
                         __global const float *restrict bias, uint bias_at,
                         __global stored_y *restrict y, uint y_at, uint rows, float slope)
{
    const uint end = min(((uint)get_global_id(1) + 1) * ROWS, rows);
    for (uint row = get_global_id(1) * ROWS; row < end; row++)
        for (uint c = get_global_id(0) * VW; c < C; c += get_global_size(0) * VW) {
            const floatv off =
                LOAD_IN(x + x_at + row * C + c) - VLOAD(mean + mean_at + c);
            const floatv z =
                MAD(off, VLOAD(scale + scale_at + c), VLOAD(bias + bias_at + c));
            STORE_OUT(activate(z, slope), y + y_at + row * C + c, c);
        }
}

/* dy times the derivative of the activation at z. */
static inline floatv gradient(floatv dy, floatv z, float slope)
{
    return dy * activate_gradient(z, activate(z, slope), slope);
}

__kernel void norm_sums(__global const stored_x *restrict x, uint x_at,
                        __global const stored_other *restrict dy, uint dy_at,
                        __global const float *restrict mean, uint mean_at,
                        __global const float *restrict scale, uint scale_at,
                        __global const float *restrict bias, uint bias_at,
                        __global float *restrict parts, uint parts_at, uint rows,
                        float slope)
{
    const uint part = get_global_id(1);
    if (part * ROWS >= rows)
        return;
    const uint count = rows_of(part, rows);
    for (uint block = get_global_id(0) * NV; block < BLOCKS;
         block += get_global_size(0) * NV) {
        const uint c = block * VW, at = part * ROWS * C + c;
        __global float *to = parts + parts_at + part * 2 * PITCH + c;
        floatv sum[NV], product[NV];
        for (uint v = 0; v < NV; v++)
            sum[v] = product[v] = (floatv)(0.0f);
        for (uint row = 0; row < count; row++)
            for (uint v = 0; v < NV; v++) {
                const floatv off = LOAD_IN(x + x_at + at + row * C + v * VW) -
                                   VLOAD(mean + mean_at + c + v * VW);
                const floatv z = MAD(off, VLOAD(scale + scale_at + c + v * VW),
                                     VLOAD(bias + bias_at + c + v * VW));
                const floatv g =
                    gradient(LOAD_OTHER(dy + dy_at + at + row * C + v * VW), z, slope);
                sum[v] += g;
                product[v] = MAD(g, off, product[v]);
            }
        for (uint v = 0; v < NV; v++) {
            VSTORE(sum[v], to + v * VW);
            VSTORE(product[v], to + PITCH + v * VW);
        }
    }
}

__kernel void norm_total_serial(__global const float *restrict parts, uint parts_at,
                                __global const float *restrict inverse, uint inverse_at,
                                __global float *restrict dweight, uint dweight_at,
                                __global float *restrict dbias, uint dbias_at, uint rows)
{
    const uint c = get_global_id(0) * VW;
    if (c >= C)
        return;
    parts += parts_at + c;
    floatv sum = (floatv)(0.0f), product = (floatv)(0.0f);
    for (uint part = 0; part * ROWS < rows; part++) {
        sum += VLOAD(parts + part * 2 * PITCH);
        product += VLOAD(parts + part * 2 * PITCH + PITCH);
    }
    STORE(sum, dbias + dbias_at + c, c);
    STORE(product * VLOAD(inverse + inverse_at + c), dweight + dweight_at + c, c);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
norm_total_tree(__global const float *restrict parts, uint parts_at,
                __global const float *restrict inverse, uint inverse_at,
                __global float *restrict dweight, uint dweight_at,
                __global float *restrict dbias, uint dbias_at, uint rows)
{
    __local float sums[GROUP];
    const uint c = get_group_id(0), me = get_local_id(0);
    parts += parts_at + c;
    float sum = 0.0f, product = 0.0f;
    for (uint part = me; part * ROWS < rows; part += GROUP) {
        sum += parts[part * 2 * PITCH];
        product += parts[part * 2 * PITCH + PITCH];
    }
    sum = add_group(sums, sum);
    product = add_group(sums, product);
    if (me)
        return;
    dbias[dbias_at + c] = sum;
    dweight[dweight_at + c] = product * inverse[inverse_at + c];
}

/* dx may be dy. */
__kernel void norm_data(__global const stored_x *restrict x, uint x_at,
                        __global const stored_other *dy, uint dy_at,
                        __global const float *restrict mean, uint mean_at,
                        __global const float *restrict inverse, uint inverse_at,
                        __global const float *restrict scale, uint scale_at,
                        __global const float *restrict bias, uint bias_at,
                        __global const float *restrict dweight, uint dweight_at,
                        __global const float *restrict dbias, uint dbias_at,
                        __global stored_y *dx, uint dx_at, uint rows, float slope)
{
    const uint end = min(((uint)get_global_id(1) + 1) * ROWS, rows);
    const float share = 1.0f / (float)rows;
    for (uint row = get_global_id(1) * ROWS; row < end; row++)
        for (uint c = get_global_id(0) * VW; c < C; c += get_global_size(0) * VW) {
            const uint at = row * C + c;
            const floatv off = LOAD_IN(x + x_at + at) - VLOAD(mean + mean_at + c);
            const floatv by = VLOAD(scale + scale_at + c);
            const floatv z = MAD(off, by, VLOAD(bias + bias_at + c));
            const floatv g = gradient(LOAD_OTHER(dy + dy_at + at), z, slope);
            const floatv common =
                MAD(off * VLOAD(inverse + inverse_at + c),
                    VLOAD(dweight + dweight_at + c), VLOAD(dbias + dbias_at + c));
            STORE_OUT(by * MAD(common, -share, g), dx + dx_at + at, c);
        }
}

/* out_w = w scale, out_bias = (bias - mean) scale + shift; see weft_fold_args. */
__kernel void fold(__global const float *restrict w, uint w_at,
                   __global const float *restrict bias, uint bias_at,
                   __global const float *restrict weight, uint weight_at,
                   __global const float *restrict shift, uint shift_at,
                   __global const float *restrict mean, uint mean_at,
                   __global const float *restrict variance, uint variance_at,
                   __global stored_y *restrict out_w, uint out_w_at,
                   __global float *restrict out_bias, uint out_bias_at, uint rows,
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
