/* SPDX-License-Identifier: Apache-2.0 */
/* max-pool RxS, avg-pool RxS: the largest, or the mean, of each window, channel by
 * channel; global-max-pool, global-avg-pool: of the whole image. */
#include "ops/op.h"

#define POOL_FIELDS                                                      \
    WEFT_WORD("the window", PAIR, window, 1, 255),                       \
        WEFT_OPTION("stride", PAIR, stride, 1, 255, 0), WEFT_OPTION_PAD, \
        WEFT_OPTION("ceil", YES, ceil, 0, 1, 0)

static const struct weft_layer_field max_fields[] = {
    POOL_FIELDS,
    WEFT_FIELDS_END,
};
static const struct weft_layer_field avg_fields[] = {
    POOL_FIELDS,
    WEFT_OPTION("count-include-pad", YES, count_include_pad, 0, 1, 0),
    WEFT_FIELDS_END,
};

/* Padding behind the image for a last window that begins in the image or before it, and
 * is cut otherwise. */
static int ceil_padding(int in, int window, int stride, int before, int after)
{
    int windows = (in + before + after - window + stride - 1) / stride;
    if (windows * stride >= in + before)
        windows--;
    int behind = windows * stride + window - in - before;
    return behind > 0 ? behind : 0;
}

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    struct weft_pool *g = &node->pool;
    *g = (struct weft_pool){
        .h = node->in[0].h,
        .w = node->in[0].w,
        .c = node->in[0].c,
        .r = p->window[0],
        .s = p->window[1],
        .stride_y = p->stride[0] ? p->stride[0] : p->window[0],
        .stride_x = p->stride[0] ? p->stride[1] : p->window[1],
        .pad_top = p->pad[0],
        .pad_left = p->pad[1],
        .pad_bottom = p->pad[2],
        .pad_right = p->pad[3],
        .kind = node->op == &weft_op_max_pool || node->op == &weft_op_global_max_pool
                    ? WEFT_POOL_MAX
                    : WEFT_POOL_MEAN,
    };
    if (g->pad_top >= g->r || g->pad_bottom >= g->r || g->pad_left >= g->s ||
        g->pad_right >= g->s)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "pad must be smaller than the window: some windows would be "
                         "outside of the image");
    if (p->ceil && !p->same_padding) {
        g->pad_bottom = ceil_padding(g->h, g->r, g->stride_y, g->pad_top, g->pad_bottom);
        g->pad_right = ceil_padding(g->w, g->s, g->stride_x, g->pad_left, g->pad_right);
    }
    g->out_h = weft_op_extent(g->h, g->r, g->stride_y, p->same_padding, &g->pad_top,
                              &g->pad_bottom);
    g->out_w = weft_op_extent(g->w, g->s, g->stride_x, p->same_padding, &g->pad_left,
                              &g->pad_right);
    if (g->out_h < 1 || g->out_w < 1)
        return weft_op_window_misfit(ctx, g->r, g->s, g->h, g->w);
    if (p->count_include_pad) {
        g->count_top = g->pad_top;
        g->count_left = g->pad_left;
        /* The positions that ceil mode adds do not count. */
        g->count_bottom = p->same_padding ? g->pad_bottom : p->pad[2];
        g->count_right = p->same_padding ? g->pad_right : p->pad[3];
    }
    node->out = (struct weft_shape){g->out_h, g->out_w, g->c};
    return WEFT_OK;
}

static enum weft_status shape_global(weft_context *ctx, struct weft_node *node,
                                     const struct weft_layer_params *p)
{
    struct weft_layer_params whole = *p;
    whole.window[0] = node->in[0].h;
    whole.window[1] = node->in[0].w;
    return shape(ctx, node, &whole);
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

#define POOL(id, word, op_fields, op_shape) \
    const struct weft_op weft_op_##id = {   \
        .name = word,                       \
        .fields = op_fields,                \
        .shape = op_shape,                  \
        .flops = flops,                     \
        .forward = forward,                 \
        .backward = backward,               \
    }
POOL(max_pool, "max-pool", max_fields, shape);
POOL(avg_pool, "avg-pool", avg_fields, shape);
POOL(global_max_pool, "global-max-pool", NULL, shape_global);
POOL(global_avg_pool, "global-avg-pool", NULL, shape_global);
