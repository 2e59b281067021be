/* SPDX-License-Identifier: Apache-2.0 */
/* batch-norm [ACT]: each channel to mean 0 and variance 1 over the batch, then scaled and
 * shifted (Ioffe and Szegedy 2015). At inference the running mean and variance stand in
 * for the batch's. */
#include "op.h"

static enum weft_status parse(struct weft_words *words, struct weft_node *node)
{
    struct weft_norm *g = &node->as.norm;
    g->momentum = 0.1f;
    g->epsilon = 1e-5f;
    node->init = WEFT_INIT_ONES;
    WEFT_TRY(weft_op_parse_act(words, &node->activation));
    WEFT_TRY(weft_words_option_float(words, "momentum", 0.0f, 1.0f, &g->momentum));
    return weft_words_option_float(words, "epsilon", 1e-12f, 1.0f, &g->epsilon);
}

static enum weft_status shape(struct weft_words *words, struct weft_node *node)
{
    struct weft_param *const params[] = {&node->weight, &node->bias, &node->mean,
                                         &node->variance};
    (void)words;
    node->out = node->in;
    for (size_t i = 0; i < WEFT_COUNT(params); i++) {
        params[i]->rank = 1;
        params[i]->extent[0] = node->in.c;
    }
    return WEFT_OK;
}

static double flops(const struct weft_node *node)
{
    return 2.0 * (double)weft_shape_count(node->out);
}

static struct weft_norm_args arguments(const struct weft_node *node,
                                       const struct weft_site *site)
{
    return (struct weft_norm_args){
        .rows = site->n * node->in.h * node->in.w,
        .channels = node->in.c,
        .momentum = node->as.norm.momentum,
        .epsilon = node->as.norm.epsilon,
        .activation = node->activation,
        .x = site->x,
        .weight = site->weight,
        .bias = site->bias,
        .running_mean = site->running_mean,
        .running_variance = site->running_variance,
        .mean = site->mean,
        .inverse = site->inverse,
        .scale = site->scale,
        .y = site->y,
        .dy = site->dy,
        .dx = site->dx,
        .dweight = site->dweight,
        .dbias = site->dbias,
    };
}

static enum weft_status forward(struct weft_list *list, const struct weft_node *node,
                                const struct weft_site *site)
{
    struct weft_norm_args args = arguments(node, site);
    if (!args.inverse.mem)
        return list->device->backend->norm_apply(list, &args);
    if (args.rows < 2)
        return weft_fail(
            list->device->context, WEFT_ERR_ARG,
            "%s: a batch of 1 has one value a channel here, which is its own "
            "mean: train with a larger batch",
            node->name);
    return list->device->backend->norm_forward(list, &args);
}

static enum weft_status backward(struct weft_list *list, const struct weft_node *node,
                                 const struct weft_site *site)
{
    struct weft_norm_args args = arguments(node, site);
    return list->device->backend->norm_backward(list, &args);
}

const struct weft_op weft_op_norm = {
    .name = "batch-norm",
    .stem = "norm",
    .parse = parse,
    .shape = shape,
    .flops = flops,
    .forward = forward,
    .backward = backward,
    .place = weft_op_place_row,
    .derives = true,
    .keeps = true,
};
