/* SPDX-License-Identifier: Apache-2.0 */
/* dropout RATE: in training each value is zero with this probability, and the others grow
 * so that the mean stays (Srivastava et al. 2014). */
#include "op.h"

static enum weft_status parse(struct weft_words *words, struct weft_node *node)
{
    return weft_words_float(words, "the rate", 0.0f, 0.99f, &node->as.rate);
}

static enum weft_status shape(struct weft_words *words, struct weft_node *node)
{
    (void)words;
    node->out = node->in;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    (void)node;
    return 0;
}

static enum weft_status apply(struct weft_list *list, const struct weft_node *node,
                              const struct weft_site *site, struct weft_view x,
                              struct weft_view y)
{
    struct weft_dropout_args args = {
        .rate = node->as.rate, .layer = node->key, .state = site->state, .x = x, .y = y};
    return list->device->backend->dropout(list, &args);
}

static enum weft_status forward(struct weft_list *list, const struct weft_node *node,
                                const struct weft_site *site)
{
    return apply(list, node, site, site->x, site->y);
}

static enum weft_status backward(struct weft_list *list, const struct weft_node *node,
                                 const struct weft_site *site)
{
    return site->dx.mem ? apply(list, node, site, site->dy, site->dx) : WEFT_OK;
}

const struct weft_op weft_op_dropout = {
    .name = "dropout",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .training_only = true,
    .keeps = true,
};
