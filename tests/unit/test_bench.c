/* SPDX-License-Identifier: Apache-2.0 */
/* The roofline is plausible; every op is measured at a small shape; a wrong result is
 * reported and not timed; invalid shapes are refused.
 *
 *     test_bench [-d DEVICE] [-f vec|tile] [--every N]    every Nth of the ops */
#define _POSIX_C_SOURCE 200809L
#include "unit/test.h"

#include "device/backend.h"
#include "bench/bench.h"
#include "lab/compare.h"
#include "verify/expect.h"

#include <weft/bench.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

static weft_context *ctx;
static weft_device *device;

static const struct {
    const char *op, *shape;
    int directions;
} cases[] = {
    {"conv", "3x9x7x5:6x3x3", 3},
    {"conv", "2x9x8x4:8x3x2:stride=2:groups=2:pad=valid:relu", 3},
    {"conv", "2x9x9x1:8x3x3:pool=2:gelu", 3},
    {"dense", "5x33x7:relu", 3},
    {"pool", "2x9x9x5:3x2:stride=2", 2},
    {"act", "1001:gelu", 2},
    {"batch-norm", "3x5x7x11:gelu", 3},
    {"add", "1001:relu", 2},
    {"dropout", "1003", 1},
    {"softmax", "7x11", 1},
    {"loss", "7x11", 1},
    {"batch", "3x5x5x3", 1},
    {"optimizer", "1001:sgd", 1},
    {"optimizer", "1001:adam", 1},
    {"slice", "3x5x7x11", 2},
    {"scale", "3x5x7x11", 2},
    {"channel-shuffle", "3x5x7x8", 1},
    {"prelu", "3x5x7x11", 2},
    {"layer-norm", "3x5x7x11", 2},
};

static const struct {
    const char *op, *shape, *says;
} refused[] = {
    {"cnov", "3x9x7x5:6x3x3", "cnov"},
    {"conv", "3x9x7:6x3x3", "IMAGESxROWSxCOLUMNSxCHANNELS"},
    {"conv", "3x9x7x5", "FILTERSxROWSxCOLUMNS"},
    {"conv", "3x9x7x5:6x3x3:stride=0", "stride must be"},
    {"conv", "3x9x7x5:6x3x3:reul", "\"reul\" is unknown"},
    {"conv", "3x9x7x5:6x3x3:groups=4", "groups divide"},
    {"conv", "3x9x7x5:6x10x3:pad=valid", "must fit"},
    {"pool", "3x9x7x5:10x2", "must fit"},
    {"dense", "3x-9x7", "from 1"},
    {"dense", "3x9x7x", "from 1"},
    {"act", "100", "activation is missing"},
    {"batch", "3x5x5x9", "channels"},
};

struct timing_counts {
    int count, wrong, timed;
};

static void record_step_timing(void *priv, const struct weft_timing *t)
{
    struct timing_counts *seen = priv;
    seen->count++;
    seen->wrong += t->error != NULL;
    seen->timed += t->count > 0;
    CHECK(t->launches > 0 && t->kernels[0] && t->bytes > 0 && t->roofline_seconds > 0);
    if (t->count)
        CHECK(t->fastest > 0 && t->fastest <= t->median && t->median <= t->slowest);
}

/* A device that reads its results wrong: all floats are too large. NaN stay as they are,
 * those of guard zones too. */
static const struct weft_backend *honest;

static enum weft_status read_wrong(struct weft_device *d, void *to, struct weft_mem *from,
                                   size_t offset, size_t bytes)
{
    WEFT_TRY(honest->read(d, to, from, offset, bytes));
    for (size_t i = 0; i + sizeof(float) <= bytes; i += sizeof(float)) {
        float value;
        memcpy(&value, (char *)to + i, sizeof(value));
        value += 1000;
        memcpy((char *)to + i, &value, sizeof(value));
    }
    return WEFT_OK;
}

static void test_ops(weft_bench *bench, size_t every)
{
    honest = device->backend;
    struct weft_backend lying = *honest;
    lying.read = read_wrong;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(cases); i += every) {
        struct timing_counts seen = {0};
        CHECK_OK(
            weft_bench_op(bench, cases[i].op, cases[i].shape, record_step_timing, &seen));
        if (seen.wrong || seen.timed != cases[i].directions)
            TEST_FAIL("%s %s: %d reported, %d wrong", cases[i].op, cases[i].shape,
                      seen.count, seen.wrong);
        seen = (struct timing_counts){0};
        device->backend = &lying;
        CHECK_OK(
            weft_bench_op(bench, cases[i].op, cases[i].shape, record_step_timing, &seen));
        device->backend = honest;
        if (seen.timed || seen.wrong != cases[i].directions)
            TEST_FAIL("%s %s: of %d wrong results %d are reported", cases[i].op,
                      cases[i].shape, cases[i].directions, seen.wrong);
    }
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(refused); i++)
        CHECK_FAILS(weft_bench_op(bench, refused[i].op, refused[i].shape,
                                  record_step_timing, NULL),
                    WEFT_ERR_ARG, refused[i].says);
}

static const char net_text[] = "conv 4 3x3\n"
                               "batch-norm\n"
                               "relu\n"
                               "max-pool 2\n"
                               "flatten\n"
                               "dense 3\n"
                               "softmax\n";

static int own_lists; /* created, with kernels of their own choice */

static enum weft_status create_list(struct weft_device *on,
                                    const struct weft_command_list_params *params,
                                    struct weft_command_list **out)
{
    own_lists += !params || !params->like;
    return honest->list_create(on, params, out);
}

/* The segments of a step, verified by the kernels that are measured; a step with wrong
 * results is reported. */
static void test_step(weft_bench *bench, bool training)
{
    enum { COUNT = 20, SIDE = 9 };
    static uint8_t pixels[COUNT * SIDE * SIDE];
    static int32_t labels[COUNT];
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * i % 251);
    for (int i = 0; i < COUNT; i++)
        labels[i] = i % 3;
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                             .classes = 3, .pixels = pixels, .labels = labels);
    struct timing_counts seen = {0};
    const struct weft_step_params params =
        *weft_step_params(.batch = 8, .training = training, .verify = true,
                          .report = record_step_timing, .priv = &seen);
    weft_dataset *data = NULL;
    weft_net *net = NULL;
    struct weft_step_report step;
    struct weft_backend counting = *honest;
    counting.list_create = create_list;
    CHECK_OK(weft_dataset_from_memory(ctx, &shape, &data));
    CHECK_OK(weft_net_create(
        ctx, net_text, weft_net_params(.height = SIDE, .width = SIDE, .channels = 1),
        &net));
    device->backend = &counting;
    own_lists = 0;
    CHECK_OK(weft_bench_step(bench, net, data, &params, &step));
    device->backend = honest;
    CHECK_INT(own_lists, 2); /* steps and updates, or weights and predictions */
    CHECK(step.verify_seconds > 0);
    CHECK_TEXT(step.error, "");
    CHECK(seen.timed == seen.count && seen.count >= (training ? 8 : 4));
    CHECK(step.launches >= seen.count && step.roofline_seconds > 0 && step.batch == 8);
    CHECK((double)step.bytes_planned < 1.1 * (double)step.bytes_allocated &&
          (double)step.bytes_planned > 0.5 * (double)step.bytes_allocated);
    struct weft_backend lying = *honest;
    lying.read = read_wrong;
    device->backend = &lying;
    seen = (struct timing_counts){0};
    CHECK_OK(weft_bench_step(bench, net, data, &params, &step));
    device->backend = honest;
    CHECK(step.error[0] && !seen.timed);
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
}

/* The share of a call's results that are off by more than their bound once they are off
 * by 2^-9, where the bound is that of Winograd's algorithm. */
static double share_found(const struct bench_case *c, enum weft_phase part, int outputs)
{
    struct weft_device *const devices[LAB_SIDE_COUNT] = {device, NULL};
    struct bench_call work = {0};
    struct lab_call call;
    struct weft_command_list *list = NULL;
    double found = 0, all = 0;
    bench_conv.call(c, part, &work);
    REQUIRE(!lab_call_init(&call, &work.call, devices));
    lab_call_fill(&call);
    REQUIRE(!lab_call_record(&call, LAB_DEVICE, NULL, &list));
    CHECK_OK(lab_run(&call.lab, LAB_DEVICE, list, call.outputs, 1));
    struct verify_call v = {.device = device, .call = call.call, .winograd = outputs};
    v.argument_count = lab_arguments(&v.call, v.arguments);
    for (int i = 0; i < v.argument_count; i++) {
        v.arrays[i].before = lab_initial(&call.lab, &call.lab.tensors[i]);
        v.arrays[i].after = lab_result(&call.lab, &call.lab.tensors[i], LAB_DEVICE);
    }
    for (int i = 0; i < v.argument_count; i++) {
        const struct lab_argument *a = &v.arguments[i];
        for (size_t k = 0; a->written && a->type == LAB_FLOAT && k < a->view->count;
             k++) {
            struct verify_point p = {.at = k,
                                     .got = (double)((float *)v.arrays[i].after)[k]};
            verify_expectations[v.call.primitive].expect(&v, i, &p);
            CHECK(fabs(p.got - p.want) <= p.bound);
            found += 0x1p-9 * fabs(p.want) > p.bound;
            all++;
        }
    }
    device->backend->list_destroy(list);
    lab_call_finish(&call);
    return found / all;
}

/* The bounds are those of each result's own tiles. */
static void test_winograd_bounds(void)
{
    static const char *const shapes[] = {"2x9x10x8:6x3x3", "1x12x9x8:6x3x3:pool=2"};
    double least = 1;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(shapes); i++) {
        struct bench_case c = {0};
        struct bench_shape s;
        CHECK_OK(bench_shape_begin(ctx, "conv", shapes[i], &s));
        CHECK_OK(bench_conv.parse(&s, &c));
        for (int k = 0; bench_conv.parts[k] != WEFT_PHASE_COUNT; k++)
            for (int outputs = 2; outputs <= 4; outputs++)
                least = fmin(least, share_found(&c, bench_conv.parts[k], outputs));
    }
    printf("%.2g of results off by 2^-9 exceed the bound of Winograd's algorithm\n",
           least);
    CHECK(least > 0.5);
}

/* After the forward call of node `damaged` each value of its result is off by 2^-9 of
 * it: less than the gradients of a deep network are off by rounding. */
static int damaged;

static enum weft_status replay_damaged(struct weft_command_list *list, int first, int end)
{
    WEFT_TRY(honest->replay_range(list, first, end));
    for (int i = 0; i < list->call_count; i++) {
        const struct weft_recorded_call *c = &list->calls[i];
        if (c->first != first || c->end != end || c->node != damaged ||
            c->call.primitive != WEFT_PRIMITIVE_conv_forward)
            continue;
        struct weft_view y = c->call.args.conv_forward.y;
        float *values = malloc(y.count * sizeof(*values));
        if (!values)
            return WEFT_ERR_NOMEM;
        WEFT_TRY(honest->read(device, values, y.mem, y.offset * sizeof(*values),
                              y.count * sizeof(*values)));
        for (size_t k = 0; k < y.count; k++)
            values[k] *= 1 + 0x1p-9f;
        WEFT_TRY(honest->write(device, y.mem, y.offset * sizeof(*values), values,
                               y.count * sizeof(*values)));
        free(values);
    }
    return WEFT_OK;
}

/* In 30 layers with normalizations a rounding error moves some unit over the kink of its
 * relu, and the gradients of the first layers by several percent. The step is right, and
 * a layer that is wrong by far less is found and named. */
static void test_deep(weft_bench *bench, enum weft_precision precision)
{
    enum { LAYERS = 30, COUNT = 32, SIDE = 8 };
    static uint8_t pixels[COUNT * SIDE * SIDE];
    static int32_t labels[COUNT];
    char text[LAYERS * 64 + 64] = "";
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * i * 7 % 251);
    for (int i = 0; i < COUNT; i++)
        labels[i] = i % 3;
    for (int i = 0; i < LAYERS; i++)
        strcat(text, "conv 8 3x3 pad=same bias=no\nbatch-norm relu\n");
    strcat(text, "flatten\ndense 3\nsoftmax\n");
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                             .classes = 3, .pixels = pixels, .labels = labels);
    const struct weft_step_params params =
        *weft_step_params(.batch = COUNT, .training = true, .verify = true,
                          .precision = precision);
    weft_dataset *data = NULL;
    weft_net *net = NULL;
    struct weft_step_report step;
    CHECK_OK(weft_dataset_from_memory(ctx, &shape, &data));
    CHECK_OK(weft_net_create(
        ctx, text, weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net));
    CHECK_OK(weft_bench_step(bench, net, data, &params, &step));
    CHECK_TEXT(step.error, "");
    struct weft_backend damaging = *honest;
    damaging.replay_range = replay_damaged;
    damaged = 3 * 14; /* conv15: a layer is conv, batch-norm and relu */
    device->backend = &damaging;
    if (precision == WEFT_PRECISION_FLOAT32) {
        CHECK_OK(weft_bench_step(bench, net, data, &params, &step));
        CHECK(strstr(step.error, "conv15: conv_forward"));
    }
    device->backend = honest;
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
}

/* Launch overhead dominates a small network's step. Tiles split some products, and add
 * them in launches of their own. */
static void test_launches(weft_bench *bench)
{
    enum { COUNT = 8, SIDE = 28, MOST = 12, MOST_TILE = 15 };
    static uint8_t pixels[COUNT * SIDE * SIDE];
    static int32_t labels[COUNT];
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                             .classes = 10, .pixels = pixels, .labels = labels);
    const struct weft_step_params params =
        *weft_step_params(.batch = COUNT, .training = true);
    weft_dataset *data = NULL;
    weft_net *net = NULL;
    struct weft_step_report step;
    CHECK_OK(weft_dataset_from_memory(ctx, &shape, &data));
    CHECK_OK(weft_net_create(
        ctx, weft_net_builtin("small", -1),
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net));
    CHECK_OK(weft_bench_step(bench, net, data, &params, &step));
    CHECK(step.launches <= (device->family == WEFT_FAMILY_TILE ? MOST_TILE : MOST));
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
}

/* Levels, each 16 times the size of the one before and a quarter as fast: half way
 * between two, on a logarithmic scale, the bandwidth is half. */
static void test_between_levels(void)
{
    static const struct {
        double bytes, rate;
    } sizes[] = {{1, 64e9},     {1024, 64e9}, {4096, 32e9},
                 {16384, 16e9}, {65536, 8e9}, {1e9, 64e9 / 256}};
    struct weft_bench b = {.multiply.rate = 1e15};
    double rate = 64e9;
    size_t bytes = 1024;
    for (int i = 0; i < WEFT_BANDWIDTH_LEVELS; i++, bytes *= 16, rate /= 4) {
        b.roofs.level[i].bytes = bytes;
        b.read[i].rate = i % 2 ? rate : rate / 2;
        b.copy[i].rate = i % 2 ? rate / 2 : rate;
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct weft_timing t = {.bytes = sizes[i].bytes};
        bench_set_roofline(&b, &t);
        CHECK(t.memory_bound);
        /* Two roundings there, two here. */
        CHECK_NEAR(t.roofline_seconds * sizes[i].rate / sizes[i].bytes, 1,
                   4 * DBL_EPSILON);
    }
}

static void test_roofs(weft_bench *bench)
{
    struct weft_roofline r;
    weft_bench_roofline(bench, &r);
    CHECK(r.flops_per_second > 1e7 && r.flops_per_second < 1e16);
    CHECK(r.launch_overhead > 0 && r.sync_latency > 0);
    for (int i = 0; i < WEFT_BANDWIDTH_LEVELS; i++) {
        CHECK(r.level[i].read > 1e6 && isfinite(r.level[i].read));
        CHECK(r.level[i].copy > 1e6 && isfinite(r.level[i].copy));
        CHECK(!i || r.level[i].bytes > r.level[i - 1].bytes);
    }
}

/* A device that waits for a processor in the first replays of each list. */
static struct weft_command_list *replayed;
static int replay_count; /* of it */

static enum weft_status replay_late(struct weft_command_list *list, int first, int end)
{
    replay_count = list == replayed ? replay_count + 1 : 1;
    replayed = list;
    if (replay_count <= 3)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    return honest->replay_range(list, first, end);
}

/* Its roofline is that of the device, and not of single rounds of a probe. */
static void test_busy_roofs(weft_bench *bench)
{
    struct weft_roofline quiet, busy;
    struct weft_backend late = *honest;
    weft_bench *other = NULL;
    late.replay_range = replay_late;
    device->backend = &late;
    CHECK_OK(weft_bench_create(device, weft_bench_params(.seconds = 1e-3), &other));
    device->backend = honest;
    REQUIRE(other);
    weft_bench_roofline(bench, &quiet);
    weft_bench_roofline(other, &busy);
    CHECK(busy.flops_per_second > quiet.flops_per_second / 8);
    CHECK(busy.level[0].read > quiet.level[0].read / 8);
    weft_bench_destroy(&other);
}

static double reported; /* seconds by the timer, of a second by the clock */

static enum weft_status inaccurate_timer(struct weft_command_list *list, int replays,
                                         double *seconds, double *wall)
{
    (void)list;
    (void)replays;
    *seconds = reported;
    *wall = 1;
    return WEFT_OK;
}

static void test_timer(weft_bench *bench)
{
    static const struct {
        double seconds;
        const char *fault;
    } wrong_timers[] = {{0, "reads 0"}, {-1, "before it starts"}, {NAN, "not given"},
                        {0.9, ""},      {0.01, "0.01 times"},     {2, "2 times"}};
    struct weft_bench_timer t;
    CHECK_OK(weft_bench_timer(bench, &t));
    if (device->backend->time_replays)
        CHECK(t.error[0] || t.device > t.wall / 2);
    else
        CHECK(isnan(t.device) && !t.error[0]);
    struct weft_backend lying = *honest;
    lying.time_replays = inaccurate_timer;
    device->backend = &lying;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(wrong_timers); i++) {
        reported = wrong_timers[i].seconds;
        CHECK_OK(weft_bench_timer(bench, &t));
        CHECK(strstr(t.error, wrong_timers[i].fault) &&
              !t.error[0] == !wrong_timers[i].fault[0]);
    }
    device->backend = honest;
}

int main(int argc, char **argv)
{
    struct weft_device_params params = *weft_device_params();
    const char *selector = "cpu";
    weft_bench *bench = NULL;
    int index, every = 1;
    for (int i = 1; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], "-d"))
            selector = argv[i + 1];
        else if (!strcmp(argv[i], "--every"))
            every = atoi(argv[i + 1]);
        else
            params.family =
                strcmp(argv[i + 1], "tile") ? WEFT_FAMILY_VEC : WEFT_FAMILY_TILE;
    REQUIRE(!weft_context_create(&ctx, NULL));
    test_context = ctx;
    if (weft_device_find(ctx, selector, &index, NULL))
        test_skip(weft_error(ctx));
    CHECK_OK(weft_device_open(ctx, index, &params, &device));
    CHECK_OK(weft_bench_create(device, weft_bench_params(.seconds = 1e-3), &bench));
    REQUIRE(bench);
    test_between_levels();
    if (!device->backend->time_replays)
        test_winograd_bounds();
    test_roofs(bench);
    test_ops(bench, (size_t)every);
    if (!device->backend->time_replays)
        test_busy_roofs(bench);
    test_timer(bench);
    test_step(bench, true);
    test_step(bench, false);
    test_deep(bench, WEFT_PRECISION_FLOAT32);
    test_deep(bench, WEFT_PRECISION_FLOAT16);
    test_launches(bench);
    weft_bench_destroy(&bench);
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    return test_end();
}
