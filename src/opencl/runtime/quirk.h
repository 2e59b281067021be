/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be known of a device and its driver beyond what they tell. */
#ifndef WEFT_OPENCL_RUNTIME_QUIRK_H
#define WEFT_OPENCL_RUNTIME_QUIRK_H

#include "opencl/runtime/ocl.h"

enum {
    OCL_QUIRK_HAS_OWN_CACHE = 1, /* has a better cache of compiled programs than ours */
    OCL_QUIRK_SOFTWARE_GPU = 2,  /* a GPU driver on the host's processor: sorted as a CPU,
                                     but work-items are lanes, as on a GPU */
    OCL_QUIRK_NO_PARTIAL_WRITES =
        4, /* takes what a write or fill leaves out of a buffer for
                                     uninitialized (Oclgrind 21.10) */
    OCL_QUIRK_FINISH_NEEDS_MARKER =
        8 /* clFinish does not wait for what clFlush has sent (Mesa
                                     22.3's rusticl), but for a marker behind it */
};

struct ocl_device_class {
    enum weft_kernel_family family;
    unsigned quirks;
    const char *
        work_group_family_options; /* added to builds of families whose work-items share a
                                  group, which are all but `vec`; "": none */
};

/* Of the device that `info` names. */
struct ocl_device_class ocl_classify_device(const struct weft_device_info *info,
                                            cl_device_type type);

#endif
