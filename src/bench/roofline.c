/* SPDX-License-Identifier: Apache-2.0 */
/* The roofline of a device: the best variant of every probe. */
#include "bench/bench.h"
#include "device/process.h"
#include "lab/timing.h"

#include "util/clock.h"

#include <math.h>
#include <stdlib.h>

enum { REPEATS = 5, LAUNCHES = 200, ROUND_TRIPS = 20, REST_BYTES = 4096 };
static const double probe_seconds = 2e-3;

/* Working sets of all compute units together, each at least twice the one before, because
 * the private caches of many units may exceed the next level. The last is beyond any
 * cache; a copy has half of it on each side. */
static const struct {
    size_t of_unit, in_all;
} level_sizes[WEFT_BANDWIDTH_LEVELS] = {
    {16 << 10, 0}, {256 << 10, 0}, {0, 8 << 20}, {0, 32 << 20}, {0, 128 << 20}};

static size_t level_working_set(const struct weft_device *device, int level)
{
    size_t units = device->info.compute_units ? device->info.compute_units : 1;
    size_t step = units * (16 << 10), most = (size_t)1 << 30;
    size_t least = level ? 2 * level_working_set(device, level - 1) : step;
    uint64_t memory = device->info.max_alloc_bytes / 4;
    size_t bytes = level_sizes[level].of_unit ? units * level_sizes[level].of_unit
                                              : level_sizes[level].in_all;
    if (memory && memory < most)
        most = (size_t)memory;
    bytes = bytes > least ? bytes : least;
    bytes = bytes < most ? bytes : most;
    return bytes < step ? step : bytes - bytes % step;
}

static enum weft_status record(struct weft_device *device,
                               struct weft_roofline_probe_args *args,
                               struct bench_probe *out)
{
    args->work = &out->work;
    WEFT_TRY(device->backend->list_create(device, NULL, &out->list));
    WEFT_TRY(out->list->primitives->roofline_probe(out->list, args));
    return device->backend->list_finalize(out->list);
}

static void destroy_probe(struct weft_device *device, struct bench_probe *probe)
{
    if (probe->list)
        device->backend->list_destroy(probe->list);
    *probe = (struct bench_probe){0};
}

/* The fastest of a few replays, or one that was too short: what takes long may have
 * waited for a processor. */
static enum weft_status time_probe(struct weft_command_list *list, double *fastest)
{
    double seconds;
    WEFT_TRY(lab_time_replays(list, 0, 1, 1, fastest));
    WEFT_TRY(lab_time_replays(list, 0, 1, 1, fastest));
    for (int i = 1; i < REPEATS && *fastest >= probe_seconds / 2; i++) {
        WEFT_TRY(lab_time_replays(list, 0, 1, 1, &seconds));
        *fastest = fmin(*fastest, seconds);
    }
    return WEFT_OK;
}

/* Records a variant with as many rounds as take about `probe_seconds`, and measures it.
 */
static enum weft_status measure_probe_shape(struct weft_device *device,
                                            struct weft_roofline_probe_args *args,
                                            struct bench_probe *out)
{
    double seconds = 0;
    for (args->rounds = 1;; args->rounds *= 2) {
        WEFT_TRY(record(device, args, out));
        if (out->work <= 0)
            return WEFT_OK;
        WEFT_TRY(time_probe(out->list, &seconds));
        if (seconds >= probe_seconds / 2 || args->rounds >= 1 << 28)
            break;
        if (seconds < probe_seconds / 32)
            args->rounds *= 8;
        destroy_probe(device, out);
    }
    out->rate = out->work / seconds;
    return WEFT_OK;
}

/* Keeps the best variant in `best`. */
static enum weft_status tune_probe(struct weft_bench *b,
                                   struct weft_roofline_probe_args args,
                                   struct bench_probe *best)
{
    for (args.shape = 0; args.shape < WEFT_PROBE_VARIANTS; args.shape++) {
        struct bench_probe probe = {0};
        enum weft_status status = measure_probe_shape(b->device, &args, &probe);
        if (!status && probe.work > 0 && probe.rate > best->rate) {
            destroy_probe(b->device, best);
            *best = probe;
        } else {
            destroy_probe(b->device, &probe);
        }
        WEFT_TRY(status);
    }
    return WEFT_OK;
}

static enum weft_status measure_bandwidth_levels(struct weft_bench *b,
                                                 struct weft_view rest)
{
    for (int i = 0; i < WEFT_BANDWIDTH_LEVELS; i++) {
        size_t bytes = level_working_set(b->device, i), count = bytes / sizeof(float);
        struct weft_roofline_probe_args args = {
            .kind = WEFT_PROBE_READ, .x = {b->memory, 0, count}, .y = rest};
        WEFT_TRY(tune_probe(b, args, &b->read[i]));
        args.kind = WEFT_PROBE_COPY;
        args.x.count = count / 2;
        args.y =
            (struct weft_view){.mem = b->memory, .offset = count / 2, .count = count / 2};
        WEFT_TRY(tune_probe(b, args, &b->copy[i]));
        b->roofs.level[i] =
            (struct weft_bandwidth_level){bytes, b->read[i].rate, b->copy[i].rate};
    }
    return WEFT_OK;
}

/* The fastest of a few tries: the cost of a launch without disturbance. */
static enum weft_status time_launches(struct weft_bench *b, struct weft_view rest)
{
    struct weft_roofline_probe_args args = {
        .kind = WEFT_PROBE_EMPTY, .rounds = 1, .y = rest};
    struct bench_probe probe = {0};
    enum weft_status status = record(b->device, &args, &probe);
    b->roofs.launch_overhead = b->roofs.sync_latency = INFINITY;
    for (int try = 0; try < REPEATS && !status; try++) {
        double seconds, begin;
        if (!(status = lab_time_replays(probe.list, 0, 1, LAUNCHES, &seconds)))
            b->roofs.launch_overhead = fmin(b->roofs.launch_overhead, seconds);
        begin = weft_clock_seconds();
        for (int i = 0; i < ROUND_TRIPS && !status; i++)
            status = lab_time_replays(probe.list, 0, 1, 1, &seconds);
        b->roofs.sync_latency =
            fmin(b->roofs.sync_latency, (weft_clock_seconds() - begin) / ROUND_TRIPS);
    }
    destroy_probe(b->device, &probe);
    return status;
}

static enum weft_status measure_roofline(struct weft_bench *b)
{
    size_t bytes = level_working_set(b->device, WEFT_BANDWIDTH_LEVELS - 1);
    WEFT_TRY(b->device->backend->alloc(b->device, bytes + REST_BYTES, &b->memory));
    struct weft_view rest = {b->memory, bytes / sizeof(float),
                             REST_BYTES / sizeof(float)};
    struct weft_roofline_probe_args args = {.kind = WEFT_PROBE_FMA, .y = rest};
    WEFT_TRY(tune_probe(b, args, &b->multiply));
    b->roofs.flops_per_second = b->multiply.rate;
    WEFT_TRY(measure_bandwidth_levels(b, rest));
    return time_launches(b, rest);
}

enum weft_status weft_bench_create(weft_device *device,
                                   const struct weft_bench_params *params,
                                   weft_bench **out)
{
    WEFT_REQUIRE_DEVICE(device);
    WEFT_REQUIRE_POINTER(device->context, out, "out");
    struct weft_bench *b = calloc(1, sizeof(*b));
    if (!b)
        return weft_out_of_memory(device->context, "bench", sizeof(*b));
    b->device = device;
    enum weft_status status = WEFT_READ_PARAMS(device->context, params, &b->params);
    if (!status && b->params.seconds >= 0)
        status = measure_roofline(b);
    if (status)
        weft_bench_destroy(&b);
    else
        *out = b;
    return status;
}

void weft_bench_destroy(weft_bench **bench)
{
    struct weft_bench *b = bench ? *bench : NULL;
    if (!b)
        return;
    if (weft_device_is_lost(b->device)) {
        *bench = NULL;
        return;
    }
    destroy_probe(b->device, &b->multiply);
    for (int i = 0; i < WEFT_BANDWIDTH_LEVELS; i++) {
        destroy_probe(b->device, &b->read[i]);
        destroy_probe(b->device, &b->copy[i]);
    }
    if (b->memory)
        b->device->backend->free(b->device, b->memory);
    free(b);
    *bench = NULL;
}

void(weft_bench_roofline)(const weft_bench *bench, struct weft_roofline *out, size_t size)
{
    weft_info_write(out, size, bench ? &bench->roofs : NULL, sizeof(bench->roofs));
}
