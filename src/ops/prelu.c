/* SPDX-License-Identifier: Apache-2.0 */
/* prelu: x where it is positive, else x times a learned slope of the channel (He et al.
 * 2015, arXiv:1502.01852). */
#include "ops/op.h"

static const struct weft_layer_field fields[] = {
    WEFT_OPTION_RATE,
    WEFT_OPTION_DECAY,
    WEFT_OPTION_FROZEN,
    WEFT_FIELDS_END,
};

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    (void)ctx, (void)p;
    node->out = node->in[0];
    weft_op_add_param(node, WEFT_PARAM_WEIGHT, node->in[0].c, 0.25f);
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return (double)weft_shape_count(node->out);
}

static struct weft_prelu_args arguments(const struct weft_node *node,
                                        const struct weft_node_tensors *tensors)
{
    return (struct weft_prelu_args){
        .rows = tensors->n * node->in[0].h * node->in[0].w,
        .channels = node->in[0].c,
        .x = tensors->in[0],
        .slope = tensors->params[WEFT_PARAM_WEIGHT],
        .y = tensors->y,
        .dy = tensors->dy,
        .dx = tensors->dx[0],
        .dslope = tensors->dparams[WEFT_PARAM_WEIGHT],
    };
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_prelu_args args = arguments(node, tensors);
    return list->primitives->prelu_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_prelu_args args = arguments(node, tensors);
    return list->primitives->prelu_backward(list, &args);
}

const struct weft_op weft_op_prelu = {
    .name = "prelu",
    .fields = fields,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .to_native_index = weft_op_unflatten_index,
    .keeps_index = true,
};
