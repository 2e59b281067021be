/* SPDX-License-Identifier: Apache-2.0 */
/* The sum of two tensors. */
#include "cpu/cpu.h"

#include <assert.h>

static void add_chunk(const void *data, size_t item)
{
    const struct weft_add_args *a = data;
    const float *x = cpu_floats(a->x), *other = cpu_floats(a->other);
    const float *output = cpu_floats(a->act_grad.output);
    float *y = cpu_floats(a->y);
    size_t begin = item * CPU_CHUNK, count = cpu_chunk_end(item, a->x.count) - begin;
    double z[CPU_CHUNK];
    for (size_t i = 0; i < count; i++)
        z[i] = (double)x[begin + i] + (double)other[begin + i];
    cpu_activate(a->activation, z, count);
    if (a->act_grad.activation.act)
        cpu_apply_act_grad(a->act_grad.activation, z, NULL, output + begin, count);
    for (size_t i = 0; i < count; i++)
        y[begin + i] = (float)z[i];
}

enum weft_status cpu_add(struct weft_command_list *list, const struct weft_add_args *args)
{
    struct weft_add_args a = *args;
    assert(a.x.count == a.y.count && a.other.count == a.y.count);
    assert(!a.activation.act || !a.act_grad.activation.act);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.other));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.act_grad.output));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, cpu_chunks(a.x.count), add_chunk, &a, sizeof(a), a.y,
                             args->y);
}
