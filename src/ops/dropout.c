/* SPDX-License-Identifier: Apache-2.0 */
/* dropout RATE: in training each value becomes zero with this probability, and the others
 * are scaled so that the mean stays the same (Srivastava et al. 2014). */
#include "ops/op.h"

static const struct weft_layer_field fields[] = {
    WEFT_WORD("the rate", FLOAT, rate, 0, 0.99),
    WEFT_FIELDS_END,
};

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    (void)ctx;
    node->as.rate = p->rate;
    node->out = node->in[0];
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    (void)node;
    return 0;
}

static enum weft_status apply(struct weft_command_list *list,
                              const struct weft_node *node,
                              const struct weft_node_tensors *tensors, struct weft_view x,
                              struct weft_view y)
{
    struct weft_dropout_args args = {.rate = node->as.rate,
                                     .layer = (unsigned)node->index,
                                     .state = tensors->state,
                                     .x = x,
                                     .y = y};
    return list->primitives->dropout(list, &args);
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    return apply(list, node, tensors, tensors->in[0], tensors->y);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    return tensors->dx[0].mem ? apply(list, node, tensors, tensors->dy, tensors->dx[0])
                              : WEFT_OK;
}

const struct weft_op weft_op_dropout = {
    .name = "dropout",
    .fields = fields,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .training_only = true,
    .keeps_index = true,
};
