/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files. */
#ifndef WEFT_CMD_CORE_PNG_FILE_H
#define WEFT_CMD_CORE_PNG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The PNG of height x width x channels bytes, 1 channel of grey or 3 of colours; the
 * caller frees it. NULL: out of memory, with errno set. */
uint8_t *png_encode(const uint8_t *pixels, int height, int width, int channels,
                    size_t *size);

/* Writes one as paths_write does. False on failure, with errno set. */
bool png_file_write(const char *path, const uint8_t *pixels, int height, int width,
                    int channels);

#endif
