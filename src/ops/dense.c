/* SPDX-License-Identifier: Apache-2.0 */
/* dense UNITS [ACT]: every input to every output. */
#include "ops/op.h"

static enum weft_status parse(struct weft_line_parser *parser, struct weft_node *node)
{
    WEFT_TRY(weft_line_parser_int(parser, "the number of units", 1, 1 << 20,
                                  &node->as.dense.out));
    WEFT_TRY(weft_op_parse_act(parser, &node->activation));
    return weft_op_parse_weights(parser, node);
}

static enum weft_status shape(struct weft_line_parser *parser, struct weft_node *node)
{
    struct weft_dense *g = &node->as.dense;
    if (node->in[0].h != 1 || node->in[0].w != 1)
        return weft_line_parser_fail(
            parser,
            "dense reads rows, and here come images of %dx%dx%d: "
            "put a line \"flatten\" before it",
            node->in[0].h, node->in[0].w, node->in[0].c);
    g->in = node->in[0].c;
    node->out = (struct weft_shape){1, 1, g->out};
    struct weft_param *weight = &node->params[WEFT_PARAM_WEIGHT];
    weight->rank = 2;
    weight->extent[0] = g->out;
    weight->extent[1] = g->in;
    node->params[WEFT_PARAM_BIAS].extent[0] = g->out;
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
    WEFT_TRY(
        weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE, WEFT_PHASE_BWD_WEIGHTS));
    WEFT_TRY(list->primitives->dense_backward_weights(list, &args));
    if (!tensors->dx[0].mem)
        return WEFT_OK;
    WEFT_TRY(weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE, WEFT_PHASE_BWD_DATA));
    return list->primitives->dense_backward_data(list, &args);
}

const struct weft_op weft_op_dense = {
    .name = "dense",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .to_native_index = native_index,
    .fuses_act_grad = 1,
    .half_weights = true,
};
