/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files. */
#ifndef WEFT_CMD_CORE_PNG_FILE_H
#define WEFT_CMD_CORE_PNG_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* Writes height x width x channels bytes, 1 channel of grey or 3 of colours, as
 * paths_write does, without compression. False on failure, with errno set. */
bool png_file_write(const char *path, const uint8_t *pixels, int height, int width,
                    int channels);

#endif
