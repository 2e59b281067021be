/* SPDX-License-Identifier: Apache-2.0 */
/* layer-norm [ACT]: the channels of each position to mean 0 and variance 1, then scaled
 * and shifted (Ba, Kiros and Hinton 2016, arXiv:1607.06450). */
#include "ops/op.h"

static const struct weft_layer_field fields[] = {
    WEFT_OPTION("epsilon", FLOAT, epsilon, 1e-12, 1, 1e-5f),
    WEFT_OPTION_RATE,
    WEFT_OPTION_BIAS_RATE,
    WEFT_OPTION_DECAY,
    WEFT_OPTION_FROZEN,
    WEFT_FIELDS_END,
};

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    (void)ctx;
    node->as.epsilon = p->epsilon;
    node->out = node->in[0];
    weft_op_add_param(node, WEFT_PARAM_WEIGHT, node->in[0].c, 1);
    weft_op_add_param(node, WEFT_PARAM_BIAS, node->in[0].c, 0);
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 7.0 * (double)weft_shape_count(node->out);
}

/* Mean and inverse standard deviation of each position, each aligned. */
static size_t saved_stride(const struct weft_node *node, int n)
{
    const size_t step = WEFT_ALIGN / sizeof(float);
    size_t rows = (size_t)n * (size_t)node->in[0].h * (size_t)node->in[0].w;
    return (rows + step - 1) / step * step;
}

static size_t saved(const struct weft_node *node, int n)
{
    return 2 * saved_stride(node, n);
}

static struct weft_layer_norm_args arguments(const struct weft_node *node,
                                             const struct weft_node_tensors *tensors)
{
    struct weft_layer_norm_args args = {
        .rows = tensors->n * node->in[0].h * node->in[0].w,
        .channels = node->in[0].c,
        .epsilon = node->as.epsilon,
        .activation = node->activation,
        .x = tensors->in[0],
        .weight = tensors->params[WEFT_PARAM_WEIGHT],
        .bias = tensors->params[WEFT_PARAM_BIAS],
        .y = tensors->y,
        .dy = tensors->dy,
        .dx = tensors->dx[0],
        .dweight = tensors->dparams[WEFT_PARAM_WEIGHT],
        .dbias = tensors->dparams[WEFT_PARAM_BIAS],
    };
    if (tensors->training) {
        args.mean = args.inverse = tensors->saved;
        args.inverse.offset += saved_stride(node, tensors->n);
        args.mean.count = args.inverse.count = (size_t)args.rows;
    }
    return args;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_layer_norm_args args = arguments(node, tensors);
    return list->primitives->layer_norm_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_layer_norm_args args = arguments(node, tensors);
    return list->primitives->layer_norm_backward(list, &args);
}

const struct weft_op weft_op_layer_norm = {
    .name = "layer-norm",
    .fields = fields,
    .shape = shape,
    .flops = flops,
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .to_native_index = weft_op_unflatten_index,
    .takes_act = true,
    .own_act_grad = true,
    .keeps_index = true,
};
