/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of a device: every op against the reference backend. */
#ifndef WEFT_VERIFY_H
#define WEFT_VERIFY_H

#include <weft/device.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One verified case. The strings live until the callback returns. */
struct weft_verify_case {
    const char *op;        /* "conv" */
    const char *direction; /* "backward-weights, exact" */
    const char *detail;    /* the complete case, enough to repeat it; on a mismatch also
                              where and by how much; "" otherwise */
    bool passed;
    double max_error_ratio; /* largest error divided by its bound; 0 for exact cases */
    int index;              /* number of the random shape among those of this op; a shape
                               has several cases */
    int count;              /* number of random shapes of this op */
    bool build_failed; /* no result: the kernel does not build; `detail` has the log */
};

struct weft_verify_params {
    size_t struct_size;
    const char *op;   /* one op only; NULL: all */
    int cases;        /* random shapes an op and direction; 0: 40 */
    int mixed_cases;  /* not 0: total number of random shapes, each of a random op, all
                         compiled kernels stay loaded; `cases` is ignored */
    int first_case;   /* number of the first shape, to repeat one that `detail` names */
    bool tiny_shapes; /* for emulators */
    bool random_kernels; /* kernels and configurations chosen at random among all that the
                            tuner may choose, instead of the device's own */
    enum weft_precision precision; /* FLOAT16: tensors in float16, with their rounding in
                                      the bound; ops without float16 are skipped. AUTO is
                                      FLOAT32 */
    uint64_t seed;
    /* called after each case; NULL: none */
    void (*report)(void *priv, const struct weft_verify_case *result);
    void *priv;
};
#define weft_verify_params(...) WEFT_PARAMS(weft_verify_params, __VA_ARGS__)

struct weft_verify_result {
    int passed, failed, skipped;
    double
        max_error_ratio; /* over all cases with real numbers; at most 1 if all passed */
    int build_failures;  /* those of `failed` whose kernels do not build */
};

/* Runs every op in every direction on `device` and compares it with the reference
 * backend: integer inputs exactly, real ones within the a-priori rounding bound, with
 * guard zones around every output. Waits. WEFT_ERR_MISMATCH if a case failed,
 * WEFT_ERR_BUILD if all that failed did not build; `out` is filled then too. */
WEFT_API enum weft_status weft_verify(weft_device *device,
                                      const struct weft_verify_params *params,
                                      struct weft_verify_result *out, size_t size);
#define weft_verify(device, params, out) weft_verify(device, params, out, sizeof(*(out)))

/* Names of the ops that can be verified; NULL after the last. */
WEFT_API const char *weft_verify_op_name(int index);

#ifdef __cplusplus
}
#endif
#endif
