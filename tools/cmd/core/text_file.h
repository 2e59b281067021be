/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of users: networks and results. */
#ifndef WEFT_CMD_CORE_TEXT_FILE_H
#define WEFT_CMD_CORE_TEXT_FILE_H

#include <stddef.h>

/* The file's text without a byte order mark, and its size; owned by the caller. NULL:
 * *why is the reason, and errno 0 if it is in its contents. */
char *text_file_read(const char *path, size_t most, size_t *size, const char **why);

#endif
