/* SPDX-License-Identifier: Apache-2.0 */
/* The context's inside: the log and the last error. The list of devices hangs on it but
 * belongs to src/device/device.c. */
#ifndef WEFT_BASE_CONTEXT_H
#define WEFT_BASE_CONTEXT_H

#include <weft/base.h>

struct weft_devices;

struct weft_context {
    weft_log_fn log;
    void *log_priv;
    enum weft_log_level log_level;
    char *cache_dir;  /* may be NULL */
    char *tuning_dir; /* may be NULL */
    char *icd_dir;
    char *error; /* may be NULL: nothing failed yet */
    struct weft_devices *devices;
};

/* Records why a call failed, logs it, and returns `status`, so that failing is one line:
 *     return weft_fail(ctx, WEFT_ERR_ARG, "conv: stride %d, must be 1 or more", stride);
 * Messages may be long (build logs); they are kept whole. */
enum weft_status weft_fail(weft_context *ctx, enum weft_status status, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));

void weft_log_message(weft_context *ctx, enum weft_log_level level, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* For an allocation that came back NULL. */
enum weft_status weft_out_of_memory(weft_context *ctx, const char *what, size_t bytes);

/* Leaves the function when `expr` fails. Only where nothing is to be freed. */
#define WEFT_TRY(expr)                     \
    do {                                   \
        enum weft_status status_ = (expr); \
        if (status_)                       \
            return status_;                \
    } while (0)

#define WEFT_REQUIRE(ctx, condition)                                                   \
    do {                                                                               \
        if (!(condition))                                                              \
            return weft_fail(ctx, WEFT_ERR_ARG, "%s: needs %s", __func__, #condition); \
    } while (0)

#define WEFT_ARRAY_SIZE(array) (sizeof(array) / sizeof(*(array)))

/* Products of sizes that come from a file or a user: false on overflow. */
static inline bool weft_checked_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
