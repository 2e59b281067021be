/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that are cut where their frozen first part ends. */
#include "net/frozen.h"

#include <string.h>

/* True if the part of the first `count` nodes is connected to the others by the output of
 * its last node only. */
static bool is_separate(const struct weft_graph *graph, int count)
{
    for (int i = count; i < graph->count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] < count - 1)
                return false;
    return true;
}

int weft_net_frozen_nodes(const struct weft_net *net)
{
    const struct weft_graph *graph = &net->graph;
    int end = 0, found = 0;
    size_t weights = 0;
    for (; end < graph->count && !weft_node_is_trained(&graph->nodes[end]) &&
           !graph->nodes[end].op->training_only && !graph->nodes[end].op->is_loss;
         end++) {
        weights += weft_node_trained_count(&graph->nodes[end]);
        if (weights && is_separate(graph, end + 1))
            found = end + 1;
    }
    for (int k = 0; k < graph->output_count; k++)
        if (graph->outputs[k] < found)
            return 0;
    return found;
}

enum weft_status weft_net_cut(const struct weft_net *net, int first, int end,
                              struct weft_net **out)
{
    WEFT_TRY(weft_net_copy(net, out));
    struct weft_graph *graph = &(*out)->graph;
    graph->count = end - first;
    memmove(graph->nodes, graph->nodes + first,
            (size_t)graph->count * sizeof(*graph->nodes));
    for (int i = 0; i < graph->count; i++) {
        struct weft_node *node = &graph->nodes[i];
        node->index -= first;
        for (int k = 0; k < node->input_count; k++) {
            node->inputs[k] -= first;
            if (node->inputs[k] < 0)
                node->inputs[k] = WEFT_BATCH;
        }
    }
    if (first)
        (*out)->input = net->graph.nodes[first - 1].out;
    graph->output_count = 1;
    graph->outputs[0] = graph->count - 1;
    return WEFT_OK;
}
