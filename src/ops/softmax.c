/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: probabilities. In training it is replaced by the cross-entropy loss. */
#include "ops/op.h"

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *in = &node->in[0];
    (void)p;
    if (in->h != 1 || in->w != 1)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "softmax reads rows, but its input is images of %dx%dx%d: put "
                         "\"flatten\" and \"dense CLASSES\" before it",
                         in->h, in->w, in->c);
    node->out = *in;
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
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .is_loss = true,
};
