/* SPDX-License-Identifier: Apache-2.0 */
/* max-pool RxS, avg-pool RxS: the largest, or the mean, of each window, channel by
 * channel; global-max-pool, global-avg-pool: of the whole image. */
#include "ops/op.h"

static enum weft_status parse_window(struct weft_line_parser *parser,
                                     struct weft_node *node, enum weft_pool_kind kind)
{
    struct weft_pool *g = &node->pool;
    int window[2], pad[2];
    WEFT_TRY(weft_line_parser_pair(parser, "the window", 1, 255, window));
    int stride[2] = {window[0], window[1]};
    WEFT_TRY(weft_op_parse_stride(parser, stride));
    WEFT_TRY(weft_op_parse_pad(parser, pad));
    if (pad[0] >= window[0] || pad[1] >= window[1])
        return weft_line_parser_fail(
            parser, "pad must be smaller than the window: some windows would "
                    "lie outside");
    g->kind = kind;
    g->r = window[0];
    g->s = window[1];
    g->stride_y = stride[0];
    g->stride_x = stride[1];
    g->pad_top = pad[0];
    g->pad_left = pad[1];
    return WEFT_OK;
}

static enum weft_status parse_max(struct weft_line_parser *parser, struct weft_node *node)
{
    return parse_window(parser, node, WEFT_POOL_MAX);
}

static enum weft_status parse_avg(struct weft_line_parser *parser, struct weft_node *node)
{
    return parse_window(parser, node, WEFT_POOL_MEAN);
}

static enum weft_status parse_global_max(struct weft_line_parser *parser,
                                         struct weft_node *node)
{
    (void)parser;
    node->pool.kind = WEFT_POOL_MAX;
    return WEFT_OK;
}

static enum weft_status parse_global_avg(struct weft_line_parser *parser,
                                         struct weft_node *node)
{
    (void)parser;
    node->pool.kind = WEFT_POOL_MEAN;
    return WEFT_OK;
}

static enum weft_status shape(struct weft_line_parser *parser, struct weft_node *node)
{
    struct weft_pool *g = &node->pool;
    g->h = node->in[0].h;
    g->w = node->in[0].w;
    g->c = node->in[0].c;
    g->out_h =
        weft_op_extent(g->h, g->r, g->stride_y, g->pad_top, &g->pad_top, &g->pad_bottom);
    g->out_w =
        weft_op_extent(g->w, g->s, g->stride_x, g->pad_left, &g->pad_left, &g->pad_right);
    if (g->out_h < 1 || g->out_w < 1)
        return weft_line_parser_fail(
            parser,
            "a window of %dx%d does not fit into %dx%d: choose a "
            "smaller one, or pad=same",
            g->r, g->s, g->h, g->w);
    node->out = (struct weft_shape){g->out_h, g->out_w, g->c};
    return WEFT_OK;
}

static enum weft_status shape_global(struct weft_line_parser *parser,
                                     struct weft_node *node)
{
    struct weft_pool *g = &node->pool;
    g->r = g->stride_y = node->in[0].h;
    g->s = g->stride_x = node->in[0].w;
    return shape(parser, node);
}

static double flops(const struct weft_node *node)
{
    return (double)node->pool.r * node->pool.s * (double)weft_shape_count(node->out);
}

static struct weft_pool_args arguments(const struct weft_node *node,
                                       const struct weft_node_tensors *tensors)
{
    struct weft_pool_args args = {.pool = node->pool,
                                  .x = tensors->in[0],
                                  .y = tensors->y,
                                  .argmax = tensors->argmax,
                                  .dy = tensors->dy,
                                  .dx = tensors->dx[0]};
    args.pool.n = tensors->n;
    return args;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_pool_args args = arguments(node, tensors);
    return list->primitives->pool_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    if (!tensors->dx[0].mem)
        return WEFT_OK;
    struct weft_pool_args args = arguments(node, tensors);
    return list->primitives->pool_backward(list, &args);
}

#define POOL(id, word, parse_line, find_shape) \
    const struct weft_op weft_op_##id = {      \
        .name = word,                          \
        .parse = parse_line,                   \
        .shape = find_shape,                   \
        .flops = flops,                        \
        .forward = forward,                    \
        .backward = backward,                  \
    }
POOL(max_pool, "max-pool", parse_max, shape);
POOL(avg_pool, "avg-pool", parse_avg, shape);
POOL(global_max_pool, "global-max-pool", parse_global_max, shape_global);
POOL(global_avg_pool, "global-avg-pool", parse_global_avg, shape_global);
