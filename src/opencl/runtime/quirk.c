/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of devices: their kernel family, and the quirks of their drivers. */
#include "opencl/runtime/quirk.h"

#include <string.h>

struct match {
    const char *platform, *vendor, *device; /* substrings; NULL: any */
    const char *driver;                     /* prefix of its version; NULL: any */
    cl_device_type types;                   /* any of these; 0: all */
};

/* The first match counts; the last row matches everything. */
static const struct {
    struct match match;
    enum weft_kernel_family family;
} families[] = {
    {{.device = "llvmpipe"}, WEFT_FAMILY_TILE},
    {{.types = CL_DEVICE_TYPE_CPU}, WEFT_FAMILY_VEC},
    {{"Portable Computing Language", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    {{.vendor = "NVIDIA", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    {{.vendor = "Advanced Micro Devices", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    {{.vendor = "AMD", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    {{.vendor = "Intel", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    {{.vendor = "Apple", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    {{.device = "Apple", .types = CL_DEVICE_TYPE_GPU}, WEFT_FAMILY_TILE},
    /* Mali and PowerVR keep local memory in main memory; so may unknown devices. */
    {{0}, WEFT_FAMILY_VEC},
};

/* The union of all matches. */
static const struct {
    struct match match;
    unsigned quirks;
    const char *work_group_family_options;
} device_quirks[] = {
    {{"Oclgrind"}, .quirks = OCL_QUIRK_NO_PARTIAL_WRITES},
    {{.device = "llvmpipe"}, .quirks = OCL_QUIRK_SOFTWARE_GPU},
    /* PoCL caches programs for each work-group size, which a binary does not contain. */
    {{"Portable Computing Language"}, .quirks = OCL_QUIRK_HAS_OWN_CACHE},
    /* Compiled by clang for the processor itself. */
    {{"Portable Computing Language", .types = CL_DEVICE_TYPE_CPU},
     .quirks = OCL_QUIRK_HAS_PREFETCH},
    /* PoCL 6 runs LLVM's instruction combiner in a mode that aborts the process unless
     * one pass suffices; kernels with barriers need more ("did not reach a fixpoint",
     * Debian 13) and are built without optimization. */
    {{"Portable Computing Language", .driver = "6.", .types = CL_DEVICE_TYPE_CPU},
     .work_group_family_options = "-cl-opt-disable"},
    {{"Intel(R) OpenCL", .types = CL_DEVICE_TYPE_GPU},
     .quirks = OCL_QUIRK_COUNTS_EXECUTION_UNITS},
    {{.vendor = "NVIDIA", .device = "P100"}, .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "NVIDIA", .device = "V100"}, .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "NVIDIA", .device = "A100"}, .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "NVIDIA", .device = "H100"}, .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "NVIDIA", .device = "H200"}, .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "Advanced Micro Devices", .device = "gfx906"},
     .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "Advanced Micro Devices", .device = "gfx908"},
     .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "Advanced Micro Devices", .device = "gfx90a"},
     .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    {{.vendor = "Advanced Micro Devices", .device = "gfx94"},
     .quirks = OCL_QUIRK_HIGH_BANDWIDTH},
    /* Its binaries are PTX; its own cache contains machine code. */
    {{"NVIDIA"}, .quirks = OCL_QUIRK_HAS_OWN_CACHE},
};

static bool contains(const char *name, const char *piece)
{
    return !piece || strstr(name, piece);
}

static bool matches(const struct match *m, const struct weft_device_info *info,
                    cl_device_type type)
{
    return (!m->types || (m->types & type)) && contains(info->platform, m->platform) &&
           contains(info->vendor, m->vendor) && contains(info->name, m->device) &&
           (!m->driver || !strncmp(info->driver, m->driver, strlen(m->driver)));
}

struct ocl_device_class ocl_classify_device(const struct weft_device_info *info,
                                            cl_device_type type)
{
    struct ocl_device_class c = {.work_group_family_options = ""};
    size_t i = 0;
    while (i + 1 < WEFT_ARRAY_SIZE(families) && !matches(&families[i].match, info, type))
        i++;
    c.family = families[i].family;
    for (i = 0; i < WEFT_ARRAY_SIZE(device_quirks); i++)
        if (matches(&device_quirks[i].match, info, type)) {
            c.quirks |= device_quirks[i].quirks;
            if (device_quirks[i].work_group_family_options)
                c.work_group_family_options = device_quirks[i].work_group_family_options;
        }
    return c;
}
