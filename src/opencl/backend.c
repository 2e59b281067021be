/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL backend: a device opened, its memory, and the table of what it can do. */
#include "algorithm.h"
#include "matrix_unit.h"
#include "quirk.h"
#include "runtime.h"
#include "sub_group.h"

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
static int vector_of(cl_device_id id)
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
    if (d->base.family == WEFT_FAMILY_VEC || ocl_has_room_for_tiles(&d->base.info))
        return WEFT_OK;
    return weft_fail(d->base.context, WEFT_ERR_ARG,
                     "%s: the kernels of family tile need work-groups of %d items and %d "
                     "bytes of local memory; it has %zu and %llu: choose family vec",
                     d->base.info.name, OCL_TILE_GROUP, OCL_TILE_LOCAL, d->max_group,
                     (unsigned long long)d->local_bytes);
}

static enum weft_status ocl_open(weft_context *ctx, const struct weft_found *found,
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
    const struct ocl_class c = ocl_class_of(info, type);
    d->quirks = c.quirks;
    d->build_options = d->base.family == WEFT_FAMILY_VEC ? "" : c.group_options;
    d->is_cpu = info->kind == WEFT_DEVICE_CPU && !(d->quirks & OCL_QUIRK_SOFTWARE_GPU);
    d->units = info->compute_units ? info->compute_units : 1;
    d->max_group = info->max_group;
    d->local_bytes = info->local_bytes;
    d->max_alloc = info->max_alloc_bytes;
    d->vector = vector_of(d->id);
    if ((status = check_family(d)))
        goto fail;
    if (ctx->cache_dir && !(d->quirks & OCL_QUIRK_KEEPS_PROGRAMS))
        d->cache_dir = ocl_cache_open(ctx, ctx->cache_dir);

    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)platform, 0};
    d->context = clCreateContext(properties, 1, &d->id, NULL, NULL, &error);
    if ((status = ocl_check(ctx, error, "making a context")))
        goto fail;
    d->queue = clCreateCommandQueue(d->context, d->id, 0, &error);
    if ((status = ocl_check(ctx, error, "making a queue")))
        goto fail;
    if (d->base.family == WEFT_FAMILY_SG && (status = ocl_sub_groups_find(d)))
        goto fail;
    if (d->base.family == WEFT_FAMILY_MMA && (status = ocl_matrix_unit_find(d)))
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
static size_t whole_bytes(size_t bytes)
{
    return (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN + (size_t)WEFT_SLACK;
}

void ocl_free(struct weft_device *base, struct weft_mem *mem)
{
    if (!mem)
        return;
    if (mem->mem) {
        clReleaseMemObject(mem->mem);
        base->allocated -= whole_bytes(mem->bytes);
    }
    free(mem);
}

/* Writes a piece by writing all; from NULL: zeros, and nothing is kept. */
static cl_int write_whole(struct ocl_device *d, const struct weft_mem *to, size_t offset,
                          const void *from, size_t bytes)
{
    size_t whole = whole_bytes(to->bytes);
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
    if (d->quirks & OCL_QUIRK_WHOLE_WRITES)
        return write_whole(d, mem, 0, NULL, 0);
    return clEnqueueFillBuffer(d->queue, mem->mem, &zero, sizeof(zero), 0,
                               whole_bytes(mem->bytes), 0, NULL, NULL);
}

enum weft_status ocl_alloc(struct weft_device *base, size_t bytes, struct weft_mem **out)
{
    struct ocl_device *d = (struct ocl_device *)base;
    weft_context *ctx = base->context;
    if (bytes > d->max_alloc || d->max_alloc - bytes < WEFT_SLACK + WEFT_ALIGN)
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
        clCreateBuffer(d->context, CL_MEM_READ_WRITE, whole_bytes(bytes), NULL, &error);
    if (!error)
        base->allocated += whole_bytes(bytes);
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
                 base->info.name, (unsigned long long)base->info.memory_bytes);
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
    cl_int error = d->quirks & OCL_QUIRK_WHOLE_WRITES
                       ? write_whole(d, to, offset, from, bytes)
                       : clEnqueueWriteBuffer(d->queue, to->mem, wait, offset, bytes,
                                              from, 0, NULL, NULL);
    return ocl_check(base->context, error, "writing to the device");
}

static enum weft_status ocl_write(struct weft_device *base, struct weft_mem *to,
                                  size_t offset, const void *from, size_t bytes)
{
    return transfer(base, to, offset, from, bytes, CL_TRUE);
}

static enum weft_status ocl_send(struct weft_device *base, struct weft_mem *to,
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
    if (d->quirks & OCL_QUIRK_EARLY_FINISH)
        error = clEnqueueMarkerWithWaitList(d->queue, 0, NULL, NULL);
    return ocl_check(base->context, error ? error : clFinish(d->queue),
                     "waiting for the device");
}

/* A dense layer is done as the convolution that it is. */
#define SLOT(slot, conv, dense)                                       \
    static enum weft_status conv(struct weft_list *list,              \
                                 const struct weft_conv_args *args)   \
    {                                                                 \
        return ocl_record(list, slot, args);                          \
    }                                                                 \
    static enum weft_status dense(struct weft_list *list,             \
                                  const struct weft_dense_args *args) \
    {                                                                 \
        struct weft_conv_args as_conv = weft_dense_as_conv(args);     \
        return ocl_record(list, slot, &as_conv);                      \
    }
SLOT(OCL_FORWARD, conv_forward, dense_forward)
SLOT(OCL_BACKWARD_DATA, conv_backward_data, dense_backward_data)
SLOT(OCL_BACKWARD_WEIGHTS, conv_backward_weights, dense_backward_weights)

const struct weft_backend weft_backend_opencl = {
    .name = "opencl",
    .tuner = &ocl_tuner,
    .find = ocl_find,
    .open = ocl_open,
    .close = ocl_close,
    .alloc = ocl_alloc,
    .free = ocl_free,
    .write = ocl_write,
    .send = ocl_send,
    .read = ocl_read,
    .wait = ocl_wait,
    .list_create = ocl_list_create,
    .list_seal = ocl_list_seal,
    .replay = ocl_replay,
    .replay_part = ocl_replay_part,
    .timer = ocl_timer,
    .tell_launch = ocl_tell_launch,
    .list_destroy = ocl_list_destroy,
    .input = ocl_input,
    .conv_forward = conv_forward,
    .conv_backward_data = conv_backward_data,
    .conv_backward_weights = conv_backward_weights,
    .dense_forward = dense_forward,
    .dense_backward_data = dense_backward_data,
    .dense_backward_weights = dense_backward_weights,
    .pool_forward = ocl_pool_forward,
    .pool_backward = ocl_pool_backward,
    .act_forward = ocl_act_forward,
    .act_backward = ocl_act_backward,
    .add = ocl_add,
    .norm_forward = ocl_norm_forward,
    .norm_apply = ocl_norm_apply,
    .norm_backward = ocl_norm_backward,
    .fold = ocl_fold,
    .convert = ocl_convert,
    .dropout = ocl_dropout,
    .softmax = ocl_softmax,
    .loss = ocl_loss,
    .update = ocl_update,
    .probe = ocl_probe,
};
