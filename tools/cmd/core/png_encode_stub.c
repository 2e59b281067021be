/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces png_encode.c in builds without libpng. */
#include "core/png_file.h"

uint8_t *png_encode(const uint8_t *pixels, int height, int width, int channels,
                    size_t *size, const char **why)
{
    (void)pixels, (void)height, (void)width, (void)channels, (void)size;
    *why = "this build of weft has no PNG; build it with libpng";
    return NULL;
}
