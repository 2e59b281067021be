/* SPDX-License-Identifier: Apache-2.0 */
/* PNG with libpng's simplified interface. */
#include "image/image.h"

#include <png.h>
#include <string.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, struct weft_image *out)
{
    static const png_color white = {255, 255, 255};
    png_image png = {.version = PNG_IMAGE_VERSION};
    struct weft_image image = {0};
    if (!png_image_begin_read_from_memory(&png, bytes, size))
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: damaged PNG: %s", name, png.message);

    bool color = png.format & PNG_FORMAT_FLAG_COLOR;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* the usual contents of 16-bit files */
    png.format = color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    enum weft_status status =
        weft_image_create(ctx, name, png.height, png.width, color ? 3 : 1, &image);
    if (!status && !png_image_finish_read(&png, &white, image.pixels, 0, NULL))
        status = weft_fail(ctx, WEFT_ERR_FORMAT, "%s: damaged PNG: %s; download it again",
                           name, png.message);
    png_image_free(&png);
    if (status)
        weft_image_free(&image);
    else
        *out = image;
    return status;
}

const struct weft_decoder weft_decoder_png = {"PNG", probe, decode};
