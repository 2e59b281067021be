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

/* The part of an image of height x width pixels at (top, left), made rows x columns: each
 * result is the mean over its area. Of each row, `count` results from `column` on. */
struct weft_area {
    const struct weft_image *image;
    int top, left, height, width;
    int rows, columns;
    int column, count;
    /* weft_area_init: result j is the sum of `taps` of the sums of its row from first[j]
     * on, by weights. */
    float *sums;
    size_t used; /* numbers of sums; zeros follow */
    size_t *first;
    double *weights;
    int taps;
};

/* WEFT_ERR_NOMEM. */
enum weft_status weft_area_init(weft_context *ctx, struct weft_area *area);
void weft_area_finish(struct weft_area *area);

/* The results of row i, each of as many channels as the image has. */
void weft_area_row(const struct weft_area *area, int i, double *means);

/* Scales a box of the image to rows x columns bytes for each channel, bicubic.
 * WEFT_ERR_NOMEM. */
enum weft_status weft_image_resample(weft_context *ctx, const struct weft_image *image,
                                     int top, int left, int height, int width, int rows,
                                     int columns, uint8_t *out);

#endif
