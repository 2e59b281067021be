/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: one flat list in a fixed order, what is wrong with the others, opening one,
 * and proving it right. */
#ifndef WEFT_DEVICE_H
#define WEFT_DEVICE_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weft_device_kind {
    WEFT_DEVICE_DISCRETE,    /* a GPU with memory of its own */
    WEFT_DEVICE_INTEGRATED,  /* a GPU that shares the host's memory */
    WEFT_DEVICE_ACCELERATOR, /* any other OpenCL accelerator */
    WEFT_DEVICE_CPU,         /* an OpenCL driver that runs on the host's processor */
    WEFT_DEVICE_HOST         /* weft's own plain-C backend; always there, always last */
};

/* How kernels are written for a device (README, "Kernel families"). */
enum weft_kernel_family {
    WEFT_FAMILY_AUTO, /* what suits the device's class */
    WEFT_FAMILY_VEC, /* register tiles of explicit vectors, no local memory, no barrier */
    WEFT_FAMILY_TILE, /* work-group tiles in local memory */
    /* convolutions by sub-groups, which see each other's registers; the rest as in
     * `tile`. Slow, with a warning, where there are none */
    WEFT_FAMILY_SUBGROUP,
    WEFT_FAMILY_MMA /* convolutions by matrix units, each product of two floats as three
                         of tf32, which errs by up to 12 roundings; the rest as in `tile`.
                         Slow, with a warning, where there are none */
};

/* Who multiplies matrices in dense layers. */
enum weft_gemm_provider {
    WEFT_GEMM_NATIVE,
    WEFT_GEMM_CLBLAST /* OpenCL devices only; WEFT_ERR_ARG where weft was built without it
                       */
};

struct weft_device_info {
    enum weft_device_kind kind;
    char name[128];
    char platform[128];
    char vendor[64];
    char driver[64];  /* driver version */
    char version[64]; /* the device's OpenCL version string; empty for the built-in
                         backend */
    char id[96]; /* what a file may record: "pci:0000:01:00.0@platform" where the driver
                    tells, else name@platform#k */
    int platform_index; /* clinfo's P of P:D, -1 for the built-in backend */
    int device_index;   /* clinfo's D of P:D */
    unsigned compute_units;
    unsigned clock_mhz; /* 0: the driver does not tell */
    uint64_t global_mem_bytes;
    uint64_t max_alloc_bytes;
    uint64_t local_mem_bytes;   /* local memory of a work-group; 0 where there is none */
    size_t max_work_group_size; /* largest work-group */
    bool fp16, fp64;            /* half and double arithmetic in kernels */
    enum weft_kernel_family family; /* what WEFT_FAMILY_AUTO means here */
};

/* How many devices the context knows; at least 1. */
WEFT_API int weft_device_count(const weft_context *context);

/* Tells about the device at `index`, 0 <= index < count. The order is by kind as in the
 * enum, then by PCI address, platform and name, so that it does not change from run to
 * run. WEFT_ERR_ARG. */
WEFT_API enum weft_status weft_device_info(const weft_context *context, int index,
                                           struct weft_device_info *out);

/* Finds the device that `selector` means: an index, "gpu", "igpu", "cpu" (the built-in
 * backend), "P:D" as clinfo counts, or a piece of the name or platform without regard to
 * case. NULL or "": the best one. `reason` receives half a sentence for people
 * ("the first of 3"), if not NULL; it lives until the next call with this context.
 * WEFT_ERR_NO_DEVICE if nothing answers; the sentence lists what there is. WEFT_ERR_ARG
 * if several answer a piece of a name. */
WEFT_API enum weft_status weft_device_find(weft_context *context, const char *selector,
                                           int *index, const char **reason);

/* What a user should know about this machine's OpenCL: platforms without devices, drivers
 * that do not load, /dev/dri that may not be opened, each with its mend. One sentence
 * each, NULL after the last. */
WEFT_API const char *weft_device_diagnostic(weft_context *context, int index);

/* Zero is the default of every field. */
struct weft_device_params {
    enum weft_kernel_family family;
    enum weft_gemm_provider gemm;
    bool no_tuning; /* built-in defaults alone, whatever tuning found (weft/tune.h) */
};
#define weft_device_params(...) (&(struct weft_device_params){__VA_ARGS__})

/* An opened device with one in-order queue. */
typedef struct weft_device weft_device;

/* Opens the device at `index`. `params` may be NULL.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_device_open(weft_context *context, int index,
                                           const struct weft_device_params *params,
                                           weft_device **out);

/* Opens weft's own C backend, which is always there. */
WEFT_API enum weft_status weft_device_open_host(weft_context *context, weft_device **out);

/* Waits for the device and closes it. Everything that was made on it must be destroyed
 * before. */
WEFT_API void weft_device_close(weft_device **device);

/* How the numbers of a network lie in memory. Float16 halves what activations take, in
 * training their gradients and at inference weights, and what must be moved; every sum
 * and every activation is worked out in float32 all the same, so that a device needs no
 * arithmetic of float16 for it. Probabilities, and the weights that are trained, are
 * float32 always. Auto takes float16 where it was measured faster and right
 * (weft/model.h, weft/train.h). */
enum weft_precision {
    WEFT_PRECISION_FLOAT32,
    WEFT_PRECISION_FLOAT16,
    WEFT_PRECISION_AUTO
};

/* One verified case. */
struct weft_verify_case {
    const char *op;        /* "conv" */
    const char *direction; /* "backward-weights, exact" */
    const char *detail; /* the whole case, enough to repeat it; on a mismatch also where
                           and by how much; "" otherwise */
    bool passed;
    double max_error_ratio; /* largest error over its bound; 0 for exact cases */
    int index;              /* of the random shape among those of this op, */
    int count; /* the last is the one before this; each has several verdicts */
};

struct weft_verify_params {
    const char *op;  /* only this op; NULL: all */
    int cases;       /* random shapes an op and direction; 0: 40 */
    int mixed_cases; /* not 0: so many shapes in all, each of an op drawn at random, one
                       after the other, with all that was compiled before them still
                       there; `cases` is not looked at */
    int first_case;  /* number of the first shape: to run one again that `detail` names */
    bool tiny_shapes; /* tiny shapes, for emulators */
    /* kernels and their tunables are drawn among all that the tuner may choose; else
     * those that the device would use */
    bool random_kernels;
    enum weft_precision precision; /* FLOAT16: with tensors in float16; the bound then
                                      has their rounding in it, and an op that has none
                                      passes nothing. AUTO is FLOAT32 */
    uint64_t seed;
    void (*report)(void *priv, const struct weft_verify_case
                                   *verdict); /* called after each case; NULL: silence */
    void *priv;
};

struct weft_verify_result {
    int passed, failed, skipped;
    /* largest error over its bound in the real-valued cases: at most 1 when all
     * passed */
    double max_error_ratio;
};

/* Runs every op in every direction on `device` and compares it with the reference
 * backend: integer inputs exactly, real ones within the a-priori rounding bound, with
 * guard zones around every output. Waits. WEFT_ERR_MISMATCH if one case or more failed;
 * `out` is filled in then too. */
WEFT_API enum weft_status weft_verify(weft_device *device,
                                      const struct weft_verify_params *params,
                                      struct weft_verify_result *out);

/* The names of the ops that weft_verify knows; NULL after the last. */
WEFT_API const char *weft_verify_op_name(int index);

#ifdef __cplusplus
}
#endif
#endif
