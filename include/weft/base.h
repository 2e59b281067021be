/* SPDX-License-Identifier: Apache-2.0 */
/* The ground under every other header: statuses, the log, the context. */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

/* What every fallible function returns. Results go through `out` parameters, which are
 * untouched on failure unless the function says otherwise. Each value is a thing a caller
 * may do something about. */
enum weft_status {
    WEFT_OK,            /* 0 */
    WEFT_ERR_ARG,       /* an argument is out of its stated range */
    WEFT_ERR_NOMEM,     /* the host or the device has too little memory */
    WEFT_ERR_NO_DEVICE, /* no device answers the selector */
    WEFT_ERR_DEVICE,    /* the driver failed; the device is not to be used again */
    WEFT_ERR_BUILD,  /* the driver's compiler refused a kernel; its log is in the sentence
                      */
    WEFT_ERR_FILE,   /* a file cannot be found, read or written */
    WEFT_ERR_FORMAT, /* a file or a text was read, but what it says is not valid */
    WEFT_ERR_MISMATCH, /* a result differs from the reference */
    WEFT_STATUS_COUNT
};

/* A short English name: "out of memory". Never NULL. */
WEFT_API const char *weft_status_name(enum weft_status status);

/* "0.1.0" of the library that is running. */
WEFT_API const char *weft_version(void);

enum weft_log_level {
    WEFT_LOG_ERROR, /* a call failed; the same sentence is in weft_error() */
    WEFT_LOG_WARN,  /* it went on, but slower or otherwise than asked */
    WEFT_LOG_INFO,  /* once per run: the device, the model, the plan */
    WEFT_LOG_DEBUG  /* every build and every config of kernel */
};

/* Messages are one line of UTF-8 without a newline. Called from the thread that called
 * weft. */
typedef void (*weft_log_fn)(void *priv, enum weft_log_level level, const char *message);

/* Zero is the default of every field; the struct need only live until the call returns,
 * the strings too. */
struct weft_context_params {
    weft_log_fn log;               /* NULL: silence */
    void *log_priv;                /* handed back to `log` */
    enum weft_log_level log_level; /* the most talkative level that is wanted */
    const char
        *cache_dir; /* compiled kernels are kept here, created 0700; NULL: not kept */
    const char *tuning_dir; /* what tuning found is kept here (weft/tune.h), created 0700;
                               NULL: not kept, and nothing is read */
    const char *icd_dir;    /* where the OpenCL loader finds drivers, for diagnosis only;
                            NULL: /etc/OpenCL/vendors */
    bool no_opencl;         /* only the built-in CPU backend: no driver is loaded */
};
#define weft_context_params(...) (&(struct weft_context_params){__VA_ARGS__})

/* A context owns the list of devices, the log and the last error. It is the parent of
 * everything else and outlives it. A context and all that is made from it belong to one
 * thread at a time; contexts are independent of each other. */
typedef struct weft_context weft_context;

/* Makes a context and lists the devices (weft/device.h). A machine without OpenCL is no
 * failure: the list then holds the built-in CPU backend alone. `params` may be NULL.
 * WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_context_create(weft_context **out,
                                              const struct weft_context_params *params);

/* Frees the context and sets `*context` to NULL. As all destroy functions, accepts a NULL
 * `*context`. */
WEFT_API void weft_context_destroy(weft_context **context);

/* The sentence that the last failed call on this context left: where, what, with the
 * numbers, and how to mend it. Never NULL; valid until the next failing call. */
WEFT_API const char *weft_error(const weft_context *context);

#ifdef __cplusplus
}
#endif
#endif
