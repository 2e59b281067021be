/* SPDX-License-Identifier: Apache-2.0 */
/* NPY files. */
#ifndef WEFT_CMD_CORE_NPY_FILE_H
#define WEFT_CMD_CORE_NPY_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes a matrix in float32, row by row, as paths_write does. False on failure, with
 * errno set. */
bool npy_file_write(const char *path, const float *values, size_t rows, size_t columns);

#endif
