/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL backend: a device opened, its memory, and the table of what it can do. */
#include "opencl/runtime/mma_probe.h"
#include "opencl/runtime/quirk.h"
#include "opencl/runtime/runtime.h"
#include "opencl/runtime/subgroup_probe.h"
#include "opencl/select/dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ocl_close(struct weft_device *base)
{
    struct ocl_device *d = (struct ocl_device *)base;
    if (d->queue) {
        clFinish(d->queue);
        clReleaseCommandQueue(d->queue);
    }
    ocl_programs_destroy(d);
    if (d->context)
        clReleaseContext(d->context);
    free(d->cache_dir);
    free(d);
}

/* Lanes of the vectors that kernels are written in. GPUs report 1, since they work on
 * scalars; what counts there is the width of a load. */
static int native_vector_width(cl_device_id id)
{
    cl_uint width = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof(width), &width,
                        NULL))
        width = 0;
    return width >= 16 ? 16 : width >= 8 ? 8 : 4;
}

/* What others than `vec` build on may be asked for on a device that has no room for its
 * smallest tile. */
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
    cl_device_type type = 0;
    cl_platform_id platform = NULL;
    cl_int error;
    enum weft_status status;
    d->base.context = ctx;
    d->base.backend = &weft_backend_opencl;
    d->base.info = *info;
    d->base.family = params->family ? params->family : info->family;
    d->base.gemm = params->gemm;
    d->id = found->handle;
    error = clGetDeviceInfo(d->id, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
    if (!error)
        error =
            clGetDeviceInfo(d->id, CL_DEVICE_PLATFORM, sizeof(platform), &platform, NULL);
    if ((status = ocl_check(ctx, error, "asking for the device's platform")))
        goto fail;
    const struct ocl_device_class c = ocl_classify_device(info, type);
    d->quirks = c.quirks;
    d->build_options =
        d->base.family == WEFT_FAMILY_VEC ? "" : c.work_group_family_options;
    d->is_cpu = info->kind == WEFT_DEVICE_CPU && !(d->quirks & OCL_QUIRK_SOFTWARE_GPU);
    d->compute_units = info->compute_units ? info->compute_units : 1;
    d->max_work_group_size = info->max_work_group_size;
    d->local_mem_bytes = info->local_mem_bytes;
    d->max_alloc = info->max_alloc_bytes;
    d->vector_width = native_vector_width(d->id);
    d->fingerprint = ocl_device_fingerprint(d);
    if ((status = check_family(d)))
        goto fail;
    if (ctx->cache_dir && !(d->quirks & OCL_QUIRK_HAS_OWN_CACHE))
        d->cache_dir = ocl_cache_open(ctx, ctx->cache_dir);

    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)platform, 0};
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

/* Of what the driver is asked for. */
static size_t padded_bytes(size_t bytes)
{
    return (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN +
           (size_t)WEFT_BUFFER_PADDING;
}

void ocl_free(struct weft_device *base, struct weft_mem *mem)
{
    if (!mem)
        return;
    if (mem->mem) {
        clReleaseMemObject(mem->mem);
        base->allocated -= padded_bytes(mem->bytes);
    }
    free(mem);
}

/* Writes a piece by writing all; from NULL: zeros, and nothing is kept. */
static cl_int write_entire_buffer(struct ocl_device *d, const struct weft_mem *to,
                                  size_t offset, const void *from, size_t bytes)
{
    size_t whole = padded_bytes(to->bytes);
    char *copy = calloc(1, whole);
    cl_int error = copy ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    if (!error && from) {
        error = clEnqueueReadBuffer(d->queue, to->mem, CL_TRUE, 0, whole, copy, 0, NULL,
                                    NULL);
        memcpy(copy + offset, from, bytes);
    }
    if (!error)
        error = clEnqueueWriteBuffer(d->queue, to->mem, CL_TRUE, 0, whole, copy, 0, NULL,
                                     NULL);
    free(copy);
    return error;
}

static cl_int clear(struct ocl_device *d, const struct weft_mem *mem)
{
    static const cl_uint zero = 0;
    if (d->quirks & OCL_QUIRK_NO_PARTIAL_WRITES)
        return write_entire_buffer(d, mem, 0, NULL, 0);
    return clEnqueueFillBuffer(d->queue, mem->mem, &zero, sizeof(zero), 0,
                               padded_bytes(mem->bytes), 0, NULL, NULL);
}

enum weft_status ocl_alloc(struct weft_device *base, size_t bytes, struct weft_mem **out)
{
    struct ocl_device *d = (struct ocl_device *)base;
    weft_context *ctx = base->context;
    if (bytes > d->max_alloc || d->max_alloc - bytes < WEFT_BUFFER_PADDING + WEFT_ALIGN)
        return weft_fail(ctx, WEFT_ERR_NOMEM,
                         "opencl: a buffer of %zu bytes is wanted, but %s gives at most "
                         "%llu in one piece; use a smaller batch or network",
                         bytes, base->info.name, (unsigned long long)d->max_alloc);
    struct weft_mem *mem = calloc(1, sizeof(*mem));
    if (!mem)
        return weft_out_of_memory(ctx, "opencl: buffer", sizeof(*mem));
    cl_int error;
    mem->bytes = bytes;
    mem->mem =
        clCreateBuffer(d->context, CL_MEM_READ_WRITE, padded_bytes(bytes), NULL, &error);
    if (!error)
        base->allocated += padded_bytes(bytes);
    /* Many drivers reserve memory only when it is first used: filling and waiting brings
     * out here what would otherwise fail in a step. */
    if (!error)
        error = clear(d, mem);
    if (!error)
        error = clFinish(d->queue);
    if (error) {
        ocl_free(base, mem);
        char what[192];
        snprintf(what, sizeof(what), "a buffer of %zu bytes on %s (%llu in all)", bytes,
                 base->info.name, (unsigned long long)base->info.global_mem_bytes);
        return ocl_check_memory(ctx, error, what);
    }
    *out = mem;
    return WEFT_OK;
}

static enum weft_status transfer(struct weft_device *base, struct weft_mem *to,
                                 size_t offset, const void *from, size_t bytes,
                                 cl_bool wait)
{
    struct ocl_device *d = (struct ocl_device *)base;
    assert(offset <= to->bytes && bytes <= to->bytes - offset);
    if (!bytes)
        return WEFT_OK;
    cl_int error = d->quirks & OCL_QUIRK_NO_PARTIAL_WRITES
                       ? write_entire_buffer(d, to, offset, from, bytes)
                       : clEnqueueWriteBuffer(d->queue, to->mem, wait, offset, bytes,
                                              from, 0, NULL, NULL);
    return ocl_check(base->context, error, "writing to the device");
}

static enum weft_status ocl_write(struct weft_device *base, struct weft_mem *to,
                                  size_t offset, const void *from, size_t bytes)
{
    return transfer(base, to, offset, from, bytes, CL_TRUE);
}

static enum weft_status ocl_write_async(struct weft_device *base, struct weft_mem *to,
                                        size_t offset, const void *from, size_t bytes)
{
    return transfer(base, to, offset, from, bytes, CL_FALSE);
}

static enum weft_status ocl_read(struct weft_device *base, void *to,
                                 struct weft_mem *from, size_t offset, size_t bytes)
{
    struct ocl_device *d = (struct ocl_device *)base;
    assert(offset <= from->bytes && bytes <= from->bytes - offset);
    if (!bytes)
        return WEFT_OK;
    cl_int error = clEnqueueReadBuffer(d->queue, from->mem, CL_TRUE, offset, bytes, to, 0,
                                       NULL, NULL);
    return ocl_check(base->context, error, "reading from the device");
}

static enum weft_status ocl_wait(struct weft_device *base)
{
    struct ocl_device *d = (struct ocl_device *)base;
    cl_int error = CL_SUCCESS;
    if (d->quirks & OCL_QUIRK_FINISH_NEEDS_MARKER)
        error = clEnqueueMarkerWithWaitList(d->queue, 0, NULL, NULL);
    return ocl_check(base->context, error ? error : clFinish(d->queue),
                     "waiting for the device");
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
    .free = ocl_free,
    .write = ocl_write,
    .write_async = ocl_write_async,
    .read = ocl_read,
    .wait = ocl_wait,
    .list_create = ocl_list_create,
    .list_finalize = ocl_list_finalize,
    .replay = ocl_replay,
    .replay_range = ocl_replay_range,
    .time_replays = ocl_timer,
    .describe_launch = ocl_describe_launch,
    .list_destroy = ocl_list_destroy,
    .primitives = &primitives,
};
