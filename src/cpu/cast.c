/* SPDX-License-Identifier: Apache-2.0 */
/* Float16 tensors by conversion: inputs of a primitive are widened into the workspace
 * before it, outputs are narrowed after it. */
#include "cpu/cpu.h"

#include "util/half.h"

#include <assert.h>

static void convert_chunk(const void *data, size_t item)
{
    const struct weft_cast_args *a = data;
    size_t begin = item * CPU_CHUNK, end = cpu_chunk_end(item, a->x.count);
    for (size_t i = begin; i < end; i++) {
        float value = a->x.type == WEFT_FLOAT16 ? weft_fp16_to_fp32(cpu_fp16s(a->x)[i])
                                                : cpu_floats(a->x)[i];
        if (a->y.type == WEFT_FLOAT16)
            cpu_fp16s(a->y)[i] = weft_fp32_to_fp16(value);
        else
            cpu_floats(a->y)[i] = value;
    }
}

enum weft_status cpu_cast(struct weft_command_list *list,
                          const struct weft_cast_args *args)
{
    assert(args->x.count == args->y.count);
    return cpu_append(list, cpu_chunks(args->x.count), convert_chunk, args,
                      sizeof(*args));
}

struct weft_view cpu_fp32_output(struct weft_command_list *list, struct weft_view view)
{
    return view.type == WEFT_FLOAT16 ? cpu_scratch(list, view.count) : view;
}

enum weft_status cpu_cast_input_to_fp32(struct weft_command_list *list,
                                        struct weft_view *view)
{
    struct weft_cast_args args = {.x = *view};
    if (view->type != WEFT_FLOAT16)
        return WEFT_OK;
    args.y = *view = cpu_scratch(list, view->count);
    return cpu_cast(list, &args);
}

enum weft_status cpu_append_output(struct weft_command_list *list, size_t items,
                                   cpu_work *work, const void *args, size_t size,
                                   struct weft_view from, struct weft_view to)
{
    if (!to.mem)
        return WEFT_OK;
    WEFT_TRY(cpu_append(list, items, work, args, size));
    if (to.type != WEFT_FLOAT16)
        return WEFT_OK;
    return cpu_cast(list, &(struct weft_cast_args){.x = from, .y = to});
}
