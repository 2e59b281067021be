/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of buffers as buffers of their own, for arguments that kernels cannot reach by an
 * offset of 32 bits. */
#ifndef WEFT_OPENCL_RUNTIME_SUB_BUFFER_H
#define WEFT_OPENCL_RUNTIME_SUB_BUFFER_H

#include "opencl/runtime/ocl.h"

/* Those of a command list, zero at first. */
struct ocl_sub_buffers {
    struct ocl_sub_buffer *list;
    int count;
};

/* A sub-buffer of `whole` with the bytes from `start` to `end` and, where the buffer has
 * it, the padding behind them; the same one for the same range. The range begins *skipped
 * bytes behind its start, which the device aligns. Kernels do not retain *out, which
 * lives until ocl_sub_buffers_release. */
cl_int ocl_sub_buffer(struct ocl_sub_buffers *all, const struct ocl_device *d,
                      cl_mem whole, size_t start, size_t end, cl_mem *out,
                      size_t *skipped);
void ocl_sub_buffers_release(struct ocl_sub_buffers *all);

#endif
