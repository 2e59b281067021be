/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that are written ahead, for drivers whose transfers run beside launches on
 * another queue. Of two staging buffers, one is written while the contents of the other
 * are copied or wait for the launches before:
 *
 *     transfers   write 0 | write 1 | write 0, after copy 0 | write 1, after copy 1
 *     launches              copy 0, after write 0; launches | copy 1, after write 1; ...
 */
#include "opencl/runtime/ocl.h"
#include "opencl/runtime/queue.h"
#include "opencl/runtime/quirk.h"

#include <assert.h>
#include <stdlib.h>

struct ocl_staging {
    struct weft_mem *mem[2];
    cl_event copied[2]; /* the last contents; NULL: there were none */
    int next;
};

static void replace(cl_event *event, cl_event by)
{
    if (*event)
        clReleaseEvent(*event);
    *event = by;
}

enum weft_status ocl_alloc_staged(struct weft_device *base, size_t bytes,
                                  struct weft_mem **out)
{
    struct ocl_device *d = (struct ocl_device *)base;
    struct weft_mem *mem;
    WEFT_TRY(ocl_alloc(base, bytes, &mem));
    enum weft_status status = WEFT_OK;
    if (d->quirks & OCL_QUIRK_NO_PARTIAL_WRITES) { /* all its writes are synchronous */
        *out = mem;
        return WEFT_OK;
    }
    mem->staging = calloc(1, sizeof(*mem->staging));
    if (!mem->staging)
        status = weft_out_of_memory(base->context, "opencl: buffer", sizeof(*mem));
    if (!status && !d->transfers) {
        cl_int error;
        d->transfers = clCreateCommandQueue(d->context, d->id, 0, &error);
        status = ocl_check(base->context, error, "making a queue");
    }
    for (int i = 0; i < 2 && !status; i++)
        status = ocl_alloc(base, bytes, &mem->staging->mem[i]);
    if (status)
        ocl_free(base, mem);
    else
        *out = mem;
    return status;
}

void ocl_staging_destroy(struct weft_device *base, struct ocl_staging *staging)
{
    struct ocl_device *d = (struct ocl_device *)base;
    if (d->written) {
        ocl_queue_end(d, d->queue); /* transfers wait for its copies */
        ocl_queue_end(d, d->transfers);
    }
    replace(&d->written, NULL);
    for (int i = 0; i < 2; i++) {
        replace(&staging->copied[i], NULL);
        ocl_free(base, staging->mem[i]);
    }
    free(staging);
}

enum weft_status ocl_write_ahead(struct weft_device *base, struct weft_mem *to,
                                 const void *from, size_t bytes)
{
    struct ocl_device *d = (struct ocl_device *)base;
    struct ocl_staging *s = to->staging;
    assert(bytes <= to->bytes);
    if (!s || !bytes)
        return ocl_write(base, to, 0, from, bytes);
    cl_event written = NULL, copied = NULL, *before = &s->copied[s->next];
    cl_mem mem = s->mem[s->next]->mem;
    cl_int error =
        clEnqueueWriteBuffer(d->transfers, mem, CL_FALSE, 0, bytes, from, *before != NULL,
                             *before ? before : NULL, &written);
    if (!error) {
        replace(&d->written, written);
        error = clFlush(d->transfers); /* another queue waits for it */
    }
    if (!error)
        error = clEnqueueCopyBuffer(d->queue, mem, to->mem, 0, 0, bytes, 1, &written,
                                    &copied);
    if (!error) {
        replace(before, copied);
        s->next = !s->next;
    }
    return ocl_check(base->context, error, "writing to the device");
}

enum weft_status ocl_wait_written(struct weft_device *base)
{
    struct ocl_device *d = (struct ocl_device *)base;
    if (!d->written)
        return WEFT_OK;
    cl_int error = clFlush(d->queue); /* transfers wait for its copies */
    if (!error && !(error = clRetainEvent(d->written)))
        error = ocl_queue_wait(d, d->written);
    return ocl_check(base->context, error, "waiting for the device");
}
