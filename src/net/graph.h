/* SPDX-License-Identifier: Apache-2.0 */
/* A network as nodes in the order of its layers, and the public handle. */
#ifndef WEFT_NET_GRAPH_H
#define WEFT_NET_GRAPH_H

#include "net/augment.h"
#include "net/averaging.h"
#include "net/schedule.h"
#include "ops/op.h"

enum {
    WEFT_MAX_NODES = 512,
    WEFT_MAX_OUTPUTS = 8,
    WEFT_NAME_BYTES = 32,
    WEFT_WEIGHT_ALIGN = 16 /* floats */
};

struct weft_graph {
    struct weft_node *nodes; /* in order: a node reads those before it */
    int count;
    int outputs[WEFT_MAX_OUTPUTS]; /* nodes */
    int output_count;
    size_t weights;    /* trained floats, with gaps for alignment */
    size_t statistics; /* running means and variances, behind them in the same buffer */
};

/* A layer as weft_net_add made it: a node, and one for its activation. */
struct weft_layer {
    const struct weft_op *op;
    struct weft_layer_params params; /* checked; `name` is not valid */
    struct weft_activation activation;
    char name[WEFT_NAME_BYTES];               /* "": none */
    int inputs[WEFT_MAX_INPUTS], input_count; /* layers, or WEFT_BATCH */
    int first, output;                        /* nodes */
};

struct weft_net {
    weft_context *ctx;
    char *name;
    char *source; /* the text that it was parsed from, or `text` */
    char *text;   /* weft_net_text */
    struct weft_shape input;
    struct weft_graph graph;
    struct weft_layer *layers;
    int layer_count;
    struct weft_optimizer optimizer;
    struct weft_schedule schedule;
    struct weft_averaging averaging;
    struct weft_augment_options augment;
    float label_smoothing;
    int batch; /* 0: not given */
};

extern const struct weft_optimizer weft_optimizer_initial; /* where none is given */

/* Floats in the buffer of all weights. */
static inline size_t weft_graph_floats(const struct weft_graph *graph)
{
    return graph->weights + graph->statistics;
}

/* A copy that fusion may change. */
enum weft_status weft_graph_copy(weft_context *ctx, const struct weft_graph *from,
                                 struct weft_graph *out);
void weft_graph_free(struct weft_graph *graph);

/* The node that makes the output of node `index`: itself, or the one that it was fused
 * into. Or WEFT_BATCH. */
int weft_graph_source(const struct weft_graph *graph, int index, bool training);

/* The node that makes input number `which` of node `index`: fused nodes and nodes without
 * launches in this mode (flatten; at inference dropout) are skipped. Or WEFT_BATCH. */
int weft_graph_producer(const struct weft_graph *graph, int index, int which,
                        bool training);

/* The number of inputs of nodes and outputs of the network that are the output of node
 * `index`. */
int weft_graph_consumer_count(const struct weft_graph *graph, int index);

/* True if the node records nothing in this mode: its output is its input. */
bool weft_node_is_noop(const struct weft_node *node, bool training);

/* A param in a buffer of weights; absent where the param is. */
struct weft_view weft_param_view(struct weft_mem *mem, const struct weft_param *param);

/* Reserves `count` elements of `type` at the end of a buffer of *floats. */
void weft_param_reserve(struct weft_param *param, size_t count, enum weft_type type,
                        size_t *floats);

/* Initial values of all weights and statistics, weft_graph_floats() of them, as a
 * function of the seed. */
void weft_graph_initialize(const struct weft_graph *graph, uint64_t seed, float *weights);

/* net.c. The second: values of all outputs, for one image. */
enum weft_status weft_net_copy(const struct weft_net *net, struct weft_net **out);
size_t weft_net_output_values(const struct weft_net *net);

/* net_text.c. A layer's line, with as= and from= if `names`; the text of the network, to
 * be freed. */
void weft_layer_write(const struct weft_net *net, int layer, bool names, char *out,
                      size_t size);
enum weft_status weft_net_write(const struct weft_net *net, char **out);

#endif
