/* SPDX-License-Identifier: Apache-2.0 */
/* The opening of every file that is read: never waits for a FIFO, socket or device. */
#ifndef WEFT_OS_OPEN_FILE_H
#define WEFT_OS_OPEN_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* Opens a regular file, or what one of this process's own descriptors has, by the names
 * /dev/stdin, /dev/fd/N and /proc/self/fd/N: process substitution. `fifo`: a FIFO too,
 * after waiting for its writer; only where a user named it. Returns the descriptor, with
 * *info of it; or -1 with errno set and *why: a constant text for "path: why", or NULL
 * where errno is the reason. */
int weft_open_file(const char *path, bool fifo, struct stat *info, const char **why);

#endif
