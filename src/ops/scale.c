/* SPDX-License-Identifier: Apache-2.0 */
/* scale NAME: the input times a factor for each channel of each image (squeeze and
 * excitation, arXiv:1709.01507). */
#include "ops/op.h"

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    const struct weft_shape *x = &node->in[0], *s = &node->in[1];
    (void)p;
    if (s->h != 1 || s->w != 1 || s->c != x->c)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: cannot scale %dx%dx%d by %dx%dx%d: the factors must be "
                         "1x1x%d, as of global-avg-pool and \"dense %d\"",
                         node->name, x->h, x->w, x->c, s->h, s->w, s->c, x->c, x->c);
    node->out = *x;
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
    struct weft_scale_args args = {.n = tensors->n,
                                   .positions = node->out.h * node->out.w,
                                   .channels = node->out.c,
                                   .x = tensors->in[0],
                                   .scale = tensors->in[1],
                                   .y = tensors->y};
    return list->primitives->scale(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_scale_args x = {.n = tensors->n,
                                .positions = node->out.h * node->out.w,
                                .channels = node->out.c,
                                .act_grad = tensors->act_grad[0],
                                .x = tensors->dy,
                                .scale = tensors->in[1],
                                .y = tensors->dx[0]};
    struct weft_scale_gradient_args scale = {.n = tensors->n,
                                             .positions = node->out.h * node->out.w,
                                             .channels = node->out.c,
                                             .act_grad = tensors->act_grad[1],
                                             .x = tensors->in[0],
                                             .dy = tensors->dy,
                                             .dscale = tensors->dx[1]};
    if (x.y.mem)
        WEFT_TRY(list->primitives->scale(list, &x));
    return scale.dscale.mem ? list->primitives->scale_gradient(list, &scale) : WEFT_OK;
}

const struct weft_op weft_op_scale = {
    .name = "scale",
    .extra_inputs = 1,
    .max_extra_inputs = 1,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .fuses_act_grad = 3,
    .keeps_index = true,
};
