/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: copies, producers and consumers, initial weights. */
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

int weft_graph_source(const struct weft_graph *graph, int index, bool training)
{
    while (index >= 0 && weft_node_is_noop(&graph->nodes[index], training))
        index = graph->nodes[index].inputs[0];
    return index;
}

int weft_graph_producer(const struct weft_graph *graph, int index, int which,
                        bool training)
{
    return weft_graph_source(graph, graph->nodes[index].inputs[which], training);
}

int weft_graph_consumer_count(const struct weft_graph *graph, int index)
{
    int readers = 0;
    for (int i = index + 1; i < graph->count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            readers += graph->nodes[i].inputs[k] == index;
    for (int k = 0; k < graph->output_count; k++)
        readers += graph->outputs[k] == index;
    return readers;
}

static struct weft_random random_words(uint64_t seed, unsigned node, size_t i)
{
    return weft_philox((uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)i,
                       (uint32_t)((uint64_t)i >> 32), node, RANDOM_WEIGHTS);
}

static double uniform(uint32_t word)
{
    return ((double)word + 0.5) / 4294967296.0;
}

static double normal(const struct weft_random *r)
{
    double radius = sqrt(-2.0 * log(uniform(r->v[0])));
    return radius * cos(6.283185307179586 * uniform(r->v[1]));
}

/* He: normal with variance 2 / fan in (He et al. 2015, arXiv:1502.01852). Glorot: uniform
 * up to sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010). Uniform: up to 1 /
 * sqrt(fan in), biases too; identity and whitening too, before their filters are set. */
static double initial_limit(const struct weft_param *weight, enum weft_init init)
{
    double fan_in = (double)weight->count / weight->extent[0];
    double window =
        weight->rank == 4 ? (double)weight->extent[2] * weight->extent[3] : 1.0;
    double fan_out = weight->extent[0] * window;
    return init == WEFT_INIT_HE       ? sqrt(2.0 / fan_in)
           : init == WEFT_INIT_GLOROT ? sqrt(6.0 / (fan_in + fan_out))
                                      : 1.0 / sqrt(fan_in);
}

/* Filter o of a group passes input o of the group on, as long as there is one (Zagoruyko
 * and Komodakis 2017, arXiv:1706.00388). Others stay as they are. */
static void set_identity(const struct weft_param *weight, int groups, float *values)
{
    int out = weight->extent[0] / groups, in = weight->extent[1];
    int rows = weight->extent[2], columns = weight->extent[3];
    size_t taps = (size_t)rows * (size_t)columns, filters = (size_t)weight->extent[0];
    size_t center = (size_t)((rows - 1) / 2 * columns + (columns - 1) / 2);
    for (int g = 0; g < groups; g++)
        for (int o = 0; o < out && o < in; o++)
            for (size_t tap = 0; tap < taps; tap++)
                for (int i = 0; i < in; i++) {
                    size_t at = (tap * (size_t)in + (size_t)i) * filters;
                    values[at + (size_t)(g * out + o)] = tap == center && i == o;
                }
}

static void initialize_param(const struct weft_node *node, int role, uint64_t seed,
                             float *weights)
{
    const struct weft_param *param = &node->params[role];
    float *values = weights + param->at;
    for (size_t i = 0; param->init == WEFT_INIT_CONSTANT && i < param->count; i++)
        values[i] = param->value;
    if (param->init == WEFT_INIT_CONSTANT || !param->count)
        return;
    double limit = initial_limit(&node->params[WEFT_PARAM_WEIGHT], param->init);
    unsigned key = (unsigned)(node->index * 2 + role);
    for (size_t i = 0; i < param->count; i++) {
        const struct weft_random r = random_words(seed, key, i);
        double value =
            param->init == WEFT_INIT_HE ? normal(&r) : 2.0 * uniform(r.v[0]) - 1.0;
        values[i] = (float)(value * limit);
    }
    if (param->init == WEFT_INIT_IDENTITY)
        set_identity(param, node->as.conv.groups, values);
}

void weft_graph_initialize(const struct weft_graph *graph, uint64_t seed, float *weights)
{
    memset(weights, 0, weft_graph_floats(graph) * sizeof(*weights));
    for (int n = 0; n < graph->count; n++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++)
            initialize_param(&graph->nodes[n], role, seed, weights);
}

struct weft_view weft_param_view(struct weft_mem *mem, const struct weft_param *param)
{
    struct weft_view view = {.mem = mem, .offset = param->at, .count = param->count};
    return param->count ? view : (struct weft_view){0};
}

void weft_param_reserve(struct weft_param *param, size_t count, enum weft_type type,
                        size_t *floats)
{
    size_t per_float = sizeof(float) / weft_type_bytes(type);
    size_t needed = (count + per_float - 1) / per_float;
    param->at = *floats * per_float;
    param->count = count;
    *floats += (needed + WEFT_WEIGHT_ALIGN - 1) / WEFT_WEIGHT_ALIGN * WEFT_WEIGHT_ALIGN;
}
