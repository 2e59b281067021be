/* SPDX-License-Identifier: Apache-2.0 */
/* Common to all headers: statuses, the rule for structs, the log, the context. */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these headers. */
#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0
#define WEFT_VERSION       "0.1.0"

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

/* Every function that can fail returns a status. Results go through `out` parameters,
 * which stay untouched on failure unless the function says otherwise.
 *
 * A pointer must not be NULL unless its function allows it: NULL is WEFT_ERR_ARG, with a
 * message that names the argument. A function without a status then returns NULL, fills
 * the output struct with zeros, or does nothing. */
enum weft_status {
    WEFT_OK,            /* 0 */
    WEFT_ERR_ARG,       /* an argument is outside its documented range */
    WEFT_ERR_NOMEM,     /* not enough memory on the host or on the device */
    WEFT_ERR_NO_DEVICE, /* no device matches the selector */
    WEFT_ERR_DEVICE,    /* the driver failed; the device must not be used again */
    WEFT_ERR_BUILD,     /* the driver's compiler rejected a kernel; the error message
                           contains its log */
    WEFT_ERR_FILE,      /* a file cannot be found, read or written */
    WEFT_ERR_FORMAT,    /* the contents of a file or a text are invalid */
    WEFT_ERR_MISMATCH,  /* a result differs from the reference */
    WEFT_STATUS_COUNT
};

/* A short English name: "out of memory". Never NULL. */
WEFT_API const char *weft_status_name(enum weft_status status);

/* Version of the running library, which may be another than WEFT_VERSION: "0.1.0". */
WEFT_API const char *weft_version(void);

/* Structs. A caller that was compiled against an older or newer header stays compatible,
 * because each struct crosses the interface with its size:
 *
 * - A params struct (weft_*_params) begins with `struct_size`. The macro of the same name
 *   sets it: weft_train_params(.batch = 64) is a pointer, *weft_train_params(.batch = 64)
 *   a value. The library takes fields beyond the caller's size as zero, which is the
 *   default of every field. Size 0, and a larger struct than the library's with anything
 *   but zeros in the unknown part, are WEFT_ERR_ARG. A NULL pointer means all defaults.
 * - A function that fills a struct takes the size of the caller's as its last argument,
 *   and writes that much at most; what it does not know becomes zero. The macro of the
 *   same name passes sizeof(*out), so that C code leaves the argument out. The size is an
 *   argument and not a field because a caller need not initialize an output.
 * - Structs that the library passes to a callback may grow at the end. weft_image and
 *   structs that are part of another struct never change.
 *
 * In C++ from C++11 on the macros are for use inside functions, take the fields in the
 * order of their declaration, as C++20 requires it, and give a pointer that is valid to
 * the end of the statement. One inside another would not be: copy the inner one first. A
 * struct with the name of a function needs the word `struct`: struct weft_net_info info;
 */
#ifdef __cplusplus
#define WEFT_PARAMS(type, ...)                                                     \
    (&static_cast<const struct type &>([&] {                                       \
        _Pragma("GCC diagnostic push") _Pragma(                                    \
            "GCC diagnostic ignored \"-Wmissing-field-initializers\"") struct type \
            params_ = __extension__ type{__VA_ARGS__};                             \
        _Pragma("GCC diagnostic pop") params_.struct_size = sizeof(params_);       \
        return params_;                                                            \
    }()))
#else
#define WEFT_PARAMS(type, ...) \
    (&(struct type){.struct_size = sizeof(struct type), __VA_ARGS__})
#endif

enum weft_log_level {
    WEFT_LOG_ERROR, /* a call failed; weft_error() returns the same message */
    WEFT_LOG_WARN,  /* degraded: slower than, or different from, what was requested */
    WEFT_LOG_INFO,  /* once a run: device, model, plan */
    WEFT_LOG_DEBUG  /* every kernel build and kernel configuration */
};

/* A message is one line of UTF-8 without a newline. The callback runs on the thread that
 * called weft. */
typedef void (*weft_log_fn)(void *priv, enum weft_log_level level, const char *message);

/* The struct and its strings are copied. */
struct weft_context_params {
    size_t struct_size;
    weft_log_fn log;               /* NULL: no log */
    void *log_priv;                /* first argument of `log` */
    enum weft_log_level log_level; /* most verbose level to report */
    const char *cache_dir;  /* folder for compiled kernels, created with mode 0700; NULL:
                               they are not cached */
    const char *tuning_dir; /* folder for tuning results (weft/tune.h), created with mode
                               0700; NULL: none are read or stored */
    const char *icd_dir;    /* the OpenCL loader's folder of drivers, for diagnosis only;
                               NULL: /etc/OpenCL/vendors */
    bool no_opencl;         /* host backend only; no driver is loaded */
    bool accept_damaged;    /* load models whose contents do not match their checksum,
                               with a warning */
};
#define weft_context_params(...) WEFT_PARAMS(weft_context_params, __VA_ARGS__)

/* A context owns the list of devices, the log and the last error. It is the parent of all
 * other objects and must outlive them. A context and all objects made from it may be used
 * by one thread at a time; contexts are independent of each other, and several threads
 * may create contexts and open devices at once: weft calls drivers one at a time there,
 * because some are not thread-safe.
 *
 * A child of fork() must not use the contexts of its parent: drivers and threads do not
 * survive fork(). Calls that need a device are WEFT_ERR_DEVICE there, and destroying the
 * objects leaves the memory of their devices alone. A child may create contexts; if the
 * parent had loaded OpenCL, they list the host backend only, and a diagnostic states it
 * (weft_device_diagnostic). A child that calls exec() has no such limits. */
typedef struct weft_context weft_context;

/* Creates a context and enumerates the devices (weft/device.h). A machine without OpenCL
 * is not an error: the list then contains the host backend only.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_context_create(weft_context **out,
                                              const struct weft_context_params *params);

/* Frees the context and sets `*context` to NULL. Every destroy function accepts a NULL
 * `*context`. */
WEFT_API void weft_context_destroy(weft_context **context);

/* The message of the last failed call on this context: where, what, the numbers and how
 * to fix it. NULL: of the last failed call of this thread that had no context, because it
 * was to create one or because an object was NULL. Never NULL; valid until the next call
 * that fails. */
WEFT_API const char *weft_error(const weft_context *context);

#ifdef __cplusplus
}
#endif
#endif
