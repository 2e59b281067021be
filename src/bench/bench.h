/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of weft_bench: probes of a device, ops at a shape, steps of a network, and
 * their timing. */
#ifndef WEFT_BENCH_BENCH_H
#define WEFT_BENCH_BENCH_H

#include "device/backend.h"

#include <weft/bench.h>

enum { BENCH_MAX_SAMPLES = 1000 };

/* A recorded probe in its best shape. */
struct bench_probe {
    struct weft_command_list *list;
    double work; /* operations or bytes of a replay */
    double rate; /* work per second, best measurement */
};

struct weft_bench {
    struct weft_device *device;
    struct weft_bench_params params;
    struct weft_roofline roofs;
    struct weft_mem *memory; /* of the probes */
    struct bench_probe multiply, read[WEFT_BANDWIDTH_LEVELS], copy[WEFT_BANDWIDTH_LEVELS];
};

/* timing.c. Fills in the measured part of a timing: samples, interleaved with the probe
 * of the limiting resource, and the roof. flops, bytes and launches are given. `seconds`
 * has room for BENCH_MAX_SAMPLES. */
enum weft_status bench_measure(struct weft_bench *bench, struct weft_command_list *list,
                               int first, int end, double *seconds,
                               struct weft_timing *timing);

/* Sets the roof from the best rates of the probes. */
void bench_set_roofline(const struct weft_bench *bench, struct weft_timing *timing);

/* "direct tile=6: pad, conv_forward": the configs and the kernels of launches. */
void bench_describe_kernels(const struct weft_command_list *list, int first, int end,
                            char *text, size_t size);

/* shape.c. Parsing of a shape: extents, then words. */
enum { BENCH_MAX_EXTENTS = 4, BENCH_SHAPE_BYTES = 128 };
struct bench_shape {
    weft_context *ctx;
    const char *op, *text;
    char rest[BENCH_SHAPE_BYTES]; /* the unread part */
    char *next;
};

enum weft_status bench_shape_begin(weft_context *ctx, const char *op, const char *text,
                                   struct bench_shape *shape);
/* `count` extents joined by x, each from 1 to 2^24; `form` is "IMAGESxINPUTSxOUTPUTS",
 * for the error message. */
enum weft_status bench_shape_extents(struct bench_shape *shape, const char *form,
                                     int count, int *out);
/* Reads the word NAME=NUMBER if there is one. */
enum weft_status bench_shape_number(struct bench_shape *shape, const char *name, int min,
                                    int max, int *out);
/* Reads the word that is one of `names`, or NAME=one of them where `name` is given; *out
 * stays as it is if there is none. */
bool bench_shape_name(struct bench_shape *shape, const char *const *names, int count,
                      int *out);
/* Fails if a word is left. */
enum weft_status bench_shape_end(struct bench_shape *shape);

/* op.c. An op at one shape. */
struct bench_case {
    struct weft_conv conv;
    struct weft_pool pool;
    struct weft_activation activation;
    enum weft_optimizer_kind optimizer;
    int n, in, out, channels;
};

/* One primitive of an op, with views by bench_view, and its work. */
struct bench_call {
    struct weft_primitive_call call;
    double flops;
    double extra_bytes; /* moved beyond one read or write of each argument */
};

/* A present view of `count` elements that has no memory yet. */
struct weft_view bench_view(size_t count);

struct bench_op {
    const char *name;
    enum weft_status (*parse)(struct bench_shape *shape, struct bench_case *c);
    void (*call)(const struct bench_case *c, enum weft_phase phase,
                 struct bench_call *out);
    const char *const *shapes; /* usual ones; NULL after the last */
    enum weft_phase parts[5];  /* WEFT_PHASE_COUNT after the last */
};
extern const struct bench_op bench_conv, bench_dense, bench_pool, bench_act, bench_add,
    bench_norm, bench_dropout, bench_softmax, bench_loss, bench_input, bench_optimizer,
    bench_slice, bench_scale, bench_channel_shuffle, bench_prelu, bench_layer_norm;

#endif
