/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of devices: the kernel family that suits them, and what their drivers need. */
#include "quirk.h"

#include <string.h>

static const struct ocl_class classes[] = {
    {.platform = "Oclgrind",
     .types = CL_DEVICE_TYPE_ALL,
     .family = WEFT_FAMILY_VEC,
     .quirks = OCL_QUIRK_WHOLE_WRITES},
    {.device = "llvmpipe",
     .types = CL_DEVICE_TYPE_ALL,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_SOFTWARE_GPU | OCL_QUIRK_EARLY_FINISH},
    {.platform = "rusticl",
     .vendor = "AMD",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_EARLY_FINISH},
    {.platform = "rusticl",
     .vendor = "Intel",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_EARLY_FINISH},
    {.platform = "rusticl",
     .device = "Apple",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_EARLY_FINISH},
    {.platform = "rusticl",
     .vendor = "NVIDIA",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_EARLY_FINISH},
    {.platform = "rusticl",
     .types = CL_DEVICE_TYPE_ALL,
     .family = WEFT_FAMILY_VEC,
     .quirks = OCL_QUIRK_EARLY_FINISH},
    /* PoCL 6 runs LLVM's instruction combiner so that it aborts the process where it is
     * not done after a pass, which kernels with barriers provoke ("did not reach a
     * fixpoint", seen in Debian 13): these are built without optimization. */
    {.platform = "Portable Computing Language",
     .driver = "6.",
     .types = CL_DEVICE_TYPE_CPU,
     .family = WEFT_FAMILY_VEC,
     .quirks = OCL_QUIRK_KEEPS_PROGRAMS,
     .group_options = "-cl-opt-disable"},
    /* PoCL keeps its own programs for each work-group size, which a binary does not
     * hold. */
    {.platform = "Portable Computing Language",
     .types = CL_DEVICE_TYPE_CPU,
     .family = WEFT_FAMILY_VEC,
     .quirks = OCL_QUIRK_KEEPS_PROGRAMS},
    {.platform = "Portable Computing Language",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_KEEPS_PROGRAMS},
    {.types = CL_DEVICE_TYPE_CPU, .family = WEFT_FAMILY_VEC},
    /* Its binaries are PTX, to be translated again; its own cache holds machine code. */
    {.vendor = "NVIDIA",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE,
     .quirks = OCL_QUIRK_KEEPS_PROGRAMS},
    {.vendor = "Advanced Micro Devices",
     .types = CL_DEVICE_TYPE_GPU,
     .family = WEFT_FAMILY_TILE},
    {.vendor = "AMD", .types = CL_DEVICE_TYPE_GPU, .family = WEFT_FAMILY_TILE},
    {.vendor = "Intel", .types = CL_DEVICE_TYPE_GPU, .family = WEFT_FAMILY_TILE},
    {.vendor = "Apple", .types = CL_DEVICE_TYPE_GPU, .family = WEFT_FAMILY_TILE},
    {.device = "Apple", .types = CL_DEVICE_TYPE_GPU, .family = WEFT_FAMILY_TILE},
    /* Mali and PowerVR keep local memory in main memory; so may what nobody knows yet. */
    {.types = CL_DEVICE_TYPE_ALL, .family = WEFT_FAMILY_VEC},
};

static bool fits(const char *piece, const char *name)
{
    return !piece || strstr(name, piece);
}

static bool begins(const char *beginning, const char *text)
{
    return !beginning || !strncmp(text, beginning, strlen(beginning));
}

const struct ocl_class *ocl_class_of(const struct weft_device_info *info,
                                     cl_device_type type)
{
    const struct ocl_class *c = classes;
    while (c != &classes[WEFT_COUNT(classes) - 1] &&
           !((c->types & type) && fits(c->platform, info->platform) &&
             fits(c->vendor, info->vendor) && fits(c->device, info->name) &&
             begins(c->driver, info->driver)))
        c++;
    return c;
}
