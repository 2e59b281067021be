/* SPDX-License-Identifier: Apache-2.0 */
/* The ops that are limited by memory, measured alone. */
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
    c->activation = (struct weft_activation){(enum weft_act)act, 0.01f};
    return bench_shape_end(s);
}

static enum weft_status record_act(const struct bench_case *c, enum weft_phase part,
                                   struct bench_buffers *a,
                                   struct weft_command_list *list, double *flops)
{
    size_t n = (size_t)c->n;
    struct weft_act_args args = {.activation = c->activation};
    bool grad_from_output = weft_act_grad_from_output[c->activation.act];
    *flops = 0;
    if (part == WEFT_PHASE_FWD) {
        args.x = bench_buffer_floats(a, n);
        args.y = bench_add_output(a, "y", n, BENCH_FLOAT32);
        return list ? list->primitives->act_forward(list, &args) : WEFT_OK;
    }
    if (grad_from_output)
        args.y = bench_buffer_floats(a, n);
    else
        args.x = bench_buffer_floats(a, n);
    args.dy = bench_buffer_floats(a, n);
    args.dx = bench_add_output(a, "dx", n, BENCH_FLOAT32);
    return list ? list->primitives->act_backward(list, &args) : WEFT_OK;
}

static const char *const act_shapes[] = {"4194304:relu", "4194304:gelu", NULL};

const struct bench_op bench_act = {"act",
                                   parse_act,
                                   record_act,
                                   act_shapes,
                                   {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_COUNT}};

/* Backward: with a gate, as where a tensor has several readers. */
static enum weft_status record_add(const struct bench_case *c, enum weft_phase part,
                                   struct bench_buffers *a,
                                   struct weft_command_list *list, double *flops)
{
    size_t n = (size_t)c->n;
    struct weft_add_args args = {.x = bench_buffer_floats(a, n),
                                 .other = bench_buffer_floats(a, n)};
    *flops = 0;
    if (part == WEFT_PHASE_FWD)
        args.activation = c->activation;
    else
        args.act_grad = (struct weft_act_grad){c->activation, bench_buffer_floats(a, n)};
    args.y = bench_add_output(a, "y", n, BENCH_FLOAT32);
    return list ? list->primitives->add(list, &args) : WEFT_OK;
}

static const char *const add_shapes[] = {"4194304:relu", NULL};

const struct bench_op bench_add = {"add",
                                   parse_act,
                                   record_add,
                                   add_shapes,
                                   {WEFT_PHASE_FWD, WEFT_PHASE_BWD, WEFT_PHASE_COUNT}};

static enum weft_status parse_dropout(struct bench_shape *s, struct bench_case *c)
{
    WEFT_TRY(bench_shape_extents(s, "NUMBERS", 1, &c->n));
    return bench_shape_end(s);
}

static enum weft_status record_dropout(const struct bench_case *c, enum weft_phase part,
                                       struct bench_buffers *a,
                                       struct weft_command_list *list, double *flops)
{
    (void)part;
    size_t n = (size_t)c->n;
    const struct weft_dropout_args args = {
        .rate = 0.2f,
        .state = bench_buffer_int32(a, STATE_WORDS, 1),
        .x = bench_buffer_floats(a, n),
        .y = bench_add_output(a, "y", n, BENCH_FLOAT32)};
    *flops = 0;
    return list ? list->primitives->dropout(list, &args) : WEFT_OK;
}

static const char *const dropout_shapes[] = {"4194304", NULL};

const struct bench_op bench_dropout = {"dropout",
                                       parse_dropout,
                                       record_dropout,
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

static enum weft_status record_softmax(const struct bench_case *c, enum weft_phase part,
                                       struct bench_buffers *a,
                                       struct weft_command_list *list, double *flops)
{
    (void)part;
    size_t count = (size_t)c->n * (size_t)c->out;
    const struct weft_softmax_args args = {
        .n = c->n,
        .classes = c->out,
        .x = bench_buffer_floats(a, count),
        .y = bench_add_output(a, "y", count, BENCH_FLOAT32)};
    *flops = 0;
    return list ? list->primitives->softmax(list, &args) : WEFT_OK;
}

static enum weft_status record_loss(const struct bench_case *c, enum weft_phase part,
                                    struct bench_buffers *a,
                                    struct weft_command_list *list, double *flops)
{
    (void)part;
    size_t n = (size_t)c->n, count = n * (size_t)c->out;
    const struct weft_loss_args args = {
        .n = c->n,
        .classes = c->out,
        .labels = bench_buffer_int32(a, n, (unsigned)c->out),
        .logits = bench_buffer_floats(a, count),
        .dlogits = bench_add_output(a, "dlogits", count, BENCH_FLOAT32),
        .loss = bench_add_output(a, "loss", n, BENCH_FLOAT32),
        .correct = bench_add_output(a, "hit", n, BENCH_INT32)};
    *flops = 0;
    return list ? list->primitives->loss(list, &args) : WEFT_OK;
}

static const char *const rows_shapes[] = {"512x10", "512x1000", NULL};

const struct bench_op bench_softmax = {"softmax",
                                       parse_rows,
                                       record_softmax,
                                       rows_shapes,
                                       {WEFT_PHASE_FWD, WEFT_PHASE_COUNT}};
const struct bench_op bench_loss = {
    "loss", parse_rows, record_loss, rows_shapes, {WEFT_PHASE_LOSS, WEFT_PHASE_COUNT}};

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

/* A batch out of four: the others are not read. */
static enum weft_status record_input(const struct bench_case *c, enum weft_phase part,
                                     struct bench_buffers *a,
                                     struct weft_command_list *list, double *flops)
{
    (void)part;
    size_t n = (size_t)c->n, pixels = (size_t)c->in;
    const struct weft_batch_args args = {
        .n = c->n,
        .count = 4 * c->n,
        .pixels = c->in,
        .channels = c->channels,
        .steps_per_epoch = 4,
        .scale = {1.0f / 255, 1.0f / 255, 1.0f / 255, 1.0f / 255},
        .state = bench_buffer_int32(a, STATE_WORDS, 1),
        .labels = bench_buffer_int32(a, 4 * n, 10),
        .bytes = bench_buffer_bytes(a, 4 * n * pixels, 256),
        .x = bench_add_output(a, "x", n * pixels, BENCH_FLOAT32),
        .batch_labels = bench_add_output(a, "labels", n, BENCH_INT32)};
    a->moved -= 3.0 * (double)(n * pixels);
    *flops = 0;
    return list ? list->primitives->make_batch(list, &args) : WEFT_OK;
}

static const char *const input_shapes[] = {"512x28x28x1", "64x224x224x3", NULL};

const struct bench_op bench_input = {"input",
                                     parse_input,
                                     record_input,
                                     input_shapes,
                                     {WEFT_PHASE_BATCH, WEFT_PHASE_COUNT}};

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

static enum weft_status record_optimizer(const struct bench_case *c, enum weft_phase part,
                                         struct bench_buffers *a,
                                         struct weft_command_list *list, double *flops)
{
    (void)part;
    size_t n = (size_t)c->n;
    struct weft_optimizer_step_args args = {.optimizer = {.kind = c->optimizer,
                                                          .momentum = 0.9f,
                                                          .beta1 = 0.9f,
                                                          .beta2 = 0.999f,
                                                          .epsilon = 1e-8f},
                                            .state =
                                                bench_buffer_int32(a, STATE_WORDS, 1),
                                            .w = bench_add_in_out(a, "w", n),
                                            .g = bench_buffer_floats(a, n),
                                            .m = bench_add_in_out(a, "m", n)};
    if (c->optimizer != WEFT_OPTIMIZER_SGD)
        args.v = bench_add_output(a, "v", n, BENCH_FLOAT32); /* zeros before */
    if (args.v.count)
        a->moved += sizeof(float) * (double)n;
    *flops = 0;
    return list ? list->primitives->optimizer_step(list, &args) : WEFT_OK;
}

static const char *const optimizer_shapes[] = {"1048576:adam", "1048576:sgd", NULL};

const struct bench_op bench_optimizer = {"optimizer",
                                         parse_optimizer,
                                         record_optimizer,
                                         optimizer_shapes,
                                         {WEFT_PHASE_OPTIMIZER, WEFT_PHASE_COUNT}};
