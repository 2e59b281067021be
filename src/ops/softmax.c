/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: the last layer. In training the loss takes its place. */
#include "op.h"

static enum weft_status parse(struct weft_words *words, struct weft_node *node)
{
    (void)words;
    (void)node;
    return WEFT_OK;
}

static enum weft_status shape(struct weft_words *words, struct weft_node *node)
{
    if (node->in.h != 1 || node->in.w != 1)
        return weft_words_fail(words,
                               "softmax reads rows, and here come pictures of %dx%dx%d: "
                               "put \"flatten\" and \"dense CLASSES\" before it",
                               node->in.h, node->in.w, node->in.c);
    node->out = node->in;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 4.0 * node->out.c;
}

static enum weft_status forward(struct weft_list *list, const struct weft_node *node,
                                const struct weft_site *site)
{
    struct weft_softmax_args args = {
        .n = site->n, .classes = node->in.c, .x = site->x, .y = site->y};
    return list->device->backend->softmax(list, &args);
}

const struct weft_op weft_op_softmax = {
    .name = "softmax",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .last = true,
};
