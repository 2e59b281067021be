/* SPDX-License-Identifier: Apache-2.0 */
/* relu, sigmoid and their like as layers of their own. */
#include "op.h"

/* The first word was the activation's name: node->activation.act is set. */
static enum weft_status parse(struct weft_words *words, struct weft_node *node)
{
    words->next--;
    return weft_op_parse_act(words, &node->activation);
}

static enum weft_status shape(struct weft_words *words, struct weft_node *node)
{
    (void)words;
    node->out = node->in;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return (double)weft_shape_count(node->out);
}

static enum weft_status forward(struct weft_list *list, const struct weft_node *node,
                                const struct weft_site *site)
{
    struct weft_act_args args = {
        .activation = node->activation, .x = site->x, .y = site->y};
    return list->device->backend->act_forward(list, &args);
}

static enum weft_status backward(struct weft_list *list, const struct weft_node *node,
                                 const struct weft_site *site)
{
    if (!site->dx.mem)
        return WEFT_OK;
    struct weft_act_args args = {.activation = node->activation,
                                 .x = site->x,
                                 .y = site->y,
                                 .dy = site->dy,
                                 .dx = site->dx};
    return list->device->backend->act_backward(list, &args);
}

const struct weft_op weft_op_act = {
    .name = "act",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .derives = true,
    .keeps = true,
};
