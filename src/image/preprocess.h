/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing as a property of a model; as text: "fit=pad trim=no invert=no". A filter
 * and a crop fraction are written where they differ from the defaults. */
#ifndef WEFT_IMAGE_PREPROCESS_H
#define WEFT_IMAGE_PREPROCESS_H

#include <weft/image.h>

/* Checks the values that do not depend on an image. WEFT_ERR_ARG. */
enum weft_status weft_preprocess_check(weft_context *ctx,
                                       const struct weft_preprocess_params *params);

enum { WEFT_PREPROCESS_TEXT = 96 }; /* room for the text of any params */

/* Also checks the extents. WEFT_ERR_ARG. */
enum weft_status weft_preprocess_check_all(weft_context *ctx,
                                           const struct weft_preprocess_params *params);

/* weft_image_preprocess with checked arguments; `ctx` may be NULL. */
enum weft_status weft_image_make_input(weft_context *ctx, const struct weft_image *image,
                                       const struct weft_preprocess_params *params,
                                       uint8_t *out, struct weft_preprocess_info *info);

void weft_preprocess_write(const struct weft_preprocess_params *params,
                           char out[WEFT_PREPROCESS_TEXT]);

/* Sets the fields that the text names; height, width and channels are not in it. False:
 * a word or a value is unknown, or occurs twice. */
bool weft_preprocess_read(const char *text, struct weft_preprocess_params *params);

/* Scales a box of the image to rows x columns bytes for each channel, bicubic.
 * WEFT_ERR_NOMEM. */
enum weft_status weft_image_resample(weft_context *ctx, const struct weft_image *image,
                                     int top, int left, int height, int width, int rows,
                                     int columns, uint8_t *out);

#endif
