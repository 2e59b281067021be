/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a command list, while it is recorded and afterwards. */
#ifndef WEFT_OPENCL_RUNTIME_WORKSPACE_H
#define WEFT_OPENCL_RUNTIME_WORKSPACE_H

#include "opencl/runtime/record.h"

/* Persistent words, written when the list is finalized. */
struct ocl_constants {
    size_t offset, count;
    cl_uint *words;
};

/* One buffer: the workspace, as large as the largest need of a primitive, and behind it
 * persistent memory. */
struct ocl_workspace {
    size_t used;     /* by the primitive that is being recorded */
    size_t reserved; /* of it, by views */
    size_t peak, persistent_bytes;
    struct ocl_constants *constants;
    struct ocl_partial_sums *partial_sums;
    int constant_count, partial_sum_count;
    struct weft_mem *mem;             /* NULL until finalized, or without need */
    struct weft_mem view, persistent; /* stand for it in views */
};

/* The head of an OpenCL command list. */
struct ocl_recording {
    struct weft_command_list base;
    struct ocl_workspace workspace;
};

/* Allocates the buffer, and writes the constants. */
enum weft_status ocl_workspace_finalize(struct ocl_recording *list);
void ocl_workspace_destroy(struct ocl_recording *list);

/* The buffer and the offset in floats of an argument that is a view or workspace. */
const struct weft_mem *ocl_workspace_resolve(const struct ocl_recording *list,
                                             const struct ocl_arg *arg, size_t *offset);

#endif
