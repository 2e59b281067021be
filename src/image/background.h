/* SPDX-License-Identifier: Apache-2.0 */
/* The background of an image, estimated from the border: the color of each channel as a
 * plane over the image, so that an even falloff of light is still background. */
#ifndef WEFT_IMAGE_BACKGROUND_H
#define WEFT_IMAGE_BACKGROUND_H

#include <weft/image.h>

struct weft_background {
    double plane[3][3]; /* at the center; increments towards bottom and right */
    bool uneven;
    double *down, *across; /* the place of each row and column, -0.5 to 0.5 */
};

struct weft_image_box {
    int top, left, height, width;
};

/* WEFT_ERR_NOMEM. */
enum weft_status weft_background_estimate(weft_context *ctx,
                                          const struct weft_image *image,
                                          struct weft_background *background);
void weft_background_finish(struct weft_background *background);

/* The color at a position, in the channels of the image. */
void weft_background_color(const struct weft_background *background,
                           const struct weft_image *image, double y, double x,
                           double *color);

/* Bounding box of everything that is not background. Rows and columns with a few specks
 * do not count. WEFT_ERR_NOMEM. */
enum weft_status weft_background_trim(weft_context *ctx,
                                      const struct weft_background *background,
                                      const struct weft_image *image,
                                      struct weft_image_box *box);

#endif
