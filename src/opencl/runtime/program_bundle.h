/* SPDX-License-Identifier: Apache-2.0 */
/* Several kernels as one program. */
#ifndef WEFT_OPENCL_RUNTIME_PROGRAM_BUNDLE_H
#define WEFT_OPENCL_RUNTIME_PROGRAM_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "opencl/runtime/source.h"

struct ocl_bundle_entry {
    const struct ocl_source *source;
    const char *options; /* "-DR=3 -DS=3" */
};

/* The text of all entries, to be freed; kernel f of entry i is called f_i there. NULL
 * without memory. */
char *ocl_bundle_sources(const struct ocl_bundle_entry *entries, int count,
                         size_t *bytes);

#endif
