/* SPDX-License-Identifier: Apache-2.0 */
/* The terms of all gradients of a graph. */
#include "net/grad_accum.h"

static const struct weft_tensor_ref no_tensor = {WEFT_NO_NODE, TENSOR_DY};

bool weft_node_has_act_grad(const struct weft_node *node)
{
    return !node->op->own_act_grad && node->activation.act;
}

/* The producer of input `which` of node `index`, if its gradient is needed. */
static int target(const struct weft_graph *graph, const struct weft_grad_plan *grad_plans,
                  int index, int which)
{
    const struct weft_node *node = &graph->nodes[index];
    if (which >= node->input_count || weft_node_is_noop(node, true))
        return WEFT_NO_NODE;
    int source = weft_graph_producer(graph, index, which, true);
    return source >= 0 && grad_plans[source].needs_grad ? source : WEFT_NO_NODE;
}

/* The term of input `which`, after those of all later nodes and earlier inputs. */
static struct weft_grad_term next_term(const struct weft_graph *graph,
                                       struct weft_grad_plan *grad_plans, int index,
                                       int which, int to)
{
    const struct weft_op *op = graph->nodes[index].op;
    struct weft_grad_plan *grad_plan = &grad_plans[to];
    struct weft_grad_term term = {.to = to, .acc = {grad_plan->gradient, TENSOR_DY}};
    bool written = op->backward || op->is_loss;
    bool first = grad_plan->gradient == WEFT_NO_NODE;
    term.src = !written ? (struct weft_tensor_ref){grad_plans[index].gradient, TENSOR_DY}
               : grad_plan->gradient == to
                   ? (struct weft_tensor_ref){index, TENSOR_GRAD_TERM + which}
                   : (struct weft_tensor_ref){to, TENSOR_DY};
    term.is_last = --grad_plan->pending == 0;
    term.fuses_act_grad =
        op->backward && op->fuses_act_grad >> which & 1 && first && term.is_last;
    bool moves = !first || (term.is_last && weft_node_has_act_grad(&graph->nodes[to]));
    term.dst = moves ? (struct weft_tensor_ref){to, TENSOR_DY} : term.src;
    grad_plan->gradient = term.dst.node;
    return term;
}

void weft_grad_plans_build(const struct weft_graph *graph, bool all,
                           struct weft_grad_plan *grad_plans)
{
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *node = &graph->nodes[i];
        grad_plans[i] = (struct weft_grad_plan){
            .needs_grad = all || weft_node_is_trained(node), .gradient = WEFT_NO_NODE};
        for (int k = 0; k < node->input_count; k++)
            if (node->inputs[k] >= 0 && grad_plans[node->inputs[k]].needs_grad)
                grad_plans[i].needs_grad = true;
    }
    for (int i = 0; i < graph->count; i++)
        for (int k = 0; k < WEFT_MAX_INPUTS; k++) {
            int to = target(graph, grad_plans, i, k);
            if (to != WEFT_NO_NODE)
                grad_plans[to].pending++;
        }
    for (int i = graph->count - 1; i >= 0; i--)
        for (int k = 0; k < WEFT_MAX_INPUTS; k++) {
            int to = target(graph, grad_plans, i, k);
            grad_plans[i].terms[k] =
                to == WEFT_NO_NODE
                    ? (struct weft_grad_term){to,        no_tensor, no_tensor,
                                              no_tensor, false,     false}
                    : next_term(graph, grad_plans, i, k, to);
        }
}
