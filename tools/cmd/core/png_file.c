/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files as results. */
#include "core/png_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum app_exit png_file_write(const struct app *app, const char *path,
                             const uint8_t *pixels, int height, int width, int channels)
{
    size_t size;
    const char *why = NULL;
    uint8_t *file = png_encode(pixels, height, width, channels, &size, &why);
    if (file && !paths_write(path, file, size))
        why = strerror(errno);
    free(file);
    if (why)
        return app_error(app, APP_FAILED, "%s cannot be written: %s", path, why);
    app_print_written(path);
    return APP_OK;
}
