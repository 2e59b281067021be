/* SPDX-License-Identifier: Apache-2.0 */
/* Single images: the table of decoders. */
#include "image/image.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct weft_decoder *const decoders[] = {
    &weft_decoder_png,
    &weft_decoder_jpeg,
    &weft_decoder_pnm,
};

void weft_image_free(struct weft_image *image)
{
    if (!image)
        return;
    free(image->pixels);
    *image = (struct weft_image){0};
}

enum weft_status weft_image_create(weft_context *ctx, const char *name, uint64_t height,
                                   uint64_t width, int channels, struct weft_image *out)
{
    enum { MAX_SIDE = 65535 };
    if (height < 1 || height > MAX_SIDE || width < 1 || width > MAX_SIDE ||
        height * width > WEFT_MAX_PIXELS)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: %" PRIu64 " x %" PRIu64
                         " pixels (rows x columns); each must be 1 to %d, and their "
                         "product at most %d; reduce the image",
                         name, height, width, MAX_SIDE, WEFT_MAX_PIXELS);
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
    uint8_t *pixels = calloc(bytes, 1);
    if (!pixels)
        return weft_out_of_memory(ctx, name, bytes);
    *out = (struct weft_image){(int)height, (int)width, channels, pixels};
    return WEFT_OK;
}

enum weft_status weft_image_decode(weft_context *context, const char *name,
                                   const void *bytes, size_t size, struct weft_image *out)
{
    WEFT_REQUIRE_POINTER(NULL, context, "context");
    WEFT_REQUIRE_POINTER(context, name, "name");
    WEFT_REQUIRE(context, bytes || !size, "bytes must not be NULL");
    WEFT_REQUIRE_POINTER(context, out, "out");
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(decoders); i++)
        if (decoders[i]->probe(bytes, size))
            return decoders[i]->decode(context, name, bytes, size, out);
    return weft_fail(
        context, WEFT_ERR_FORMAT,
        size ? "%s: is not a PNG, JPEG, PBM, PGM or PPM image" : "%s: is empty", name);
}
