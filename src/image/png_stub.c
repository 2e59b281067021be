/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces png.c in builds without libpng. */
#include "image/image.h"

#include <string.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, const struct weft_preprocess_params *params,
                               struct weft_image_extent *stored, struct weft_image *out)
{
    (void)bytes, (void)size, (void)params, (void)stored, (void)out;
    return weft_fail(
        ctx, WEFT_ERR_FORMAT,
        "%s: is a PNG, which this build cannot read; build weft with libpng, "
        "or convert it to PGM or PPM",
        name);
}

const struct weft_decoder weft_decoder_png = {"PNG", probe, NULL, decode};
