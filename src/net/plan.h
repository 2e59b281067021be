/* SPDX-License-Identifier: Apache-2.0 */
/* Liveness analysis and static memory planning: a graph and a batch size to ranges of one
 * activation buffer. */
#ifndef WEFT_NET_PLAN_H
#define WEFT_NET_PLAN_H

#include "net/grad_accum.h"
#include "net/prepare.h"

/* A tensor of the plan: alive from `first` to `last` in the order of launches. */
struct weft_live_range {
    int first, last;
    size_t bytes;  /* 0: absent */
    size_t offset; /* assigned */
};

/* Assigns offsets, multiples of WEFT_ALIGN, so that ranges alive at the same time do not
 * overlap: larger ones first, each at the lowest free offset. `peak` is the size of the
 * buffer in bytes. */
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
    int parts; /* of the step's batch, of which `batch` is one, whose gradients are added;
                  1: it is the step's */
    bool training;
    bool explains; /* as weft_plan_create_explaining */
    float label_smoothing;
    enum weft_type type; /* of activations, their gradients, and at inference of layers'
                            weights; the last layer, and what it reads, is float32 */
    int loss_scale_log2; /* gradients are 2^loss_scale_log2 times too large */
    struct weft_grad_plan *grad_plans;      /* for each node; training only */
    struct weft_prepared_weights *prepared; /* for each node; inference only */
    size_t prepared_floats;                 /* of the buffer of prepared weights */
    struct weft_live_range
        *live_ranges; /* TENSOR_STEP_COUNT, then TENSOR_NODE_COUNT for each node */
    size_t bytes;     /* of the activation buffer */
};

/* Fuses (unless `plain`), and assigns ranges, for a batch in one part. WEFT_ERR_ARG if a
 * tensor has more elements than 31 bits can count; WEFT_ERR_NOMEM. */
enum weft_status weft_plan_create(const struct weft_net *net, int batch, bool training,
                                  bool plain, enum weft_type type,
                                  struct weft_plan **out);
/* For training, plain and in float32, but with the gradient at the output of each node:
 * outputs and gradients outlive the lists. There is no loss: the gradient at the logits
 * is given. */
enum weft_status weft_plan_create_explaining(const struct weft_net *net, int batch,
                                             struct weft_plan **out);
/* The plan is of each of `parts` parts of a batch. */
void weft_plan_set_parts(struct weft_plan *plan, int parts);
void weft_plan_destroy(struct weft_plan **plan);

/* The largest batch, at most `batch`, whose activation buffer has at most `limit` bytes;
 * 0 if not even 1. */
int weft_plan_largest_batch(const struct weft_net *net, int batch, bool training,
                            enum weft_type type, size_t limit);

/* The buffers, one a role. Those that a mode does not use are NULL. */
struct weft_buffers {
    struct weft_mem *activations, *weights, *gradients, *state, *prepared;
    struct weft_mem *class_weights; /* floats; NULL: all are 1 */
    struct weft_mem *mixing; /* partners' labels, then shares, `batch` of each; not mixed:
                                NULL */
    /* The batch, where it is not made by the list. NULL: it is, in `activations`. */
    struct weft_mem *x, *labels;
};

/* Tensors of the plan in these buffers; absent where the plan has none. Elements of the
 * argmax have weft_pool_argmax_bytes. */
struct weft_view weft_plan_node_view(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers, int node,
                                     enum weft_node_tensor_id which);
struct weft_view weft_plan_ref_view(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_tensor_ref ref);
struct weft_view weft_plan_step_view(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers,
                                     enum weft_step_tensor_id which);

/* The labels and shares of a mixed batch; absent: it is not mixed. */
struct weft_view weft_plan_partner_labels(const struct weft_plan *plan,
                                          const struct weft_buffers *buffers);
struct weft_view weft_plan_shares(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers);

/* The output of a node, or of WEFT_BATCH, and the gradient at it, absent where it is not
 * needed. Of a plan that explains they are valid after the lists. */
struct weft_view weft_plan_value(const struct weft_plan *plan,
                                 const struct weft_buffers *buffers, int node);
struct weft_view weft_plan_gradient(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers, int node);

/* Output number `index` of the network; in training the logits. */
struct weft_view weft_plan_output(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers, int index);
/* The input of the first output, which must be a loss: valid after the list too. */
struct weft_view weft_plan_logits(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers);

#endif
