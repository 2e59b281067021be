/* SPDX-License-Identifier: Apache-2.0 */
/* The parts common to the lists of all backends: the head, segments, calls of
 * primitives. */
#include "device/backend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *const weft_phase_names[WEFT_PHASE_COUNT] = {
    [WEFT_PHASE_BATCH] = "batch",
    [WEFT_PHASE_FWD] = "forward",
    [WEFT_PHASE_FWD_INFERENCE] = "apply",
    [WEFT_PHASE_LOSS] = "loss",
    [WEFT_PHASE_BWD] = "backward",
    [WEFT_PHASE_BWD_WEIGHTS] = "backward-weights",
    [WEFT_PHASE_BWD_DATA] = "backward-data",
    [WEFT_PHASE_OPTIMIZER] = "optimizer",
};

enum weft_status weft_list_begin_segment(struct weft_command_list *list, int node,
                                         enum weft_phase phase)
{
    int count = list->segment_count;
    if ((count & (count - 1)) == 0) { /* room for 1, 2, 4, ... */
        size_t bytes = (count ? 2 * (size_t)count : 1) * sizeof(*list->segments);
        struct weft_list_segment *segments = realloc(list->segments, bytes);
        if (!segments)
            return weft_out_of_memory(list->device->context, "list", bytes);
        list->segments = segments;
    }
    assert(node != WEFT_SEGMENT_SAME_NODE || count);
    if (node == WEFT_SEGMENT_SAME_NODE)
        node = list->segments[count - 1].node;
    list->segments[list->segment_count++] =
        (struct weft_list_segment){list->info.launches, list->call_count, node, phase};
    return WEFT_OK;
}

void weft_command_list_init(struct weft_command_list *list, struct weft_device *device,
                            const struct weft_primitives *primitives,
                            const struct weft_command_list_params *params)
{
    static const struct weft_command_list_params none = {0};
    const struct weft_command_list head = {.device = device,
                                           .primitives = primitives,
                                           .params = params ? *params : none,
                                           .weights_changed = true};
    memcpy(list, &head, sizeof(head)); /* no assignment initializes const members */
}

void weft_command_list_finish(struct weft_command_list *list)
{
    free(list->segments);
    free(list->calls);
    list->segments = NULL;
    list->calls = NULL;
    list->segment_count = list->call_count = 0;
}

static enum weft_status record_by(const struct weft_primitives *primitives,
                                  struct weft_command_list *list,
                                  const struct weft_primitive_call *call)
{
    switch (call->primitive) {
#define PRIMITIVE(name, type, output) \
    case WEFT_PRIMITIVE_##name:       \
        return primitives->name(list, &call->args.name);
#include "device/primitives.def"
#undef PRIMITIVE
    case WEFT_PRIMITIVE_COUNT:
        break;
    }
    return WEFT_ERR_ARG;
}

enum weft_status weft_primitive_record(struct weft_command_list *list,
                                       const struct weft_primitive_call *call)
{
    return record_by(list->primitives, list, call);
}

static enum weft_status remember(struct weft_command_list *list,
                                 const struct weft_primitive_call *call)
{
    int count = list->call_count;
    if ((count & (count - 1)) == 0) {
        size_t bytes = (count ? 2 * (size_t)count : 1) * sizeof(*list->calls);
        struct weft_recorded_call *calls = realloc(list->calls, bytes);
        if (!calls)
            return weft_out_of_memory(list->device->context, "list", bytes);
        list->calls = calls;
    }
    const struct weft_list_segment *segment =
        list->segment_count ? &list->segments[list->segment_count - 1] : NULL;
    list->calls[list->call_count++] =
        (struct weft_recorded_call){.call = *call,
                                    .first = list->info.launches,
                                    .node = segment ? segment->node : -1};
    return WEFT_OK;
}

/* The call adds to the list the difference between the whole list and the one before. */
static enum weft_status record_and_remember(struct weft_command_list *list,
                                            const struct weft_primitive_call *call)
{
    const struct weft_command_list_info before = list->info;
    WEFT_TRY(remember(list, call));
    int index = list->call_count - 1;
    list->info.winograd = 0;
    list->info.tf32x3 = false;
    enum weft_status status = record_by(list->device->backend->primitives, list, call);
    struct weft_recorded_call *recorded = &list->calls[index];
    recorded->end = list->info.launches;
    recorded->winograd = list->info.winograd;
    recorded->tf32x3 = list->info.tf32x3;
    if (before.winograd > list->info.winograd)
        list->info.winograd = before.winograd;
    list->info.tf32x3 = list->info.tf32x3 || before.tf32x3;
    return status;
}

#define PRIMITIVE(name_, args_, output)                                               \
    static enum weft_status name_(struct weft_command_list *list,                     \
                                  const struct weft_##args_##_args *args)             \
    {                                                                                 \
        const struct weft_primitive_call call = {.primitive = WEFT_PRIMITIVE_##name_, \
                                                 .args.name_ = *args};                \
        return record_and_remember(list, &call);                                      \
    }
#include "device/primitives.def"
#undef PRIMITIVE

const struct weft_primitives weft_recorded_primitives = {
#define PRIMITIVE(name_, args, output) .name_ = name_,
#include "device/primitives.def"
#undef PRIMITIVE
};

enum weft_status weft_command_list_record_again(struct weft_command_list *list)
{
    const struct weft_command_list before = *list;
    enum weft_status status = WEFT_OK;
    list->info = (struct weft_command_list_info){0};
    list->segments = NULL;
    list->calls = NULL;
    list->segment_count = list->call_count = 0;
    for (int i = 0, s = 0; i <= before.call_count && !status; i++) {
        for (; s < before.segment_count && before.segments[s].call <= i && !status; s++)
            status = weft_list_begin_segment(list, before.segments[s].node,
                                             before.segments[s].phase);
        if (i < before.call_count && !status)
            status = weft_primitive_record(list, &before.calls[i].call);
    }
    free(before.segments);
    free(before.calls);
    return status;
}
