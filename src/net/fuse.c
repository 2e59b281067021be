/* SPDX-License-Identifier: Apache-2.0 */
/* Fusion: which layer takes which follower into its own launches. One row a pattern; a
 * new one is a row here and an epilogue in the backends' primitive. */
#include "graph.h"

static bool plain(const struct weft_node *node)
{
    return !node->activation.act && !node->pool.r;
}

static bool activation_fits(const struct weft_node *layer,
                            const struct weft_node *follower, bool training)
{
    return plain(layer) && (!training || weft_act_by_output[follower->activation.act]);
}

static bool any_activation_fits(const struct weft_node *layer,
                                const struct weft_node *follower, bool training)
{
    (void)follower;
    (void)training;
    return plain(layer);
}

static void take_activation(struct weft_node *layer, const struct weft_node *follower)
{
    layer->activation = follower->activation;
}

static bool pool_fits(const struct weft_node *layer, const struct weft_node *follower,
                      bool training)
{
    (void)training;
    return !layer->pool.r && weft_pool_place_bytes(&follower->pool) == 1;
}

static void take_pool(struct weft_node *layer, const struct weft_node *follower)
{
    layer->pool = follower->pool;
}

/* A running mean and variance are constants at inference. A max-pool in between is in
 * the way: a scale may be negative. */
static bool norm_fits(const struct weft_node *layer, const struct weft_node *follower,
                      bool training)
{
    (void)follower;
    return !training && plain(layer) && !layer->fold.channels;
}

static const struct {
    const struct weft_op *layer, *follower;
    bool (*fits)(const struct weft_node *layer, const struct weft_node *follower,
                 bool training);
    void (*take)(struct weft_node *layer, const struct weft_node *follower);
} patterns[] = {
    {&weft_op_conv, &weft_op_act, activation_fits, take_activation},
    {&weft_op_conv, &weft_op_max_pool, pool_fits, take_pool},
    {&weft_op_dense, &weft_op_act, activation_fits, take_activation},
    {&weft_op_add, &weft_op_act, activation_fits, take_activation},
    {&weft_op_norm, &weft_op_act, any_activation_fits, take_activation},
    {&weft_op_conv, &weft_op_norm, norm_fits, weft_graph_take_norm},
    {&weft_op_dense, &weft_op_norm, norm_fits, weft_graph_take_norm},
};

void weft_graph_fuse(struct weft_graph *graph, bool training)
{
    for (int i = 1; i < graph->count; i++) {
        struct weft_node *follower = &graph->nodes[i];
        int at = follower->inputs[0];
        if (at < 0 || weft_graph_readers(graph, at) != 1)
            continue;
        while (graph->nodes[at].absorbed)
            at = graph->nodes[at].inputs[0];
        struct weft_node *layer = &graph->nodes[at];
        for (size_t p = 0; p < WEFT_COUNT(patterns); p++) {
            if (patterns[p].layer != layer->op || patterns[p].follower != follower->op ||
                !patterns[p].fits(layer, follower, training))
                continue;
            patterns[p].take(layer, follower);
            layer->out = follower->out;
            follower->absorbed = true;
            break;
        }
    }
}
