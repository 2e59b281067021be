/* SPDX-License-Identifier: Apache-2.0 */
/* Several kernels as one program. */
#ifndef WEFT_OPENCL_UNITE_H
#define WEFT_OPENCL_UNITE_H

#include <stdbool.h>
#include <stddef.h>

#include "source.h"

struct ocl_piece {
    const struct ocl_source *source;
    const char *options; /* "-DR=3 -DS=3" */
};

/* The text of all pieces, to be freed; kernel f of piece i is called f_i there. NULL
 * without memory. */
char *ocl_unite(const struct ocl_piece *pieces, int count, size_t *bytes);

#endif
