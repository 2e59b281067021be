/* SPDX-License-Identifier: Apache-2.0 */
/* Timings of check_op: primitives on shapes as networks have them. Wall clock around a
 * finished queue: the median of several rounds of replays. */
#include "check_bench.h"

#include "backend.h"
#include "random.h"
#include "state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7, MAX_REPLAYS = 200 };
static const double round_seconds = 0.03;

/* Views are cut one after the other out of one buffer, as a network's are. */
struct arena {
    struct weft_device *device;
    struct weft_mem *mem; /* NULL: only counting */
    size_t used;          /* bytes */
    enum weft_status status;
};

/* Zeros: places of maxima, labels, the state. */
static struct weft_view take(struct arena *a, size_t count, size_t element)
{
    struct weft_view view = {a->mem, a->used / element, count};
    a->used += (count * element + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
    return view;
}

static struct weft_view words(struct arena *a, size_t count)
{
    return take(a, count, sizeof(uint32_t));
}

/* Numbers in -1/2..1/2. */
static struct weft_view floats(struct arena *a, size_t count)
{
    struct weft_view view = take(a, count, sizeof(float));
    float *host = a->mem ? malloc((count + 3) * sizeof(*host)) : NULL;
    if (a->mem && !host)
        a->status = WEFT_ERR_NOMEM;
    if (!host)
        return view;
    for (size_t i = 0; i < count; i += 4) {
        struct weft_random r =
            weft_philox(1, 2, (uint32_t)i, (uint32_t)view.offset, 0, RANDOM_CHECK);
        for (size_t j = 0; j < 4; j++)
            host[i + j] = weft_uniform(r.v[j]) - 0.5f;
    }
    enum weft_status status = a->device->backend->write(
        a->device, view.mem, view.offset * sizeof(float), host, count * sizeof(float));
    a->status = a->status ? a->status : status;
    free(host);
    return view;
}

/* One line of the table. `run` cuts the views and appends to the list, or with `list`
 * NULL only counts what it takes; `work` is in floating-point operations, or in bytes
 * that must be moved. */
struct row {
    const char *op, *what;
    enum weft_status (*run)(const struct row *row, struct arena *arena,
                            struct weft_list *list, double *work);
    bool bytes;
    struct weft_conv conv;
    struct weft_pool pool;
    int direction; /* 0 forward, 1 backward-data, 2 backward-weights */
    int n, in, out;
    enum weft_act act;
    enum weft_optimizer_kind optimizer;
};

static size_t volume(int n, int h, int w, int c)
{
    return (size_t)n * (size_t)h * (size_t)w * (size_t)c;
}

static enum weft_status run_conv(const struct row *row, struct arena *a,
                                 struct weft_list *list, double *work)
{
    const struct weft_conv *g = &row->conv;
    const struct weft_pool *p = &row->pool;
    size_t in = volume(g->n, g->h, g->w, g->c), weights;
    size_t out = p->r ? volume(p->n, p->out_h, p->out_w, p->c)
                      : volume(g->n, g->out_h, g->out_w, g->k);
    weights = volume(g->r, g->s, g->c / g->groups, g->k);
    struct weft_conv_args args = {.conv = *g,
                                  .pool = *p,
                                  .activation = {row->act, 0},
                                  .x = floats(a, in),
                                  .w = floats(a, weights),
                                  .bias = floats(a, (size_t)g->k),
                                  .y = floats(a, out),
                                  .dy = floats(a, out),
                                  .dw = floats(a, weights),
                                  .dbias = floats(a, (size_t)g->k),
                                  .dx = floats(a, in)};
    if (p->r)
        args.argmax = take(a, out, 1);
    *work = 2.0 * (double)volume(g->n, g->out_h, g->out_w, g->k) * g->r * g->s *
            (g->c / g->groups);
    if (!list)
        return WEFT_OK;
    const struct weft_backend *b = list->device->backend;
    enum weft_status (*const primitives[])(struct weft_list *,
                                           const struct weft_conv_args *) = {
        b->conv_forward, b->conv_backward_data, b->conv_backward_weights};
    return primitives[row->direction](list, &args);
}

static enum weft_status run_dense(const struct row *row, struct arena *a,
                                  struct weft_list *list, double *work)
{
    size_t in = volume(row->n, 1, 1, row->in), out = volume(row->n, 1, 1, row->out);
    size_t weights = volume(row->in, 1, 1, row->out);
    const struct weft_dense_args args = {.dense = {row->n, row->in, row->out},
                                         .activation = {row->act, 0},
                                         .x = floats(a, in),
                                         .w = floats(a, weights),
                                         .bias = floats(a, (size_t)row->out),
                                         .y = floats(a, out),
                                         .dy = floats(a, out),
                                         .dw = floats(a, weights),
                                         .dbias = floats(a, (size_t)row->out),
                                         .dx = floats(a, in)};
    *work = 2.0 * row->n * row->in * row->out;
    if (!list)
        return WEFT_OK;
    const struct weft_backend *b = list->device->backend;
    enum weft_status (*const primitives[])(struct weft_list *,
                                           const struct weft_dense_args *) = {
        b->dense_forward, b->dense_backward_data, b->dense_backward_weights};
    return primitives[row->direction](list, &args);
}

static enum weft_status run_pool(const struct row *row, struct arena *a,
                                 struct weft_list *list, double *work)
{
    const struct weft_pool *p = &row->pool;
    size_t in = volume(p->n, p->h, p->w, p->c);
    size_t out = volume(p->n, p->out_h, p->out_w, p->c);
    const struct weft_pool_args args = {.pool = *p,
                                        .x = floats(a, in),
                                        .y = floats(a, out),
                                        .argmax = take(a, out, 1),
                                        .dy = floats(a, out),
                                        .dx = floats(a, in)};
    *work = (double)(4 * in + 5 * out);
    if (!list)
        return WEFT_OK;
    return row->direction ? list->device->backend->pool_backward(list, &args)
                          : list->device->backend->pool_forward(list, &args);
}

static enum weft_status run_act(const struct row *row, struct arena *a,
                                struct weft_list *list, double *work)
{
    size_t n = (size_t)row->n;
    const struct weft_act_args args = {.activation = {row->act, 0.01f},
                                       .x = floats(a, n),
                                       .y = floats(a, n),
                                       .dy = floats(a, n),
                                       .dx = floats(a, n)};
    *work = (row->direction ? 12.0 : 8.0) * row->n;
    if (!list)
        return WEFT_OK;
    return row->direction ? list->device->backend->act_backward(list, &args)
                          : list->device->backend->act_forward(list, &args);
}

static enum weft_status run_norm(const struct row *row, struct arena *a,
                                 struct weft_list *list, double *work)
{
    size_t count = volume(row->n, 1, 1, row->out), channels = (size_t)row->out;
    struct weft_norm_args args = {.rows = row->n,
                                  .channels = row->out,
                                  .momentum = 0.1f,
                                  .epsilon = 1e-5f,
                                  .activation = {row->act, 0.01f},
                                  .x = floats(a, count),
                                  .weight = floats(a, channels),
                                  .bias = floats(a, channels),
                                  .running_mean = floats(a, channels),
                                  .running_variance = floats(a, channels),
                                  .mean = floats(a, channels),
                                  .inverse = floats(a, channels),
                                  .scale = floats(a, channels),
                                  .y = floats(a, count),
                                  .dy = floats(a, count),
                                  .dx = floats(a, count),
                                  .dweight = floats(a, channels),
                                  .dbias = floats(a, channels)};
    *work = (row->direction == 1 ? 20.0 : row->direction ? 8.0 : 12.0) * (double)count;
    if (!list)
        return WEFT_OK;
    const struct weft_backend *b = list->device->backend;
    enum weft_status (*const primitives[])(struct weft_list *,
                                           const struct weft_norm_args *) = {
        b->norm_forward, b->norm_backward, b->norm_apply};
    return primitives[row->direction](list, &args);
}

static enum weft_status run_add(const struct row *row, struct arena *a,
                                struct weft_list *list, double *work)
{
    size_t n = (size_t)row->n;
    struct weft_add_args args = {.x = floats(a, n), .other = floats(a, n)};
    struct weft_view y = floats(a, n);
    args.y = y;
    if (row->direction)
        args.gate = (struct weft_gate){{row->act, 0}, y};
    else
        args.activation.act = row->act;
    *work = (row->direction ? 16.0 : 12.0) * row->n;
    return list ? list->device->backend->add(list, &args) : WEFT_OK;
}

static enum weft_status run_dropout(const struct row *row, struct arena *a,
                                    struct weft_list *list, double *work)
{
    const struct weft_dropout_args args = {.rate = 0.2f,
                                           .state = words(a, STATE_WORDS),
                                           .x = floats(a, (size_t)row->n),
                                           .y = floats(a, (size_t)row->n)};
    *work = 8.0 * row->n;
    return list ? list->device->backend->dropout(list, &args) : WEFT_OK;
}

static enum weft_status run_softmax(const struct row *row, struct arena *a,
                                    struct weft_list *list, double *work)
{
    size_t count = volume(row->n, 1, 1, row->out);
    const struct weft_softmax_args args = {
        .n = row->n, .classes = row->out, .x = floats(a, count), .y = floats(a, count)};
    *work = 8.0 * (double)count;
    return list ? list->device->backend->softmax(list, &args) : WEFT_OK;
}

static enum weft_status run_loss(const struct row *row, struct arena *a,
                                 struct weft_list *list, double *work)
{
    size_t count = volume(row->n, 1, 1, row->out);
    const struct weft_loss_args args = {.n = row->n,
                                        .classes = row->out,
                                        .labels = words(a, (size_t)row->n),
                                        .logits = floats(a, count),
                                        .dlogits = floats(a, count),
                                        .loss = floats(a, (size_t)row->n),
                                        .hit = words(a, (size_t)row->n)};
    *work = 8.0 * (double)count;
    return list ? list->device->backend->loss(list, &args) : WEFT_OK;
}

static enum weft_status run_input(const struct row *row, struct arena *a,
                                  struct weft_list *list, double *work)
{
    size_t count = 10000;
    const struct weft_input_args args = {.n = row->n,
                                         .count = (int)count,
                                         .pixels = row->in,
                                         .channels = 1,
                                         .steps_per_epoch = (int)count / row->n,
                                         .scale = {1.0f / 255},
                                         .state = words(a, STATE_WORDS),
                                         .labels = words(a, count),
                                         .bytes = take(a, count * (size_t)row->in, 1),
                                         .x = floats(a, volume(row->n, 1, 1, row->in)),
                                         .batch_labels = words(a, (size_t)row->n)};
    *work = 5.0 * row->n * row->in;
    return list ? list->device->backend->input(list, &args) : WEFT_OK;
}

static enum weft_status run_optimizer(const struct row *row, struct arena *a,
                                      struct weft_list *list, double *work)
{
    size_t n = (size_t)row->n;
    struct weft_update_args args = {.optimizer = {.kind = row->optimizer,
                                                  .momentum = 0.9f,
                                                  .beta1 = 0.9f,
                                                  .beta2 = 0.999f,
                                                  .epsilon = 1e-8f},
                                    .state = words(a, STATE_WORDS),
                                    .w = floats(a, n),
                                    .g = floats(a, n),
                                    .m = floats(a, n)};
    *work = 20.0 * row->n;
    if (row->optimizer != WEFT_OPTIMIZER_SGD) {
        args.v = words(a, n);
        *work = 28.0 * row->n;
    }
    return list ? list->device->backend->update(list, &args) : WEFT_OK;
}

#define CONV_SEED                                                          \
    .conv = {512, 28, 28, 1, 32, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 1, 26, 26}, \
    .pool = {512, 26, 26, 32, 2, 2, 2, 2, 0, 0, 0, 0, 13, 13}
#define CONV_3X3    .conv = {64, 14, 14, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 14, 14}
#define CONV_1X1    .conv = {64, 14, 14, 64, 128, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 14, 14}
#define CONV_STRIDE .conv = {64, 28, 28, 32, 64, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 1, 14, 14}
#define CONV_DEPTH  .conv = {64, 28, 28, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 64, 28, 28}
#define NORM_14     .n = 256 * 14 * 14, .out = 32
#define NORM_7      .n = 256 * 7 * 7, .out = 64
#define POOL_2X2    .pool = {64, 28, 28, 32, 2, 2, 2, 2, 0, 0, 0, 0, 14, 14}

/* What networks on small pictures are made of; `seed` is the first job's network. */
static const struct row table[] = {
    {"conv", "seed: 28x28x1, 32 3x3 relu pool, b512, forward", run_conv, CONV_SEED,
     .act = WEFT_ACT_relu},
    {"conv", "seed, backward-weights", run_conv, CONV_SEED, .direction = 2},
    {"conv", "14x14x32, 64 3x3 same, b64, forward", run_conv, CONV_3X3},
    {"conv", "14x14x32, 64 3x3 same, backward-data", run_conv, CONV_3X3, .direction = 1},
    {"conv", "14x14x32, 64 3x3 same, backward-weights", run_conv, CONV_3X3,
     .direction = 2},
    {"conv", "14x14x64, 128 1x1, b64, forward", run_conv, CONV_1X1},
    {"conv", "14x14x64, 128 1x1, backward-data", run_conv, CONV_1X1, .direction = 1},
    {"conv", "14x14x64, 128 1x1, backward-weights", run_conv, CONV_1X1, .direction = 2},
    {"conv", "28x28x32, 64 3x3 stride 2, b64, forward", run_conv, CONV_STRIDE},
    {"conv", "28x28x32, 64 3x3 stride 2, backward-data", run_conv, CONV_STRIDE,
     .direction = 1},
    {"conv", "28x28x32, 64 3x3 stride 2, backward-weights", run_conv, CONV_STRIDE,
     .direction = 2},
    {"conv", "28x28x64, depthwise 3x3, b64, forward", run_conv, CONV_DEPTH},
    {"conv", "28x28x64, depthwise 3x3, backward-data", run_conv, CONV_DEPTH,
     .direction = 1},
    {"conv", "28x28x64, depthwise 3x3, backward-weights", run_conv, CONV_DEPTH,
     .direction = 2},
    {"dense", "seed: 5408 to 32, b512, forward", run_dense, .n = 512, .in = 5408,
     .out = 32, .act = WEFT_ACT_relu},
    {"dense", "seed: 5408 to 32, backward-data", run_dense, .n = 512, .in = 5408,
     .out = 32, .direction = 1},
    {"dense", "seed: 5408 to 32, backward-weights", run_dense, .n = 512, .in = 5408,
     .out = 32, .direction = 2},
    {"dense", "512 to 512, b256, forward", run_dense, .n = 256, .in = 512, .out = 512},
    {"dense", "512 to 512, b1, forward", run_dense, .n = 1, .in = 512, .out = 512},
    {"pool", "28x28x32 2x2, b64, forward", run_pool, true, POOL_2X2},
    {"pool", "28x28x32 2x2, backward", run_pool, true, POOL_2X2, .direction = 1},
    {"act", "relu, 4M, forward", run_act, true, .n = 1 << 22, .act = WEFT_ACT_relu},
    {"act", "relu, 4M, backward", run_act, true, .n = 1 << 22, .act = WEFT_ACT_relu,
     .direction = 1},
    {"act", "gelu, 4M, forward", run_act, true, .n = 1 << 22, .act = WEFT_ACT_gelu},
    {"act", "gelu, 4M, backward", run_act, true, .n = 1 << 22, .act = WEFT_ACT_gelu,
     .direction = 1},
    {"act", "silu, 4M, forward", run_act, true, .n = 1 << 22, .act = WEFT_ACT_silu},
    {"act", "tanh, 4M, forward", run_act, true, .n = 1 << 22, .act = WEFT_ACT_tanh},
    {"batch-norm", "14x14x32 relu, b256, forward", run_norm, true, NORM_14,
     .act = WEFT_ACT_relu},
    {"batch-norm", "14x14x32 relu, backward", run_norm, true, NORM_14,
     .act = WEFT_ACT_relu, .direction = 1},
    {"batch-norm", "14x14x32 gelu, b256, forward", run_norm, true, NORM_14,
     .act = WEFT_ACT_gelu},
    {"batch-norm", "14x14x32 gelu, backward", run_norm, true, NORM_14,
     .act = WEFT_ACT_gelu, .direction = 1},
    {"batch-norm", "14x14x32 gelu, apply", run_norm, true, NORM_14, .act = WEFT_ACT_gelu,
     .direction = 2},
    {"batch-norm", "7x7x64 gelu, b256, forward", run_norm, true, NORM_7,
     .act = WEFT_ACT_gelu},
    {"batch-norm", "7x7x64 gelu, backward", run_norm, true, NORM_7, .act = WEFT_ACT_gelu,
     .direction = 1},
    {"add", "4M, relu", run_add, true, .n = 1 << 22, .act = WEFT_ACT_relu},
    {"add", "4M, gate of relu", run_add, true, .n = 1 << 22, .act = WEFT_ACT_relu,
     .direction = 1},
    {"dropout", "4M", run_dropout, true, .n = 1 << 22},
    {"softmax", "10 classes, b512", run_softmax, true, .n = 512, .out = 10},
    {"softmax", "1000 classes, b512", run_softmax, true, .n = 512, .out = 1000},
    {"loss", "10 classes, b512", run_loss, true, .n = 512, .out = 10},
    {"loss", "1000 classes, b512", run_loss, true, .n = 512, .out = 1000},
    {"input", "28x28x1, b512 of 10000", run_input, true, .n = 512, .in = 784},
    {"optimizer", "adam, 1M weights", run_optimizer, true, .n = 1 << 20,
     .optimizer = WEFT_OPTIMIZER_ADAM},
    {"optimizer", "sgd, 1M weights", run_optimizer, true, .n = 1 << 20,
     .optimizer = WEFT_OPTIMIZER_SGD},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum weft_status time_replays(struct weft_device *device, struct weft_list *list,
                                     int replays, double *seconds)
{
    double begin = now();
    for (int i = 0; i < replays; i++)
        WEFT_TRY(device->backend->replay(list));
    WEFT_TRY(device->backend->wait(device));
    *seconds = (now() - begin) / replays;
    return WEFT_OK;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorted times of a replay. */
static enum weft_status time_list(struct weft_device *device, struct weft_list *list,
                                  double times[ROUNDS])
{
    double first;
    WEFT_TRY(time_replays(device, list, 1, &first));
    WEFT_TRY(time_replays(device, list, 1, &first));
    int replays = (int)fmin(MAX_REPLAYS, ceil(round_seconds / fmax(first, 1e-9)));
    for (int i = 0; i < ROUNDS; i++)
        WEFT_TRY(time_replays(device, list, replays, &times[i]));
    qsort(times, ROUNDS, sizeof(*times), compare_doubles);
    return WEFT_OK;
}

static void print_times(const struct row *row, double work, const double times[ROUNDS])
{
    printf("%-9s %-48s %9.4f ms (%.4f to %.4f) %8.1f %s\n", row->op, row->what,
           1e3 * times[ROUNDS / 2], 1e3 * times[0], 1e3 * times[ROUNDS - 1],
           1e-9 * work / times[ROUNDS / 2], row->bytes ? "GB/s" : "GFLOP/s");
    fflush(stdout);
}

static enum weft_status bench_row(struct weft_device *device, const struct row *row)
{
    struct arena arena = {.device = device};
    struct weft_list *list = NULL;
    double work, times[ROUNDS];
    row->run(row, &arena, NULL, &work);
    enum weft_status status = device->backend->alloc(device, arena.used, &arena.mem);
    arena.used = 0;
    if (!status)
        status = device->backend->list_create(device, &list);
    if (!status)
        status = row->run(row, &arena, list, &work);
    if (!status)
        status = arena.status;
    if (!status)
        status = device->backend->list_seal(list);
    if (!status)
        status = time_list(device, list, times);
    if (!status)
        print_times(row, work, times);
    if (list)
        device->backend->list_destroy(list);
    if (arena.mem)
        device->backend->free(device, arena.mem);
    return status;
}

bool check_bench(weft_device *device, const char *op)
{
    int failed = 0, found = 0;
    for (size_t i = 0; i < WEFT_COUNT(table); i++)
        if (!strcmp(table[i].op, op)) {
            found++;
            if (bench_row(device, &table[i])) {
                printf("FAIL %s %s: %s\n", op, table[i].what,
                       weft_error(device->context));
                failed++;
            }
        }
    return found && !failed;
}
