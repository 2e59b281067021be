/* SPDX-License-Identifier: Apache-2.0 */
/* What inference makes of weights before it runs, once for all batches: a batch-norm
 * taken into the layer in front, or the scale of one that stands alone. */
#include "plan.h"

static void place(struct weft_graph *graph, struct weft_param *param, size_t count)
{
    param->at = graph->prepared;
    param->count = count;
    graph->prepared +=
        (count + WEFT_WEIGHT_ALIGN - 1) / WEFT_WEIGHT_ALIGN * WEFT_WEIGHT_ALIGN;
}

void weft_graph_take_norm(struct weft_node *layer, const struct weft_node *norm)
{
    layer->fold = (struct weft_fold){
        .channels = norm->in.c,
        .epsilon = norm->as.norm.epsilon,
        .weight = norm->weight,
        .shift = norm->bias,
        .mean = norm->mean,
        .variance = norm->variance,
    };
}

void weft_graph_prepare(struct weft_graph *graph)
{
    for (int i = 0; i < graph->count; i++) {
        struct weft_node *node = &graph->nodes[i];
        bool alone = node->op == &weft_op_norm && !node->absorbed;
        if (alone)
            weft_graph_take_norm(node, node);
        if (!node->fold.channels)
            continue;
        size_t channels = (size_t)node->fold.channels;
        place(graph, &node->fold.out_w, alone ? channels : node->weight.count);
        if (!alone)
            place(graph, &node->fold.out_bias, channels);
    }
}

enum weft_status weft_plan_prepare(const struct weft_plan *plan,
                                   const struct weft_roles *roles, struct weft_list *list)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        const struct weft_fold *f = &node->fold;
        if (!f->channels)
            continue;
        struct weft_fold_args args = {
            .rows = (int)(f->out_w.count / (size_t)f->channels),
            .channels = f->channels,
            .epsilon = f->epsilon,
            .weight = weft_param_view(roles->weights, &f->weight),
            .shift = weft_param_view(roles->weights, &f->shift),
            .mean = weft_param_view(roles->weights, &f->mean),
            .variance = weft_param_view(roles->weights, &f->variance),
            .out_w = weft_param_view(roles->prepared, &f->out_w),
            .out_bias = weft_param_view(roles->prepared, &f->out_bias),
        };
        if (node->op != &weft_op_norm) {
            args.w = weft_param_view(roles->weights, &node->weight);
            args.bias = weft_param_view(roles->weights, &node->bias);
        }
        WEFT_TRY(list->device->backend->fold(list, &args));
    }
    return WEFT_OK;
}
