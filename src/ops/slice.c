/* SPDX-License-Identifier: Apache-2.0 */
/* slice FIRST COUNT: some of the channels. */
#include "ops/op.h"

#include <limits.h>

static const struct weft_layer_field fields[] = {
    WEFT_WORD("the first channel", INT, first, 0, INT_MAX),
    WEFT_WORD("the number of channels", INT, count, 1, INT_MAX),
    WEFT_FIELDS_END,
};

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *in = &node->in[0];
    if (p->first > in->c - p->count)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: %d channels from %d on, of %dx%dx%d: there are channels 0 "
                         "to %d",
                         node->name, p->count, p->first, in->h, in->w, in->c, in->c - 1);
    node->as.first = p->first;
    node->out = (struct weft_shape){in->h, in->w, p->count};
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    (void)node;
    return 0;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_copy_channels_args args = {.rows = tensors->n * node->out.h * node->out.w,
                                           .count = node->out.c,
                                           .x_channels = node->in[0].c,
                                           .x_first = node->as.first,
                                           .y_channels = node->out.c,
                                           .x = tensors->in[0],
                                           .y = tensors->y};
    return list->primitives->copy_channels(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_copy_channels_args args = {.rows = tensors->n * node->out.h * node->out.w,
                                           .count = node->out.c,
                                           .x_channels = node->out.c,
                                           .y_channels = node->in[0].c,
                                           .y_first = node->as.first,
                                           .zero_rest = true,
                                           .act_grad = tensors->act_grad[0],
                                           .x = tensors->dy,
                                           .y = tensors->dx[0]};
    return args.y.mem ? list->primitives->copy_channels(list, &args) : WEFT_OK;
}

const struct weft_op weft_op_slice = {
    .name = "slice",
    .fields = fields,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .fuses_act_grad = 1,
};
