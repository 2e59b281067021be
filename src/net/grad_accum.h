/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient accumulation for tensors with several consumers.
 *
 * Each input that reads a node contributes a term to the gradient at the node's output,
 * which is the sum of the terms. Backward runs from the last node to the first, so the
 * order of terms is fixed. The first term is written to the gradient's own tensor; each
 * later one is written to a tensor of its own and added at once. An op without launches
 * of its own (add) passes the gradient at its output on: nothing is written or copied,
 * and a single term is the gradient itself. The derivative of an activation that was
 * fused into the node is applied to the sum of all terms. */
#ifndef WEFT_NET_GRAD_ACCUM_H
#define WEFT_NET_GRAD_ACCUM_H

#include "net/graph.h"

/* Tensors of a node in a plan. SAVED are the op's own, from forward to backward; DY is
 * the gradient at its output, GRAD_TERM + k its term of the gradient of input k where DY
 * of the producer holds earlier terms. */
enum weft_node_tensor_id {
    TENSOR_Y,
    TENSOR_ARGMAX,
    TENSOR_SAVED,
    TENSOR_DY,
    TENSOR_GRAD_TERM,
    TENSOR_NODE_COUNT = TENSOR_GRAD_TERM + WEFT_MAX_INPUTS
};

struct weft_tensor_ref {
    int node; /* WEFT_NO_NODE: absent */
    enum weft_node_tensor_id which;
};

/* The term of one input of a node in the gradient of its producer. */
struct weft_grad_term {
    int to;                     /* the producer; WEFT_NO_NODE: gradient not needed */
    struct weft_tensor_ref src; /* the term */
    struct weft_tensor_ref acc; /* the sum of earlier terms; absent: the first */
    struct weft_tensor_ref dst; /* the sum with this term */
    bool is_last;               /* the fused activation's derivative is applied */
    bool fuses_act_grad;        /* by the op's backward, not by a launch of its own */
};

/* The backward pass of a node. */
struct weft_grad_plan {
    bool needs_grad; /* there is a trained param at or before it, or all are needed */
    int pending;     /* terms of its gradient that are still to come */
    int gradient;    /* the node whose TENSOR_DY is the gradient at its output */
    struct weft_grad_term terms[WEFT_MAX_INPUTS]; /* of its inputs */
};

/* True if an activation was fused into the node whose derivative the nodes that read it
 * apply to its gradient. */
bool weft_node_has_act_grad(const struct weft_node *node);

/* One grad_plan for each node of a graph fused for training. `all`: the gradient at the
 * output of each node is needed, whether or not anything before it is trained. */
void weft_grad_plans_build(const struct weft_graph *graph, bool all,
                           struct weft_grad_plan *grad_plans);

#endif
