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

struct weft_preprocess_params;

/* Decodes a PNG, JPEG or PBM/PGM/PPM of at most 2^26 pixels from memory; the format is
 * detected by the first bytes. `name` is for error messages. Free the pixels with
 * weft_image_free. `params`, unless NULL, is what weft_image_preprocess will make of it:
 * then a JPEG that is far larger is decoded at a fraction of its size, at least twice
 * that of the result, in a fraction of the time; but whole for another filter than AREA,
 * and where `trim` or an automatic `invert` looks at its background. WEFT_ERR_ARG,
 * WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_image_decode(weft_context *context, const char *name,
                                            const void *bytes, size_t size,
                                            const struct weft_preprocess_params *params,
                                            struct weft_image *out);
WEFT_API void weft_image_free(struct weft_image *image);

/* Resizing of an image to the size of the input. */
enum weft_fit {
    WEFT_FIT_PAD,  /* the whole image; the rest is filled with the color of its border */
    WEFT_FIT_CROP, /* the input is filled; the rest of the longer side is cut off */
    WEFT_FIT_STRETCH, /* each side by itself; changes the aspect ratio */
    WEFT_FIT_NONE     /* such an image is an error */
};

/* AUTO: an image with a light background, unless it has the size of the input */
enum weft_invert { WEFT_INVERT_NO, WEFT_INVERT_YES, WEFT_INVERT_AUTO };

/* The computation of the pixels of a resized image. AREA: the mean over the area of each,
 * exactly, and a half rounded up. BICUBIC: Keys' kernel with a = -1/2, widened by the
 * factor of the reduction, rounded to bytes after the columns and after
 * the rows, as Pillow's BICUBIC; most ImageNet models were made with it. */
enum weft_filter { WEFT_FILTER_AREA, WEFT_FILTER_BICUBIC };

/* The words for the values of these enums, in models and on the command line. */
#define WEFT_FIT_WORDS    "pad|crop|stretch|none"
#define WEFT_INVERT_WORDS "no|yes|auto"
#define WEFT_FILTER_WORDS "area|bicubic"

/* Conversion of an image to the input of a network: a property of a model, because its
 * training images were made in one way (weft_model_info.preprocess). */
struct weft_preprocess_params {
    size_t struct_size;
    int height, width, channels; /* of the output; 1 or 3 channels */
    enum weft_fit fit;
    /* Images of another size: cut off the margin of uniform background, and make a dark
     * background black. */
    bool trim;
    enum weft_invert invert;
    enum weft_filter filter;
    /* With FIT_CROP: share of the shorter side that remains, in the center; 0: 1 */
    float crop_fraction;
};
#define weft_preprocess_params(...) WEFT_PARAMS(weft_preprocess_params, __VA_ARGS__)

/* The changes that preprocessing made. */
struct weft_preprocess_info {
    bool resized, cropped, inverted;
    bool uneven_background; /* border of many colors, where `trim` or `invert` depends on
                               it: a prediction is unreliable */
};

/* Converts an image to the input of a network: resized, and between gray and RGB. An
 * image of the right size is a prepared one: only its channels change, and it is inverted
 * if `invert` is YES. Otherwise the color of the border, which may change evenly across
 * the image, is the background. Fashion-MNIST was made with `trim` and `invert` AUTO: the
 * object is light on black, its longer side fills the image. `out` receives height x
 * width x channels bytes. WEFT_ERR_ARG, WEFT_ERR_FORMAT (FIT_NONE), WEFT_ERR_NOMEM. */
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
