/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph and a batch size to places in one activation buffer, and to lists of
 * launches. */
#ifndef WEFT_NET_PLAN_H
#define WEFT_NET_PLAN_H

#include "net/grad_accum.h"

/* A tensor of the plan: alive from `first` to `last` in the order of launches. */
struct weft_live_range {
    int first, last;
    size_t bytes;  /* 0: not there */
    size_t offset; /* as placed */
};

/* Gives every range a place so that live_ranges alive at the same time do not overlap,
 * larger ones first, each as low as it fits; multiples of WEFT_ALIGN. `peak` is the bytes
 * needed in all. */
enum weft_status weft_arena_assign(weft_context *ctx, struct weft_live_range *live_ranges,
                                   int count, size_t *peak);

enum weft_step_tensor_id {
    TENSOR_X,
    TENSOR_LABELS,
    TENSOR_LOSS,
    TENSOR_CORRECT,
    TENSOR_STEP_COUNT
};

struct weft_plan {
    weft_context *ctx;
    struct weft_graph graph; /* own copy, fused */
    struct weft_shape input;
    int batch;
    bool training;
    float label_smoothing;
    enum weft_type type; /* of activations, their gradients, and at inference of layers'
                            weights; the last layer, and what it reads, is float32 */
    int loss_scale_log2; /* gradients are 2^loss_scale_log2 times too large */
    struct weft_grad_plan *grad_plans; /* for each node; training only */
    struct weft_live_range
        *live_ranges; /* TENSOR_STEP_COUNT, then TENSOR_NODE_COUNT for each node */
    size_t bytes;     /* of the activation buffer */
};

/* Fuses (unless `plain`), works out lifetimes and places.
 * WEFT_ERR_ARG if a tensor is too large to count in 31 bits; WEFT_ERR_NOMEM. */
enum weft_status weft_plan_create(const struct weft_net *net, int batch, bool training,
                                  bool plain, enum weft_type type,
                                  struct weft_plan **out);
void weft_plan_destroy(struct weft_plan **plan);

/* The largest batch, at most `batch`, whose activation buffer has at most `limit` bytes;
 * 0 if not even 1. */
int weft_plan_largest_batch(const struct weft_net *net, int batch, bool training,
                            enum weft_type type, size_t limit);

/* The buffers, one a role. What a mode does not use is NULL. */
struct weft_buffers {
    struct weft_mem *activations, *weights, *gradients, *state, *prepared;
};

/* The places of the plan in these buffers; absent where the plan has none. The argmax
 * counts places of maxima (weft_pool_argmax_bytes). */
struct weft_view weft_plan_node_view(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers, int node,
                                     enum weft_node_tensor_id which);
struct weft_view weft_plan_ref_view(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_tensor_ref ref);
struct weft_view weft_plan_step_view(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers,
                                     enum weft_step_tensor_id which);

/* A param in the buffer of its role; absent where there is none. */
struct weft_view weft_param_view(struct weft_mem *mem, const struct weft_param *param);

/* What the last node reads in training (logits) or writes at inference (probabilities).
 */
struct weft_view weft_plan_output(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers);

/* Appends what makes `buffers->prepared` of the weights. To be replayed before the first
 * batch, and again whenever the weights have changed; nothing where graph.prepared is 0.
 */
enum weft_status weft_plan_record_weight_preparation(const struct weft_plan *plan,
                                                     const struct weft_buffers *buffers,
                                                     struct weft_command_list *list);

/* Puts what was prepared for the node in the place of weights. */
void weft_plan_use_prepared(const struct weft_buffers *buffers,
                            const struct weft_node *node,
                            struct weft_node_tensors *tensors);

/* Append to the list. Forward reads TENSOR_X. Backward begins with the loss, which reads
 * TENSOR_LABELS and writes TENSOR_LOSS and TENSOR_CORRECT, and leaves all weight
 * gradients. */
enum weft_status weft_plan_forward(const struct weft_plan *plan,
                                   const struct weft_buffers *buffers,
                                   struct weft_command_list *list);
enum weft_status weft_plan_backward(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_command_list *list);

#endif
