/* SPDX-License-Identifier: Apache-2.0 */
/* The way of the gradients through a graph. */
#include "flow.h"

static const struct weft_place nowhere = {WEFT_NO_NODE, SPAN_DY};

bool weft_node_gated(const struct weft_node *node)
{
    return !node->op->derives && node->activation.act;
}

/* The node whose gradient input `which` of node `index` leads to, if it is wanted. */
static int target(const struct weft_graph *graph, const struct weft_flow *flows,
                  int index, int which)
{
    const struct weft_node *node = &graph->nodes[index];
    if (which >= weft_node_inputs(node) || weft_node_idle(node, true))
        return WEFT_NO_NODE;
    int source = weft_graph_source(graph, index, which, true);
    return source >= 0 && flows[source].learns ? source : WEFT_NO_NODE;
}

/* The parts before have been found: they are those of readers behind this one. */
static struct weft_part next_part(const struct weft_graph *graph, struct weft_flow *flows,
                                  int index, int to)
{
    const struct weft_op *op = graph->nodes[index].op;
    struct weft_flow *flow = &flows[to];
    struct weft_part part = {.to = to, .before = {flow->gradient, SPAN_DY}};
    bool written = op->backward || op->last;
    part.at = !written               ? (struct weft_place){flows[index].gradient, SPAN_DY}
              : flow->gradient == to ? (struct weft_place){index, SPAN_PART}
                                     : (struct weft_place){to, SPAN_DY};
    part.whole = --flow->left == 0;
    bool moves = part.before.node != WEFT_NO_NODE ||
                 (part.whole && weft_node_gated(&graph->nodes[to]));
    part.into = moves ? (struct weft_place){to, SPAN_DY} : part.at;
    flow->gradient = part.into.node;
    return part;
}

void weft_flows_find(const struct weft_graph *graph, struct weft_flow *flows)
{
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *node = &graph->nodes[i];
        flows[i] =
            (struct weft_flow){.learns = node->weight.count, .gradient = WEFT_NO_NODE};
        for (int k = 0; k < weft_node_inputs(node); k++)
            if (node->inputs[k] >= 0 && flows[node->inputs[k]].learns)
                flows[i].learns = true;
    }
    for (int i = 0; i < graph->count; i++)
        for (int k = 0; k < WEFT_MAX_INPUTS; k++) {
            int to = target(graph, flows, i, k);
            if (to != WEFT_NO_NODE)
                flows[to].left++;
        }
    for (int i = graph->count - 1; i >= 0; i--)
        for (int k = 0; k < WEFT_MAX_INPUTS; k++) {
            int to = target(graph, flows, i, k);
            flows[i].parts[k] =
                to == WEFT_NO_NODE
                    ? (struct weft_part){to, nowhere, nowhere, nowhere, false}
                    : next_part(graph, flows, i, to);
        }
}
