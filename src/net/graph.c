/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: copies, sources, the first values of the weights. */
#include "net/graph.h"

#include "shared/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum weft_status weft_graph_copy(weft_context *ctx, const struct weft_graph *from,
                                 struct weft_graph *out)
{
    size_t bytes = (size_t)from->count * sizeof(*from->nodes);
    struct weft_node *nodes = malloc(bytes);
    if (!nodes)
        return weft_out_of_memory(ctx, "network", bytes);
    memcpy(nodes, from->nodes, bytes);
    *out = *from;
    out->nodes = nodes;
    return WEFT_OK;
}

void weft_graph_free(struct weft_graph *graph)
{
    free(graph->nodes);
    *graph = (struct weft_graph){0};
}

bool weft_node_is_noop(const struct weft_node *node, bool training)
{
    return node->fused_into_producer || !node->op->forward ||
           (node->op->training_only && !training);
}

int weft_graph_producer(const struct weft_graph *graph, int index, int which,
                        bool training)
{
    int source = graph->nodes[index].inputs[which];
    while (source >= 0 && weft_node_is_noop(&graph->nodes[source], training))
        source = graph->nodes[source].inputs[0];
    return source;
}

int weft_graph_consumer_count(const struct weft_graph *graph, int index)
{
    int readers = 0;
    for (int i = index + 1; i < graph->count; i++)
        for (int k = 0; k < weft_node_inputs(&graph->nodes[i]); k++)
            readers += graph->nodes[i].inputs[k] == index;
    return readers;
}

static double uniform(uint64_t seed, unsigned node, size_t i, unsigned word)
{
    struct weft_random r =
        weft_philox((uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)i,
                    (uint32_t)((uint64_t)i >> 32), node, RANDOM_WEIGHTS);
    return ((double)r.v[word] + 0.5) / 4294967296.0;
}

static double normal(uint64_t seed, unsigned node, size_t i)
{
    double radius = sqrt(-2.0 * log(uniform(seed, node, i, 0)));
    return radius * cos(6.283185307179586 * uniform(seed, node, i, 1));
}

static void fill(float *weights, const struct weft_param *param, float value)
{
    for (size_t i = 0; i < param->count; i++)
        weights[param->at + i] = value;
}

/* He: normal with variance 2 / fan in (He et al. 2015, arXiv:1502.01852). Glorot: uniform
 * up to sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010). Uniform: up to 1 /
 * sqrt(fan in), biases too. */
void weft_graph_initialize(const struct weft_graph *graph, uint64_t seed, float *weights)
{
    memset(weights, 0, weft_graph_floats(graph) * sizeof(*weights));
    for (int n = 0; n < graph->count; n++) {
        const struct weft_node *node = &graph->nodes[n];
        fill(weights, &node->variance, 1.0f);
        if (node->init == WEFT_INIT_ONES)
            fill(weights, &node->weight, 1.0f);
        if (!node->weight.count || node->init == WEFT_INIT_ONES)
            continue;
        double fan_in = (double)node->weight.count / node->weight.extent[0];
        double window = node->weight.rank == 4
                            ? (double)node->weight.extent[2] * node->weight.extent[3]
                            : 1.0;
        double fan_out = node->weight.extent[0] * window;
        const double limit[] = {
            [WEFT_INIT_HE] = sqrt(2.0 / fan_in),
            [WEFT_INIT_GLOROT] = sqrt(6.0 / (fan_in + fan_out)),
            [WEFT_INIT_UNIFORM] = 1.0 / sqrt(fan_in),
        };
        bool bell = node->init == WEFT_INIT_HE;
        unsigned key = (unsigned)n * 2;
        for (size_t i = 0; i < node->weight.count; i++) {
            double value =
                bell ? normal(seed, key, i) : 2.0 * uniform(seed, key, i, 0) - 1.0;
            weights[node->weight.at + i] = (float)(value * limit[node->init]);
        }
        for (size_t i = 0; node->init == WEFT_INIT_UNIFORM && i < node->bias.count; i++)
            weights[node->bias.at + i] =
                (float)((2.0 * uniform(seed, key + 1, i, 0) - 1.0) * limit[node->init]);
    }
}
