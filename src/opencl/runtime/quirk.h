/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of devices and drivers that they do not report themselves. */
#ifndef WEFT_OPENCL_RUNTIME_QUIRK_H
#define WEFT_OPENCL_RUNTIME_QUIRK_H

#include "opencl/runtime/ocl.h"

enum {
    /* Its cache of compiled programs is better than ours. */
    OCL_QUIRK_HAS_OWN_CACHE = 1,
    /* A GPU driver on the host CPU: classified as a CPU, but work-items are lanes, as on
     * a GPU. */
    OCL_QUIRK_SOFTWARE_GPU = 2,
    /* Treats unwritten parts of a buffer as uninitialized (Oclgrind 21.10). */
    OCL_QUIRK_NO_PARTIAL_WRITES = 4,
    /* Its number of compute units is that of execution units, of which a work-group
     * occupies at least OCL_EXECUTION_UNITS, a sub-slice (Intel's own driver). */
    OCL_QUIRK_COUNTS_EXECUTION_UNITS = 8,
    /* Has clang's __builtin_prefetch. */
    OCL_QUIRK_HAS_PREFETCH = 16,
    /* Its main memory is stacked on the chip (HBM), with two to three times the bytes for
     * each multiplication. */
    OCL_QUIRK_HIGH_BANDWIDTH = 32
};

enum { OCL_EXECUTION_UNITS = 8 };

struct ocl_device_class {
    enum weft_kernel_family family;
    unsigned quirks;
    /* Build options for families whose work-items share a work-group, all but `vec`; "":
     * none. */
    const char *work_group_family_options;
};

/* The class of the device that `info` describes. */
struct ocl_device_class ocl_classify_device(const struct weft_device_info *info,
                                            cl_device_type type);

#endif
