/* SPDX-License-Identifier: Apache-2.0 */
/* NPY, version 1.0 (NumPy's numpy.lib.format). */
#include "core/npy_file.h"

#include "core/paths.h"
#include "core/term.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 128, PREFIX = 10 };

bool npy_file_write(const char *path, const float *values, size_t rows, size_t columns)
{
    const uint16_t one = 1;
    char order = *(const uint8_t *)&one ? '<' : '>';
    size_t bytes = rows * columns * sizeof(*values);
    char *file = term_realloc_or_exit(NULL, HEADER + bytes);
    memset(file, ' ', HEADER);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = HEADER - PREFIX;
    file[9] = 0;
    int n = snprintf(file + PREFIX, HEADER - PREFIX,
                     "{'descr': '%cf4', 'fortran_order': False, 'shape': (%zu, %zu), }",
                     order, rows, columns);
    file[PREFIX + n] = ' ';
    file[HEADER - 1] = '\n';
    if (bytes)
        memcpy(file + HEADER, values, bytes);
    bool written = paths_write(path, file, HEADER + bytes);
    free(file);
    return written;
}
