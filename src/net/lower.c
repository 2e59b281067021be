/* SPDX-License-Identifier: Apache-2.0 */
/* A plan to launches: forward in the order of the nodes, then the loss, then backward. */
#include "net/plan.h"

struct weft_view weft_param_view(struct weft_mem *mem, const struct weft_param *param)
{
    struct weft_view view = {.mem = mem, .offset = param->at, .count = param->count};
    return param->count ? view : (struct weft_view){0};
}

/* The gate through which a gradient passes on its way to the output of `node`: that of an
 * activation fused to a layer. */
static struct weft_act_grad act_grad_of(const struct weft_plan *plan,
                                        const struct weft_buffers *buffers, int node)
{
    if (node < 0 || !weft_node_has_act_grad(&plan->graph.nodes[node]))
        return (struct weft_act_grad){0};
    return (struct weft_act_grad){plan->graph.nodes[node].activation,
                                  weft_plan_node_view(plan, buffers, node, TENSOR_Y)};
}

/* What a node reads as its input number `which`. */
static struct weft_view input_at(const struct weft_plan *plan,
                                 const struct weft_buffers *buffers, int index, int which)
{
    if (which >= weft_node_inputs(&plan->graph.nodes[index]))
        return (struct weft_view){0};
    int source = weft_graph_producer(&plan->graph, index, which, plan->training);
    return source < 0 ? weft_plan_step_view(plan, buffers, TENSOR_X)
                      : weft_plan_node_view(plan, buffers, source, TENSOR_Y);
}

/* Number `which` of the statistics that a batch-norm keeps for its way back. */
static struct weft_view statistic_at(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers, int index,
                                     size_t which)
{
    struct weft_view all = weft_plan_node_view(plan, buffers, index, TENSOR_STATISTICS);
    size_t count = (size_t)plan->graph.nodes[index].in.c;
    size_t step = (count + WEFT_WEIGHT_ALIGN - 1) / WEFT_WEIGHT_ALIGN * WEFT_WEIGHT_ALIGN;
    if (!all.mem)
        return all;
    all.offset += which * step;
    all.count = count;
    return all;
}

static struct weft_node_tensors node_tensors_of(const struct weft_plan *plan,
                                                const struct weft_buffers *buffers,
                                                int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    struct weft_node_tensors tensors = {
        .n = plan->batch,
        .x = input_at(plan, buffers, index, 0),
        .other = input_at(plan, buffers, index, 1),
        .y = weft_plan_node_view(plan, buffers, index, TENSOR_Y),
        .argmax = weft_plan_node_view(plan, buffers, index, TENSOR_ARGMAX),
        .weight = weft_param_view(buffers->weights, &node->weight),
        .bias = weft_param_view(buffers->weights, &node->bias),
    };
    if (!plan->training) {
        weft_plan_use_prepared(buffers, node, &tensors);
        return tensors;
    }
    const struct weft_grad_plan *grad_plan = &plan->grad_plans[index];
    tensors.dy = weft_plan_ref_view(
        plan, buffers, (struct weft_tensor_ref){grad_plan->gradient, TENSOR_DY});
    tensors.dx = weft_plan_ref_view(plan, buffers, grad_plan->terms[0].src);
    tensors.dweight = weft_param_view(buffers->gradients, &node->weight);
    tensors.dbias = weft_param_view(buffers->gradients, &node->bias);
    tensors.running_mean = weft_param_view(buffers->weights, &node->mean);
    tensors.running_variance = weft_param_view(buffers->weights, &node->variance);
    tensors.mean = statistic_at(plan, buffers, index, 0);
    tensors.inverse = statistic_at(plan, buffers, index, 1);
    tensors.scale = statistic_at(plan, buffers, index, 2);
    tensors.state = (struct weft_view){.mem = buffers->state};
    return tensors;
}

enum weft_status weft_plan_forward(const struct weft_plan *plan,
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

/* Adds a term of a gradient to those before it; the last passes the gate, unless the
 * launch that wrote it has seen to that. */
static enum weft_status accumulate_term(const struct weft_plan *plan,
                                        const struct weft_buffers *buffers,
                                        const struct weft_grad_term *term,
                                        bool has_act_grad, struct weft_command_list *list)
{
    struct weft_act_grad act_grad = {0};
    if (term->is_last && !has_act_grad)
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
        .classes = plan->graph.nodes[last].in.c,
        .label_smoothing = plan->label_smoothing,
        .loss_scale_log2 = plan->loss_scale_log2,
        .logits = input_at(plan, buffers, last, 0),
        .labels = weft_plan_step_view(plan, buffers, TENSOR_LABELS),
        .dlogits = weft_plan_ref_view(plan, buffers, term->src),
        .loss = weft_plan_step_view(plan, buffers, TENSOR_LOSS),
        .correct = weft_plan_step_view(plan, buffers, TENSOR_CORRECT),
    };
    WEFT_TRY(weft_list_begin_segment(list, plan->graph.count - 1, WEFT_PHASE_LOSS));
    WEFT_TRY(list->primitives->loss(list, &args));
    return accumulate_term(plan, buffers, term, false, list);
}

/* An op that can gates the only term of a gradient itself. */
static enum weft_status lower_node(const struct weft_plan *plan,
                                   const struct weft_buffers *buffers, int index,
                                   struct weft_command_list *list)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    const struct weft_grad_term *terms = plan->grad_plans[index].terms;
    bool fuses_act_grad =
        node->op->fuses_act_grad && terms[0].is_last && terms[0].acc.node < 0;
    WEFT_TRY(weft_list_begin_segment(list, index, WEFT_PHASE_BWD));
    if (node->op->backward) {
        struct weft_node_tensors tensors = node_tensors_of(plan, buffers, index);
        if (fuses_act_grad)
            tensors.act_grad = act_grad_of(plan, buffers, terms[0].to);
        WEFT_TRY(node->op->backward(list, node, &tensors));
    }
    for (int k = 0; k < WEFT_MAX_INPUTS; k++)
        if (terms[k].to != WEFT_NO_NODE)
            WEFT_TRY(accumulate_term(plan, buffers, &terms[k], fuses_act_grad, list));
    return WEFT_OK;
}

enum weft_status weft_plan_backward(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_command_list *list)
{
    WEFT_TRY(lower_loss(plan, buffers, list));
    for (int i = plan->graph.count - 1; i >= 0; i--) {
        const struct weft_node *node = &plan->graph.nodes[i];
        if (!weft_node_is_noop(node, true) && !node->op->is_loss &&
            plan->grad_plans[i].needs_grad)
            WEFT_TRY(lower_node(plan, buffers, i, list));
    }
    return WEFT_OK;
}
