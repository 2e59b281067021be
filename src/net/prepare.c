/* SPDX-License-Identifier: Apache-2.0 */
/* Weight preparation for inference. */
#include "net/prepare.h"

static void reserve_node(const struct weft_node *node, enum weft_type type,
                         struct weft_prepared_weights *p, size_t *floats)
{
    const struct weft_param *params = node->params;
    bool half = type == WEFT_FLOAT16, folded = p->batch_norm != WEFT_NO_NODE;
    p->type = node->op->half_weights ? type : WEFT_FLOAT32;
    for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
        size_t count = half ? params[role].count : 0;
        if (role == WEFT_PARAM_WEIGHT && folded)
            count = params[role].count;
        /* A folded batch-norm has a bias even where the layer has none. */
        if (role == WEFT_PARAM_BIAS && folded && !node->op->folds)
            count = (size_t)node->params[WEFT_PARAM_WEIGHT].extent[0];
        if (role == WEFT_PARAM_RUNNING_VARIANCE || !count)
            continue; /* is part of the scale */
        weft_param_reserve(&p->params[role], count,
                           role == WEFT_PARAM_WEIGHT ? p->type : WEFT_FLOAT32, floats);
    }
}

void weft_prepared_reserve(const struct weft_graph *graph, enum weft_type type,
                           struct weft_prepared_weights *prepared, size_t *floats)
{
    *floats = 0;
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *node = &graph->nodes[i];
        prepared[i] = (struct weft_prepared_weights){
            .batch_norm = node->op->folds ? i : node->batch_norm};
        if (!node->fused_into_producer)
            reserve_node(node, type, &prepared[i], floats);
    }
}

static struct weft_view view_of(const struct weft_prepared_weights *prepared,
                                struct weft_mem *mem, int role)
{
    struct weft_view view = weft_param_view(mem, &prepared->params[role]);
    view.type = role == WEFT_PARAM_WEIGHT ? prepared->type : WEFT_FLOAT32;
    return view;
}

void weft_prepared_bind(const struct weft_prepared_weights *prepared,
                        struct weft_mem *mem, struct weft_node_tensors *tensors)
{
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        if (prepared->params[role].count)
            tensors->params[role] = view_of(prepared, mem, role);
}

static enum weft_status record_fold(const struct weft_graph *graph,
                                    const struct weft_node *node,
                                    const struct weft_prepared_weights *p,
                                    struct weft_mem *weights, struct weft_mem *mem,
                                    struct weft_command_list *list)
{
    const struct weft_node *norm = &graph->nodes[p->batch_norm];
    size_t channels = norm->params[WEFT_PARAM_WEIGHT].count;
    struct weft_fold_batch_norm_args args = {
        .rows = (int)(p->params[WEFT_PARAM_WEIGHT].count / channels),
        .channels = (int)channels,
        .epsilon = norm->as.batch_norm.epsilon,
        .weight = weft_param_view(weights, &norm->params[WEFT_PARAM_WEIGHT]),
        .shift = weft_param_view(weights, &norm->params[WEFT_PARAM_BIAS]),
        .mean = weft_param_view(weights, &norm->params[WEFT_PARAM_RUNNING_MEAN]),
        .variance = weft_param_view(weights, &norm->params[WEFT_PARAM_RUNNING_VARIANCE]),
        .out_w = view_of(p, mem, WEFT_PARAM_WEIGHT),
    };
    if (node != norm) {
        args.w = weft_param_view(weights, &node->params[WEFT_PARAM_WEIGHT]);
        args.bias = weft_param_view(weights, &node->params[WEFT_PARAM_BIAS]);
        args.out_bias = view_of(p, mem, WEFT_PARAM_BIAS);
    }
    return list->primitives->fold_batch_norm(list, &args);
}

/* True if folding writes this param. */
static bool folded(const struct weft_node *node, const struct weft_prepared_weights *p,
                   int role)
{
    return p->batch_norm != WEFT_NO_NODE &&
           (role == WEFT_PARAM_WEIGHT || (role == WEFT_PARAM_BIAS && !node->op->folds));
}

enum weft_status weft_prepared_record(const struct weft_graph *graph,
                                      const struct weft_prepared_weights *prepared,
                                      struct weft_mem *weights, struct weft_mem *mem,
                                      struct weft_command_list *list)
{
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *node = &graph->nodes[i];
        const struct weft_prepared_weights *p = &prepared[i];
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            struct weft_cast_args args = {weft_param_view(weights, &node->params[role]),
                                          view_of(p, mem, role)};
            if (!p->params[role].count)
                continue;
            if (!folded(node, p, role))
                WEFT_TRY(list->primitives->cast(list, &args));
            else if (role == WEFT_PARAM_WEIGHT)
                WEFT_TRY(record_fold(graph, node, p, weights, mem, list));
        }
    }
    return WEFT_OK;
}
