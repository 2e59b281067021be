/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring: what a device can do at best, and how near to that each op and each layer of
 * a network comes. Times are wall clock around a finished queue; what is timed has been
 * compared with the reference backend before. */
#ifndef WEFT_BENCH_H
#define WEFT_BENCH_H

#include <weft/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The speed of memory for data of so many bytes in all: the nearer to the compute units
 * they fit, the faster; in between it is taken to change evenly, on logarithmic scales.
 * Bytes a second, those written counted too. */
struct weft_bandwidth_level {
    size_t bytes;
    double read, copy;
};

/* What the device does at best, by kernels that do nothing else. */
enum { WEFT_BANDWIDTH_LEVELS = 5 };
struct weft_roofline {
    double flops_per_second; /* a second: multiply-adds in registers, each counts 2 */
    struct weft_bandwidth_level level[WEFT_BANDWIDTH_LEVELS]; /* from small to large */
    double launch_overhead; /* seconds for a launch that nobody waits for */
    double sync_latency;    /* and for one that is waited for */
};

/* Something that was timed: an op in one direction, or a part of a network's step.
 * Pointers live until the report returns. */
struct weft_timing {
    const char *name; /* "64x14x14x32:64x3x3", or a layer: "conv1"; may be "" */
    const char
        *layer_text;     /* the layer's line, and those of layers fused into it: "conv 32
                            3x3 relu + max-pool 2"; else "" */
    const char *phase;   /* "forward", "backward-weights" */
    const char *kernels; /* of its launches: "direct tile=6: pad, conv_forward" */
    int launches;
    double flops; /* of the usual algorithm: one that needs fewer, as Winograd's, may
                     exceed the roof */
    double bytes; /* that must be read or written at least */
    int count;    /* of samples; 0 if nothing was timed */
    const double *seconds; /* each sample, in the order of measuring */
    double median, fastest, slowest;
    /* seconds that it would take at min(peak, intensity x bandwidth), by a probe that
     * took turns with the samples */
    double roofline_seconds;
    bool memory_bound;     /* the bandwidth is that minimum */
    double relative_error; /* largest difference from the reference, as a share of the
                           largest value; NaN: not compared */
    const char *error;     /* what is wrong in the results; NULL: nothing */
};

typedef void (*weft_timing_fn)(void *priv, const struct weft_timing *timing);

struct weft_bench_params {
    double seconds; /* of measuring for each timing; 0: 0.3; less than 0: nothing is
                       timed, and the roofs are not measured */
    uint64_t seed;
};
#define weft_bench_params(...) (&(struct weft_bench_params){__VA_ARGS__})

/* Probes of a device, ready to be run beside what is measured. The device must outlive
 * it. */
typedef struct weft_bench weft_bench;

/* Measures the roofs. Takes a second or two, and memory: at most 256 MiB, for as long as
 * it lives. `params` may be NULL. WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_bench_create(weft_device *device,
                                            const struct weft_bench_params *params,
                                            weft_bench **out);
WEFT_API void weft_bench_destroy(weft_bench **bench);
WEFT_API void weft_bench_roofline(const weft_bench *bench, struct weft_roofline *out);

/* The device's own timer beside the wall clock, over the same launches. weft never times
 * by it: some drivers' read 0, or count in other units than nanoseconds. */
struct weft_bench_timer {
    double device, wall; /* seconds; `device` NaN: there is none */
    char error[96];      /* "reads 0"; "": it agrees, or the device is the built-in one */
};

/* WEFT_ERR_ARG if nothing is timed, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_bench_timer(weft_bench *bench,
                                           struct weft_bench_timer *out);

/* The ops that can be measured alone, NULL after the last, and for each the shapes that
 * are usual in networks, NULL after the last. */
WEFT_API const char *weft_bench_op_name(int index);
WEFT_API const char *weft_bench_op_shape(const char *op, int index);

/* Measures `op` at `shape` in each of its directions. Extents are joined by x, images
 * first, then rows, columns, channels; words after colons:
 *
 *     conv       64x28x28x32:64x3x3   filters x rows x columns. :pad=same :stride=1
 *                                     :groups=1 :pool=0 (2: a max-pool 2x2 in the same
 *                                     launches) :ACT
 *     dense      512x5408x32          images x inputs x outputs. :ACT
 *     pool       64x28x28x32:2x2      window. :stride=ROWS of the window :mean
 *     act        4194304:relu         numbers
 *     batch-norm 256x14x14x32         :ACT
 *     add        4194304:relu         the sum of two tensors
 *     dropout    4194304
 *     softmax    512x1000             images x classes
 *     loss       512x1000             the loss with its gradient
 *     input      512x28x28x1          from bytes to a batch
 *     optimizer  1048576:adam         weights; sgd, adam
 *
 * A wrong result is no failure of the call: the timing's `error` tells it, and nothing is
 * timed. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_bench_op(weft_bench *bench, const char *op,
                                        const char *shape, weft_timing_fn report,
                                        void *priv);

/* A network's step, planned as weft_trainer_create and weft_predictor_create do. */
struct weft_step_params {
    int batch;                     /* 0: as in training */
    bool training;                 /* a step of training; else inference */
    bool no_fusion;                /* no fusion */
    bool verify;                   /* compare with the reference backend */
    enum weft_precision precision; /* AUTO is FLOAT32 */
};
#define weft_step_params(...) (&(struct weft_step_params){__VA_ARGS__})

/* What device memory is for. */
enum weft_role {
    WEFT_ROLE_WEIGHTS,
    WEFT_ROLE_GRADIENTS,
    WEFT_ROLE_OPTIMIZER_STATE, /* of the optimizer */
    WEFT_ROLE_ACTIVATIONS,
    WEFT_ROLE_WORKSPACE,
    WEFT_ROLE_DATASET,
    WEFT_ROLE_COUNT
};

/* A step as a whole. */
struct weft_step_report {
    int batch, launches;
    double flops, bytes;
    double roofline_seconds; /* seconds: the sum of its parts' */
    size_t bytes_planned;    /* of device memory, for all that the step needs */
    size_t bytes_by_role[WEFT_ROLE_COUNT]; /* their parts */
    size_t bytes_allocated;                /* by the buffers that were then made */
    /* relative: of gradients, or of probabilities; NaN: not compared */
    double relative_error;
    char error[256]; /* what is wrong in the results; "": nothing */
};

/* Reports the parts of a step of `net` in the order they run, timed, and the step;
 * without `report` nothing is timed. With `verify` the step is done by the reference
 * backend too, in float32. In training the gradients of all weights after one step are
 * compared: a layer's may differ by 1/512 of its size, in float16 by a quarter. Else the
 * probabilities are, which in float16 may differ by 1/64 (weft/model.h). WEFT_ERR_ARG,
 * WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_bench_step(weft_bench *bench, const weft_net *net,
                                          const weft_dataset *data,
                                          const struct weft_step_params *params,
                                          weft_timing_fn report, void *priv,
                                          struct weft_step_report *out);

#ifdef __cplusplus
}
#endif
#endif
