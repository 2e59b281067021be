/* SPDX-License-Identifier: Apache-2.0 */
/* batch-norm [ACT]: each channel to mean 0 and variance 1 over the batch, then scaled and
 * shifted (Ioffe and Szegedy 2015). At inference the running mean and variance take the
 * place of the batch's, and the weight is the prepared scale. */
#include "ops/op.h"

static enum weft_status parse(struct weft_line_parser *parser, struct weft_node *node)
{
    struct weft_batch_norm_params *g = &node->as.batch_norm;
    g->momentum = 0.1f;
    g->epsilon = 1e-5f;
    WEFT_TRY(weft_op_parse_act(parser, &node->activation));
    WEFT_TRY(weft_line_parser_option_float(parser, "momentum", 0.0f, 1.0f, &g->momentum));
    return weft_line_parser_option_float(parser, "epsilon", 1e-12f, 1.0f, &g->epsilon);
}

static enum weft_status shape(struct weft_line_parser *parser, struct weft_node *node)
{
    static const float values[WEFT_MAX_PARAMS] = {
        [WEFT_PARAM_WEIGHT] = 1, [WEFT_PARAM_RUNNING_VARIANCE] = 1};
    (void)parser;
    node->out = node->in[0];
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        node->params[role] = (struct weft_param){.init = WEFT_INIT_CONSTANT,
                                                 .value = values[role],
                                                 .rank = 1,
                                                 .extent = {node->in[0].c}};
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 2.0 * (double)weft_shape_count(node->out);
}

/* Mean, inverse and scale, each aligned. */
static size_t saved_stride(const struct weft_node *node)
{
    const size_t step = WEFT_ALIGN / sizeof(float);
    return ((size_t)node->in[0].c + step - 1) / step * step;
}

static size_t saved(const struct weft_node *node, int n)
{
    (void)n;
    return 3 * saved_stride(node);
}

static struct weft_view saved_at(const struct weft_node *node,
                                 const struct weft_node_tensors *tensors, size_t which)
{
    struct weft_view view = tensors->saved;
    view.offset += which * saved_stride(node);
    view.count = (size_t)node->in[0].c;
    return view;
}

static struct weft_batch_norm_args arguments(const struct weft_node *node,
                                             const struct weft_node_tensors *tensors)
{
    struct weft_batch_norm_args args = {
        .rows = tensors->n * node->in[0].h * node->in[0].w,
        .channels = node->in[0].c,
        .momentum = node->as.batch_norm.momentum,
        .epsilon = node->as.batch_norm.epsilon,
        .activation = node->activation,
        .x = tensors->in[0],
        .bias = tensors->params[WEFT_PARAM_BIAS],
        .y = tensors->y,
    };
    if (!tensors->training) {
        args.mean = tensors->params[WEFT_PARAM_RUNNING_MEAN];
        args.scale = tensors->params[WEFT_PARAM_WEIGHT];
        return args;
    }
    args.weight = tensors->params[WEFT_PARAM_WEIGHT];
    args.running_mean = tensors->params[WEFT_PARAM_RUNNING_MEAN];
    args.running_variance = tensors->params[WEFT_PARAM_RUNNING_VARIANCE];
    args.mean = saved_at(node, tensors, 0);
    args.inverse = saved_at(node, tensors, 1);
    args.scale = saved_at(node, tensors, 2);
    args.dy = tensors->dy;
    args.dx = tensors->dx[0];
    args.dweight = tensors->dparams[WEFT_PARAM_WEIGHT];
    args.dbias = tensors->dparams[WEFT_PARAM_BIAS];
    return args;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_batch_norm_args args = arguments(node, tensors);
    if (!tensors->training)
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
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .to_native_index = weft_op_unflatten_index,
    .own_act_grad = true,
    .elementwise = true,
    .folds = true,
};
