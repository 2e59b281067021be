/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces jpeg.c in builds without libjpeg-turbo. */
#include "image/image.h"

#include <string.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3);
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, const struct weft_preprocess_params *params,
                               struct weft_image_extent *stored, struct weft_image *out)
{
    (void)bytes, (void)size, (void)params, (void)stored, (void)out;
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: is a JPEG, which this build cannot read; build weft with "
                     "libjpeg-turbo, or convert it to PGM or PPM",
                     name);
}

const struct weft_decoder weft_decoder_jpeg = {"JPEG", probe, NULL, decode};
