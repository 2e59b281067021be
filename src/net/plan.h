/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph and a batch size to places in one activation buffer, and to lists of
 * launches. */
#ifndef WEFT_NET_PLAN_H
#define WEFT_NET_PLAN_H

#include "flow.h"

/* A tensor of the plan: alive from `first` to `last` in the order of launches. */
struct weft_span {
    int first, last;
    size_t bytes; /* 0: not there */
    size_t at;    /* as placed */
};

/* Gives every span a place so that spans alive at the same time do not overlap, larger
 * ones first, each as low as it fits; multiples of WEFT_ALIGN. `peak` is the bytes needed
 * in all. */
enum weft_status weft_spans_place(weft_context *ctx, struct weft_span *spans, int count,
                                  size_t *peak);

enum weft_step_span { SPAN_X, SPAN_LABELS, SPAN_LOSS, SPAN_HIT, SPAN_STEP_COUNT };

struct weft_plan {
    weft_context *ctx;
    struct weft_graph graph; /* own copy, fused */
    struct weft_shape input;
    int batch;
    bool training;
    float smoothing;
    enum weft_type type; /* of activations, their gradients, and at inference of layers'
                            weights; the last layer, and what it reads, is float32 */
    int exponent;        /* gradients are 2^exponent times too large */
    struct weft_flow *flows; /* for each node; training only */
    struct weft_span *spans; /* SPAN_STEP_COUNT, then SPAN_NODE_COUNT for each node */
    size_t bytes;            /* of the activation buffer */
};

/* Fuses (unless `plain`), works out lifetimes and places.
 * WEFT_ERR_ARG if a tensor is too large to count in 31 bits; WEFT_ERR_NOMEM. */
enum weft_status weft_plan_create(const struct weft_net *net, int batch, bool training,
                                  bool plain, enum weft_type type,
                                  struct weft_plan **out);
void weft_plan_destroy(struct weft_plan **plan);

/* The largest batch, at most `batch`, whose activation buffer has at most `limit` bytes;
 * 0 if not even 1. */
int weft_plan_fit(const struct weft_net *net, int batch, bool training,
                  enum weft_type type, size_t limit);

/* The buffers, one a role. What a mode does not use is NULL. */
struct weft_roles {
    struct weft_mem *activations, *weights, *gradients, *state, *prepared;
};

/* The places of the plan in these buffers; absent where the plan has none. The argmax
 * counts places of maxima (weft_pool_place_bytes). */
struct weft_view weft_plan_node_view(const struct weft_plan *plan,
                                     const struct weft_roles *roles, int node,
                                     enum weft_node_span which);
struct weft_view weft_plan_place_view(const struct weft_plan *plan,
                                      const struct weft_roles *roles,
                                      struct weft_place place);
struct weft_view weft_plan_step_view(const struct weft_plan *plan,
                                     const struct weft_roles *roles,
                                     enum weft_step_span which);

/* A param in the buffer of its role; absent where there is none. */
struct weft_view weft_param_view(struct weft_mem *mem, const struct weft_param *param);

/* What the last node reads in training (logits) or writes at inference (probabilities).
 */
struct weft_view weft_plan_output(const struct weft_plan *plan,
                                  const struct weft_roles *roles);

/* Appends what makes `roles->prepared` of the weights. To be replayed before the first
 * batch, and again whenever the weights have changed; nothing where graph.prepared is 0.
 */
enum weft_status weft_plan_prepare(const struct weft_plan *plan,
                                   const struct weft_roles *roles,
                                   struct weft_list *list);

/* Puts what was prepared for the node in the place of weights. */
void weft_plan_use_prepared(const struct weft_roles *roles, const struct weft_node *node,
                            struct weft_site *site);

/* Append to the list. Forward reads SPAN_X. Backward begins with the loss, which reads
 * SPAN_LABELS and writes SPAN_LOSS and SPAN_HIT, and leaves all weight gradients. */
enum weft_status weft_plan_forward(const struct weft_plan *plan,
                                   const struct weft_roles *roles,
                                   struct weft_list *list);
enum weft_status weft_plan_backward(const struct weft_plan *plan,
                                    const struct weft_roles *roles,
                                    struct weft_list *list);

#endif
