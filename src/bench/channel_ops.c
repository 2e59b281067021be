/* SPDX-License-Identifier: Apache-2.0 */
/* Ops on the channels of each position as single ops. */
#include "bench/bench.h"

static enum weft_status parse(struct bench_shape *s, struct bench_case *c)
{
    int extents[4];
    WEFT_TRY(bench_shape_extents(s, "IMAGESxROWSxCOLUMNSxCHANNELS", 4, extents));
    c->n = extents[0];
    c->in = extents[1] * extents[2];
    c->channels = extents[3];
    return bench_shape_end(s);
}

static int rows_of(const struct bench_case *c)
{
    return c->n * c->in;
}

static size_t count_of(const struct bench_case *c)
{
    return (size_t)rows_of(c) * (size_t)c->channels;
}

/* The second half of the channels; the gradient writes the first half too. */
static void call_slice(const struct bench_case *c, enum weft_phase phase,
                       struct bench_call *out)
{
    int half = (c->channels + 1) / 2, first = c->channels - half;
    size_t part = (size_t)rows_of(c) * (size_t)half;
    struct weft_copy_channels_args args = {.rows = rows_of(c), .count = half};
    if (phase == WEFT_PHASE_FWD) {
        args.x_channels = c->channels;
        args.x_first = first;
        args.y_channels = half;
        args.x = bench_view(count_of(c));
        args.y = bench_view(part);
        out->extra_bytes = -(double)sizeof(float) * (double)(count_of(c) - part);
    } else {
        args.x_channels = half;
        args.y_channels = c->channels;
        args.y_first = first;
        args.zero_rest = true;
        args.x = bench_view(part);
        args.y = bench_view(count_of(c));
    }
    out->call.primitive = WEFT_PRIMITIVE_copy_channels;
    out->call.args.copy_channels = args;
}

static void call_scale(const struct bench_case *c, enum weft_phase phase,
                       struct bench_call *out)
{
    struct weft_view x = bench_view(count_of(c));
    struct weft_view factors = bench_view((size_t)c->n * (size_t)c->channels);
    if (phase == WEFT_PHASE_FWD) {
        out->call.primitive = WEFT_PRIMITIVE_scale;
        out->call.args.scale = (struct weft_scale_args){.n = c->n,
                                                        .positions = c->in,
                                                        .channels = c->channels,
                                                        .x = x,
                                                        .scale = factors,
                                                        .y = x};
        return;
    }
    out->call.primitive = WEFT_PRIMITIVE_scale_gradient;
    out->call.args.scale_gradient =
        (struct weft_scale_gradient_args){.n = c->n,
                                          .positions = c->in,
                                          .channels = c->channels,
                                          .x = x,
                                          .dy = x,
                                          .dscale = factors};
}

static void call_shuffle(const struct bench_case *c, enum weft_phase phase,
                         struct bench_call *out)
{
    (void)phase;
    const struct weft_channel_shuffle_args args = {.rows = rows_of(c),
                                                   .channels = c->channels,
                                                   .groups = c->channels % 4 ? 1 : 4,
                                                   .x = bench_view(count_of(c)),
                                                   .y = bench_view(count_of(c))};
    out->call.primitive = WEFT_PRIMITIVE_channel_shuffle;
    out->call.args.channel_shuffle = args;
}

static void call_prelu(const struct bench_case *c, enum weft_phase phase,
                       struct bench_call *out)
{
    struct weft_prelu_args args = {.rows = rows_of(c),
                                   .channels = c->channels,
                                   .x = bench_view(count_of(c)),
                                   .slope = bench_view((size_t)c->channels)};
    bool forward = phase == WEFT_PHASE_FWD;
    if (forward) {
        args.y = bench_view(count_of(c));
    } else {
        args.dy = args.dx = bench_view(count_of(c));
        args.dslope = bench_view((size_t)c->channels);
    }
    out->call.primitive =
        forward ? WEFT_PRIMITIVE_prelu_forward : WEFT_PRIMITIVE_prelu_backward;
    out->call.args.prelu_forward = args;
}

static void call_layer_norm(const struct bench_case *c, enum weft_phase phase,
                            struct bench_call *out)
{
    struct weft_view of_channels = bench_view((size_t)c->channels);
    struct weft_view of_rows = bench_view((size_t)rows_of(c));
    struct weft_layer_norm_args args = {.rows = rows_of(c),
                                        .channels = c->channels,
                                        .epsilon = 1e-5f,
                                        .x = bench_view(count_of(c)),
                                        .weight = of_channels,
                                        .bias = of_channels,
                                        .mean = of_rows,
                                        .inverse = of_rows};
    bool forward = phase == WEFT_PHASE_FWD;
    if (forward) {
        args.y = bench_view(count_of(c));
    } else {
        args.dy = args.dx = bench_view(count_of(c));
        args.dweight = args.dbias = of_channels;
    }
    out->call.primitive =
        forward ? WEFT_PRIMITIVE_layer_norm_forward : WEFT_PRIMITIVE_layer_norm_backward;
    out->call.args.layer_norm_forward = args;
}

static const char *const shapes[] = {"256x14x14x32", "256x7x7x64", NULL};

#define OP(id, name, call, ...)  \
    const struct bench_op id = { \
        name, parse, call, shapes, {__VA_ARGS__, WEFT_PHASE_COUNT}}
OP(bench_slice, "slice", call_slice, WEFT_PHASE_FWD, WEFT_PHASE_BWD);
OP(bench_scale, "scale", call_scale, WEFT_PHASE_FWD, WEFT_PHASE_BWD);
OP(bench_channel_shuffle, "channel-shuffle", call_shuffle, WEFT_PHASE_FWD);
OP(bench_prelu, "prelu", call_prelu, WEFT_PHASE_FWD, WEFT_PHASE_BWD);
OP(bench_layer_norm, "layer-norm", call_layer_norm, WEFT_PHASE_FWD, WEFT_PHASE_BWD);
