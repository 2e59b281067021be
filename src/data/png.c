/* SPDX-License-Identifier: Apache-2.0 */
/* PNG, through libpng's simplified interface. */
#include "picture.h"

#include <png.h>
#include <string.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, struct weft_picture *out)
{
    static const png_color white = {255, 255, 255};
    png_image image = {.version = PNG_IMAGE_VERSION};
    struct weft_picture picture = {0};
    if (!png_image_begin_read_from_memory(&image, bytes, size))
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: damaged PNG: %s", name,
                         image.message);

    bool color = image.format & PNG_FORMAT_FLAG_COLOR;
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* what everyone writes into 16 bits */
    image.format = color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    enum weft_status status = weft_picture_create(ctx, name, image.height, image.width,
                                                  color ? 3 : 1, &picture);
    if (!status && !png_image_finish_read(&image, &white, picture.pixels, 0, NULL))
        status = weft_fail(ctx, WEFT_ERR_FORMAT, "%s: damaged PNG: %s; fetch it again",
                           name, image.message);
    png_image_free(&image);
    if (status)
        weft_picture_finish(&picture);
    else
        *out = picture;
    return status;
}

const struct weft_decoder weft_decoder_png = {"PNG", probe, decode};
