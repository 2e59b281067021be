/* SPDX-License-Identifier: Apache-2.0 */
/* The head of every backend's command list: parameters, results, segments. */
#ifndef WEFT_DEVICE_COMMAND_LIST_H
#define WEFT_DEVICE_COMMAND_LIST_H

#include "base/context.h"

struct weft_device;     /* backend.h */
struct weft_primitives; /* backend.h */

/* The parts of a step. An op with one launch for all its gradients is in BWD.
 * FWD_INFERENCE: the forward pass at inference, where it differs. */
enum weft_phase {
    WEFT_PHASE_BATCH,
    WEFT_PHASE_FWD,
    WEFT_PHASE_FWD_INFERENCE,
    WEFT_PHASE_LOSS,
    WEFT_PHASE_BWD,
    WEFT_PHASE_BWD_WEIGHTS,
    WEFT_PHASE_BWD_DATA,
    WEFT_PHASE_OPTIMIZER,
    WEFT_PHASE_COUNT
};
extern const char *const weft_phase_names[WEFT_PHASE_COUNT]; /* "backward-weights" */

/* The launches recorded from here to the next segment. */
struct weft_list_segment {
    int first; /* launch */
    int call;  /* of list->calls, the first */
    int node;  /* of the graph; -1: of none */
    enum weft_phase phase;
};

struct weft_recorded_call; /* backend.h */

/* A launch in words. */
struct weft_launch_description {
    char kernel[64];
    char config[256]; /* algorithm and tunables of its primitive; may be "" */
};

/* The purpose of a list, constant from its creation on; all zero is the default. */
struct weft_command_list_params {
    /* The weights change only where weft_command_list_weights_changed announces it, so
     * that what is derived from them may be kept from replay to replay. */
    bool constant_weights;
    /* Optimizer steps of this list, or of lists that name it in `gradients`, are the only
     * readers of weight gradients, which may stay partial sums until such a step. */
    bool defer_weight_grad_reduction;
    /* Not NULL: the list whose deferred sums the optimizer steps of this list add. It is
     * recorded, finalized and replayed before this list, and outlives it. */
    struct weft_command_list *gradients;
    /* Not NULL: the kernel config of every tunable primitive, for trials; read until the
     * list is finalized. */
    const char *config;
    /* Not NULL: a finalized list of the same calls, whose kernel configs this list takes
     * where they are valid; read until the list is finalized. */
    const struct weft_command_list *like;
    /* Not 0: the seed of a random choice among all valid kernel configs, for checks. */
    uint32_t random_config_seed;
    /* A kernel that the compiler refuses is an error, for checks: no other algorithm
     * replaces it. */
    bool no_replacement;
};

/* Results of recording, written by the backend. */
struct weft_command_list_info {
    int launches;           /* kernels or calls per replay */
    size_t workspace_bytes; /* memory beyond the primitives' arguments */
    /* Output tile size of the largest Winograd convolution, whose rounding errors exceed
     * those of plain sums; 0: none. */
    int winograd;
    /* Products on matrix units: 12 more roundings each, and truncated sums
     * (cl/lib/mma.h). */
    bool tf32x3;
    /* Hash of all kernel configs: lists of one network on one device give the same bits
     * where it is equal. */
    uint64_t config_hash;
};

/* The head of every backend's list. */
struct weft_command_list {
    struct weft_device *const device;
    const struct weft_primitives *const primitives; /* append to it */
    const struct weft_command_list_params params;
    struct weft_command_list_info info;
    struct weft_list_segment *segments;
    int segment_count;
    struct weft_recorded_call *calls; /* for checks, in order */
    int call_count;
    bool weights_changed; /* since the last replay; initially true */
};

/* command_list.c */

/* Initializes the head of a zeroed list; `params` NULL: all zero. */
void weft_command_list_init(struct weft_command_list *list, struct weft_device *device,
                            const struct weft_primitives *primitives,
                            const struct weft_command_list_params *params);
void weft_command_list_finish(struct weft_command_list *list);
/* Repeats the segments and calls of a list, from which the backend has removed what they
 * appended. */
enum weft_status weft_command_list_record_again(struct weft_command_list *list);

/* Has the next replay recompute whatever the list derives from constant weights. */
static inline void weft_command_list_weights_changed(struct weft_command_list *list)
{
    list->weights_changed = true;
}

/* Begins a segment; WEFT_SEGMENT_SAME_NODE: of the same node as the segment before. */
enum { WEFT_SEGMENT_SAME_NODE = -2 };
enum weft_status weft_list_begin_segment(struct weft_command_list *list, int node,
                                         enum weft_phase phase);

#endif
