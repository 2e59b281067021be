/* SPDX-License-Identifier: Apache-2.0 */
/* How gradients come together on the way back.
 *
 * Every reader of a node gives a term of the gradient at the node's output, and the
 * gradient is their sum. Backward goes from the last node to the first, so the terms come
 * in a fixed order. The first is written where the gradient belongs; each later one is
 * written beside it and added at once. An op without launches of its own (add) gives the
 * gradient at its output as it is: nothing is written or copied, and where it is the only
 * term it is the gradient. The gate of an activation that was fused to the node is
 * applied to the sum of all terms. */
#ifndef WEFT_NET_GRAD_ACCUM_H
#define WEFT_NET_GRAD_ACCUM_H

#include "net/graph.h"

/* Tensors of a node in a plan. DY is the gradient at its output, PART what it gives to
 * the gradient of its input where other terms lie there already; STATISTICS are mean,
 * inverse and scale of a batch-norm. */
enum weft_node_tensor_id {
    TENSOR_Y,
    TENSOR_ARGMAX,
    TENSOR_STATISTICS,
    TENSOR_DY,
    TENSOR_GRAD_TERM,
    TENSOR_NODE_COUNT
};

struct weft_tensor_ref {
    int node; /* WEFT_NO_NODE: nowhere */
    enum weft_node_tensor_id which;
};

/* What a node gives to the gradient of one that it reads. */
struct weft_grad_term {
    int to;                     /* WEFT_NO_NODE: nobody wants it */
    struct weft_tensor_ref src; /* where it is written, or lies already */
    struct weft_tensor_ref
        acc; /* the sum of the terms before; nowhere: it is the first */
    struct weft_tensor_ref dst; /* the sum with this term */
    bool is_last;               /* the last: the gate is still to be applied */
};

/* A node on the way back. */
struct weft_grad_plan {
    bool needs_grad; /* there is a weight at or before it: its gradient is wanted */
    int pending;     /* terms of its gradient that are to come */
    int gradient;    /* the node whose TENSOR_DY is the gradient at its output */
    struct weft_grad_term
        terms[WEFT_MAX_INPUTS]; /* what it gives to each of its inputs */
};

/* Whether an activation was fused to the node whose derivative its backward leaves to
 * others: its gradient passes a gate. */
bool weft_node_has_act_grad(const struct weft_node *node);

/* One grad_plan for each node of the graph, as it is in training. */
void weft_grad_plans_build(const struct weft_graph *graph,
                           struct weft_grad_plan *grad_plans);

#endif
