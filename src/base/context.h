/* SPDX-License-Identifier: Apache-2.0 */
/* The context: log, last error, public structs of other sizes. src/device fills the
 * list of devices. */
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
    bool accept_damaged;
    char *error;                /* may be NULL: nothing failed yet, or */
    bool error_lost;            /* there was no memory for the message */
    const char *error_position; /* prefix of every error message; NULL: none */
    struct weft_devices *devices;
    unsigned generation; /* device/process.h */
};

/* Stores and logs the error message, and returns `status`, so that failing is one line:
 *     return weft_fail(ctx, WEFT_ERR_ARG, "conv: stride %d, must be 1 or more", stride);
 * A message is never truncated; it may contain a build log. `ctx` NULL: weft_error(NULL)
 * returns the message, in this thread, truncated to 255 bytes. */
enum weft_status weft_fail(weft_context *ctx, enum weft_status status, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));

void weft_log_message(weft_context *ctx, enum weft_log_level level, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* For an allocation that returned NULL. */
enum weft_status weft_out_of_memory(weft_context *ctx, const char *what, size_t bytes);

/* Copies a caller's params struct, which may be older or newer, into the library's of
 * `size` bytes (weft/base.h); NULL: all zero. A new field must be appended beyond the old
 * size of the struct: padding of an old caller has undefined contents. */
enum weft_status weft_params_read(weft_context *ctx, const char *function,
                                  const void *params, void *own, size_t size);
#define WEFT_READ_PARAMS(ctx, params, own) \
    weft_params_read(ctx, __func__, params, own, sizeof(*(own)))

/* Fills a caller's struct of `out_size` bytes, unless NULL, from the library's of `size`
 * bytes; NULL: all zero. */
void weft_info_write(void *out, size_t out_size, const void *own, size_t size);
#define WEFT_WRITE_INFO(out, out_size, own) \
    weft_info_write(out, out_size, own, sizeof(*(own)))

/* Returns if `expr` fails. Only where nothing needs to be freed. */
#define WEFT_TRY(expr)                     \
    do {                                   \
        enum weft_status status_ = (expr); \
        if (status_)                       \
            return status_;                \
    } while (0)

/* Unless the condition holds, returns WEFT_ERR_ARG with a message: `rule` states the
 * condition in words, "batch must be 0 or more". */
#define WEFT_REQUIRE(ctx, condition, rule)                                 \
    do {                                                                   \
        if (!(condition))                                                  \
            return weft_fail(ctx, WEFT_ERR_ARG, "%s: %s", __func__, rule); \
    } while (0)

/* For an argument by its name in the public header. */
#define WEFT_REQUIRE_POINTER(ctx, pointer, name) \
    WEFT_REQUIRE(ctx, pointer, name " must not be NULL")

#define WEFT_ARRAY_SIZE(array) (sizeof(array) / sizeof(*(array)))

/* Product of sizes from a file or a user; false on overflow. */
static inline bool weft_checked_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
