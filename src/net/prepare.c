/* SPDX-License-Identifier: Apache-2.0 */
/* What inference makes of weights before it runs, once for all batches: a batch-norm
 * taken into the layer in front, or the scale of one that stands alone; and float16. */
#include "net/plan.h"

static void reserve_prepared(struct weft_graph *graph, struct weft_param *param,
                             size_t count, enum weft_type type)
{
    size_t in_float = sizeof(float) / weft_type_bytes(type);
    size_t floats = (count + in_float - 1) / in_float;
    param->at = graph->prepared * in_float;
    param->count = count;
    graph->prepared +=
        (floats + WEFT_WEIGHT_ALIGN - 1) / WEFT_WEIGHT_ALIGN * WEFT_WEIGHT_ALIGN;
}

void weft_graph_fold_batch_norm(struct weft_node *layer, const struct weft_node *norm)
{
    layer->prepared = (struct weft_prepared_weights){
        .channels = norm->in.c,
        .epsilon = norm->as.batch_norm.epsilon,
        .weight = norm->weight,
        .shift = norm->bias,
        .mean = norm->mean,
        .variance = norm->variance,
    };
}

/* A batch-norm by itself keeps float32: its scale is one number a channel. */
static void prepare_batch_norm(struct weft_graph *graph, struct weft_node *node,
                               enum weft_type type)
{
    size_t channels = (size_t)node->in.c;
    weft_graph_fold_batch_norm(node, node);
    reserve_prepared(graph, &node->prepared.out_w, channels, WEFT_FLOAT32);
    if (type == WEFT_FLOAT32)
        return;
    reserve_prepared(graph, &node->prepared.out_bias, channels, WEFT_FLOAT32);
    reserve_prepared(graph, &node->prepared.out_mean, channels, WEFT_FLOAT32);
}

void weft_graph_plan_prepared_weights(struct weft_graph *graph, enum weft_type type)
{
    for (int i = 0; i < graph->count; i++) {
        struct weft_node *node = &graph->nodes[i];
        if (node->op == &weft_op_batch_norm && !node->fused_into_producer)
            prepare_batch_norm(graph, node, type);
        if (node->op == &weft_op_batch_norm || !node->weight.count ||
            (!node->prepared.channels && type == WEFT_FLOAT32))
            continue;
        node->prepared.type = type;
        reserve_prepared(graph, &node->prepared.out_w, node->weight.count, type);
        if (node->prepared.channels)
            reserve_prepared(graph, &node->prepared.out_bias,
                             (size_t)node->prepared.channels, WEFT_FLOAT32);
        else if (node->bias.count)
            reserve_prepared(graph, &node->prepared.out_bias, node->bias.count,
                             WEFT_FLOAT32);
    }
}

static struct weft_view prepared(const struct weft_buffers *buffers,
                                 const struct weft_param *param, enum weft_type type)
{
    struct weft_view view = weft_param_view(buffers->prepared, param);
    view.type = type;
    return view;
}

void weft_plan_use_prepared(const struct weft_buffers *buffers,
                            const struct weft_node *node,
                            struct weft_node_tensors *tensors)
{
    const struct weft_prepared_weights *f = &node->prepared;
    if (!f->out_w.count)
        return;
    if (f->out_bias.count)
        tensors->bias = prepared(buffers, &f->out_bias, WEFT_FLOAT32);
    if (node->op != &weft_op_batch_norm) {
        tensors->weight = prepared(buffers, &f->out_w, f->type);
        return;
    }
    tensors->scale = prepared(buffers, &f->out_w, f->type);
    tensors->mean = f->out_mean.count ? prepared(buffers, &f->out_mean, WEFT_FLOAT32)
                                      : weft_param_view(buffers->weights, &node->mean);
}

static enum weft_status record_fold_batch_norm(const struct weft_buffers *buffers,
                                               const struct weft_node *node,
                                               struct weft_command_list *list)
{
    const struct weft_prepared_weights *f = &node->prepared;
    struct weft_fold_batch_norm_args args = {
        .rows = (int)(f->out_w.count / (size_t)f->channels),
        .channels = f->channels,
        .epsilon = f->epsilon,
        .weight = weft_param_view(buffers->weights, &f->weight),
        .shift = weft_param_view(buffers->weights, &f->shift),
        .mean = weft_param_view(buffers->weights, &f->mean),
        .variance = weft_param_view(buffers->weights, &f->variance),
        .out_w = prepared(buffers, &f->out_w, f->type),
    };
    if (node->op != &weft_op_batch_norm) {
        args.w = weft_param_view(buffers->weights, &node->weight);
        args.bias = weft_param_view(buffers->weights, &node->bias);
        args.out_bias = prepared(buffers, &f->out_bias, WEFT_FLOAT32);
    }
    return list->primitives->fold_batch_norm(list, &args);
}

static enum weft_status record_cast(const struct weft_buffers *buffers,
                                    const struct weft_param *from,
                                    const struct weft_param *to, enum weft_type type,
                                    struct weft_command_list *list)
{
    if (!to->count)
        return WEFT_OK;
    return list->primitives->cast(
        list, &(struct weft_cast_args){.x = weft_param_view(buffers->weights, from),
                                       .y = prepared(buffers, to, type)});
}

enum weft_status weft_plan_record_weight_preparation(const struct weft_plan *plan,
                                                     const struct weft_buffers *buffers,
                                                     struct weft_command_list *list)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        const struct weft_prepared_weights *f = &node->prepared;
        if (f->channels)
            WEFT_TRY(record_fold_batch_norm(buffers, node, list));
        else
            WEFT_TRY(record_cast(buffers, &node->weight, &f->out_w, f->type, list));
        if (!f->channels || node->op == &weft_op_batch_norm)
            WEFT_TRY(record_cast(buffers, &node->bias, &f->out_bias, WEFT_FLOAT32, list));
        WEFT_TRY(record_cast(buffers, &node->mean, &f->out_mean, WEFT_FLOAT32, list));
    }
    return WEFT_OK;
}
