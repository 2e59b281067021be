/* SPDX-License-Identifier: Apache-2.0 */
/* What the lists of all backends have in common: marks. */
#include "backend.h"

#include <assert.h>
#include <stdlib.h>

const char *const weft_phase_names[WEFT_PHASE_COUNT] = {
    [WEFT_PHASE_INPUT] = "input",        [WEFT_PHASE_FORWARD] = "forward",
    [WEFT_PHASE_APPLY] = "apply",        [WEFT_PHASE_LOSS] = "loss",
    [WEFT_PHASE_BACKWARD] = "backward",  [WEFT_PHASE_WEIGHTS] = "backward-weights",
    [WEFT_PHASE_DATA] = "backward-data", [WEFT_PHASE_UPDATE] = "optimizer",
};

enum weft_status weft_list_mark(struct weft_list *list, int node, enum weft_phase phase)
{
    int count = list->mark_count;
    if ((count & (count - 1)) == 0) { /* room for 1, 2, 4, ... */
        size_t bytes = (count ? 2 * (size_t)count : 1) * sizeof(*list->marks);
        struct weft_mark *marks = realloc(list->marks, bytes);
        if (!marks)
            return weft_out_of_memory(list->device->context, "list", bytes);
        list->marks = marks;
    }
    assert(node != WEFT_MARK_SAME || count);
    if (node == WEFT_MARK_SAME)
        node = list->marks[count - 1].node;
    list->marks[list->mark_count++] = (struct weft_mark){list->launches, node, phase};
    return WEFT_OK;
}

void weft_list_finish(struct weft_list *list)
{
    free(list->marks);
    list->marks = NULL;
    list->mark_count = 0;
}
