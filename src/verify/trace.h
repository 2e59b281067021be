/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a network's own launches: its lists are replayed call by call, and a sample
 * of each result is compared with what follows from the inputs that the device itself had
 * (expect.h). Errors do not add up from layer to layer, so that the bounds are those of
 * single kernels, however deep the network is.
 *
 * What a call has read or written must still be the same where a later call reads it, and
 * the bytes beside a result as they were: so writes beyond a result are found, too. */
#ifndef WEFT_VERIFY_TRACE_H
#define WEFT_VERIFY_TRACE_H

#include "lab/call.h"

/* A deferred gradient, compared once the optimizer has made a moment of it. */
struct verify_pending {
    const struct weft_recorded_call *call;
    size_t at; /* in the buffer of gradients */
    double want, bound;
};

/* Memory with known contents. */
struct verify_region {
    const struct weft_mem *mem;
    size_t from, bytes;
    uint64_t hash;
};

/* A buffer, and where its last argument ends. */
struct verify_extent {
    const struct weft_mem *mem;
    size_t end;
};
enum { VERIFY_MAX_EXTENTS = 16 };

/* Memory on the host that calls take turns to use: new pages cost more than copies. */
struct verify_block {
    void *bytes;
    size_t room;
    bool taken;
};
enum { VERIFY_MAX_BLOCKS = 2 * LAB_MAX_ARGUMENTS + 2 };

struct verify_trace {
    double work; /* multiply-adds for the samples of one result */
    bool repeat; /* calls that overwrite none of their inputs run twice: the same bits */
    bool relative; /* relative_error is computed; initially true */

    /* Results. */
    size_t elements;       /* compared */
    int calls;             /* of them */
    double relative_error; /* the largest, relative to the largest of its result */
    double worst;          /* the largest error over its bound */
    const struct weft_recorded_call *wrong; /* the first wrong call; NULL: none */
    char fault[160]; /* "" or "dw[3] is 1, should be 2, may differ by 0.1" */

    struct lab_random random;
    struct verify_pending *pending;
    int pending_count;
    struct verify_region *regions;
    int region_count, region_room;
    struct verify_extent extents[VERIFY_MAX_EXTENTS]; /* of the list that is replayed */
    int extent_count;
    struct verify_block blocks[VERIFY_MAX_BLOCKS];
};

void verify_trace_init(struct verify_trace *trace, double work);
void verify_trace_finish(struct verify_trace *trace);

/* Replays a finalized list once. A list with deferred gradients is followed by the list
 * of its optimizer step, whose moments are zero. Stops at the first wrong call; a wrong
 * result is no error. */
enum weft_status verify_trace_run(struct verify_trace *trace,
                                  struct weft_command_list *list);

/* The results of a call on test tensors, after a run on the device by `list`. */
enum weft_status verify_trace_results(struct verify_trace *trace, struct lab_call *call,
                                      const struct weft_command_list *list);

#endif
