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
        (struct weft_list_segment){list->info.launches, node, phase};
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
    list->segments = NULL;
    list->segment_count = 0;
}

enum weft_status weft_primitive_record(struct weft_command_list *list,
                                       const struct weft_primitive_call *call)
{
    switch (call->primitive) {
#define PRIMITIVE(name, type, output) \
    case WEFT_PRIMITIVE_##name:       \
        return list->primitives->name(list, &call->args.name);
#include "device/primitives.def"
#undef PRIMITIVE
    case WEFT_PRIMITIVE_COUNT:
        break;
    }
    return WEFT_ERR_ARG;
}
