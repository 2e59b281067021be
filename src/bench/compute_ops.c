/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, dense and pooling as single ops. */
#include "bench/bench.h"

static size_t volume(int n, int h, int w, int c)
{
    return (size_t)n * (size_t)h * (size_t)w * (size_t)c;
}

static void parse_act(struct bench_shape *shape, struct weft_activation *out)
{
    int act = WEFT_ACT_identity;
    bench_shape_name(shape, weft_act_names, WEFT_ACT_COUNT, &act);
    *out = weft_activation_init((enum weft_act)act);
}

/* One axis: with `same` padding the odd element is at the end, as in weft/net.h. */
static int output_extent(int in, int window, int stride, bool same, int *before,
                         int *after)
{
    int out = same ? (in + stride - 1) / stride : (in - window) / stride + 1;
    int total = same ? (out - 1) * stride + window - in : 0;
    total = total > 0 ? total : 0;
    *before = total / 2;
    *after = total - *before;
    return same || in >= window ? out : 0;
}

static enum weft_status parse_conv(struct bench_shape *s, struct bench_case *c)
{
    static const char *const pads[] = {"pad=same", "pad=valid"};
    struct weft_conv *g = &c->conv;
    struct weft_pool *p = &c->pool;
    int in[4], window[3], pad = 0, stride = 1, pool = 0;
    g->groups = 1;
    WEFT_TRY(bench_shape_extents(s, "IMAGESxROWSxCOLUMNSxCHANNELS", 4, in));
    WEFT_TRY(bench_shape_extents(s, "FILTERSxROWSxCOLUMNS", 3, window));
    WEFT_TRY(bench_shape_number(s, "stride", 1, 255, &stride));
    WEFT_TRY(bench_shape_number(s, "groups", 1, 65536, &g->groups));
    WEFT_TRY(bench_shape_number(s, "pool", 0, 15, &pool));
    bench_shape_name(s, pads, WEFT_ARRAY_SIZE(pads), &pad);
    parse_act(s, &c->activation);
    WEFT_TRY(bench_shape_end(s));
    g->n = in[0], g->h = in[1], g->w = in[2], g->c = in[3];
    g->k = window[0], g->r = window[1], g->s = window[2];
    g->stride_y = g->stride_x = stride;
    g->dilation_y = g->dilation_x = 1;
    g->out_h = output_extent(g->h, g->r, stride, !pad, &g->pad_top, &g->pad_bottom);
    g->out_w = output_extent(g->w, g->s, stride, !pad, &g->pad_left, &g->pad_right);
    if (pool)
        *p = (struct weft_pool){.n = g->n,
                                .h = g->out_h,
                                .w = g->out_w,
                                .c = g->k,
                                .r = pool,
                                .s = pool,
                                .stride_y = pool,
                                .stride_x = pool,
                                .out_h = g->out_h / pool,
                                .out_w = g->out_w / pool};
    if (g->out_h < 1 || g->out_w < 1 || (pool && (p->out_h < 1 || p->out_w < 1)) ||
        g->c % g->groups || g->k % g->groups)
        return weft_fail(s->ctx, WEFT_ERR_ARG,
                         "conv \"%s\": the windows must fit, and groups divide channels "
                         "and filters",
                         s->text);
    return WEFT_OK;
}

static void call_conv(const struct bench_case *c, enum weft_phase part,
                      struct bench_call *out)
{
    const struct weft_conv *g = &c->conv;
    const struct weft_pool *p = &c->pool;
    size_t in = volume(g->n, g->h, g->w, g->c), filters = (size_t)g->k;
    size_t weights = volume(g->r, g->s, g->c / g->groups, g->k);
    size_t count = p->r ? volume(p->n, p->out_h, p->out_w, p->c)
                        : volume(g->n, g->out_h, g->out_w, g->k);
    struct weft_conv_args args = {.conv = *g, .pool = *p, .activation = c->activation};
    if (part == WEFT_PHASE_FWD || part == WEFT_PHASE_BWD_WEIGHTS)
        args.x = bench_view(in);
    if (part == WEFT_PHASE_FWD || part == WEFT_PHASE_BWD_DATA)
        args.w = bench_view(weights);
    if (part == WEFT_PHASE_FWD) {
        args.bias = bench_view(filters);
        args.y = bench_view(count);
        if (p->r)
            args.argmax = bench_view(count);
    } else {
        args.dy = bench_view(count);
        if (p->r)
            args.argmax = bench_view(count);
    }
    if (part == WEFT_PHASE_BWD_WEIGHTS) {
        args.dw = bench_view(weights);
        args.dbias = bench_view(filters);
    }
    if (part == WEFT_PHASE_BWD_DATA)
        args.dx = bench_view(in);
    out->flops = 2.0 * (double)volume(g->n, g->out_h, g->out_w, g->k) * g->r * g->s *
                 (g->c / g->groups);
    out->call.primitive = part == WEFT_PHASE_FWD ? WEFT_PRIMITIVE_conv_forward
                          : part == WEFT_PHASE_BWD_WEIGHTS
                              ? WEFT_PRIMITIVE_conv_backward_weights
                              : WEFT_PRIMITIVE_conv_backward_data;
    out->call.args.conv_forward = args;
}

static const char *const conv_shapes[] = {
    "512x28x28x1:32x3x3:pad=valid:pool=2:relu", /* of `small` */
    "64x14x14x32:64x3x3",
    "64x14x14x64:64x3x3",
    "64x7x7x128:128x3x3",
    "64x28x28x8:32x3x3",
    "64x28x28x32:32x3x3",
    "64x14x14x64:128x1x1",
    "64x28x28x32:64x3x3:stride=2",
    "64x28x28x64:64x3x3:groups=64",
    "1x14x14x64:64x3x3",
    NULL};

const struct bench_op bench_conv = {
    "conv",
    parse_conv,
    call_conv,
    conv_shapes,
    {WEFT_PHASE_FWD, WEFT_PHASE_BWD_DATA, WEFT_PHASE_BWD_WEIGHTS, WEFT_PHASE_COUNT}};

static enum weft_status parse_dense(struct bench_shape *s, struct bench_case *c)
{
    int extents[3];
    WEFT_TRY(bench_shape_extents(s, "IMAGESxINPUTSxOUTPUTS", 3, extents));
    parse_act(s, &c->activation);
    c->n = extents[0];
    c->in = extents[1];
    c->out = extents[2];
    return bench_shape_end(s);
}

static void call_dense(const struct bench_case *c, enum weft_phase part,
                       struct bench_call *out)
{
    size_t in = volume(c->n, 1, 1, c->in), count = volume(c->n, 1, 1, c->out);
    size_t weights = volume(c->in, 1, 1, c->out);
    struct weft_dense_args args = {.dense = {c->n, c->in, c->out},
                                   .activation = c->activation};
    if (part == WEFT_PHASE_FWD || part == WEFT_PHASE_BWD_WEIGHTS)
        args.x = bench_view(in);
    if (part == WEFT_PHASE_FWD || part == WEFT_PHASE_BWD_DATA)
        args.w = bench_view(weights);
    if (part == WEFT_PHASE_FWD) {
        args.bias = bench_view((size_t)c->out);
        args.y = bench_view(count);
    } else {
        args.dy = bench_view(count);
    }
    if (part == WEFT_PHASE_BWD_WEIGHTS) {
        args.dw = bench_view(weights);
        args.dbias = bench_view((size_t)c->out);
    }
    if (part == WEFT_PHASE_BWD_DATA)
        args.dx = bench_view(in);
    out->flops = 2.0 * c->n * c->in * c->out;
    out->call.primitive = part == WEFT_PHASE_FWD ? WEFT_PRIMITIVE_dense_forward
                          : part == WEFT_PHASE_BWD_WEIGHTS
                              ? WEFT_PRIMITIVE_dense_backward_weights
                              : WEFT_PRIMITIVE_dense_backward_data;
    out->call.args.dense_forward = args;
}

static const char *const dense_shapes[] = {
    "512x5408x32:relu", "512x32x10", "256x512x512", "1x512x512", "768x768x768", NULL};

const struct bench_op bench_dense = {
    "dense",
    parse_dense,
    call_dense,
    dense_shapes,
    {WEFT_PHASE_FWD, WEFT_PHASE_BWD_DATA, WEFT_PHASE_BWD_WEIGHTS, WEFT_PHASE_COUNT}};

static enum weft_status parse_pool(struct bench_shape *s, struct bench_case *c)
{
    static const char *const kinds[] = {
        [WEFT_POOL_MAX] = "max", [WEFT_POOL_MEAN] = "mean"};
    struct weft_pool *p = &c->pool;
    int in[4], window[2], stride = 0, kind = WEFT_POOL_MAX;
    WEFT_TRY(bench_shape_extents(s, "IMAGESxROWSxCOLUMNSxCHANNELS", 4, in));
    WEFT_TRY(bench_shape_extents(s, "ROWSxCOLUMNS of the window", 2, window));
    WEFT_TRY(bench_shape_number(s, "stride", 1, 255, &stride));
    bench_shape_name(s, kinds, (int)WEFT_ARRAY_SIZE(kinds), &kind);
    WEFT_TRY(bench_shape_end(s));
    *p = (struct weft_pool){.n = in[0],
                            .h = in[1],
                            .w = in[2],
                            .c = in[3],
                            .r = window[0],
                            .s = window[1],
                            .kind = (enum weft_pool_kind)kind};
    if (p->r > p->h || p->s > p->w)
        return weft_fail(s->ctx, WEFT_ERR_ARG,
                         "pool \"%s\": the window must fit into the image", s->text);
    p->stride_y = stride ? stride : p->r;
    p->stride_x = stride ? stride : p->s;
    p->out_h = (p->h - p->r) / p->stride_y + 1;
    p->out_w = (p->w - p->s) / p->stride_x + 1;
    return WEFT_OK;
}

static void call_pool(const struct bench_case *c, enum weft_phase part,
                      struct bench_call *out)
{
    const struct weft_pool *p = &c->pool;
    size_t in = volume(p->n, p->h, p->w, p->c);
    size_t count = volume(p->n, p->out_h, p->out_w, p->c);
    bool forward = part == WEFT_PHASE_FWD;
    struct weft_pool_args args = {.pool = *p};
    if (forward) {
        args.x = bench_view(in);
        args.y = bench_view(count);
    } else {
        args.dy = bench_view(count);
        args.dx = bench_view(in);
    }
    if (p->kind == WEFT_POOL_MAX)
        args.argmax = bench_view(count);
    out->call.primitive =
        forward ? WEFT_PRIMITIVE_pool_forward : WEFT_PRIMITIVE_pool_backward;
    out->call.args.pool_forward = args;
}

static const char *const pool_shapes[] = {
    "64x28x28x32:2x2",         "64x28x28x32:3x3:stride=2", "64x14x14x128:2x2",
    "256x7x7x512:7x7",         "256x32x32x64:2x2:mean",    "128x28x28x64:28x28",
    "128x28x28x64:28x28:mean", "256x7x7x512:7x7:mean",     NULL};

const struct bench_op bench_pool = {"pool",
                                    parse_pool,
                                    call_pool,
                                    pool_shapes,
                                    {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_COUNT}};
