/* SPDX-License-Identifier: Apache-2.0 */
/* NPY files. */
#ifndef WEFT_CMD_CORE_NPY_FILE_H
#define WEFT_CMD_CORE_NPY_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* The header of a matrix of float32, row by row. */
enum { NPY_HEADER = 128 };
void npy_file_header(char out[NPY_HEADER], size_t rows, size_t columns);

/* Writes a matrix in float32, row by row, as paths_write does. False on failure, with
 * errno set. */
bool npy_file_write(const char *path, const float *values, size_t rows, size_t columns);

#endif
