/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization, measured alone. */
#include "bench/bench.h"

static enum weft_status parse(struct bench_shape *s, struct bench_case *c)
{
    int extents[4], act = WEFT_ACT_identity;
    WEFT_TRY(bench_shape_extents(s, "IMAGESxROWSxCOLUMNSxCHANNELS", 4, extents));
    bench_shape_name(s, weft_act_names, WEFT_ACT_COUNT, &act);
    c->activation = (struct weft_activation){(enum weft_act)act, 0.01f};
    c->n = extents[0] * extents[1] * extents[2];
    c->channels = extents[3];
    return bench_shape_end(s);
}

static enum weft_status record(const struct bench_case *c, enum weft_phase phase,
                               struct bench_buffers *a, struct weft_command_list *list,
                               double *flops)
{
    size_t channels = (size_t)c->channels, count = (size_t)c->n * channels;
    struct weft_batch_norm_args args = {.rows = c->n,
                                        .channels = c->channels,
                                        .momentum = 0.1f,
                                        .epsilon = 1e-5f,
                                        .activation = c->activation,
                                        .x = bench_buffer_floats(a, count),
                                        .bias = bench_buffer_floats(a, channels)};
    bool forward = phase == WEFT_PHASE_FWD, backward = phase == WEFT_PHASE_BWD;
    *flops = 0;
    if (forward) {
        args.weight = bench_buffer_floats(a, channels);
        args.running_mean = bench_add_in_out(a, "running mean", channels);
        args.running_variance = bench_add_in_out(a, "running variance", channels);
        args.mean = bench_add_output(a, "mean", channels, BENCH_FLOAT32);
        args.inverse = bench_add_output(a, "inverse", channels, BENCH_FLOAT32);
        args.scale = bench_add_output(a, "scale", channels, BENCH_FLOAT32);
    } else {
        args.mean = bench_buffer_floats(a, channels);
        args.inverse = bench_buffer_floats(a, channels);
        args.scale = bench_buffer_floats(a, channels);
    }
    if (backward) {
        args.dy = bench_buffer_floats(a, count);
        args.dx = bench_add_output(a, "dx", count, BENCH_FLOAT32);
        args.dweight = bench_add_output(a, "dweight", channels, BENCH_FLOAT32);
        args.dbias = bench_add_output(a, "dbias", channels, BENCH_FLOAT32);
    } else {
        args.y = bench_add_output(a, "y", count, BENCH_FLOAT32);
    }
    /* The sums come first: what they are of is read twice. */
    a->moved += sizeof(float) * (double)count * (forward ? 1 : backward ? 2 : 0);
    if (!list)
        return WEFT_OK;
    const struct weft_primitives *b = list->primitives;
    return forward    ? b->batch_norm_forward(list, &args)
           : backward ? b->batch_norm_backward(list, &args)
                      : b->batch_norm_inference(list, &args);
}

static const char *const shapes[] = {"256x14x14x32:relu", "256x14x14x32:gelu",
                                     "256x7x7x64:gelu", NULL};

const struct bench_op bench_norm = {
    "batch-norm",
    parse,
    record,
    shapes,
    {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_FWD_INFERENCE, WEFT_PHASE_COUNT}};
