/* SPDX-License-Identifier: Apache-2.0 */
/* batch-norm [ACT]: each channel to mean 0 and variance 1 over the batch, then scaled and
 * shifted (Ioffe and Szegedy 2015). At inference the running mean and variance stand in
 * for the batch's. */
#include "ops/op.h"

static enum weft_status parse(struct weft_line_parser *parser, struct weft_node *node)
{
    struct weft_batch_norm_params *g = &node->as.batch_norm;
    g->momentum = 0.1f;
    g->epsilon = 1e-5f;
    node->init = WEFT_INIT_ONES;
    WEFT_TRY(weft_op_parse_act(parser, &node->activation));
    WEFT_TRY(weft_line_parser_option_float(parser, "momentum", 0.0f, 1.0f, &g->momentum));
    return weft_line_parser_option_float(parser, "epsilon", 1e-12f, 1.0f, &g->epsilon);
}

static enum weft_status shape(struct weft_line_parser *parser, struct weft_node *node)
{
    struct weft_param *const params[] = {&node->weight, &node->bias, &node->mean,
                                         &node->variance};
    (void)parser;
    node->out = node->in;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(params); i++) {
        params[i]->rank = 1;
        params[i]->extent[0] = node->in.c;
    }
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 2.0 * (double)weft_shape_count(node->out);
}

static struct weft_batch_norm_args arguments(const struct weft_node *node,
                                             const struct weft_node_tensors *tensors)
{
    return (struct weft_batch_norm_args){
        .rows = tensors->n * node->in.h * node->in.w,
        .channels = node->in.c,
        .momentum = node->as.batch_norm.momentum,
        .epsilon = node->as.batch_norm.epsilon,
        .activation = node->activation,
        .x = tensors->x,
        .weight = tensors->weight,
        .bias = tensors->bias,
        .running_mean = tensors->running_mean,
        .running_variance = tensors->running_variance,
        .mean = tensors->mean,
        .inverse = tensors->inverse,
        .scale = tensors->scale,
        .y = tensors->y,
        .dy = tensors->dy,
        .dx = tensors->dx,
        .dweight = tensors->dweight,
        .dbias = tensors->dbias,
    };
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_batch_norm_args args = arguments(node, tensors);
    if (!args.inverse.mem)
        return list->primitives->batch_norm_inference(list, &args);
    if (args.rows < 2)
        return weft_fail(
            list->device->context, WEFT_ERR_ARG,
            "%s: a batch of 1 has one value a channel here, which is its own "
            "mean: train with a larger batch",
            node->name);
    return list->primitives->batch_norm_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_batch_norm_args args = arguments(node, tensors);
    return list->primitives->batch_norm_backward(list, &args);
}

const struct weft_op weft_op_batch_norm = {
    .name = "batch-norm",
    .name_prefix = "norm",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .to_native_index = weft_op_unflatten_index,
    .own_act_grad = true,
    .elementwise = true,
};
