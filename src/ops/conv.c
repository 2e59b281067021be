/* SPDX-License-Identifier: Apache-2.0 */
/* conv FILTERS RxS [ACT]: a convolution, with a fused activation and max-pool. */
#include "ops/op.h"

static const struct weft_layer_field fields[] = {
    WEFT_WORD("the number of filters", INT, filters, 1, 65536),
    WEFT_WORD("the window", PAIR, window, 1, 255),
    WEFT_OPTION("stride", PAIR, stride, 1, 255, 1),
    WEFT_OPTION_PAD,
    WEFT_OPTION("dilation", PAIR, dilation, 1, 255, 1),
    WEFT_OPTION("groups", INT, groups, 1, 65536, 1),
    WEFT_OPTION_BIAS,
    WEFT_OPTION_NAME("init", init, weft_conv_init_names),
    WEFT_OPTION_RATE,
    WEFT_OPTION_BIAS_RATE,
    WEFT_OPTION_DECAY,
    WEFT_OPTION_FROZEN,
    WEFT_FIELDS_END,
};

/* Half of the filters are directions of the patches, of which there are as many as a
 * patch has values. */
static enum weft_status check_whitening(weft_context *ctx, const struct weft_node *node)
{
    enum { MOST = 256 };
    const struct weft_conv *g = &node->as.conv;
    int64_t values = (int64_t)g->r * g->s * g->c;
    if (node->params[WEFT_PARAM_WEIGHT].init != WEFT_INIT_WHITEN)
        return WEFT_OK;
    if (node->inputs[0] != WEFT_BATCH || g->groups != 1 || values > MOST)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "init=whiten is for the first layer, without groups and with "
                         "patches of at most %d values",
                         MOST);
    if (g->k % 2 || g->k > 2 * values)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "init=whiten of patches of %dx%dx%d makes an even number of "
                         "filters, at most %d, not %d",
                         g->r, g->s, g->c, (int)(2 * values), g->k);
    return WEFT_OK;
}

static enum weft_status shape(weft_context *ctx, struct weft_node *node,
                              const struct weft_layer_params *p)
{
    struct weft_conv *g = &node->as.conv;
    *g = (struct weft_conv){
        .h = node->in[0].h,
        .w = node->in[0].w,
        .c = node->in[0].c,
        .k = p->filters,
        .r = p->window[0],
        .s = p->window[1],
        .stride_y = p->stride[0],
        .stride_x = p->stride[1],
        .dilation_y = p->dilation[0],
        .dilation_x = p->dilation[1],
        .pad_top = p->pad[0],
        .pad_left = p->pad[1],
        .pad_bottom = p->pad[2],
        .pad_right = p->pad[3],
        .groups = p->groups,
    };
    if (g->c % g->groups || g->k % g->groups)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "groups=%d must divide the %d input channels and the %d filters",
                         g->groups, g->c, g->k);
    int reach_y = g->dilation_y * (g->r - 1) + 1,
        reach_x = g->dilation_x * (g->s - 1) + 1;
    g->out_h = weft_op_extent(g->h, reach_y, g->stride_y, p->same_padding, &g->pad_top,
                              &g->pad_bottom);
    g->out_w = weft_op_extent(g->w, reach_x, g->stride_x, p->same_padding, &g->pad_left,
                              &g->pad_right);
    if (g->out_h < 1 || g->out_w < 1)
        return weft_op_window_misfit(ctx, reach_y, reach_x, g->h, g->w);
    node->out = (struct weft_shape){g->out_h, g->out_w, g->k};
    weft_op_add_weights(node, p, g->k);
    struct weft_param *weight = &node->params[WEFT_PARAM_WEIGHT];
    weight->rank = 4;
    weight->extent[1] = g->c / g->groups;
    weight->extent[2] = g->r;
    weight->extent[3] = g->s;
    return check_whitening(ctx, node);
}

static double flops(const struct weft_node *node)
{
    const struct weft_conv *g = &node->as.conv;
    return 2.0 * g->out_h * g->out_w * g->k * g->r * g->s * (g->c / g->groups);
}

/* [out][in][row][column] to [row][column][in][out]. */
static size_t native_index(const struct weft_node *node, const struct weft_param *param,
                           size_t i)
{
    if (param != &node->params[WEFT_PARAM_WEIGHT])
        return i;
    const int *e = param->extent;
    size_t column = i % (size_t)e[3], row = i / (size_t)e[3] % (size_t)e[2];
    size_t in = i / ((size_t)e[3] * (size_t)e[2]) % (size_t)e[1];
    size_t out = i / ((size_t)e[3] * (size_t)e[2] * (size_t)e[1]);
    return ((row * (size_t)e[3] + column) * (size_t)e[1] + in) * (size_t)e[0] + out;
}

static struct weft_conv_args arguments(const struct weft_node *node,
                                       const struct weft_node_tensors *tensors)
{
    struct weft_conv_args args = {
        .conv = node->as.conv,
        .activation = node->activation,
        .pool = node->pool,
        .x = tensors->in[0],
        .w = tensors->params[WEFT_PARAM_WEIGHT],
        .bias = tensors->params[WEFT_PARAM_BIAS],
        .y = tensors->y,
        .argmax = tensors->argmax,
        .dy = tensors->dy,
        .dw = tensors->dparams[WEFT_PARAM_WEIGHT],
        .dbias = tensors->dparams[WEFT_PARAM_BIAS],
        .dx = tensors->dx[0],
        .act_grad = tensors->act_grad[0],
    };
    args.conv.n = args.pool.n = tensors->n;
    return args;
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_node *node,
                                const struct weft_node_tensors *tensors)
{
    struct weft_conv_args args = arguments(node, tensors);
    return list->primitives->conv_forward(list, &args);
}

static enum weft_status backward(struct weft_command_list *list,
                                 const struct weft_node *node,
                                 const struct weft_node_tensors *tensors)
{
    struct weft_conv_args args = arguments(node, tensors);
    if (weft_node_trains_bias_only(node))
        WEFT_TRY(weft_op_bias_gradient(list, tensors));
    else if (weft_node_is_trained(node)) {
        WEFT_TRY(weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE,
                                         WEFT_PHASE_BWD_WEIGHTS));
        WEFT_TRY(list->primitives->conv_backward_weights(list, &args));
    }
    if (!tensors->dx[0].mem)
        return WEFT_OK;
    WEFT_TRY(weft_list_begin_segment(list, WEFT_SEGMENT_SAME_NODE, WEFT_PHASE_BWD_DATA));
    return list->primitives->conv_backward_data(list, &args);
}

const struct weft_op weft_op_conv = {
    .name = "conv",
    .fields = fields,
    .takes_act = true,
    .shape = shape,
    .flops = flops,
    .saved = weft_op_bias_sums,
    .forward = forward,
    .backward = backward,
    .to_native_index = native_index,
    .fuses_act_grad = 1,
    .half_weights = true,
};
