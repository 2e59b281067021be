/* SPDX-License-Identifier: Apache-2.0 */
/* A plan to launches: forward in the order of the nodes, then the loss, then backward. */
#include "net/lower.h"

/* The derivative of an activation fused into `node`, which its gradient is multiplied by.
 */
static struct weft_act_grad act_grad_of(const struct weft_plan *plan,
                                        const struct weft_buffers *buffers, int node)
{
    if (node < 0 || !weft_node_has_act_grad(&plan->graph.nodes[node]))
        return (struct weft_act_grad){0};
    return (struct weft_act_grad){plan->graph.nodes[node].activation,
                                  weft_plan_node_view(plan, buffers, node, TENSOR_Y)};
}

static struct weft_view input_at(const struct weft_plan *plan,
                                 const struct weft_buffers *buffers, int index, int which)
{
    int source = weft_graph_producer(&plan->graph, index, which, plan->training);
    return source < 0 ? weft_plan_step_view(plan, buffers, TENSOR_X)
                      : weft_plan_node_view(plan, buffers, source, TENSOR_Y);
}

/* The views of the backward pass. */
static void add_gradients(const struct weft_plan *plan,
                          const struct weft_buffers *buffers, int index,
                          struct weft_node_tensors *tensors)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    const struct weft_grad_plan *grad_plan = &plan->grad_plans[index];
    tensors->dy = weft_plan_ref_view(
        plan, buffers, (struct weft_tensor_ref){grad_plan->gradient, TENSOR_DY});
    for (int k = 0; k < node->input_count; k++) {
        const struct weft_grad_term *term = &grad_plan->terms[k];
        tensors->dx[k] = weft_plan_ref_view(plan, buffers, term->src);
        if (term->fuses_act_grad)
            tensors->act_grad[k] = act_grad_of(plan, buffers, term->to);
    }
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        if (weft_param_roles[role].trained)
            tensors->dparams[role] =
                weft_param_view(buffers->gradients, &node->params[role]);
}

static struct weft_node_tensors node_tensors_of(const struct weft_plan *plan,
                                                const struct weft_buffers *buffers,
                                                int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    struct weft_node_tensors tensors = {
        .n = plan->batch,
        .training = plan->training,
        .y = weft_plan_node_view(plan, buffers, index, TENSOR_Y),
        .argmax = weft_plan_node_view(plan, buffers, index, TENSOR_ARGMAX),
        .saved = weft_plan_node_view(plan, buffers, index, TENSOR_SAVED),
        .state = {.mem = buffers->state},
    };
    for (int k = 0; k < node->input_count; k++)
        tensors.in[k] = input_at(plan, buffers, index, k);
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        tensors.params[role] = weft_param_view(buffers->weights, &node->params[role]);
    if (plan->training)
        add_gradients(plan, buffers, index, &tensors);
    else
        weft_prepared_bind(&plan->prepared[index], buffers->prepared, &tensors);
    return tensors;
}

enum weft_status weft_lower_forward(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_command_list *list)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (weft_node_is_noop(node, plan->training) ||
            (plan->training && node->op->is_loss))
            continue;
        struct weft_node_tensors tensors = node_tensors_of(plan, buffers, i);
        WEFT_TRY(weft_list_begin_segment(list, i, WEFT_PHASE_FWD));
        WEFT_TRY(node->op->forward(list, node, &tensors));
    }
    return WEFT_OK;
}

/* Adds a term of a gradient to earlier ones, and applies the derivative of a fused
 * activation to the sum, unless the launch that wrote the term has. */
static enum weft_status accumulate_term(const struct weft_plan *plan,
                                        const struct weft_buffers *buffers,
                                        const struct weft_grad_term *term,
                                        struct weft_command_list *list)
{
    struct weft_act_grad act_grad = {0};
    if (term->is_last && !term->fuses_act_grad)
        act_grad = act_grad_of(plan, buffers, term->to);
    struct weft_view src = weft_plan_ref_view(plan, buffers, term->src);
    struct weft_view dst = weft_plan_ref_view(plan, buffers, term->dst);
    if (term->acc.node != WEFT_NO_NODE)
        return list->primitives->add(
            list,
            &(struct weft_add_args){.act_grad = act_grad,
                                    .x = weft_plan_ref_view(plan, buffers, term->acc),
                                    .other = src,
                                    .y = dst});
    if (!act_grad.activation.act)
        return WEFT_OK;
    return list->primitives->act_backward(
        list, &(struct weft_act_args){.activation = act_grad.activation,
                                      .y = act_grad.output,
                                      .dy = src,
                                      .dx = dst});
}

static enum weft_status lower_loss(const struct weft_plan *plan,
                                   const struct weft_buffers *buffers,
                                   struct weft_command_list *list)
{
    int last = plan->graph.count - 1;
    const struct weft_grad_term *term = &plan->grad_plans[last].terms[0];
    struct weft_loss_args args = {
        .n = plan->batch,
        .global_batch = plan->batch * plan->parts,
        .classes = plan->graph.nodes[last].in[0].c,
        .label_smoothing = plan->label_smoothing,
        .loss_scale_log2 = plan->loss_scale_log2,
        .logits = input_at(plan, buffers, last, 0),
        .labels = weft_plan_step_view(plan, buffers, TENSOR_LABELS),
        .partner_labels = weft_plan_partner_labels(plan, buffers),
        .shares = weft_plan_shares(plan, buffers),
        .dlogits = weft_plan_ref_view(plan, buffers, term->src),
        .loss = weft_plan_step_view(plan, buffers, TENSOR_LOSS),
        .correct = weft_plan_step_view(plan, buffers, TENSOR_CORRECT),
    };
    if (buffers->class_weights)
        args.class_weights =
            (struct weft_view){buffers->class_weights, 0, (size_t)args.classes};
    WEFT_TRY(weft_list_begin_segment(list, plan->graph.count - 1, WEFT_PHASE_LOSS));
    WEFT_TRY(list->primitives->loss(list, &args));
    return accumulate_term(plan, buffers, term, list);
}

static enum weft_status lower_node(const struct weft_plan *plan,
                                   const struct weft_buffers *buffers, int index,
                                   struct weft_command_list *list)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    const struct weft_grad_term *terms = plan->grad_plans[index].terms;
    WEFT_TRY(weft_list_begin_segment(list, index, WEFT_PHASE_BWD));
    if (node->op->backward) {
        struct weft_node_tensors tensors = node_tensors_of(plan, buffers, index);
        WEFT_TRY(node->op->backward(list, node, &tensors));
    }
    for (int k = 0; k < node->input_count; k++)
        if (terms[k].to != WEFT_NO_NODE)
            WEFT_TRY(accumulate_term(plan, buffers, &terms[k], list));
    return WEFT_OK;
}

enum weft_status weft_lower_backward(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers,
                                     struct weft_command_list *list)
{
    if (!plan->explains)
        WEFT_TRY(lower_loss(plan, buffers, list));
    for (int i = plan->graph.count - 1; i >= 0; i--) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (!weft_node_is_noop(node, true) && !node->op->is_loss &&
            plan->grad_plans[i].needs_grad)
            WEFT_TRY(lower_node(plan, buffers, i, list));
    }
    return WEFT_OK;
}
