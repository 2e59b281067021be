/* SPDX-License-Identifier: Apache-2.0 */
/* What inference makes of weights before it runs, once for all batches: a batch-norm
 * taken into the layer in front, or the scale of one that stands alone; and float16. */
#include "plan.h"

static void place(struct weft_graph *graph, struct weft_param *param, size_t count,
                  enum weft_type type)
{
    size_t in_float = sizeof(float) / weft_type_bytes(type);
    size_t floats = (count + in_float - 1) / in_float;
    param->at = graph->prepared * in_float;
    param->count = count;
    graph->prepared +=
        (floats + WEFT_WEIGHT_ALIGN - 1) / WEFT_WEIGHT_ALIGN * WEFT_WEIGHT_ALIGN;
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

/* A batch-norm by itself keeps float32: its scale is one number a channel. */
static void prepare_norm(struct weft_graph *graph, struct weft_node *node,
                         enum weft_type type)
{
    size_t channels = (size_t)node->in.c;
    weft_graph_take_norm(node, node);
    place(graph, &node->fold.out_w, channels, WEFT_FLOAT32);
    if (type == WEFT_FLOAT32)
        return;
    place(graph, &node->fold.out_bias, channels, WEFT_FLOAT32);
    place(graph, &node->fold.out_mean, channels, WEFT_FLOAT32);
}

void weft_graph_prepare(struct weft_graph *graph, enum weft_type type)
{
    for (int i = 0; i < graph->count; i++) {
        struct weft_node *node = &graph->nodes[i];
        if (node->op == &weft_op_norm && !node->absorbed)
            prepare_norm(graph, node, type);
        if (node->op == &weft_op_norm || !node->weight.count ||
            (!node->fold.channels && type == WEFT_FLOAT32))
            continue;
        node->fold.type = type;
        place(graph, &node->fold.out_w, node->weight.count, type);
        if (node->fold.channels)
            place(graph, &node->fold.out_bias, (size_t)node->fold.channels, WEFT_FLOAT32);
        else if (node->bias.count)
            place(graph, &node->fold.out_bias, node->bias.count, WEFT_FLOAT32);
    }
}

static struct weft_view prepared(const struct weft_roles *roles,
                                 const struct weft_param *param, enum weft_type type)
{
    struct weft_view view = weft_param_view(roles->prepared, param);
    view.type = type;
    return view;
}

void weft_plan_use_prepared(const struct weft_roles *roles, const struct weft_node *node,
                            struct weft_site *site)
{
    const struct weft_fold *f = &node->fold;
    if (!f->out_w.count)
        return;
    if (f->out_bias.count)
        site->bias = prepared(roles, &f->out_bias, WEFT_FLOAT32);
    if (node->op != &weft_op_norm) {
        site->weight = prepared(roles, &f->out_w, f->type);
        return;
    }
    site->scale = prepared(roles, &f->out_w, f->type);
    site->mean = f->out_mean.count ? prepared(roles, &f->out_mean, WEFT_FLOAT32)
                                   : weft_param_view(roles->weights, &node->mean);
}

static enum weft_status record_fold(const struct weft_roles *roles,
                                    const struct weft_node *node, struct weft_list *list)
{
    const struct weft_fold *f = &node->fold;
    struct weft_fold_args args = {
        .rows = (int)(f->out_w.count / (size_t)f->channels),
        .channels = f->channels,
        .epsilon = f->epsilon,
        .weight = weft_param_view(roles->weights, &f->weight),
        .shift = weft_param_view(roles->weights, &f->shift),
        .mean = weft_param_view(roles->weights, &f->mean),
        .variance = weft_param_view(roles->weights, &f->variance),
        .out_w = prepared(roles, &f->out_w, f->type),
    };
    if (node->op != &weft_op_norm) {
        args.w = weft_param_view(roles->weights, &node->weight);
        args.bias = weft_param_view(roles->weights, &node->bias);
        args.out_bias = prepared(roles, &f->out_bias, WEFT_FLOAT32);
    }
    return list->device->backend->fold(list, &args);
}

static enum weft_status record_copy(const struct weft_roles *roles,
                                    const struct weft_param *from,
                                    const struct weft_param *to, enum weft_type type,
                                    struct weft_list *list)
{
    if (!to->count)
        return WEFT_OK;
    return list->device->backend->convert(
        list, &(struct weft_convert_args){.x = weft_param_view(roles->weights, from),
                                          .y = prepared(roles, to, type)});
}

enum weft_status weft_plan_prepare(const struct weft_plan *plan,
                                   const struct weft_roles *roles, struct weft_list *list)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        const struct weft_fold *f = &node->fold;
        if (f->channels)
            WEFT_TRY(record_fold(roles, node, list));
        else
            WEFT_TRY(record_copy(roles, &node->weight, &f->out_w, f->type, list));
        if (!f->channels || node->op == &weft_op_norm)
            WEFT_TRY(record_copy(roles, &node->bias, &f->out_bias, WEFT_FLOAT32, list));
        WEFT_TRY(record_copy(roles, &node->mean, &f->out_mean, WEFT_FLOAT32, list));
    }
    return WEFT_OK;
}
