/* SPDX-License-Identifier: Apache-2.0 */
/* Image decoders: one row of a table each. */
#ifndef WEFT_IMAGE_IMAGE_H
#define WEFT_IMAGE_IMAGE_H

#include <weft/image.h>

#include "base/context.h"

enum { WEFT_MAX_PIXELS = 1 << 26 };

/* The size of an image in a file, upright. */
struct weft_image_extent {
    int height, width;
};

/* The first and the last bytes of a file, which may overlap. */
enum { WEFT_IMAGE_HEAD = 1 << 16, WEFT_IMAGE_TAIL = 12 };
struct weft_image_ends {
    const uint8_t *head, *tail; /* WEFT_IMAGE_TAIL bytes */
    size_t head_size;
};

struct weft_decoder {
    const char *name;
    bool (*probe)(const uint8_t *bytes, size_t size);
    /* As weft_image_scan; NULL: nothing is known. */
    bool (*scan)(const struct weft_image_ends *ends, struct weft_image_extent *extent,
                 int *channels);
    /* `params`: what the image is for, or NULL. A decoder that makes less than all of it
     * sets *stored, which is 0x0 otherwise. */
    enum weft_status (*decode)(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, const struct weft_preprocess_params *params,
                               struct weft_image_extent *stored, struct weft_image *out);
};

/* Finds the size of an image, upright, and the channels that decoding makes, without
 * decoding it. False: that is not known, or the file seems to be cut. */
bool weft_image_scan(const struct weft_image_ends *ends, struct weft_image_extent *extent,
                     int *channels);

/* weft_image_decode with checked params, or NULL for the whole image; `ctx` may be
 * NULL. *stored receives the size in the file, upright. */
enum weft_status weft_image_decode_stored(weft_context *ctx, const char *name,
                                          const void *bytes, size_t size,
                                          const struct weft_preprocess_params *params,
                                          struct weft_image_extent *stored,
                                          struct weft_image *out);

/* The fraction, in eighths, at which an image of this size, upright, is still at least
 * twice as large as the result. 8: the whole image. */
int weft_image_eighths(const struct weft_preprocess_params *params,
                       const struct weft_image_extent *stored);

/* Stubs that fail in builds without libpng or libjpeg-turbo. */
extern const struct weft_decoder weft_decoder_png, weft_decoder_jpeg, weft_decoder_pnm;

/* The orientation tag (0x0112), 1 to 8, in the first directory of a TIFF block, which is
 * the contents of Exif; 1 if absent. */
int weft_exif_orientation(const uint8_t *tiff, size_t size);

/* Turns an image upright, in place. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM: unchanged. */
enum weft_status weft_image_orient(weft_context *ctx, const char *name, int orientation,
                                   struct weft_image *image);

/* Checks height and width (1 to 65535, together at most WEFT_MAX_PIXELS) and allocates
 * the pixels, which are 0. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_image_create(weft_context *ctx, const char *name, uint64_t height,
                                   uint64_t width, int channels, struct weft_image *out);

#endif
