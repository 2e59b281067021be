/* SPDX-License-Identifier: Apache-2.0 */
/* dense UNITS [ACT]: every input to every output. */
#include "op.h"

static enum weft_status parse(struct weft_words *words, struct weft_node *node)
{
    WEFT_TRY(
        weft_words_int(words, "the number of units", 1, 1 << 20, &node->as.dense.out));
    WEFT_TRY(weft_op_parse_act(words, &node->activation));
    return weft_op_parse_weights(words, node);
}

static enum weft_status shape(struct weft_words *words, struct weft_node *node)
{
    struct weft_dense *g = &node->as.dense;
    if (node->in.h != 1 || node->in.w != 1)
        return weft_words_fail(words,
                               "dense reads rows, and here come pictures of %dx%dx%d: "
                               "put a line \"flatten\" before it",
                               node->in.h, node->in.w, node->in.c);
    g->in = node->in.c;
    node->out = (struct weft_shape){1, 1, g->out};
    node->weight.rank = 2;
    node->weight.extent[0] = g->out;
    node->weight.extent[1] = g->in;
    node->bias.extent[0] = g->out;
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 2.0 * node->as.dense.in * node->as.dense.out;
}

/* [out][in] to [in][out]. */
static size_t place(const struct weft_node *node, const struct weft_param *param,
                    size_t i)
{
    if (param != &node->weight)
        return i;
    size_t inputs = (size_t)node->as.dense.in, in = i % inputs, out = i / inputs;
    return weft_op_place_row(node, param, in) * (size_t)node->as.dense.out + out;
}

static struct weft_dense_args arguments(const struct weft_node *node,
                                        const struct weft_site *site)
{
    struct weft_dense_args args = {
        .dense = node->as.dense,
        .activation = node->activation,
        .x = site->x,
        .w = site->weight,
        .bias = site->bias,
        .y = site->y,
        .dy = site->dy,
        .dw = site->dweight,
        .dbias = site->dbias,
        .dx = site->dx,
        .gate = site->gate,
    };
    args.dense.n = site->n;
    return args;
}

static enum weft_status forward(struct weft_list *list, const struct weft_node *node,
                                const struct weft_site *site)
{
    struct weft_dense_args args = arguments(node, site);
    return list->device->backend->dense_forward(list, &args);
}

static enum weft_status backward(struct weft_list *list, const struct weft_node *node,
                                 const struct weft_site *site)
{
    struct weft_dense_args args = arguments(node, site);
    WEFT_TRY(weft_list_mark(list, WEFT_MARK_SAME, WEFT_PHASE_WEIGHTS));
    WEFT_TRY(list->device->backend->dense_backward_weights(list, &args));
    if (!site->dx.mem)
        return WEFT_OK;
    WEFT_TRY(weft_list_mark(list, WEFT_MARK_SAME, WEFT_PHASE_DATA));
    return list->device->backend->dense_backward_data(list, &args);
}

const struct weft_op weft_op_dense = {
    .name = "dense",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .place = place,
    .gates = true,
};
