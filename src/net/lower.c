/* SPDX-License-Identifier: Apache-2.0 */
/* A plan to launches: forward in the order of the nodes, then the loss, then backward. */
#include "plan.h"

static struct weft_view param_view(struct weft_mem *mem, const struct weft_param *param)
{
    return param->count ? (struct weft_view){mem, param->at, param->count}
                        : (struct weft_view){0};
}

/* The gate through which a gradient passes on its way to the output of `node`: that of an
 * activation fused to a layer. A layer of its own applies its own derivative. */
static struct weft_gate gate_at(const struct weft_plan *plan,
                                const struct weft_roles *roles, int node)
{
    if (node < 0 || plan->graph.nodes[node].op == &weft_op_act ||
        !plan->graph.nodes[node].activation.act)
        return (struct weft_gate){0};
    return (struct weft_gate){plan->graph.nodes[node].activation,
                              weft_plan_node_view(plan, roles, node, SPAN_Y)};
}

static struct weft_site site_at(const struct weft_plan *plan,
                                const struct weft_roles *roles, int index, int source)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    struct weft_site site = {
        .n = plan->batch,
        .x = source < 0 ? weft_plan_step_view(plan, roles, SPAN_X)
                        : weft_plan_node_view(plan, roles, source, SPAN_Y),
        .y = weft_plan_node_view(plan, roles, index, SPAN_Y),
        .argmax = weft_plan_node_view(plan, roles, index, SPAN_ARGMAX),
        .weight = param_view(roles->weights, &node->weight),
        .bias = param_view(roles->weights, &node->bias),
    };
    if (!plan->training)
        return site;
    site.dy = weft_plan_node_view(plan, roles, index, SPAN_DY);
    if (source >= 0)
        site.dx = weft_plan_node_view(plan, roles, source, SPAN_DY);
    site.dweight = param_view(roles->gradients, &node->weight);
    site.dbias = param_view(roles->gradients, &node->bias);
    site.state = (struct weft_view){roles->state, 0, 0};
    return site;
}

enum weft_status weft_plan_forward(const struct weft_plan *plan,
                                   const struct weft_roles *roles, struct weft_list *list)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (weft_node_idle(node, plan->training) || (plan->training && node->op->last))
            continue;
        int source = weft_graph_source(&plan->graph, i, plan->training);
        struct weft_site site = site_at(plan, roles, i, source);
        WEFT_TRY(node->op->forward(list, node, &site));
    }
    return WEFT_OK;
}

/* Applies a gate that the launch before could not. */
static enum weft_status apply_gate(struct weft_list *list, const struct weft_gate *gate,
                                   struct weft_view gradient)
{
    if (!gate->activation.act || !gradient.mem)
        return WEFT_OK;
    struct weft_act_args args = {.activation = gate->activation,
                                 .y = gate->output,
                                 .dy = gradient,
                                 .dx = gradient};
    return list->device->backend->act_backward(list, &args);
}

static enum weft_status lower_loss(const struct weft_plan *plan,
                                   const struct weft_roles *roles, struct weft_list *list)
{
    int logits = weft_graph_source(&plan->graph, plan->graph.count - 1, true);
    struct weft_loss_args args = {
        .n = plan->batch,
        .classes = plan->graph.nodes[plan->graph.count - 1].in.c,
        .smoothing = plan->smoothing,
        .logits = weft_plan_node_view(plan, roles, logits, SPAN_Y),
        .labels = weft_plan_step_view(plan, roles, SPAN_LABELS),
        .dlogits = weft_plan_node_view(plan, roles, logits, SPAN_DY),
        .loss = weft_plan_step_view(plan, roles, SPAN_LOSS),
        .hit = weft_plan_step_view(plan, roles, SPAN_HIT),
    };
    struct weft_gate gate = gate_at(plan, roles, logits);
    WEFT_TRY(list->device->backend->loss(list, &args));
    return apply_gate(list, &gate, args.dlogits);
}

enum weft_status weft_plan_backward(const struct weft_plan *plan,
                                    const struct weft_roles *roles,
                                    struct weft_list *list)
{
    WEFT_TRY(lower_loss(plan, roles, list));
    for (int i = plan->graph.count - 1; i >= 0; i--) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (weft_node_idle(node, true) || node->op->last || !weft_plan_learns(plan, i))
            continue;
        int source = weft_graph_source(&plan->graph, i, true);
        struct weft_site site = site_at(plan, roles, i, source);
        struct weft_gate gate = gate_at(plan, roles, source);
        if (node->op->gates)
            site.gate = gate;
        WEFT_TRY(node->op->backward(list, node, &site));
        if (!node->op->gates)
            WEFT_TRY(apply_gate(list, &gate, site.dx));
    }
    return WEFT_OK;
}
