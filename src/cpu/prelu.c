/* SPDX-License-Identifier: Apache-2.0 */
/* ReLU with a learned slope for each channel. An item is a few rows, or a few channels of
 * all rows. */
#include "cpu/cpu.h"

#include <assert.h>

enum { ROWS = 64 };

static size_t chunks_of(int rows)
{
    return ((size_t)rows + ROWS - 1) / ROWS;
}

/* `to` = `from`, times the slope where x is not positive. */
static void scale_rows(const struct weft_prelu_args *a, size_t item, const float *from,
                       float *to)
{
    const float *x = cpu_floats(a->x), *slope = cpu_floats(a->slope);
    size_t channels = (size_t)a->channels, row = item * ROWS;
    size_t end = row + ROWS < (size_t)a->rows ? row + ROWS : (size_t)a->rows;
    for (; row < end; row++)
        for (size_t c = 0; c < channels; c++) {
            size_t i = row * channels + c;
            to[i] = x[i] > 0 ? from[i] : slope[c] * from[i];
        }
}

static void forward_rows(const void *data, size_t item)
{
    const struct weft_prelu_args *a = data;
    scale_rows(a, item, cpu_floats(a->x), cpu_floats(a->y));
}

static void data_rows(const void *data, size_t item)
{
    const struct weft_prelu_args *a = data;
    scale_rows(a, item, cpu_floats(a->dy), cpu_floats(a->dx));
}

static void sum_block(const void *data, size_t item)
{
    const struct weft_prelu_args *a = data;
    int c = (int)item * CPU_LANES, left = a->channels - c;
    int lanes = left < CPU_LANES ? left : CPU_LANES;
    const float *x = cpu_floats(a->x) + c, *dy = cpu_floats(a->dy) + c;
    double sum[CPU_LANES] = {0};
    for (size_t row = 0; row < (size_t)a->rows; row++)
        for (int j = 0; j < lanes; j++) {
            size_t i = row * (size_t)a->channels + (size_t)j;
            sum[j] += x[i] > 0 ? 0.0 : (double)x[i] * (double)dy[i];
        }
    for (int j = 0; j < lanes; j++)
        cpu_floats(a->dslope)[c + j] = (float)sum[j];
}

enum weft_status cpu_prelu_forward(struct weft_command_list *list,
                                   const struct weft_prelu_args *args)
{
    struct weft_prelu_args a = *args;
    assert(a.x.count == (size_t)a.rows * (size_t)a.channels);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, chunks_of(a.rows), forward_rows, &a, sizeof(a), a.y,
                             args->y);
}

enum weft_status cpu_prelu_backward(struct weft_command_list *list,
                                    const struct weft_prelu_args *args)
{
    struct weft_prelu_args a = *args;
    size_t blocks = ((size_t)a.channels + CPU_LANES - 1) / CPU_LANES;
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    a.dx = cpu_fp32_output(list, args->dx);
    WEFT_TRY(cpu_append(list, blocks, sum_block, &a, sizeof(a)));
    return cpu_append_output(list, chunks_of(a.rows), data_rows, &a, sizeof(a), a.dx,
                             args->dx);
}
