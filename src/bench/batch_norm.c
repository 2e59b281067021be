/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization as a single op. */
#include "bench/bench.h"

static enum weft_status parse(struct bench_shape *s, struct bench_case *c)
{
    int extents[4], act = WEFT_ACT_identity;
    WEFT_TRY(bench_shape_extents(s, "IMAGESxROWSxCOLUMNSxCHANNELS", 4, extents));
    bench_shape_name(s, weft_act_names, WEFT_ACT_COUNT, &act);
    c->activation = weft_activation_init((enum weft_act)act);
    c->n = extents[0] * extents[1] * extents[2];
    c->channels = extents[3];
    return bench_shape_end(s);
}

static void call(const struct bench_case *c, enum weft_phase phase,
                 struct bench_call *out)
{
    size_t channels = (size_t)c->channels, count = (size_t)c->n * channels;
    struct weft_batch_norm_args args = {.rows = c->n,
                                        .channels = c->channels,
                                        .momentum = 0.1f,
                                        .epsilon = 1e-5f,
                                        .activation = c->activation,
                                        .x = bench_view(count),
                                        .bias = bench_view(channels)};
    bool forward = phase == WEFT_PHASE_FWD, backward = phase == WEFT_PHASE_BWD;
    if (forward) {
        args.weight = bench_view(channels);
        args.running_mean = bench_view(channels);
        args.running_variance = bench_view(channels);
    }
    args.mean = args.scale = bench_view(channels);
    if (phase != WEFT_PHASE_FWD_INFERENCE)
        args.inverse = bench_view(channels);
    if (backward) {
        args.dy = bench_view(count);
        args.dx = bench_view(count);
        args.dweight = bench_view(channels);
        args.dbias = bench_view(channels);
    } else {
        args.y = bench_view(count);
    }
    /* The sums come first: their terms are read twice. */
    out->extra_bytes = sizeof(float) * (double)count * (forward ? 1 : backward ? 2 : 0);
    out->call.primitive = forward    ? WEFT_PRIMITIVE_batch_norm_forward
                          : backward ? WEFT_PRIMITIVE_batch_norm_backward
                                     : WEFT_PRIMITIVE_batch_norm_inference;
    out->call.args.batch_norm_forward = args;
}

static const char *const shapes[] = {"256x14x14x32:relu", "256x14x14x32:gelu",
                                     "256x7x7x64:gelu", NULL};

const struct bench_op bench_norm = {
    "batch-norm",
    parse,
    call,
    shapes,
    {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_FWD_INFERENCE, WEFT_PHASE_COUNT}};
