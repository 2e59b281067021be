/* SPDX-License-Identifier: Apache-2.0 */
/* channel-shuffle GROUPS: the channels of all groups interleaved (ShuffleNet,
 * arXiv:1707.01083). */
#include "ops/op.h"

#include <limits.h>

static const struct weft_layer_field fields[] = {
    WEFT_WORD("the number of groups", INT, groups, 1, INT_MAX),
    WEFT_FIELDS_END,
};

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *in = &node->in[0];
    if (in->c % p->groups)
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: %d groups do not divide %d channels",
                         node->name, p->groups, in->c);
    node->as.groups = p->groups;
    node->out = *in;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    (void)node;
    return 0;
}

static struct weft_channel_shuffle_args arguments(const struct weft_node *node, int n,
                                                  int groups)
{
    return (struct weft_channel_shuffle_args){
        .rows = n * node->out.h * node->out.w, .channels = node->out.c, .groups = groups};
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_channel_shuffle_args args = arguments(node, tensors->n, node->as.groups);
    args.x = tensors->in[0];
    args.y = tensors->y;
    return list->primitives->channel_shuffle(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_channel_shuffle_args args =
        arguments(node, tensors->n, node->out.c / node->as.groups);
    args.act_grad = tensors->act_grad[0];
    args.x = tensors->dy;
    args.y = tensors->dx[0];
    return args.y.mem ? list->primitives->channel_shuffle(list, &args) : WEFT_OK;
}

const struct weft_op weft_op_channel_shuffle = {
    .name = "channel-shuffle",
    .name_prefix = "shuffle",
    .fields = fields,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .fuses_act_grad = 1,
};
