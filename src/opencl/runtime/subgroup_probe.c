/* SPDX-License-Identifier: Apache-2.0 */
/* Detection of sub-groups by a test kernel: extensions alone are not reliable. */
#include "opencl/runtime/subgroup_probe.h"

#include "opencl/runtime/command_list.h"
#include "opencl/runtime/enumerate.h"
#include "opencl/runtime/record.h"

#include <string.h>

static const struct subgroup_ext {
    enum ocl_subgroup_ext id;
    const char *extensions[2]; /* required */
} subgroup_exts[] = {
    {OCL_SUBGROUP_INTEL, {"cl_intel_subgroups", "cl_intel_required_subgroup_size"}},
    {OCL_SUBGROUP_KHR, {"cl_khr_subgroups", NULL}},
    {OCL_SUBGROUP_EMULATED, {NULL, NULL}},
};

enum { SUBGROUPS = 2, MAX_SUBGROUP_SIZE = 32 };

static bool has_extensions(const char *extensions,
                           const struct subgroup_ext *subgroup_ext)
{
    for (int i = 0; i < 2; i++)
        if (subgroup_ext->extensions[i] &&
            !strstr(extensions, subgroup_ext->extensions[i]))
            return false;
    return true;
}

/* Runs cl/primitives/subgroup_probe.cl: x[i] = i + 1/2. */
static enum weft_status run_probe(struct ocl_device *d, struct weft_command_list *list,
                                  struct weft_mem *mem,
                                  enum ocl_subgroup_ext subgroup_ext, int lanes,
                                  float *seen)
{
    size_t items = (size_t)(SUBGROUPS * lanes);
    struct ocl_options options = {""};
    struct weft_view x = {mem, 0, items}, y = {mem, items, items * (size_t)lanes};
    for (size_t i = 0; i < items; i++)
        seen[i] = (float)i + 0.5f;
    WEFT_TRY(d->base.backend->write(&d->base, mem, 0, seen, items * sizeof(*seen)));
    ocl_define(&options, "SUBGROUP_EXT", subgroup_ext);
    ocl_define(&options, "LANES", lanes);
    ocl_define(&options, "SUBGROUPS", SUBGROUPS);
    struct ocl_launch launch = {.source = "subgroup_probe.cl",
                                .kernel = "probe_subgroup",
                                .global = {items},
                                .local = {items},
                                .arg_count = 2,
                                .args = {OCL_VIEW(x), OCL_VIEW(y)}};
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    WEFT_TRY(ocl_list_finalize(list));
    WEFT_TRY(ocl_replay(list));
    return d->base.backend->read(&d->base, seen, mem, items * sizeof(*seen),
                                 y.count * sizeof(*seen));
}

/* Every lane saw every lane of its sub-group. */
static bool is_correct(const float *seen, int lanes)
{
    for (int i = 0; i < SUBGROUPS * lanes; i++)
        for (int lane = 0; lane < lanes; lane++)
            if (seen[i * lanes + lane] != (float)(i / lanes * lanes + lane) + 0.5f)
                return false;
    return true;
}

static bool works(struct ocl_device *d, struct weft_mem *mem,
                  enum ocl_subgroup_ext subgroup_ext, int lanes)
{
    float seen[SUBGROUPS * MAX_SUBGROUP_SIZE * MAX_SUBGROUP_SIZE];
    struct weft_command_list *list = NULL;
    if ((size_t)(SUBGROUPS * lanes) > d->max_work_group_size ||
        ocl_list_create(&d->base, NULL, &list))
        return false;
    bool right =
        !run_probe(d, list, mem, subgroup_ext, lanes, seen) && is_correct(seen, lanes);
    ocl_list_destroy(list);
    return right;
}

enum weft_status ocl_subgroups_detect(struct ocl_device *d)
{
    weft_context *ctx = d->base.context;
    char extensions[8192];
    struct weft_mem *mem;
    WEFT_TRY(ocl_check(
        ctx, ocl_device_text(d->id, CL_DEVICE_EXTENSIONS, extensions, sizeof(extensions)),
        "querying the device's extensions"));
    WEFT_TRY(ocl_alloc(&d->base,
                       (MAX_SUBGROUP_SIZE + 1) * SUBGROUPS * MAX_SUBGROUP_SIZE *
                           sizeof(cl_float),
                       &mem));
    /* A failed attempt is not an error to report. */
    weft_log_fn log = ctx->log;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(subgroup_exts) && !d->subgroup_sizes; i++) {
        d->subgroup_ext = subgroup_exts[i].id;
        ctx->log = d->subgroup_ext == OCL_SUBGROUP_EMULATED ? log : NULL;
        for (int lanes = 8; lanes <= MAX_SUBGROUP_SIZE; lanes *= 2)
            if (has_extensions(extensions, &subgroup_exts[i]) &&
                works(d, mem, d->subgroup_ext, lanes))
                d->subgroup_sizes |= (unsigned)lanes;
    }
    ctx->log = log;
    ocl_free(&d->base, mem);
    if (!d->subgroup_sizes)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: neither sub-groups nor work-groups of %d items work here, "
                         "which the kernels of family sg need: choose family vec",
                         d->base.info.name, 2 * 8);
    if (d->subgroup_ext == OCL_SUBGROUP_EMULATED)
        weft_log_message(
            ctx, WEFT_LOG_WARN,
            "%s has no sub-groups: in the kernels of family sg local memory stands "
            "in for them, which is slow; choose another family",
            d->base.info.name);
    return WEFT_OK;
}
