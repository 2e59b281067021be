/* SPDX-License-Identifier: Apache-2.0 */
/* Benchmarks: the peak performance of a device, and how close each op and each layer of a
 * network comes to it. Times are wall clock around a finished queue; every timed result
 * has been compared with the reference backend. */
#ifndef WEFT_BENCH_H
#define WEFT_BENCH_H

#include <weft/dataset.h>
#include <weft/device.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Memory bandwidth for a working set of `bytes`, in bytes a second read and written.
 * Smaller sets fit caches closer to the compute units. Between two levels the bandwidth
 * is interpolated on logarithmic scales. */
struct weft_bandwidth_level {
    size_t bytes;
    double read, copy;
};

/* Peak performance of the device, measured with kernels that do nothing else (Williams,
 * Waterman and Patterson 2009, the roofline model). */
enum { WEFT_BANDWIDTH_LEVELS = 5 };
struct weft_roofline {
    double flops_per_second; /* multiply-adds in registers; each counts 2 */
    struct weft_bandwidth_level level[WEFT_BANDWIDTH_LEVELS]; /* from small to large */
    double launch_overhead; /* seconds of an asynchronous launch */
    double sync_latency;    /* seconds of a launch that is waited for */
};

/* A timing of an op in one direction, or of a part of a network's step. Pointers live
 * until the callback returns. */
struct weft_timing {
    const char *name;       /* shape "64x14x14x32:64x3x3" or layer "conv1"; may be "" */
    const char *layer_text; /* the lines of the layer and of those fused into it: "conv 32
                               3x3 relu + max-pool 2"; else "" */
    const char *phase;      /* "forward", "backward-weights" */
    const char *kernels;    /* of its launches: "direct tile=6: pad, conv_forward" */
    int launches;
    double
        flops; /* of the direct algorithm; one with fewer operations, such as Winograd's,
                     may exceed the roofline */
    double bytes;          /* minimum read and written */
    int count;             /* number of samples; 0: not timed */
    const double *seconds; /* samples in the order of measurement */
    double median, fastest, slowest;
    /* seconds at min(peak, intensity x bandwidth), by a probe interleaved with the
     * samples */
    double roofline_seconds;
    bool memory_bound;     /* the bandwidth is that minimum */
    double relative_error; /* largest difference from the right result divided by its
                              largest value; NaN: not compared */
    const char *error;     /* description of a wrong result; NULL: none */
};

typedef void (*weft_timing_fn)(void *priv, const struct weft_timing *timing);

struct weft_bench_params {
    size_t struct_size;
    double seconds; /* per timing; 0: 0.3; negative: nothing is timed, and the roofline is
                       not measured */
    uint64_t seed;
};
#define weft_bench_params(...) WEFT_PARAMS(weft_bench_params, __VA_ARGS__)

/* The roofline and its probes, which run interleaved with what is measured. The device
 * must outlive it. */
typedef struct weft_bench weft_bench;

/* Measures the roofline. Takes a second or two, and at most 256 MiB of device memory
 * until it is destroyed. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE,
 * WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_bench_create(weft_device *device,
                                            const struct weft_bench_params *params,
                                            weft_bench **out);
WEFT_API void weft_bench_destroy(weft_bench **bench);
WEFT_API void weft_bench_roofline(const weft_bench *bench, struct weft_roofline *out,
                                  size_t size);
#define weft_bench_roofline(bench, out) weft_bench_roofline(bench, out, sizeof(*(out)))

/* The device's own timer and the wall clock over the same launches. weft never uses the
 * device's timer: some drivers report 0, or units other than nanoseconds. */
struct weft_bench_timer {
    double device, wall; /* seconds; `device` NaN: no timer */
    char error[96];      /* "reads 0"; "": plausible, or the host backend */
};

/* Waits. WEFT_ERR_ARG if nothing is timed, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_bench_timer(weft_bench *bench,
                                           struct weft_bench_timer *out, size_t size);
#define weft_bench_timer(bench, out) weft_bench_timer(bench, out, sizeof(*(out)))

/* The shapes of `op` that are typical of networks; with `op` NULL the names of the ops
 * that can be measured. NULL after the last. */
WEFT_API const char *weft_bench_op_shape(const char *op, int index);

/* Measures `op` at `shape` in each of its directions. Extents are joined by x: images,
 * rows, columns, channels. Options follow after colons:
 *
 *     conv       64x28x28x32:64x3x3   filters x rows x columns. :pad=same :stride=1
 *                                     :groups=1 :pool=0 (2: with a fused max-pool 2x2)
 *                                     :ACT
 *     dense      512x5408x32          images x inputs x outputs. :ACT
 *     pool       64x28x28x32:2x2      window. :stride=ROWS of the window :mean
 *     act        4194304:relu         elements
 *     batch-norm 256x14x14x32         :ACT
 *     add        4194304:relu         sum of two tensors
 *     dropout    4194304
 *     softmax    512x1000             images x classes
 *     loss       512x1000             loss with its gradient
 *     batch      512x28x28x1          a batch from bytes
 *     optimizer  1048576:adam         weights; sgd, adam
 *     layer-norm, prelu, scale (a factor for each image and channel), slice (half of the
 *     channels), channel-shuffle (4 groups): 256x14x14x32
 *
 * A wrong result does not fail the call: it is the timing's `error`, and nothing is
 * timed. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_bench_op(weft_bench *bench, const char *op,
                                        const char *shape, weft_timing_fn report,
                                        void *priv);

/* A step, planned as weft_trainer_create and weft_predictor_create plan it. */
struct weft_step_params {
    size_t struct_size;
    int batch;                     /* 0: as in training */
    bool training;                 /* a training step; otherwise inference */
    bool no_fusion;                /* separate launches for every layer */
    bool verify;                   /* compare with the reference backend */
    enum weft_precision precision; /* AUTO is FLOAT32 */
    weft_timing_fn report; /* called for each part in execution order; NULL: nothing is
                              timed */
    void *priv;
};
#define weft_step_params(...) WEFT_PARAMS(weft_step_params, __VA_ARGS__)

/* Uses of device memory. */
enum weft_role {
    WEFT_ROLE_WEIGHTS,
    WEFT_ROLE_GRADIENTS,
    WEFT_ROLE_OPTIMIZER_STATE,
    WEFT_ROLE_ACTIVATIONS,
    WEFT_ROLE_WORKSPACE,
    WEFT_ROLE_DATASET,
    WEFT_ROLE_COUNT
};

/* A whole step. */
struct weft_step_report {
    int batch, launches;
    double flops, bytes;
    double roofline_seconds;               /* sum over the parts */
    size_t bytes_planned;                  /* device memory of the step */
    size_t bytes_by_role[WEFT_ROLE_COUNT]; /* its parts */
    size_t bytes_allocated;                /* by the buffers that were then created */
    /* largest difference of an op's result from what follows from its inputs, divided by
     * the largest of the result; NaN: not compared */
    double relative_error;
    char error[256];       /* description of a wrong result; "": none */
    double verify_seconds; /* that this took; NaN: not compared */
};

/* Times the parts of a step of `net`. With `verify` the same kernels run before, call by
 * call, on few images, as in their known-answer test: a sample of the results of each
 * must follow from the inputs that the device itself had, within the bounds of rounding.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_bench_step(weft_bench *bench, const weft_net *net,
                                          const weft_dataset *data,
                                          const struct weft_step_params *params,
                                          struct weft_step_report *out, size_t size);
#define weft_bench_step(bench, net, data, params, out) \
    weft_bench_step(bench, net, data, params, out, sizeof(*(out)))

#ifdef __cplusplus
}
#endif
#endif
