/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalization. An item is a row; the gradients of weight and bias sum a few
 * channels of all rows. Sums are kept in double; the mean is taken before the squares. */
#include "cpu/cpu.h"

#include <assert.h>
#include <math.h>

/* z = x_hat weight + bias, of `count` channels from `c` on. */
static void normalize(const struct weft_layer_norm_args *a, size_t row, int c, int count,
                      double mean, double inverse, double *x_hat, double *z)
{
    const float *x = cpu_floats(a->x) + row * (size_t)a->channels + c;
    const float *weight = cpu_floats(a->weight) + c, *bias = cpu_floats(a->bias) + c;
    for (int j = 0; j < count; j++) {
        x_hat[j] = ((double)x[j] - mean) * inverse;
        z[j] = x_hat[j] * (double)weight[j] + (double)bias[j];
    }
}

static void forward_row(const void *data, size_t row)
{
    const struct weft_layer_norm_args *a = data;
    const float *x = cpu_floats(a->x) + row * (size_t)a->channels;
    float *y = cpu_floats(a->y) + row * (size_t)a->channels;
    double mean = 0, square = 0;
    for (int c = 0; c < a->channels; c++)
        mean += (double)x[c];
    mean /= a->channels;
    for (int c = 0; c < a->channels; c++)
        square += ((double)x[c] - mean) * ((double)x[c] - mean);
    double inverse = 1 / sqrt(square / a->channels + (double)a->epsilon);
    for (int c = 0, count; c < a->channels; c += count) {
        double x_hat[CPU_BLOCK], z[CPU_BLOCK];
        count = cpu_block(c, a->channels);
        normalize(a, row, c, count, mean, inverse, x_hat, z);
        cpu_activate(a->activation, z, (size_t)count);
        for (int j = 0; j < count; j++)
            y[c + j] = (float)z[j];
    }
    if (a->mean.mem) {
        cpu_floats(a->mean)[row] = (float)mean;
        cpu_floats(a->inverse)[row] = (float)inverse;
    }
}

/* g = dy act'(z) and x_hat, of at most CPU_BLOCK channels. */
static void gradient(const struct weft_layer_norm_args *a, size_t row, int c, int count,
                     double *g, double *x_hat)
{
    const float *dy = cpu_floats(a->dy) + row * (size_t)a->channels + c;
    float z_rounded[CPU_BLOCK], y[CPU_BLOCK];
    double z[CPU_BLOCK];
    normalize(a, row, c, count, (double)cpu_floats(a->mean)[row],
              (double)cpu_floats(a->inverse)[row], x_hat, z);
    for (int j = 0; j < count; j++) {
        z_rounded[j] = (float)z[j];
        g[j] = (double)dy[j];
    }
    cpu_activate(a->activation, z, (size_t)count);
    for (int j = 0; j < count; j++)
        y[j] = (float)z[j];
    cpu_apply_act_grad(a->activation, g, z_rounded, y, (size_t)count);
}

static void data_row(const void *data, size_t row)
{
    const struct weft_layer_norm_args *a = data;
    const float *weight = cpu_floats(a->weight);
    double inverse = (double)cpu_floats(a->inverse)[row], sum = 0, product = 0;
    double g[CPU_BLOCK], x_hat[CPU_BLOCK];
    for (int c = 0, count; c < a->channels; c += count) {
        count = cpu_block(c, a->channels);
        gradient(a, row, c, count, g, x_hat);
        for (int j = 0; j < count; j++) {
            sum += g[j] * (double)weight[c + j];
            product += g[j] * (double)weight[c + j] * x_hat[j];
        }
    }
    for (int c = 0, count; c < a->channels; c += count) {
        float *dx = cpu_floats(a->dx) + row * (size_t)a->channels + c;
        count = cpu_block(c, a->channels);
        gradient(a, row, c, count, g, x_hat);
        for (int j = 0; j < count; j++)
            dx[j] = (float)(inverse * (g[j] * (double)weight[c + j] -
                                       (sum + x_hat[j] * product) / a->channels));
    }
}

static void sum_block(const void *data, size_t item)
{
    const struct weft_layer_norm_args *a = data;
    int c = (int)item * CPU_LANES, left = a->channels - c;
    int lanes = left < CPU_LANES ? left : CPU_LANES;
    double sum[CPU_LANES] = {0}, product[CPU_LANES] = {0};
    for (size_t row = 0; row < (size_t)a->rows; row++) {
        double g[CPU_BLOCK], x_hat[CPU_BLOCK];
        gradient(a, row, c, lanes, g, x_hat);
        for (int j = 0; j < lanes; j++) {
            sum[j] += g[j];
            product[j] += g[j] * x_hat[j];
        }
    }
    for (int j = 0; j < lanes; j++) {
        cpu_floats(a->dbias)[c + j] = (float)sum[j];
        cpu_floats(a->dweight)[c + j] = (float)product[j];
    }
}

enum weft_status cpu_layer_norm_forward(struct weft_command_list *list,
                                        const struct weft_layer_norm_args *args)
{
    struct weft_layer_norm_args a = *args;
    assert(a.x.count == (size_t)a.rows * (size_t)a.channels);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, (size_t)a.rows, forward_row, &a, sizeof(a), a.y,
                             args->y);
}

enum weft_status cpu_layer_norm_backward(struct weft_command_list *list,
                                         const struct weft_layer_norm_args *args)
{
    struct weft_layer_norm_args a = *args;
    size_t blocks = ((size_t)a.channels + CPU_LANES - 1) / CPU_LANES;
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    a.dx = cpu_fp32_output(list, args->dx);
    WEFT_TRY(cpu_append(list, blocks, sum_block, &a, sizeof(a)));
    return cpu_append_output(list, (size_t)a.rows, data_row, &a, sizeof(a), a.dx,
                             args->dx);
}
