/* SPDX-License-Identifier: Apache-2.0 */
/* dense UNITS [ACT]: a fully connected layer. */
#include "ops/op.h"

static const struct weft_layer_field fields[] = {
    WEFT_WORD("the number of units", INT, units, 1, 1 << 20),
    WEFT_OPTION_BIAS,
    WEFT_OPTION_INIT,
    WEFT_OPTION_RATE,
    WEFT_OPTION_BIAS_RATE,
    WEFT_OPTION_DECAY,
    WEFT_OPTION_FROZEN,
    WEFT_FIELDS_END,
};

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *in = &node->in[0];
    if (in->h != 1 || in->w != 1)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "dense reads rows, but its input is images of %dx%dx%d: put a "
                         "line \"flatten\" before it",
                         in->h, in->w, in->c);
    node->as.dense = (struct weft_dense){.in = in->c, .out = p->units};
    node->out = (struct weft_shape){1, 1, p->units};
    weft_op_add_weights(node, p, p->units);
    node->params[WEFT_PARAM_WEIGHT].rank = 2;
    node->params[WEFT_PARAM_WEIGHT].extent[1] = in->c;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 2.0 * node->as.dense.in * node->as.dense.out;
}

/* [out][in] to [in][out]. */
static size_t native_index(const struct weft_node *node, const struct weft_param *param,
                           size_t i)
{
    if (param != &node->params[WEFT_PARAM_WEIGHT])
        return i;
    size_t inputs = (size_t)node->as.dense.in, in = i % inputs, out = i / inputs;
    return weft_op_unflatten_index(node, param, in) * (size_t)node->as.dense.out + out;
}

static struct weft_dense_args arguments(const struct weft_node *node,
                                        const struct weft_node_tensors *tensors)
{
    struct weft_dense_args args = {
        .dense = node->as.dense,
        .activation = node->activation,
        .x = tensors->in[0],
        .w = tensors->params[WEFT_PARAM_WEIGHT],
        .bias = tensors->params[WEFT_PARAM_BIAS],
        .y = tensors->y,
        .dy = tensors->dy,
        .dw = tensors->dparams[WEFT_PARAM_WEIGHT],
        .dbias = tensors->dparams[WEFT_PARAM_BIAS],
        .dx = tensors->dx[0],
        .act_grad = tensors->act_grad[0],
    };
    args.dense.n = tensors->n;
    return args;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_dense_args args = arguments(node, tensors);
    return list->primitives->dense_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_dense_args args = arguments(node, tensors);
    if (weft_node_trains_bias_only(node))
        WEFT_TRY(weft_op_bias_gradient(list, tensors));
    else if (weft_node_is_trained(node)) {
        WEFT_TRY(weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE,
                                         WEFT_PHASE_BWD_WEIGHTS));
        WEFT_TRY(list->primitives->dense_backward_weights(list, &args));
    }
    if (!tensors->dx[0].mem)
        return WEFT_OK;
    WEFT_TRY(weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE, WEFT_PHASE_BWD_DATA));
    return list->primitives->dense_backward_data(list, &args);
}

const struct weft_op weft_op_dense = {
    .name = "dense",
    .fields = fields,
    .takes_act = true,
    .shape = shape,
    .flops = flops,
    .saved = weft_op_bias_sums,
    .forward = forward,
    .backward = backward,
    .to_native_index = native_index,
    .fuses_act_grad = 1,
    .half_weights = true,
};
