/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of traces: arguments on the host, and what must stay as it is on the device. */
#ifndef WEFT_VERIFY_TRACE_MEMORY_H
#define WEFT_VERIFY_TRACE_MEMORY_H

#include "shared/state.h"
#include "verify/expect.h"
#include "verify/trace.h"

/* Views of the state may be without a count. */
static inline size_t verify_argument_bytes(const struct lab_argument *a)
{
    return weft_type_bytes(a->view->type) *
           (a->content == LAB_STATE ? (size_t)STATE_WORDS : a->view->count);
}

static inline size_t verify_argument_start(const struct lab_argument *a)
{
    return weft_type_bytes(a->view->type) * a->view->offset;
}

/* The smallest free block that suffices, or else a new one; NULL: no memory. Blocks are
 * freed with the trace. */
void *verify_take_block(struct verify_trace *trace, size_t bytes);
void verify_give_block(struct verify_trace *trace, const void *bytes);

/* A hash of contents; of more than 4 MiB it takes their ends and one line of 64 bytes in
 * four: a write to a wrong place is one of many. */
uint64_t verify_hash(const void *bytes, size_t size);

/* Contents that later calls must find again. */
enum weft_status verify_remember(struct verify_trace *trace, weft_context *ctx,
                                 const struct lab_argument *argument, uint64_t hash);
/* Forgets what overlaps a result. */
void verify_forget(struct verify_trace *trace, const struct lab_argument *argument);
/* Raw bytes of what is read: the same as when they were seen before, or a fault. */
enum weft_status verify_check_region(struct verify_trace *trace, weft_context *ctx,
                                     const struct lab_argument *argument,
                                     const void *bytes);

/* Bytes before and behind each result of a call, which it may not write: of a network
 * planned for another batch they may be in use. */
enum { VERIFY_MARGIN = 256 };
struct verify_margin {
    size_t from, size; /* in the buffer of the result; size 0: none */
    uint8_t bytes[VERIFY_MARGIN];
};
struct verify_margins {
    struct verify_margin of[2 * LAB_MAX_ARGUMENTS];
};
/* Sets the extents: the ends of what a list may read. */
void verify_find_extents(struct verify_trace *trace,
                         const struct weft_command_list *list);
enum weft_status verify_read_margins(const struct verify_trace *trace,
                                     const struct verify_call *v,
                                     struct verify_margins *margins);
/* After the call. */
enum weft_status verify_check_margins(struct verify_trace *trace,
                                      const struct verify_call *v,
                                      const struct verify_margins *margins);

#endif
