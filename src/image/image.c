/* SPDX-License-Identifier: Apache-2.0 */
/* Single images: the table of decoders. */
#include "image/image.h"
#include "image/preprocess.h"

#include <inttypes.h>
#include <math.h>
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

bool weft_image_scan(const struct weft_image_ends *ends, struct weft_image_extent *extent,
                     int *channels)
{
    enum { MAX_SIDE = 65535 };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(decoders); i++)
        if (decoders[i]->probe(ends->head, ends->head_size))
            return decoders[i]->scan && decoders[i]->scan(ends, extent, channels) &&
                   extent->height >= 1 && extent->height <= MAX_SIDE &&
                   extent->width >= 1 && extent->width <= MAX_SIDE &&
                   (int64_t)extent->height * extent->width <= WEFT_MAX_PIXELS;
    return false;
}

int weft_image_eighths(const struct weft_preprocess_params *params,
                       const struct weft_image_extent *stored)
{
    bool whole = !params || params->trim || params->invert == WEFT_INVERT_AUTO ||
                 params->fit == WEFT_FIT_NONE || params->filter != WEFT_FILTER_AREA;
    if (whole)
        return 8;
    double down = (double)params->height / stored->height;
    double across = (double)params->width / stored->width;
    bool pad = params->fit == WEFT_FIT_PAD;
    double scale = (down < across) == pad ? down : across;
    if (params->fit == WEFT_FIT_CROP && params->crop_fraction > 0)
        scale /= (double)params->crop_fraction;
    int eighths = (int)ceil(2 * scale * 8);
    return eighths < 1 ? 1 : eighths < 8 ? eighths : 8;
}

enum weft_status weft_image_decode_stored(weft_context *ctx, const char *name,
                                          const void *bytes, size_t size,
                                          const struct weft_preprocess_params *params,
                                          struct weft_image_extent *stored,
                                          struct weft_image *out)
{
    *stored = (struct weft_image_extent){0, 0};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(decoders); i++) {
        if (!decoders[i]->probe(bytes, size))
            continue;
        WEFT_TRY(decoders[i]->decode(ctx, name, bytes, size, params, stored, out));
        if (!stored->height)
            *stored = (struct weft_image_extent){out->height, out->width};
        return WEFT_OK;
    }
    return weft_fail(
        ctx, WEFT_ERR_FORMAT,
        size ? "%s: is not a PNG, JPEG, PBM, PGM or PPM image" : "%s: is empty", name);
}

enum weft_status weft_image_decode(weft_context *context, const char *name,
                                   const void *bytes, size_t size,
                                   const struct weft_preprocess_params *params,
                                   struct weft_image *out)
{
    struct weft_preprocess_params p;
    struct weft_image_extent stored;
    WEFT_REQUIRE_POINTER(NULL, context, "context");
    WEFT_REQUIRE_POINTER(context, name, "name");
    WEFT_REQUIRE(context, bytes || !size, "bytes must not be NULL");
    WEFT_REQUIRE_POINTER(context, out, "out");
    if (params) {
        WEFT_TRY(WEFT_READ_PARAMS(context, params, &p));
        WEFT_TRY(weft_preprocess_check_all(context, &p));
    }
    return weft_image_decode_stored(context, name, bytes, size, params ? &p : NULL,
                                    &stored, out);
}
