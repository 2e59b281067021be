/* SPDX-License-Identifier: Apache-2.0 */
/* add NAME [ACT]: the sum of two layers' outputs. */
#include "ops/op.h"

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *a = &node->in[0], *b = &node->in[1];
    (void)p;
    if (a->h != b->h || a->w != b->w || a->c != b->c)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: cannot add %dx%dx%d to %dx%dx%d: both must have the same "
                         "shape; a conv of 1x1 changes the number of channels",
                         node->name, b->h, b->w, b->c, a->h, a->w, a->c);
    node->out = *a;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return (double)weft_shape_count(node->out);
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_add_args args = {.activation = node->activation,
                                 .x = tensors->in[0],
                                 .other = tensors->in[1],
                                 .y = tensors->y};
    return list->primitives->add(list, &args);
}

const struct weft_op weft_op_add = {
    .name = "add",
    .extra_inputs = 1,
    .max_extra_inputs = 1,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .takes_act = true,
    .keeps_index = true,
};
