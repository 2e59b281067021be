/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL backend: opening of devices, and its tables. */
#include "opencl/runtime/command_list.h"
#include "opencl/runtime/enumerate.h"
#include "opencl/runtime/mma_probe.h"
#include "opencl/runtime/queue.h"
#include "opencl/runtime/quirk.h"
#include "opencl/runtime/primitives.h"
#include "opencl/runtime/program.h"
#include "opencl/runtime/subgroup_probe.h"
#include "opencl/runtime/test_results.h"
#include "opencl/select/dispatch.h"
#include "opencl/select/trust.h"

#include <stdlib.h>
#include <string.h>

static void ocl_close(struct weft_device *base)
{
    struct ocl_device *d = (struct ocl_device *)base;
    if (d->queue)
        ocl_queue_end(d, d->queue);
    bool lost = d->outstanding.lost; /* its driver might wait for ever */
    ocl_queue_clear(d);
    if (d->transfers && !lost) /* what was staged has been freed */
        clReleaseCommandQueue(d->transfers);
    if (d->queue && !lost)
        clReleaseCommandQueue(d->queue);
    ocl_programs_destroy(d);
    ocl_test_results_close(d);
    if (d->context && !lost)
        clReleaseContext(d->context);
    free(d->cache_dir);
    free(d->avoided);
    free(d);
}

/* Lanes of the vectors in kernels. GPUs report 1, as they compute on scalars; there the
 * width of a load matters. */
static enum weft_status set_vector_width(struct ocl_device *d)
{
    cl_uint width = 0;
    cl_int error = clGetDeviceInfo(d->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT,
                                   sizeof(width), &width, NULL);
    d->vector_width = width >= 16 ? 16 : width >= 8 ? 8 : 4;
    return ocl_check(d->base.context, error, "querying the device's vector width");
}

/* Refuses families whose smallest tile exceeds the limits of the device. */
static enum weft_status check_family(const struct ocl_device *d)
{
    if (d->base.family == WEFT_FAMILY_VEC || ocl_supports_tile_family(&d->base.info))
        return WEFT_OK;
    return weft_fail(d->base.context, WEFT_ERR_ARG,
                     "%s: the kernels of family tile need work-groups of %d items and %d "
                     "bytes of local memory; it has %zu and %llu: choose family vec",
                     d->base.info.name, OCL_TILE_MIN_WORK_GROUP, OCL_TILE_MIN_LOCAL_BYTES,
                     d->max_work_group_size, (unsigned long long)d->local_mem_bytes);
}

static enum weft_status ocl_open(weft_context *ctx,
                                 const struct weft_device_candidate *found,
                                 const struct weft_device_params *params,
                                 struct weft_device **out)
{
    const struct weft_device_info *info = &found->info;
    struct ocl_device *d = calloc(1, sizeof(*d));
    if (!d)
        return weft_out_of_memory(ctx, "opencl: device", sizeof(*d));
    cl_int error;
    enum weft_status status;
    d->base.context = ctx;
    d->base.backend = &weft_backend_opencl;
    d->base.info = *info;
    d->base.family = params->family ? params->family : info->family;
    d->base.gemm = params->gemm;
    d->id = found->handle;
    if ((status = ocl_identify(ctx, d->id, &d->identity)) ||
        (status = set_vector_width(d)))
        goto fail;
    const struct ocl_device_class c = ocl_classify_device(info, d->identity.type);
    d->quirks = c.quirks;
    d->build_options =
        d->base.family == WEFT_FAMILY_VEC ? "" : c.work_group_family_options;
    d->is_cpu = info->kind == WEFT_DEVICE_CPU && !(d->quirks & OCL_QUIRK_SOFTWARE_GPU);
    d->compute_units = info->compute_units;
    if (d->quirks & OCL_QUIRK_COUNTS_EXECUTION_UNITS)
        d->compute_units /= OCL_EXECUTION_UNITS;
    if (!d->compute_units)
        d->compute_units = 1;
    d->max_work_group_size = info->max_work_group_size;
    d->local_mem_bytes = info->local_mem_bytes;
    d->max_alloc = info->max_alloc_bytes;
    d->base.max_offset = WEFT_MAX_ELEMENTS;
    d->queue_seconds = params->queue_seconds > 0 ? params->queue_seconds : 0.5;
    d->timeout = params->timeout > 0 ? params->timeout : 120;
    d->fingerprint = ocl_device_fingerprint(d);
    if ((status = check_family(d)) || (status = ocl_avoid(d, params->avoid)))
        goto fail;
    if (ctx->cache_dir)
        d->cache_dir = ocl_cache_open(ctx, ctx->cache_dir);
    ocl_test_results_open(d, d->cache_dir);
    if (d->quirks & OCL_QUIRK_HAS_OWN_CACHE) {
        free(d->cache_dir);
        d->cache_dir = NULL;
    }

    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, (cl_context_properties)d->identity.platform, 0};
    d->context = clCreateContext(properties, 1, &d->id, NULL, NULL, &error);
    if ((status = ocl_check(ctx, error, "making a context")))
        goto fail;
    d->queue = clCreateCommandQueue(d->context, d->id, 0, &error);
    if ((status = ocl_check(ctx, error, "making a queue")))
        goto fail;
    if (d->base.family == WEFT_FAMILY_SUBGROUP && (status = ocl_subgroups_detect(d)))
        goto fail;
    if (d->base.family == WEFT_FAMILY_MMA && (status = ocl_mma_detect(d)))
        goto fail;
    if (params->gemm == WEFT_GEMM_CLBLAST && (status = ocl_clblast_open(d)))
        goto fail;
    *out = &d->base;
    return WEFT_OK;

fail:
    ocl_close(&d->base);
    return status;
}

static const struct weft_primitives primitives = {
#define PRIMITIVE(name, args, output) .name = ocl_##name,
#include "device/primitives.def"
#undef PRIMITIVE
};

const struct weft_backend weft_backend_opencl = {
    .name = "opencl",
    .tuner = &ocl_tuner,
    .enumerate = ocl_enumerate,
    .open = ocl_open,
    .close = ocl_close,
    .alloc = ocl_alloc,
    .alloc_staged = ocl_alloc_staged,
    .free = ocl_free,
    .write = ocl_write,
    .write_async = ocl_write_async,
    .write_ahead = ocl_write_ahead,
    .wait_written = ocl_wait_written,
    .read = ocl_read,
    .wait = ocl_wait,
    .list_create = ocl_list_create,
    .list_finalize = ocl_list_finalize_or_replace,
    .replay = ocl_replay,
    .replay_range = ocl_replay_range,
    .time_replays = ocl_timer,
    .describe_launch = ocl_describe_launch,
    .list_destroy = ocl_list_destroy,
    .is_proven = ocl_is_proven,
    .set_proven = ocl_set_proven,
    .reject = ocl_reject,
    .has_same_launches = ocl_has_same_launches,
    .primitives = &primitives,
};
