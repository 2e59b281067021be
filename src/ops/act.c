/* SPDX-License-Identifier: Apache-2.0 */
/* Activations as layers of their own: relu, sigmoid and so on. */
#include "ops/op.h"

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    (void)ctx;
    (void)p;
    node->out = node->in[0];
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return (double)weft_shape_count(node->out);
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_act_args args = {
        .activation = node->activation, .x = tensors->in[0], .y = tensors->y};
    return list->primitives->act_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    if (!tensors->dx[0].mem)
        return WEFT_OK;
    struct weft_act_args args = {.activation = node->activation,
                                 .x = tensors->in[0],
                                 .y = tensors->y,
                                 .dy = tensors->dy,
                                 .dx = tensors->dx[0]};
    return list->primitives->act_backward(list, &args);
}

const struct weft_op weft_op_act = {
    .name = "act",
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .own_act_grad = true,
    .keeps_index = true,
};
