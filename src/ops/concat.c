/* SPDX-License-Identifier: Apache-2.0 */
/* concat NAME...: the channels of the line before, then those of the named layers. */
#include "ops/op.h"

#include <limits.h>

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *a = &node->in[0];
    (void)p;
    node->out = (struct weft_shape){a->h, a->w, 0};
    for (int k = 0; k < node->input_count; k++) {
        const struct weft_shape *b = &node->in[k];
        if (a->h != b->h || a->w != b->w)
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "%s: cannot join %dx%dx%d with %dx%dx%d: all must have the "
                             "same height and width",
                             node->name, b->h, b->w, b->c, a->h, a->w, a->c);
        if (b->c > INT_MAX - node->out.c)
            return weft_fail(ctx, WEFT_ERR_ARG, "%s: more than %d channels", node->name,
                             INT_MAX);
        node->out.c += b->c;
    }
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
                                           .y_channels = node->out.c,
                                           .y = tensors->y};
    for (int k = 0; k < node->input_count; k++) {
        args.count = args.x_channels = node->in[k].c;
        args.x = tensors->in[k];
        WEFT_TRY(list->primitives->copy_channels(list, &args));
        args.y_first += args.count;
    }
    return WEFT_OK;
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_copy_channels_args args = {.rows = tensors->n * node->out.h * node->out.w,
                                           .x_channels = node->out.c,
                                           .x = tensors->dy};
    for (int k = 0; k < node->input_count; k++) {
        args.count = args.y_channels = node->in[k].c;
        args.act_grad = tensors->act_grad[k];
        args.y = tensors->dx[k];
        if (args.y.mem)
            WEFT_TRY(list->primitives->copy_channels(list, &args));
        args.x_first += args.count;
    }
    return WEFT_OK;
}

const struct weft_op weft_op_concat = {
    .name = "concat",
    .extra_inputs = 1,
    .max_extra_inputs = WEFT_MAX_INPUTS - 1,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .fuses_act_grad = (1u << WEFT_MAX_INPUTS) - 1,
};
