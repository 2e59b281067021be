/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL device: its properties, errors and memory. */
#ifndef WEFT_OPENCL_RUNTIME_OCL_H
#define WEFT_OPENCL_RUNTIME_OCL_H

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "device/backend.h"

struct ocl_staging; /* staging.c */

struct weft_mem {
    cl_mem mem;
    size_t bytes;                /* as requested, without WEFT_BUFFER_PADDING */
    struct ocl_staging *staging; /* NULL: it is not written ahead */
};

/* The identity of a device and its driver. The texts are part of the keys of caches and
 * of tuning files, in this order. */
enum ocl_identity_text {
    OCL_PLATFORM_NAME,
    OCL_PLATFORM_VERSION,
    OCL_DEVICE_NAME,
    OCL_DEVICE_VENDOR,
    OCL_DRIVER_VERSION,
    OCL_DEVICE_VERSION,
    OCL_IDENTITY_TEXTS
};
struct ocl_identity {
    cl_platform_id platform;
    cl_device_type type;
    cl_uint address_bits;
    char texts[OCL_IDENTITY_TEXTS][512];
};

struct ocl_program; /* program.c */

/* Contents of the queue of a device (queue.h): launches not known to have ended, and the
 * events of some of them. */
enum { OCL_MARKS = 16 };
struct ocl_mark {
    cl_event event;
    int launches; /* since the mark before */
};
struct ocl_outstanding {
    struct ocl_mark marks[OCL_MARKS]; /* oldest first */
    int mark_count;
    int launches, unmarked;    /* all; those since the last mark */
    double begin;              /* clock: the oldest launch, or the last end waited for */
    double seconds_per_launch; /* measured last; 0: not yet */
    bool lost;                 /* no answer ... */
    double waited;             /* ... for this number of seconds */
};

struct ocl_device {
    struct weft_device base;
    cl_device_id id;
    struct ocl_identity identity;
    cl_context context;
    cl_command_queue queue; /* in order, no profiling */
    bool reads_host;        /* an asynchronous write may not have ended */
    struct ocl_outstanding outstanding;
    double queue_seconds; /* of work at most in the queue */
    double timeout;       /* queue.h */
    /* For writes ahead, in order; NULL: nothing is staged. */
    cl_command_queue transfers;
    cl_event written; /* its last write; NULL: none */
    cl_uint compute_units;
    size_t max_work_group_size;
    cl_ulong local_mem_bytes;
    cl_ulong max_alloc;
    int vector_width;          /* floats in a native vector: 4, 8 or 16 */
    bool is_cpu;               /* runs on the host CPU: local size (1,1,1) for `vec` */
    unsigned quirks;           /* quirk.h */
    unsigned subgroup_sizes;   /* a bit for each valid size; family sg alone */
    int subgroup_ext;          /* subgroup_probe.h */
    int mma_path;              /* mma_probe.h; family mma alone */
    uint64_t fingerprint;      /* of device and driver, part of those of configs */
    const char *build_options; /* for quirks of its driver; "" for none */
    char *cache_dir;           /* NULL: programs are not cached */
    int builds, cache_hits;    /* of programs; those from the cache */
    char *avoided;             /* names of algorithms that are not used; NULL: none */
    struct ocl_test_results *test_results; /* of known-answer tests; may be NULL */
    struct ocl_program *programs;
};

static inline struct ocl_device *ocl_device_of(const struct weft_command_list *list)
{
    return (struct ocl_device *)list->device;
}

/* Beside OpenCL's own errors: the device is lost, which the message reports (queue.h). */
enum { OCL_NO_ANSWER = -9000 };

/* "CL_OUT_OF_RESOURCES". */
const char *ocl_error_name(cl_int error);

/* WEFT_OK for CL_SUCCESS; else a status, with the message "opencl: WHAT: NAME". */
enum weft_status ocl_check(weft_context *ctx, cl_int error, const char *what);

/* The same for calls that reserve memory, where drivers may report "out of resources". */
enum weft_status ocl_check_memory(weft_context *ctx, cl_int error, const char *what);

/* memory.c: buffers and transfers, as in struct weft_backend. */
enum weft_status ocl_alloc(struct weft_device *device, size_t bytes,
                           struct weft_mem **out);
void ocl_free(struct weft_device *device, struct weft_mem *mem);
enum weft_status ocl_write(struct weft_device *device, struct weft_mem *to, size_t offset,
                           const void *from, size_t bytes);
enum weft_status ocl_write_async(struct weft_device *device, struct weft_mem *to,
                                 size_t offset, const void *from, size_t bytes);
enum weft_status ocl_read(struct weft_device *device, void *to, struct weft_mem *from,
                          size_t offset, size_t bytes);
enum weft_status ocl_wait(struct weft_device *device);
/* Waits for asynchronous writes, without a message. */
void ocl_end_writes(struct ocl_device *d);

/* staging.c: writes ahead, as in struct weft_backend. */
enum weft_status ocl_alloc_staged(struct weft_device *device, size_t bytes,
                                  struct weft_mem **out);
enum weft_status ocl_write_ahead(struct weft_device *device, struct weft_mem *to,
                                 const void *from, size_t bytes);
enum weft_status ocl_wait_written(struct weft_device *device);
/* Waits until nothing is written. */
void ocl_staging_destroy(struct weft_device *device, struct ocl_staging *staging);

#endif
