/* SPDX-License-Identifier: Apache-2.0 */
/* PNG (ISO 15948) of 8 bits a sample, by libpng. */
#include "core/png_file.h"
#include "core/term.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct png_bytes {
    uint8_t *at;
    size_t size, room;
};

static void fail(png_structp png, png_const_charp message)
{
    (void)message; /* out of memory: the arguments are valid */
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void add_bytes(png_structp png, png_bytep from, size_t size)
{
    struct png_bytes *out = png_get_io_ptr(png);
    if (out->size + size > out->room) {
        out->room = 2 * out->room + size;
        out->at = term_realloc_or_exit(out->at, out->room);
    }
    memcpy(out->at + out->size, from, size);
    out->size += size;
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

/* libpng returns to here from the first error. */
static bool write_image(png_structp png, png_infop info, struct png_bytes *out,
                        const uint8_t *pixels, int height, int width, int channels)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_write_fn(png, out, add_bytes, flush_nothing);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < height; y++)
        png_write_row(png, pixels + (size_t)y * (size_t)width * (size_t)channels);
    png_write_end(png, info);
    return true;
}

uint8_t *png_encode(const uint8_t *pixels, int height, int width, int channels,
                    size_t *size, const char **why)
{
    struct png_bytes out = {.at = NULL};
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, fail, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool done = info && write_image(png, info, &out, pixels, height, width, channels);
    png_destroy_write_struct(&png, &info);
    if (!done) {
        free(out.at);
        *why = "out of memory";
        return NULL;
    }
    *size = out.size;
    return out.at;
}
