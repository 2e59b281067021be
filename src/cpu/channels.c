/* SPDX-License-Identifier: Apache-2.0 */
/* Ops on channels: copies, scales by image and channel, shuffles. */
#include "cpu/cpu.h"

#include <assert.h>
#include <string.h>

/* y = z f'(output) for `count` channels from element `at` on. */
static void store(const struct weft_act_grad *act_grad, double *z, struct weft_view y,
                  size_t at, int count)
{
    float *to = cpu_floats(y) + at;
    if (act_grad->activation.act)
        cpu_apply_act_grad(act_grad->activation, z, NULL,
                           cpu_floats(act_grad->output) + at, (size_t)count);
    for (int j = 0; j < count; j++)
        to[j] = (float)z[j];
}

/* Items of row loops: item i is the rows [i * CPU_ROWS, row_end(i, rows)). */
enum { CPU_ROWS = 64 };

static size_t row_items(int rows)
{
    return ((size_t)rows + CPU_ROWS - 1) / CPU_ROWS;
}

static size_t row_end(size_t item, int rows)
{
    size_t end = (item + 1) * CPU_ROWS;
    return end < (size_t)rows ? end : (size_t)rows;
}

static void copy_rows(const void *data, size_t item)
{
    const struct weft_copy_channels_args *a = data;
    for (size_t row = item * CPU_ROWS; row < row_end(item, a->rows); row++) {
        const float *x = cpu_floats(a->x) + row * a->x_channels + a->x_first;
        size_t y_row = row * a->y_channels;
        if (a->zero_rest)
            memset(cpu_floats(a->y) + y_row, 0, (size_t)a->y_channels * sizeof(float));
        for (int c = 0, count; c < a->count; c += count) {
            double z[CPU_BLOCK];
            count = cpu_block(c, a->count);
            for (int j = 0; j < count; j++)
                z[j] = (double)x[c + j];
            store(&a->act_grad, z, a->y, y_row + a->y_first + c, count);
        }
    }
}

enum weft_status cpu_copy_channels(struct weft_command_list *list,
                                   const struct weft_copy_channels_args *args)
{
    struct weft_copy_channels_args a = *args;
    assert(a.x_first + a.count <= a.x_channels && a.y_first + a.count <= a.y_channels);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.act_grad.output));
    if (a.zero_rest || a.count == a.y_channels)
        a.y = cpu_fp32_output(list, args->y);
    else
        WEFT_TRY(cpu_cast_input_to_fp32(list, &a.y));
    return cpu_append_output(list, row_items(a.rows), copy_rows, &a, sizeof(a), a.y,
                             args->y);
}

static void scale_image(const void *data, size_t item)
{
    const struct weft_scale_args *a = data;
    const float *scale = cpu_floats(a->scale) + item * a->channels;
    for (size_t p = item * a->positions; p < (item + 1) * a->positions; p++)
        for (int c = 0, count; c < a->channels; c += count) {
            size_t at = p * a->channels + c;
            const float *x = cpu_floats(a->x) + at;
            double z[CPU_BLOCK];
            count = cpu_block(c, a->channels);
            for (int j = 0; j < count; j++)
                z[j] = (double)x[j] * (double)scale[c + j];
            store(&a->act_grad, z, a->y, at, count);
        }
}

enum weft_status cpu_scale(struct weft_command_list *list,
                           const struct weft_scale_args *args)
{
    struct weft_scale_args a = *args;
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.scale));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.act_grad.output));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, (size_t)a.n, scale_image, &a, sizeof(a), a.y, args->y);
}

static void sum_image(const void *data, size_t item)
{
    const struct weft_scale_gradient_args *a = data;
    for (int c = 0, count; c < a->channels; c += count) {
        double sum[CPU_BLOCK] = {0};
        count = cpu_block(c, a->channels);
        for (size_t p = item * a->positions; p < (item + 1) * a->positions; p++) {
            size_t at = p * a->channels + c;
            const float *x = a->sums ? NULL : cpu_floats(a->x) + at;
            const float *dy = cpu_floats(a->dy) + at;
            for (int j = 0; j < count; j++)
                sum[j] += (x ? (double)x[j] : 1.0) * (double)dy[j];
        }
        store(&a->act_grad, sum, a->dscale, item * a->channels + c, count);
    }
}

enum weft_status cpu_scale_gradient(struct weft_command_list *list,
                                    const struct weft_scale_gradient_args *args)
{
    struct weft_scale_gradient_args a = *args;
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.act_grad.output));
    a.dscale = cpu_fp32_output(list, args->dscale);
    return cpu_append_output(list, (size_t)a.n, sum_image, &a, sizeof(a), a.dscale,
                             args->dscale);
}

static void shuffle_rows(const void *data, size_t item)
{
    const struct weft_channel_shuffle_args *a = data;
    int per_group = a->channels / a->groups;
    for (size_t row = item * CPU_ROWS; row < row_end(item, a->rows); row++)
        for (int c = 0, count; c < a->channels; c += count) {
            const float *x = cpu_floats(a->x) + row * a->channels;
            double z[CPU_BLOCK];
            count = cpu_block(c, a->channels);
            for (int j = 0; j < count; j++)
                z[j] = (double)x[(c + j) % a->groups * per_group + (c + j) / a->groups];
            store(&a->act_grad, z, a->y, row * a->channels + c, count);
        }
}

enum weft_status cpu_channel_shuffle(struct weft_command_list *list,
                                     const struct weft_channel_shuffle_args *args)
{
    struct weft_channel_shuffle_args a = *args;
    assert(a.channels % a.groups == 0);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.act_grad.output));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, row_items(a.rows), shuffle_rows, &a, sizeof(a), a.y,
                             args->y);
}
