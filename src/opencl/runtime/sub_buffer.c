/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-buffers of a command list. */
#include "opencl/runtime/sub_buffer.h"

#include <stdlib.h>

struct ocl_sub_buffer {
    cl_mem whole, part;
    cl_buffer_region region;
};

static cl_int add(struct ocl_sub_buffers *all, cl_mem whole,
                  const cl_buffer_region *region, cl_mem *out)
{
    cl_int error;
    struct ocl_sub_buffer *more =
        realloc(all->list, ((size_t)all->count + 1) * sizeof(*more));
    if (!more)
        return CL_OUT_OF_HOST_MEMORY;
    all->list = more;
    *out = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, region, &error);
    if (!error)
        more[all->count++] = (struct ocl_sub_buffer){whole, *out, *region};
    return error;
}

cl_int ocl_sub_buffer(struct ocl_sub_buffers *all, const struct ocl_device *d,
                      cl_mem whole, size_t start, size_t end, cl_mem *out,
                      size_t *skipped)
{
    cl_uint align_bits = 0;
    size_t whole_bytes = 0;
    cl_int error = clGetDeviceInfo(d->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN,
                                   sizeof(align_bits), &align_bits, NULL);
    if (!error)
        error = clGetMemObjectInfo(whole, CL_MEM_SIZE, sizeof(whole_bytes), &whole_bytes,
                                   NULL);
    if (error)
        return error;
    size_t align = align_bits / 8 > 1 ? align_bits / 8 : 1;
    *skipped = start % align;
    end =
        end + WEFT_BUFFER_PADDING < whole_bytes ? end + WEFT_BUFFER_PADDING : whole_bytes;
    const cl_buffer_region region = {start - *skipped, end - (start - *skipped)};
    for (int i = 0; i < all->count; i++) {
        const struct ocl_sub_buffer *s = &all->list[i];
        if (s->whole != whole || s->region.origin != region.origin ||
            s->region.size != region.size)
            continue;
        *out = s->part;
        return CL_SUCCESS;
    }
    return add(all, whole, &region, out);
}

void ocl_sub_buffers_release(struct ocl_sub_buffers *all)
{
    for (int i = 0; i < all->count; i++)
        clReleaseMemObject(all->list[i].part);
    free(all->list);
    *all = (struct ocl_sub_buffers){0};
}
