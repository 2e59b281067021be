/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-groups, found out by trial: drivers promise them, and do not always keep it. */
#include "sub_group.h"

#include "runtime.h"

#include <string.h>

static const struct dialect {
    enum ocl_dialect id;
    const char *extensions[2]; /* that promise it */
} dialects[] = {
    {OCL_DIALECT_INTEL, {"cl_intel_subgroups", "cl_intel_required_subgroup_size"}},
    {OCL_DIALECT_KHRONOS, {"cl_khr_subgroups", NULL}},
    {OCL_DIALECT_NONE, {NULL, NULL}},
};

enum { STACK = 2, MOST_LANES = 32 };

static bool promised(const char *extensions, const struct dialect *dialect)
{
    for (int i = 0; i < 2; i++)
        if (dialect->extensions[i] && !strstr(extensions, dialect->extensions[i]))
            return false;
    return true;
}

/* Runs cl/probe_sg.cl: x[i] = i + 1/2. */
static enum weft_status run(struct ocl_device *d, struct weft_list *list,
                            struct weft_mem *mem, enum ocl_dialect dialect, int lanes,
                            float *seen)
{
    size_t items = (size_t)(STACK * lanes);
    struct ocl_options options = {""};
    struct weft_view x = {mem, 0, items}, y = {mem, items, items * (size_t)lanes};
    for (size_t i = 0; i < items; i++)
        seen[i] = (float)i + 0.5f;
    WEFT_TRY(d->base.backend->write(&d->base, mem, 0, seen, items * sizeof(*seen)));
    ocl_define(&options, "DIALECT", dialect);
    ocl_define(&options, "LANES", lanes);
    ocl_define(&options, "STACK", STACK);
    struct ocl_launch launch = {.source = "probe_sg.cl",
                                .kernel = "probe_lanes",
                                .global = {items},
                                .local = {items},
                                .arg_count = 2,
                                .args = {OCL_VIEW(x), OCL_VIEW(y)}};
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    WEFT_TRY(ocl_list_seal(list));
    WEFT_TRY(ocl_replay(list));
    return d->base.backend->read(&d->base, seen, mem, items * sizeof(*seen),
                                 y.count * sizeof(*seen));
}

/* Every lane saw every lane of its sub-group. */
static bool as_it_should_be(const float *seen, int lanes)
{
    for (int i = 0; i < STACK * lanes; i++)
        for (int lane = 0; lane < lanes; lane++)
            if (seen[i * lanes + lane] != (float)(i / lanes * lanes + lane) + 0.5f)
                return false;
    return true;
}

static bool works(struct ocl_device *d, struct weft_mem *mem, enum ocl_dialect dialect,
                  int lanes)
{
    float seen[STACK * MOST_LANES * MOST_LANES];
    struct weft_list *list = NULL;
    if ((size_t)(STACK * lanes) > d->max_group || ocl_list_create(&d->base, &list))
        return false;
    bool right = !run(d, list, mem, dialect, lanes, seen) && as_it_should_be(seen, lanes);
    ocl_list_destroy(list);
    return right;
}

enum weft_status ocl_sub_groups_find(struct ocl_device *d)
{
    weft_context *ctx = d->base.context;
    char extensions[8192];
    struct weft_mem *mem;
    ocl_device_text(d->id, CL_DEVICE_EXTENSIONS, extensions, sizeof(extensions));
    WEFT_TRY(ocl_alloc(&d->base, (MOST_LANES + 1) * STACK * MOST_LANES * sizeof(cl_float),
                       &mem));
    /* A driver that does not keep its promise is no error of anybody's. */
    weft_log_fn log = ctx->log;
    for (size_t i = 0; i < WEFT_COUNT(dialects) && !d->lanes; i++) {
        d->dialect = dialects[i].id;
        ctx->log = d->dialect == OCL_DIALECT_NONE ? log : NULL;
        for (int lanes = 8; lanes <= MOST_LANES; lanes *= 2)
            if (promised(extensions, &dialects[i]) && works(d, mem, d->dialect, lanes))
                d->lanes |= (unsigned)lanes;
    }
    ctx->log = log;
    ocl_free(&d->base, mem);
    if (!d->lanes)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: neither sub-groups nor work-groups of %d items work here, "
                         "which the kernels of family sg need: choose family vec",
                         d->base.info.name, 2 * 8);
    if (d->dialect == OCL_DIALECT_NONE)
        weft_say(ctx, WEFT_LOG_WARN,
                 "%s has no sub-groups: in the kernels of family sg local memory stands "
                 "in for them, which is slow; choose another family",
                 d->base.info.name);
    return WEFT_OK;
}
