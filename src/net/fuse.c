/* SPDX-License-Identifier: Apache-2.0 */
/* Fusion. One row a pattern; a new one is a row here and an epilogue in the backends'
 * primitive. */
#include "net/fuse.h"

static bool plain(const struct weft_node *node)
{
    return !node->activation.act && !node->pool.r;
}

static bool can_fuse_activation(const struct weft_node *layer,
                                const struct weft_node *follower, bool training)
{
    return plain(layer) &&
           (!training || weft_act_grad_from_output[follower->activation.act]);
}

/* A batch normalization has what every derivative needs, unless it is frozen. */
static bool can_fuse_any_activation(const struct weft_node *layer,
                                    const struct weft_node *follower, bool training)
{
    return can_fuse_activation(layer, follower, training && !weft_node_is_trained(layer));
}

static void fuse_activation(struct weft_node *layer, const struct weft_node *follower)
{
    layer->activation = follower->activation;
}

static bool can_fuse_pool(const struct weft_node *layer, const struct weft_node *follower,
                          bool training)
{
    (void)training;
    return !layer->pool.r && weft_pool_argmax_bytes(&follower->pool) == 1;
}

static void fuse_pool(struct weft_node *layer, const struct weft_node *follower)
{
    layer->pool = follower->pool;
}

/* Running mean and variance are constants at inference. A max-pool in between prevents
 * it, because a scale may be negative. */
static bool can_fold_batch_norm(const struct weft_node *layer,
                                const struct weft_node *follower, bool training)
{
    (void)follower;
    return !training && plain(layer) && layer->batch_norm == WEFT_NO_NODE;
}

static void fold_batch_norm(struct weft_node *layer, const struct weft_node *follower)
{
    layer->batch_norm = follower->index;
}

static const struct {
    const struct weft_op *layer, *follower;
    bool (*fits)(const struct weft_node *layer, const struct weft_node *follower,
                 bool training);
    void (*take)(struct weft_node *layer, const struct weft_node *follower);
} patterns[] = {
    {&weft_op_conv, &weft_op_act, can_fuse_activation, fuse_activation},
    {&weft_op_conv, &weft_op_max_pool, can_fuse_pool, fuse_pool},
    {&weft_op_dense, &weft_op_act, can_fuse_activation, fuse_activation},
    {&weft_op_add, &weft_op_act, can_fuse_activation, fuse_activation},
    {&weft_op_batch_norm, &weft_op_act, can_fuse_any_activation, fuse_activation},
    {&weft_op_conv, &weft_op_batch_norm, can_fold_batch_norm, fold_batch_norm},
    {&weft_op_dense, &weft_op_batch_norm, can_fold_batch_norm, fold_batch_norm},
};

void weft_fuse(struct weft_graph *graph, bool training)
{
    for (int i = 1; i < graph->count; i++) {
        struct weft_node *follower = &graph->nodes[i];
        int at = follower->inputs[0];
        if (at < 0 || weft_graph_consumer_count(graph, at) != 1)
            continue;
        while (graph->nodes[at].fused_into_producer)
            at = graph->nodes[at].inputs[0];
        struct weft_node *layer = &graph->nodes[at];
        for (size_t p = 0; p < WEFT_ARRAY_SIZE(patterns); p++) {
            if (patterns[p].layer != layer->op || patterns[p].follower != follower->op ||
                !patterns[p].fits(layer, follower, training))
                continue;
            patterns[p].take(layer, follower);
            layer->out = follower->out;
            follower->fused_into_producer = true;
            break;
        }
    }
}
