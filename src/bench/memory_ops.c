/* SPDX-License-Identifier: Apache-2.0 */
/* Memory-bound ops as single ops. */
#include "bench/bench.h"
#include "shared/state.h"

static enum weft_status parse_act(struct bench_shape *s, struct bench_case *c)
{
    int act = WEFT_ACT_COUNT;
    WEFT_TRY(bench_shape_extents(s, "NUMBERS", 1, &c->n));
    if (!bench_shape_name(s, weft_act_names, WEFT_ACT_COUNT, &act))
        return weft_fail(s->ctx, WEFT_ERR_ARG,
                         "%s \"%s\": an activation is missing, as in 4194304:relu", s->op,
                         s->text);
    c->activation = weft_activation_init((enum weft_act)act);
    return bench_shape_end(s);
}

static void call_act(const struct bench_case *c, enum weft_phase part,
                     struct bench_call *out)
{
    size_t n = (size_t)c->n;
    struct weft_act_args args = {.activation = c->activation};
    bool forward = part == WEFT_PHASE_FWD;
    if (forward || !weft_act_grad_from_output[c->activation.act])
        args.x = bench_view(n);
    if (forward || weft_act_grad_from_output[c->activation.act])
        args.y = bench_view(n);
    if (!forward)
        args.dy = args.dx = bench_view(n);
    out->call.primitive =
        forward ? WEFT_PRIMITIVE_act_forward : WEFT_PRIMITIVE_act_backward;
    out->call.args.act_forward = args;
}

static const char *const act_shapes[] = {"4194304:relu", "4194304:gelu", NULL};

const struct bench_op bench_act = {"act",
                                   parse_act,
                                   call_act,
                                   act_shapes,
                                   {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_COUNT}};

/* Backward: with a fused activation gradient, as in gradient accumulation. */
static void call_add(const struct bench_case *c, enum weft_phase part,
                     struct bench_call *out)
{
    size_t n = (size_t)c->n;
    struct weft_add_args args = {.x = bench_view(n), .other = bench_view(n)};
    if (part == WEFT_PHASE_FWD)
        args.activation = c->activation;
    else
        args.act_grad = (struct weft_act_grad){c->activation, bench_view(n)};
    args.y = bench_view(n);
    out->call.primitive = WEFT_PRIMITIVE_add;
    out->call.args.add = args;
}

static const char *const add_shapes[] = {"4194304:relu", NULL};

const struct bench_op bench_add = {"add",
                                   parse_act,
                                   call_add,
                                   add_shapes,
                                   {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_COUNT}};

static enum weft_status parse_dropout(struct bench_shape *s, struct bench_case *c)
{
    WEFT_TRY(bench_shape_extents(s, "NUMBERS", 1, &c->n));
    return bench_shape_end(s);
}

static void call_dropout(const struct bench_case *c, enum weft_phase part,
                         struct bench_call *out)
{
    (void)part;
    size_t n = (size_t)c->n;
    const struct weft_dropout_args args = {.rate = 0.2f,
                                           .state = bench_view(STATE_WORDS),
                                           .x = bench_view(n),
                                           .y = bench_view(n)};
    out->call.primitive = WEFT_PRIMITIVE_dropout;
    out->call.args.dropout = args;
}

static const char *const dropout_shapes[] = {"4194304", NULL};

const struct bench_op bench_dropout = {"dropout",
                                       parse_dropout,
                                       call_dropout,
                                       dropout_shapes,
                                       {WEFT_PHASE_FWD, WEFT_PHASE_COUNT}};

static enum weft_status parse_rows(struct bench_shape *s, struct bench_case *c)
{
    int extents[2];
    WEFT_TRY(bench_shape_extents(s, "IMAGESxCLASSES", 2, extents));
    c->n = extents[0];
    c->out = extents[1];
    return bench_shape_end(s);
}

static void call_softmax(const struct bench_case *c, enum weft_phase part,
                         struct bench_call *out)
{
    (void)part;
    size_t count = (size_t)c->n * (size_t)c->out;
    const struct weft_softmax_args args = {
        .n = c->n, .classes = c->out, .x = bench_view(count), .y = bench_view(count)};
    out->call.primitive = WEFT_PRIMITIVE_softmax;
    out->call.args.softmax = args;
}

static void call_loss(const struct bench_case *c, enum weft_phase part,
                      struct bench_call *out)
{
    (void)part;
    size_t n = (size_t)c->n, count = n * (size_t)c->out;
    const struct weft_loss_args args = {.n = c->n,
                                        .global_batch = c->n,
                                        .classes = c->out,
                                        .labels = bench_view(n),
                                        .logits = bench_view(count),
                                        .dlogits = bench_view(count),
                                        .loss = bench_view(n),
                                        .correct = bench_view(n)};
    out->call.primitive = WEFT_PRIMITIVE_loss;
    out->call.args.loss = args;
}

static const char *const rows_shapes[] = {"512x10", "512x1000", NULL};

const struct bench_op bench_softmax = {
    "softmax", parse_rows, call_softmax, rows_shapes, {WEFT_PHASE_FWD, WEFT_PHASE_COUNT}};
const struct bench_op bench_loss = {
    "loss", parse_rows, call_loss, rows_shapes, {WEFT_PHASE_LOSS, WEFT_PHASE_COUNT}};

static enum weft_status parse_input(struct bench_shape *s, struct bench_case *c)
{
    int extents[4];
    WEFT_TRY(bench_shape_extents(s, "IMAGESxROWSxCOLUMNSxCHANNELS", 4, extents));
    if (extents[3] > WEFT_MAX_CHANNELS)
        return weft_fail(s->ctx, WEFT_ERR_ARG, "input \"%s\": at most %d channels",
                         s->text, WEFT_MAX_CHANNELS);
    c->n = extents[0];
    c->in = extents[1] * extents[2] * extents[3];
    c->channels = extents[3];
    return bench_shape_end(s);
}

/* One batch of four: the other images are not read. */
static void call_input(const struct bench_case *c, enum weft_phase part,
                       struct bench_call *out)
{
    (void)part;
    size_t n = (size_t)c->n, pixels = (size_t)c->in;
    const struct weft_batch_args args = {
        .n = c->n,
        .count = 4 * c->n,
        .global_batch = c->n,
        .pixels = c->in,
        .channels = c->channels,
        .steps_per_epoch = 4,
        .scale = {1.0f / 255, 1.0f / 255, 1.0f / 255, 1.0f / 255},
        .state = bench_view(STATE_WORDS),
        .labels = bench_view(4 * n),
        .bytes = bench_view(4 * n * pixels),
        .x = bench_view(n * pixels),
        .batch_labels = bench_view(n)};
    out->extra_bytes = -3.0 * (double)(n * pixels);
    out->call.primitive = WEFT_PRIMITIVE_make_batch;
    out->call.args.make_batch = args;
}

static const char *const input_shapes[] = {"512x28x28x1", "64x224x224x3", NULL};

const struct bench_op bench_input = {
    "batch", parse_input, call_input, input_shapes, {WEFT_PHASE_BATCH, WEFT_PHASE_COUNT}};

static enum weft_status parse_optimizer(struct bench_shape *s, struct bench_case *c)
{
    static const char *const names[] = {
        [WEFT_OPTIMIZER_SGD] = "sgd", [WEFT_OPTIMIZER_ADAM] = "adam"};
    int kind = WEFT_OPTIMIZER_ADAM;
    WEFT_TRY(bench_shape_extents(s, "WEIGHTS", 1, &c->n));
    bench_shape_name(s, names, WEFT_ARRAY_SIZE(names), &kind);
    c->optimizer = (enum weft_optimizer_kind)kind;
    return bench_shape_end(s);
}

static void call_optimizer(const struct bench_case *c, enum weft_phase part,
                           struct bench_call *out)
{
    (void)part;
    size_t n = (size_t)c->n;
    struct weft_optimizer_step_args args = {.optimizer = {.kind = c->optimizer,
                                                          .momentum = 0.9f,
                                                          .beta1 = 0.9f,
                                                          .beta2 = 0.999f,
                                                          .epsilon = 1e-8f},
                                            .state = bench_view(STATE_WORDS),
                                            .w = bench_view(n),
                                            .g = bench_view(n),
                                            .m = bench_view(n)};
    if (c->optimizer != WEFT_OPTIMIZER_SGD)
        args.v = bench_view(n);
    out->call.primitive = WEFT_PRIMITIVE_optimizer_step;
    out->call.args.optimizer_step = args;
}

static const char *const optimizer_shapes[] = {"1048576:adam", "1048576:sgd", NULL};

const struct bench_op bench_optimizer = {"optimizer",
                                         parse_optimizer,
                                         call_optimizer,
                                         optimizer_shapes,
                                         {WEFT_PHASE_OPTIMIZER, WEFT_PHASE_COUNT}};
