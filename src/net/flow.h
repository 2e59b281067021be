/* SPDX-License-Identifier: Apache-2.0 */
/* How gradients come together on the way back.
 *
 * Every reader of a node gives a part of the gradient at the node's output, and the
 * gradient is their sum. Backward goes from the last node to the first, so the parts come
 * in a fixed order. The first is written where the gradient belongs; each later one is
 * written beside it and added at once. An op without launches of its own (add) gives the
 * gradient at its output as it is: nothing is written or copied, and where it is the only
 * part it is the gradient. The gate of an activation that was fused to the node is
 * applied to the sum of all parts. */
#ifndef WEFT_NET_FLOW_H
#define WEFT_NET_FLOW_H

#include "graph.h"

/* Tensors of a node in a plan. DY is the gradient at its output, PART what it gives to
 * the gradient of its input where other parts lie there already; STATISTICS are mean,
 * inverse and scale of a batch-norm. */
enum weft_node_span {
    SPAN_Y,
    SPAN_ARGMAX,
    SPAN_STATISTICS,
    SPAN_DY,
    SPAN_PART,
    SPAN_NODE_COUNT
};

struct weft_place {
    int node; /* WEFT_NO_NODE: nowhere */
    enum weft_node_span which;
};

/* What a node gives to the gradient of one that it reads. */
struct weft_part {
    int to;                   /* WEFT_NO_NODE: nobody wants it */
    struct weft_place at;     /* where it is written, or lies already */
    struct weft_place before; /* the sum of the parts before; nowhere: it is the first */
    struct weft_place into;   /* the sum with this part */
    bool whole;               /* the last: the gate is still to be applied */
};

/* A node on the way back. */
struct weft_flow {
    bool learns;  /* there is a weight at or before it: its gradient is wanted */
    int left;     /* parts of its gradient that are to come */
    int gradient; /* the node whose SPAN_DY is the gradient at its output */
    struct weft_part parts[WEFT_MAX_INPUTS]; /* what it gives to each of its inputs */
};

/* Whether an activation was fused to the node whose derivative its backward leaves to
 * others: its gradient passes a gate. */
bool weft_node_gated(const struct weft_node *node);

/* One flow for each node of the graph, as it is in training. */
void weft_flows_find(const struct weft_graph *graph, struct weft_flow *flows);

#endif
