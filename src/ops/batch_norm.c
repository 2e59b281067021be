/* SPDX-License-Identifier: Apache-2.0 */
/* batch-norm [ACT]: each channel to mean 0 and variance 1 over the batch, then scaled and
 * shifted (Ioffe and Szegedy 2015). At inference the running mean and variance take the
 * place of the batch's, and the weight is the prepared scale. A frozen one does the same
 * in training, and its statistics stay as they are. */
#include "ops/op.h"

static const struct weft_layer_field fields[] = {
    WEFT_OPTION("momentum", FLOAT, momentum, 1e-6, 1, 0.1f),
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
    int channels = node->in[0].c;
    (void)ctx;
    node->as.batch_norm = (struct weft_batch_norm_params){p->momentum, p->epsilon};
    node->out = node->in[0];
    weft_op_add_param(node, WEFT_PARAM_WEIGHT, channels, 1);
    weft_op_add_param(node, WEFT_PARAM_BIAS, channels, 0);
    weft_op_add_param(node, WEFT_PARAM_RUNNING_MEAN, channels, 0);
    weft_op_add_param(node, WEFT_PARAM_RUNNING_VARIANCE, channels, 1);
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

/* The scale is made of the running variance in each step: it may have been loaded. */
static enum weft_status frozen_forward(struct weft_command_list *list,
                                       struct weft_batch_norm_args args)
{
    const struct weft_fold_batch_norm_args fold = {
        .rows = 1,
        .channels = args.channels,
        .epsilon = args.epsilon,
        .weight = args.weight,
        .shift = args.bias,
        .mean = args.running_mean,
        .variance = args.running_variance,
        .out_w = args.scale,
    };
    WEFT_TRY(list->primitives->fold_batch_norm(list, &fold));
    args.mean = args.running_mean;
    return list->primitives->batch_norm_inference(list, &args);
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_batch_norm_args args = arguments(node, tensors);
    if (tensors->training && !weft_node_is_trained(node))
        return frozen_forward(list, args);
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
    if (weft_node_is_trained(node))
        return list->primitives->batch_norm_backward(list, &args);
    const struct weft_scale_args scale = {
        .n = 1,
        .positions = args.rows,
        .channels = args.channels,
        .act_grad = {args.activation,
                     args.activation.act ? tensors->y : (struct weft_view){0}},
        .x = args.dy,
        .scale = args.scale,
        .y = args.dx,
    };
    return args.dx.mem ? list->primitives->scale(list, &scale) : WEFT_OK;
}

const struct weft_op weft_op_batch_norm = {
    .name = "batch-norm",
    .name_prefix = "norm",
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
    .folds = true,
};
