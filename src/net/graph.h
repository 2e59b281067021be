/* SPDX-License-Identifier: Apache-2.0 */
/* A network as nodes in the order of the text, and the inside of the public handle. */
#ifndef WEFT_NET_GRAPH_H
#define WEFT_NET_GRAPH_H

#include "ops/op.h"

enum { WEFT_MAX_NODES = 512, WEFT_WEIGHT_ALIGN = 16 /* floats */ };

struct weft_graph {
    struct weft_node *nodes; /* in order: a node reads those before it */
    int count;
    size_t weights;    /* floats that are trained, with gaps for alignment */
    size_t statistics; /* behind them in the same buffer: running means and variances */
    size_t prepared;   /* floats that inference makes of them beforehand */
};

struct weft_net {
    weft_context *ctx;
    char *name, *text;
    struct weft_shape input;
    struct weft_graph graph;
    struct weft_optimizer optimizer;
    float label_smoothing;
    int batch; /* 0: the text does not say */
};

/* Floats in the buffer of all weights. */
static inline size_t weft_graph_floats(const struct weft_graph *graph)
{
    return graph->weights + graph->statistics;
}

/* A copy that fusion may change. */
enum weft_status weft_graph_copy(weft_context *ctx, const struct weft_graph *from,
                                 struct weft_graph *out);
void weft_graph_free(struct weft_graph *graph);

/* Fuses followers into the layers that they read, as far as the table of patterns in
 * fuse.c allows. In training an activation is fused only if its derivative follows from
 * its output, or the layer works it out. */
void weft_graph_fuse(struct weft_graph *graph, bool training);

/* Batch-norms at inference: takes one into the layer in front; gives all that is to be
 * made beforehand, of them and for the type of weights, its place. */
void weft_graph_fold_batch_norm(struct weft_node *layer, const struct weft_node *norm);
void weft_graph_plan_prepared_weights(struct weft_graph *graph, enum weft_type type);

/* The node whose output node `index` really reads as its input number `which`: past what
 * was fused_into_producer, what moves nothing (flatten), and, at inference, what does
 * nothing then. Or WEFT_BATCH. */
int weft_graph_producer(const struct weft_graph *graph, int index, int which,
                        bool training);

/* How many inputs of how many nodes are the output of node `index`. */
int weft_graph_consumer_count(const struct weft_graph *graph, int index);

/* Whether the node does nothing in this mode: its output is its input. */
bool weft_node_is_noop(const struct weft_node *node, bool training);

/* The first values of all weights and statistics, weft_graph_floats() of them, as a
 * function of the seed. */
void weft_graph_initialize(const struct weft_graph *graph, uint64_t seed, float *weights);

enum weft_status weft_net_copy(const struct weft_net *net, struct weft_net **out);

#endif
