/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: the last layer. In training the loss takes its place. */
#include "ops/op.h"

static enum weft_status parse(struct weft_line_parser *parser, struct weft_node *node)
{
    (void)parser;
    (void)node;
    return WEFT_OK;
}

static enum weft_status shape(struct weft_line_parser *parser, struct weft_node *node)
{
    if (node->in[0].h != 1 || node->in[0].w != 1)
        return weft_line_parser_fail(
            parser,
            "softmax reads rows, and here come images of %dx%dx%d: "
            "put \"flatten\" and \"dense CLASSES\" before it",
            node->in[0].h, node->in[0].w, node->in[0].c);
    node->out = node->in[0];
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 4.0 * node->out.c;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_softmax_args args = {
        .n = tensors->n, .classes = node->in[0].c, .x = tensors->in[0], .y = tensors->y};
    return list->primitives->softmax(list, &args);
}

const struct weft_op weft_op_softmax = {
    .name = "softmax",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .is_loss = true,
};
