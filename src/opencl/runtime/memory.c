/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers and transfers. */
#include "opencl/runtime/ocl.h"
#include "opencl/runtime/queue.h"
#include "opencl/runtime/quirk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The size of the buffer requested from the driver. */
static size_t padded_bytes(size_t bytes)
{
    return (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN +
           (size_t)WEFT_BUFFER_PADDING;
}

void ocl_end_writes(struct ocl_device *d)
{
    if (d->reads_host)
        ocl_queue_end(d, d->queue);
    d->reads_host = false;
}

/* The status of a transfer, after its end if it is waited for. After a failure the caller
 * may free what the device still reads. */
static enum weft_status end_transfer(struct ocl_device *d, cl_int error, bool wait,
                                     cl_event event, const char *what)
{
    if (!error && wait)
        error = event ? clFlush(d->queue) : ocl_queue_finish(d, d->queue);
    if (!error && event) {
        error = ocl_queue_wait(d, event);
        event = NULL;
    }
    if (event)
        clReleaseEvent(event);
    if (!error && wait) {
        d->reads_host = false;
        ocl_queue_clear(d);
    }
    if (error)
        ocl_end_writes(d);
    return ocl_check(d->base.context, error, what);
}

void ocl_free(struct weft_device *base, struct weft_mem *mem)
{
    if (!mem)
        return;
    ocl_end_writes((struct ocl_device *)base);
    if (mem->staging)
        ocl_staging_destroy(base, mem->staging);
    if (mem->mem) {
        clReleaseMemObject(mem->mem);
        base->allocated -= padded_bytes(mem->bytes);
    }
    free(mem);
}

/* Writes part of a buffer by writing all of it; from NULL: zeros everywhere. */
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
                         "opencl: a buffer of %zu bytes is requested, but %s allocates "
                         "at most %llu; use a smaller batch or network",
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
    /* Many drivers reserve memory at first use: filling it and waiting reports here what
     * would otherwise fail in a step. */
    if (!error)
        error = clear(d, mem);
    if (!error)
        error = ocl_queue_finish(d, d->queue);
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
                                 size_t offset, const void *from, size_t bytes, bool wait)
{
    struct ocl_device *d = (struct ocl_device *)base;
    cl_event event = NULL;
    assert(offset <= to->bytes && bytes <= to->bytes - offset);
    if (!bytes)
        return WEFT_OK;
    cl_int error = ocl_queue_check(d);
    if (!error && d->quirks & OCL_QUIRK_NO_PARTIAL_WRITES)
        error = write_entire_buffer(d, to, offset, from, bytes);
    else if (!error) {
        error = clEnqueueWriteBuffer(d->queue, to->mem, CL_FALSE, offset, bytes, from, 0,
                                     NULL, wait ? &event : NULL);
        d->reads_host = true;
    }
    return end_transfer(d, error, wait, event, "writing to the device");
}

enum weft_status ocl_write(struct weft_device *base, struct weft_mem *to, size_t offset,
                           const void *from, size_t bytes)
{
    return transfer(base, to, offset, from, bytes, true);
}

enum weft_status ocl_write_async(struct weft_device *base, struct weft_mem *to,
                                 size_t offset, const void *from, size_t bytes)
{
    return transfer(base, to, offset, from, bytes, false);
}

enum weft_status ocl_read(struct weft_device *base, void *to, struct weft_mem *from,
                          size_t offset, size_t bytes)
{
    struct ocl_device *d = (struct ocl_device *)base;
    cl_event event = NULL;
    assert(offset <= from->bytes && bytes <= from->bytes - offset);
    if (!bytes)
        return WEFT_OK;
    cl_int error = ocl_queue_check(d);
    if (!error)
        error = clEnqueueReadBuffer(d->queue, from->mem, CL_FALSE, offset, bytes, to, 0,
                                    NULL, &event);
    return end_transfer(d, error, true, event, "reading from the device");
}

enum weft_status ocl_wait(struct weft_device *base)
{
    struct ocl_device *d = (struct ocl_device *)base;
    return end_transfer(d, ocl_queue_check(d), true, NULL, "waiting for the device");
}
