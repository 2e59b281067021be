/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of users: networks and results. */
#ifndef WEFT_CMD_CORE_TEXT_FILE_H
#define WEFT_CMD_CORE_TEXT_FILE_H

#include <stddef.h>

/* The file's text without a byte order mark, and its size; owned by the caller. NULL:
 * *why is the fault of its contents, or NULL if it cannot be read, with errno. */
char *text_file_read(const char *path, size_t most, size_t *size, const char **why);

#endif
