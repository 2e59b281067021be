/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation of training images: the line `augment` of a network (weft/net.h). */
#ifndef WEFT_NET_AUGMENT_H
#define WEFT_NET_AUGMENT_H

#include "ops/op.h"
#include "shared/augment.h"
#include "util/line_parser.h"

/* The words and options behind `augment`, as they are written. All zero: none. */
struct weft_augment_options {
    int flip; /* AUGMENT_NO_FLIP, ... */
    int trivial;
    int shift, zeros, cutout;
    float erase, crop, rotate, scale, shear, translate;
    float brightness, contrast, saturation;
    float mixup, cutmix, unmixed;
};

/* True if images are mixed, and have two labels. */
static inline bool weft_augment_mixes(const struct weft_augment_options *options)
{
    return options->mixup > 0 || options->cutmix > 0;
}

/* Takes the words and options after `augment`. */
enum weft_status weft_augment_parse(struct weft_line_parser *parser,
                                    struct weft_augment_options *out);

/* The same from params; WEFT_ERR_ARG. */
enum weft_status weft_augment_read(weft_context *ctx, const char *text,
                                   struct weft_augment_options *out);

enum { WEFT_AUGMENT_TEXT = 320 };

/* The words and options after `augment`, without defaults; "none". */
void weft_augment_write(const struct weft_augment_options *options,
                        char out[WEFT_AUGMENT_TEXT]);

/* For make_batch. `middle`: the data's mean of each channel, of pixels in 0..1.
 * WEFT_ERR_ARG: the images are too large. */
enum weft_status weft_augment_resolve(weft_context *ctx,
                                      const struct weft_augment_options *options,
                                      struct weft_shape image, const double *middle,
                                      struct weft_augment *out);

#endif
