/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: the list in its fixed order, diagnostics, selection, opening. */
#ifndef WEFT_DEVICE_H
#define WEFT_DEVICE_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weft_device_kind {
    WEFT_DEVICE_DISCRETE,    /* a GPU with its own memory */
    WEFT_DEVICE_INTEGRATED,  /* a GPU that shares the host's memory */
    WEFT_DEVICE_ACCELERATOR, /* any other OpenCL accelerator */
    WEFT_DEVICE_CPU,         /* an OpenCL driver that runs on the host's processor */
    WEFT_DEVICE_HOST         /* the plain C backend; always present, always last */
};

/* Kernel family: the way kernels are written for a class of devices. */
enum weft_kernel_family {
    WEFT_FAMILY_AUTO, /* chosen by the device's class */
    WEFT_FAMILY_VEC,  /* register tiles of explicit vectors; no local memory or barrier */
    WEFT_FAMILY_TILE, /* work-group tiles in local memory */
    /* Convolutions with sub-group shuffles; everything else as in `tile`. Without
     * sub-groups slow, with a warning. */
    WEFT_FAMILY_SUBGROUP,
    /* Convolutions on matrix units, with each product of two float32 numbers as three
     * tf32 products, which adds up to 12 roundings of error; everything else as in
     * `tile`. Without matrix units slow, with a warning. */
    WEFT_FAMILY_MMA
};

/* Matrix multiplication of dense layers. */
enum weft_gemm_provider {
    WEFT_GEMM_NATIVE,
    WEFT_GEMM_CLBLAST /* OpenCL devices only; WEFT_ERR_ARG in a build without CLBlast */
};

struct weft_device_info {
    enum weft_device_kind kind;
    char name[128];
    char platform[128];
    char vendor[64];
    char driver[64];  /* driver version */
    char version[64]; /* OpenCL version string; empty for the host backend */
    char
        id[96]; /* stable identifier: "pci:0000:01:00.0@platform" where the driver reports
                    the address, else name@platform#k */
    int platform_index; /* P in clinfo's P:D; -1 for the host backend */
    int device_index;   /* D in clinfo's P:D */
    unsigned compute_units;
    unsigned clock_mhz; /* 0: not reported by the driver */
    uint64_t global_mem_bytes;
    uint64_t max_alloc_bytes;
    uint64_t local_mem_bytes; /* of a work-group; 0: none */
    size_t max_work_group_size;
    bool fp16, fp64;                /* half and double arithmetic in kernels */
    enum weft_kernel_family family; /* what WEFT_FAMILY_AUTO selects on this device */
    /* Index of an earlier device that is the same hardware through another driver, and
     * how that is known: "its PCI address"; -1 and "": there is none. */
    int same_as;
    char same_by[32];
};

/* Index of the host backend, beside its place at the end of the list. */
enum { WEFT_HOST_DEVICE = -1 };

/* Describes the device at `index`, counted from 0. The order is by kind as in the enum,
 * then by PCI address, platform and name, drivers of the hardware's vendor before those
 * that serve any (rusticl, Clover, clvk, PoCL), so it does not change from run to run.
 * WEFT_ERR_ARG beyond the last, which leaves weft_error() as it was: loop until then. */
WEFT_API enum weft_status weft_device_info(const weft_context *context, int index,
                                           struct weft_device_info *out, size_t size);
#define weft_device_info(context, index, out) \
    weft_device_info(context, index, out, sizeof(*(out)))

/* Resolves a selector: an index, "gpu", "igpu", "cpu" (the host backend), "P:D" in
 * clinfo's numbering, or a case-insensitive part of the name or platform. NULL or "": the
 * best device. `reason`, unless NULL, receives a phrase for display ("best of 3"), valid
 * until the next call on this context. WEFT_ERR_NO_DEVICE without a match (the message
 * lists the devices), and for an index if a query of OpenCL failed, since a device that
 * is missing now would change its meaning; WEFT_ERR_ARG if part of a name matches
 * several. */
WEFT_API enum weft_status weft_device_find(weft_context *context, const char *selector,
                                           int *index, const char **reason);

/* Diagnostics of this machine's OpenCL installation: platforms without devices, drivers
 * that do not load, /dev/dri without permission, each with its fix. One sentence each;
 * NULL after the last. */
WEFT_API const char *weft_device_diagnostic(weft_context *context, int index);

struct weft_device_params {
    size_t struct_size;
    enum weft_kernel_family family;
    enum weft_gemm_provider gemm;
    bool no_tuning; /* ignore tuning results (weft/tune.h) */
    /* Seconds of work that the queue of an OpenCL device holds at most, by the time that
     * launches took: replays wait beyond. 0: 0.5. A single launch may take longer. */
    double queue_seconds;
    /* A device counts as lost if it has not answered this number of seconds after 20
     * times what its queued launches took before, or five times as many where none was
     * measured yet: then every call returns WEFT_ERR_DEVICE, and closing the device waits
     * for nothing and frees nothing that the driver may still use. 0: 120. */
    double timeout;
    /* Algorithms that are not used, separated by commas, as in the configs of
     * weft/tune.h: "direct", "winograd-4"; "winograd" is all that begin with "winograd-".
     * NULL: none. Of OpenCL devices alone: WEFT_ERR_ARG for a name that none of theirs
     * has. Where a primitive has no other algorithm, recording it fails. */
    const char *avoid;
};
#define weft_device_params(...) WEFT_PARAMS(weft_device_params, __VA_ARGS__)

/* An open device with one in-order queue. */
typedef struct weft_device weft_device;

/* Opens the device at `index`, or the host backend: WEFT_HOST_DEVICE.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_device_open(weft_context *context, int index,
                                           const struct weft_device_params *params,
                                           weft_device **out);

/* Waits for the device and closes it. All objects made on it must be destroyed first. */
WEFT_API void weft_device_close(weft_device **device);

#ifdef __cplusplus
}
#endif
#endif
