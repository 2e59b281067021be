/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files. */
#ifndef WEFT_CMD_CORE_PNG_FILE_H
#define WEFT_CMD_CORE_PNG_FILE_H

#include "core/app.h"

#include <stddef.h>
#include <stdint.h>

/* The PNG of height x width x channels bytes, 1 channel of grey or 3 of colours; the
 * caller frees it. NULL on failure: `why` is the reason. */
uint8_t *png_encode(const uint8_t *pixels, int height, int width, int channels,
                    size_t *size, const char **why);

/* Writes one as paths_write does, and prints that it did. */
enum app_exit png_file_write(const struct app *app, const char *path,
                             const uint8_t *pixels, int height, int width, int channels);

#endif
