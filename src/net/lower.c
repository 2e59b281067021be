/* SPDX-License-Identifier: Apache-2.0 */
/* A plan to launches: forward in the order of the nodes, then the loss, then backward. */
#include "plan.h"

struct weft_view weft_param_view(struct weft_mem *mem, const struct weft_param *param)
{
    struct weft_view view = {.mem = mem, .offset = param->at, .count = param->count};
    return param->count ? view : (struct weft_view){0};
}

/* The gate through which a gradient passes on its way to the output of `node`: that of an
 * activation fused to a layer. */
static struct weft_gate gate_at(const struct weft_plan *plan,
                                const struct weft_roles *roles, int node)
{
    if (node < 0 || !weft_node_gated(&plan->graph.nodes[node]))
        return (struct weft_gate){0};
    return (struct weft_gate){plan->graph.nodes[node].activation,
                              weft_plan_node_view(plan, roles, node, SPAN_Y)};
}

/* What a node reads as its input number `which`. */
static struct weft_view input_at(const struct weft_plan *plan,
                                 const struct weft_roles *roles, int index, int which)
{
    if (which >= weft_node_inputs(&plan->graph.nodes[index]))
        return (struct weft_view){0};
    int source = weft_graph_source(&plan->graph, index, which, plan->training);
    return source < 0 ? weft_plan_step_view(plan, roles, SPAN_X)
                      : weft_plan_node_view(plan, roles, source, SPAN_Y);
}

/* Number `which` of the statistics that a batch-norm keeps for its way back. */
static struct weft_view statistic_at(const struct weft_plan *plan,
                                     const struct weft_roles *roles, int index,
                                     size_t which)
{
    struct weft_view all = weft_plan_node_view(plan, roles, index, SPAN_STATISTICS);
    size_t count = (size_t)plan->graph.nodes[index].in.c;
    size_t step = (count + WEFT_WEIGHT_ALIGN - 1) / WEFT_WEIGHT_ALIGN * WEFT_WEIGHT_ALIGN;
    if (!all.mem)
        return all;
    all.offset += which * step;
    all.count = count;
    return all;
}

static struct weft_site site_at(const struct weft_plan *plan,
                                const struct weft_roles *roles, int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    struct weft_site site = {
        .n = plan->batch,
        .x = input_at(plan, roles, index, 0),
        .other = input_at(plan, roles, index, 1),
        .y = weft_plan_node_view(plan, roles, index, SPAN_Y),
        .argmax = weft_plan_node_view(plan, roles, index, SPAN_ARGMAX),
        .weight = weft_param_view(roles->weights, &node->weight),
        .bias = weft_param_view(roles->weights, &node->bias),
    };
    if (!plan->training) {
        weft_plan_use_prepared(roles, node, &site);
        return site;
    }
    const struct weft_flow *flow = &plan->flows[index];
    site.dy =
        weft_plan_place_view(plan, roles, (struct weft_place){flow->gradient, SPAN_DY});
    site.dx = weft_plan_place_view(plan, roles, flow->parts[0].at);
    site.dweight = weft_param_view(roles->gradients, &node->weight);
    site.dbias = weft_param_view(roles->gradients, &node->bias);
    site.running_mean = weft_param_view(roles->weights, &node->mean);
    site.running_variance = weft_param_view(roles->weights, &node->variance);
    site.mean = statistic_at(plan, roles, index, 0);
    site.inverse = statistic_at(plan, roles, index, 1);
    site.scale = statistic_at(plan, roles, index, 2);
    site.state = (struct weft_view){.mem = roles->state};
    return site;
}

enum weft_status weft_plan_forward(const struct weft_plan *plan,
                                   const struct weft_roles *roles, struct weft_list *list)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (weft_node_idle(node, plan->training) || (plan->training && node->op->last))
            continue;
        struct weft_site site = site_at(plan, roles, i);
        WEFT_TRY(weft_list_mark(list, i, WEFT_PHASE_FORWARD));
        WEFT_TRY(node->op->forward(list, node, &site));
    }
    return WEFT_OK;
}

/* Adds a part of a gradient to those before it; the last passes the gate, unless the
 * launch that wrote it has seen to that. */
static enum weft_status join_part(const struct weft_plan *plan,
                                  const struct weft_roles *roles,
                                  const struct weft_part *part, bool gated,
                                  struct weft_list *list)
{
    const struct weft_backend *backend = list->device->backend;
    struct weft_gate gate = {0};
    if (part->whole && !gated)
        gate = gate_at(plan, roles, part->to);
    struct weft_view at = weft_plan_place_view(plan, roles, part->at);
    struct weft_view into = weft_plan_place_view(plan, roles, part->into);
    if (part->before.node != WEFT_NO_NODE)
        return backend->add(list, &(struct weft_add_args){.gate = gate,
                                                          .x = weft_plan_place_view(
                                                              plan, roles, part->before),
                                                          .other = at,
                                                          .y = into});
    if (!gate.activation.act)
        return WEFT_OK;
    return backend->act_backward(
        list, &(struct weft_act_args){
                  .activation = gate.activation, .y = gate.output, .dy = at, .dx = into});
}

static enum weft_status lower_loss(const struct weft_plan *plan,
                                   const struct weft_roles *roles, struct weft_list *list)
{
    int last = plan->graph.count - 1;
    const struct weft_part *part = &plan->flows[last].parts[0];
    struct weft_loss_args args = {
        .n = plan->batch,
        .classes = plan->graph.nodes[last].in.c,
        .smoothing = plan->smoothing,
        .exponent = plan->exponent,
        .logits = input_at(plan, roles, last, 0),
        .labels = weft_plan_step_view(plan, roles, SPAN_LABELS),
        .dlogits = weft_plan_place_view(plan, roles, part->at),
        .loss = weft_plan_step_view(plan, roles, SPAN_LOSS),
        .hit = weft_plan_step_view(plan, roles, SPAN_HIT),
    };
    WEFT_TRY(weft_list_mark(list, plan->graph.count - 1, WEFT_PHASE_LOSS));
    WEFT_TRY(list->device->backend->loss(list, &args));
    return join_part(plan, roles, part, false, list);
}

/* An op that can gates the only part of a gradient itself. */
static enum weft_status lower_node(const struct weft_plan *plan,
                                   const struct weft_roles *roles, int index,
                                   struct weft_list *list)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    const struct weft_part *parts = plan->flows[index].parts;
    bool gates = node->op->gates && parts[0].whole && parts[0].before.node < 0;
    WEFT_TRY(weft_list_mark(list, index, WEFT_PHASE_BACKWARD));
    if (node->op->backward) {
        struct weft_site site = site_at(plan, roles, index);
        if (gates)
            site.gate = gate_at(plan, roles, parts[0].to);
        WEFT_TRY(node->op->backward(list, node, &site));
    }
    for (int k = 0; k < WEFT_MAX_INPUTS; k++)
        if (parts[k].to != WEFT_NO_NODE)
            WEFT_TRY(join_part(plan, roles, &parts[k], gates, list));
    return WEFT_OK;
}

enum weft_status weft_plan_backward(const struct weft_plan *plan,
                                    const struct weft_roles *roles,
                                    struct weft_list *list)
{
    WEFT_TRY(lower_loss(plan, roles, list));
    for (int i = plan->graph.count - 1; i >= 0; i--) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (!weft_node_idle(node, true) && !node->op->last && plan->flows[i].learns)
            WEFT_TRY(lower_node(plan, roles, i, list));
    }
    return WEFT_OK;
}
