/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of cl/, as tools/build/embed_kernels.py puts them into the library:
 * includes in place. */
#ifndef WEFT_OPENCL_RUNTIME_SOURCE_H
#define WEFT_OPENCL_RUNTIME_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct ocl_source {
    const char *name; /* "act.cl" */
    const unsigned char *text;
    size_t bytes;
    uint64_t hash;
    /* Its declarations at file scope, and the macros that it defines; each list ends in
     * "". */
    const char *const *names, *const *macros;
};

extern const struct ocl_source ocl_sources[];
extern const size_t ocl_source_count;

#endif
