/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization. Sums are in double; the mean is computed before the squares,
 * which avoids cancellation. An item is a few channels of all rows, or a few rows. */
#include "cpu/cpu.h"

#include <assert.h>
#include <math.h>

enum { ROWS = 64 };

static size_t blocks_of(int channels)
{
    return ((size_t)channels + CPU_LANES - 1) / CPU_LANES;
}

static size_t chunks_of(int rows)
{
    return ((size_t)rows + ROWS - 1) / ROWS;
}

static size_t chunk_end(size_t item, int rows)
{
    size_t end = (item + 1) * ROWS;
    return end < (size_t)rows ? end : (size_t)rows;
}

/* Number of channels from `c` on, at most CPU_LANES. */
static int lanes_at(int c, int channels)
{
    return channels - c < CPU_LANES ? channels - c : CPU_LANES;
}

static void move(float *running, float momentum, double batch)
{
    double old = (double)*running;
    *running = (float)(old + (double)momentum * (batch - old));
}

static void statistics_block(const void *data, size_t item)
{
    const struct weft_batch_norm_args *a = data;
    int c = (int)item * CPU_LANES, lanes = lanes_at(c, a->channels);
    const float *x = cpu_floats(a->x) + c;
    double mean[CPU_LANES] = {0}, square[CPU_LANES] = {0}, n = a->rows;
    for (size_t row = 0; row < (size_t)a->rows; row++)
        for (int j = 0; j < lanes; j++)
            mean[j] += (double)x[row * a->channels + j];
    for (int j = 0; j < lanes; j++)
        mean[j] /= n;
    for (size_t row = 0; row < (size_t)a->rows; row++)
        for (int j = 0; j < lanes; j++) {
            double off = (double)x[row * a->channels + j] - mean[j];
            square[j] += off * off;
        }
    for (int j = 0; j < lanes; j++) {
        double variance = square[j] / n;
        double inverse = 1 / sqrt(variance + (double)a->epsilon);
        cpu_floats(a->mean)[c + j] = (float)mean[j];
        cpu_floats(a->inverse)[c + j] = (float)inverse;
        cpu_floats(a->scale)[c + j] =
            (float)(inverse * (double)cpu_floats(a->weight)[c + j]);
        move(&cpu_floats(a->running_mean)[c + j], a->momentum, mean[j]);
        move(&cpu_floats(a->running_variance)[c + j], a->momentum,
             a->rows > 1 ? square[j] / (n - 1) : variance);
    }
}

/* z = (x - mean) scale + bias for the channels from `c` on. */
static void shift_and_scale(const struct weft_batch_norm_args *a, const float *x, int c,
                            int count, double *z)
{
    const float *mean = cpu_floats(a->mean) + c, *scale = cpu_floats(a->scale) + c;
    const float *bias = cpu_floats(a->bias) + c;
    for (int j = 0; j < count; j++)
        z[j] = ((double)x[j] - (double)mean[j]) * (double)scale[j] + (double)bias[j];
}

static void apply_rows(const void *data, size_t item)
{
    const struct weft_batch_norm_args *a = data;
    size_t end = chunk_end(item, a->rows);
    for (size_t row = item * ROWS; row < end; row++)
        for (int c = 0, count; c < a->channels; c += count) {
            double z[CPU_BLOCK];
            float *y = cpu_floats(a->y) + row * a->channels + c;
            count = cpu_block(c, a->channels);
            shift_and_scale(a, cpu_floats(a->x) + row * a->channels + c, c, count, z);
            cpu_activate(a->activation, z, (size_t)count);
            for (int j = 0; j < count; j++)
                y[j] = (float)z[j];
        }
}

/* The gradient before the activation. */
static void gradient(const struct weft_batch_norm_args *a, size_t row, int c, int count,
                     double *g)
{
    const float *dy = cpu_floats(a->dy) + row * a->channels + c;
    float z_rounded[CPU_BLOCK], y[CPU_BLOCK];
    double z[CPU_BLOCK];
    shift_and_scale(a, cpu_floats(a->x) + row * a->channels + c, c, count, z);
    for (int j = 0; j < count; j++) {
        z_rounded[j] = (float)z[j];
        g[j] = (double)dy[j];
    }
    cpu_activate(a->activation, z, (size_t)count);
    for (int j = 0; j < count; j++)
        y[j] = (float)z[j];
    cpu_apply_act_grad(a->activation, g, z_rounded, y, (size_t)count);
}

static double normal(const struct weft_batch_norm_args *a, size_t row, int c)
{
    return ((double)cpu_floats(a->x)[row * a->channels + c] -
            (double)cpu_floats(a->mean)[c]) *
           (double)cpu_floats(a->inverse)[c];
}

static void sum_block(const void *data, size_t item)
{
    const struct weft_batch_norm_args *a = data;
    int c = (int)item * CPU_LANES, lanes = lanes_at(c, a->channels);
    double sum[CPU_LANES] = {0}, product[CPU_LANES] = {0};
    for (size_t row = 0; row < (size_t)a->rows; row++) {
        double g[CPU_LANES];
        gradient(a, row, c, lanes, g);
        for (int j = 0; j < lanes; j++) {
            sum[j] += g[j];
            product[j] += g[j] * normal(a, row, c + j);
        }
    }
    for (int j = 0; j < lanes; j++) {
        cpu_floats(a->dbias)[c + j] = (float)sum[j];
        cpu_floats(a->dweight)[c + j] = (float)product[j];
    }
}

static void data_rows(const void *data, size_t item)
{
    const struct weft_batch_norm_args *a = data;
    size_t end = chunk_end(item, a->rows);
    double n = a->rows;
    for (size_t row = item * ROWS; row < end; row++)
        for (int c = 0, count; c < a->channels; c += count) {
            double g[CPU_BLOCK];
            count = cpu_block(c, a->channels);
            gradient(a, row, c, count, g);
            for (int j = 0; j < count; j++) {
                double sum = (double)cpu_floats(a->dbias)[c + j];
                double product = (double)cpu_floats(a->dweight)[c + j];
                double off = (sum + normal(a, row, c + j) * product) / n;
                cpu_floats(a->dx)[row * a->channels + c + j] =
                    (float)((double)cpu_floats(a->scale)[c + j] * (g[j] - off));
            }
        }
}

static void fold_rows(const void *data, size_t item)
{
    const struct weft_fold_batch_norm_args *a = data;
    const float *bias = cpu_floats(a->bias), *mean = cpu_floats(a->mean);
    size_t end = chunk_end(item, a->rows);
    for (int c = 0; c < a->channels; c++) {
        double scale = (double)cpu_floats(a->weight)[c] /
                       sqrt((double)cpu_floats(a->variance)[c] + (double)a->epsilon);
        for (size_t row = item * ROWS; row < end; row++) {
            size_t at = row * a->channels + c;
            double w = a->w.mem ? (double)cpu_floats(a->w)[at] : 1.0;
            cpu_floats(a->out_w)[at] = (float)(w * scale);
        }
        if (item == 0 && a->out_bias.mem)
            cpu_floats(a->out_bias)[c] =
                (float)(((bias ? (double)bias[c] : 0.0) - (double)mean[c]) * scale +
                        (double)cpu_floats(a->shift)[c]);
    }
}

/* x is float32. */
static enum weft_status apply(struct weft_command_list *list,
                              const struct weft_batch_norm_args *args)
{
    struct weft_batch_norm_args a = *args;
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, chunks_of(a.rows), apply_rows, &a, sizeof(a), a.y,
                             args->y);
}

enum weft_status cpu_batch_norm_forward(struct weft_command_list *list,
                                        const struct weft_batch_norm_args *args)
{
    struct weft_batch_norm_args a = *args;
    assert(a.rows > 0 && a.x.count == a.y.count);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_append(list, blocks_of(a.channels), statistics_block, &a, sizeof(a)));
    return apply(list, &a);
}

enum weft_status cpu_batch_norm_inference(struct weft_command_list *list,
                                          const struct weft_batch_norm_args *args)
{
    struct weft_batch_norm_args a = *args;
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    return apply(list, &a);
}

enum weft_status cpu_batch_norm_backward(struct weft_command_list *list,
                                         const struct weft_batch_norm_args *args)
{
    struct weft_batch_norm_args a = *args;
    assert(a.dweight.mem && a.dbias.mem);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    a.dx = cpu_fp32_output(list, args->dx);
    WEFT_TRY(cpu_append(list, blocks_of(a.channels), sum_block, &a, sizeof(a)));
    return cpu_append_output(list, chunks_of(a.rows), data_rows, &a, sizeof(a), a.dx,
                             args->dx);
}

enum weft_status cpu_fold_batch_norm(struct weft_command_list *list,
                                     const struct weft_fold_batch_norm_args *args)
{
    struct weft_fold_batch_norm_args a = *args;
    cpu_begin(list);
    a.out_w = cpu_fp32_output(list, args->out_w);
    return cpu_append_output(list, chunks_of(a.rows), fold_rows, &a, sizeof(a), a.out_w,
                             args->out_w);
}
