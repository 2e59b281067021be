/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of devices: the kernel family that suits them, and what their drivers need.
 */
#include "quirk.h"

#include <string.h>

struct match {
    const char *platform, *vendor, *device; /* pieces of the names; NULL: any */
    const char *driver;                     /* what its version begins with; NULL: any */
    cl_device_type types;                   /* any of these; 0: whichever */
};

/* The first row that fits counts; the last fits everything. */
static const struct {
    struct match match;
    enum weft_family family;
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
    /* Mali and PowerVR keep local memory in main memory; so may what nobody knows yet. */
    {{0}, WEFT_FAMILY_VEC},
};

/* All rows that fit add up. */
static const struct {
    struct match match;
    unsigned quirks;
    const char *group_options;
} needs[] = {
    {{"Oclgrind"}, .quirks = OCL_QUIRK_WHOLE_WRITES},
    {{"rusticl"}, .quirks = OCL_QUIRK_EARLY_FINISH},
    {{.device = "llvmpipe"}, .quirks = OCL_QUIRK_SOFTWARE_GPU},
    /* PoCL keeps its own programs for each work-group size, which a binary does not
     * hold. */
    {{"Portable Computing Language"}, .quirks = OCL_QUIRK_KEEPS_PROGRAMS},
    /* PoCL 6 runs LLVM's instruction combiner so that it aborts the process where it is
     * not done after a pass, which kernels with barriers provoke ("did not reach a
     * fixpoint", seen in Debian 13): these are built without optimization. */
    {{"Portable Computing Language", .driver = "6.", .types = CL_DEVICE_TYPE_CPU},
     .group_options = "-cl-opt-disable"},
    /* Its binaries are PTX, to be translated again; its own cache holds machine code. */
    {{"NVIDIA"}, .quirks = OCL_QUIRK_KEEPS_PROGRAMS},
};

static bool holds(const char *name, const char *piece)
{
    return !piece || strstr(name, piece);
}

static bool fits(const struct match *m, const struct weft_device_info *info,
                 cl_device_type type)
{
    return (!m->types || (m->types & type)) && holds(info->platform, m->platform) &&
           holds(info->vendor, m->vendor) && holds(info->name, m->device) &&
           (!m->driver || !strncmp(info->driver, m->driver, strlen(m->driver)));
}

struct ocl_class ocl_class_of(const struct weft_device_info *info, cl_device_type type)
{
    struct ocl_class c = {.group_options = ""};
    size_t i = 0;
    while (i + 1 < WEFT_COUNT(families) && !fits(&families[i].match, info, type))
        i++;
    c.family = families[i].family;
    for (i = 0; i < WEFT_COUNT(needs); i++)
        if (fits(&needs[i].match, info, type)) {
            c.quirks |= needs[i].quirks;
            if (needs[i].group_options)
                c.group_options = needs[i].group_options;
        }
    return c;
}
