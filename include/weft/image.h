/* SPDX-License-Identifier: Apache-2.0 */
/* Single images: decoding, and preprocessing to the input of a network. */
#ifndef WEFT_IMAGE_H
#define WEFT_IMAGE_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A decoded image: height x width x channels bytes, channels innermost. */
struct weft_image {
    int height, width;
    int channels; /* 1 gray, 3 RGB; alpha is composited over white */
    uint8_t *pixels;
};

/* Decodes a PNG, JPEG or PBM/PGM/PPM of at most 2^26 pixels from memory; the format is
 * detected by the first bytes. `name` is for error messages. Free the pixels with
 * weft_image_free. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_image_decode(weft_context *context, const char *name,
                                            const void *bytes, size_t size,
                                            struct weft_image *out);
WEFT_API void weft_image_free(struct weft_image *image);

enum weft_invert { WEFT_INVERT_AUTO, WEFT_INVERT_NO, WEFT_INVERT_YES };

struct weft_preprocess_params {
    size_t struct_size;
    int height, width, channels; /* of the output; 1 or 3 channels */
    enum weft_invert invert;     /* AUTO: invert an image with a light background */
};
#define weft_preprocess_params(...)    \
    (&(struct weft_preprocess_params){ \
        .struct_size = sizeof(struct weft_preprocess_params), __VA_ARGS__})

/* The changes that preprocessing made. */
struct weft_preprocess_info {
    bool resized, cropped, inverted;
    bool uneven_background; /* border of many colors: a prediction is unreliable */
};

/* Converts an image the way the images of Fashion-MNIST were made. An image of the right
 * size is converted only. Otherwise the color of the border, which may change evenly
 * across the image, is the background: it is trimmed, the longer side is scaled to fit by
 * area averaging, and the rest is filled with background. A light background is inverted,
 * so that the object is light; a uniform one becomes black. `out` receives height x width
 * x channels bytes. WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status
weft_image_preprocess(weft_context *context, const struct weft_image *image,
                      const struct weft_preprocess_params *params, uint8_t *out,
                      struct weft_preprocess_info *info, size_t size);
#define weft_image_preprocess(context, image, params, out, info) \
    weft_image_preprocess(context, image, params, out, info, sizeof(*(info)))

#ifdef __cplusplus
}
#endif
#endif
