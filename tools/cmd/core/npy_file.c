/* SPDX-License-Identifier: Apache-2.0 */
/* NPY, version 1.0 (NumPy's numpy.lib.format). */
#include "core/npy_file.h"

#include "core/paths.h"
#include "core/term.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 10 };

void npy_file_header(char out[NPY_HEADER], size_t rows, size_t columns)
{
    const uint16_t one = 1;
    char order = *(const uint8_t *)&one ? '<' : '>';
    memset(out, ' ', NPY_HEADER);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = NPY_HEADER - PREFIX;
    out[9] = 0;
    int n = snprintf(out + PREFIX, NPY_HEADER - PREFIX,
                     "{'descr': '%cf4', 'fortran_order': False, 'shape': (%zu, %zu), }",
                     order, rows, columns);
    out[PREFIX + n] = ' ';
    out[NPY_HEADER - 1] = '\n';
}

bool npy_file_write(const char *path, const float *values, size_t rows, size_t columns)
{
    size_t bytes = rows * columns * sizeof(*values);
    char *file = term_realloc_or_exit(NULL, NPY_HEADER + bytes);
    npy_file_header(file, rows, columns);
    if (bytes)
        memcpy(file + NPY_HEADER, values, bytes);
    bool written = paths_write(path, file, NPY_HEADER + bytes);
    free(file);
    return written;
}
