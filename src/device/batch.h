/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of make_batch, and the pixels of augmented images. */
#ifndef WEFT_DEVICE_BATCH_H
#define WEFT_DEVICE_BATCH_H

#include "device/view.h"
#include "shared/augment.h"
#include "shared/balance.h"

#include <stdbool.h>

/* A batch, or a shard of one: rows `first` to first + n - 1 of `global_batch`. Row r is
 * the image (step % steps_per_epoch) * global_batch + r of the order of seed and epoch =
 * step / steps_per_epoch (shared/balance.h), or image r if `state` is absent.
 * x = pixel * scale[channel] + shift[channel], with one rounding or two; with `augment`
 * the pixel is that of weft_augment_pixel, and x is 0 where it was erased; with
 * augment.mix it is that of this image times weft_batch_weight, and that of
 * weft_batch_partner times the rest. With a `state` it is the first launch of a training
 * step, or of a part of its batch, and copies the powers for optimizer_step and the
 * number of the part. `gathered`: bytes and labels have row r at place r, and not all
 * images; with augment.mix one more, the partner of the last. */
struct weft_batch_args {
    int n, count, pixels, channels; /* pixels: h * w * channels of an image */
    int width;                      /* of an image; only for `augment` */
    int first, global_batch;        /* without `state` global_batch is not used */
    /* Rows of a part of the batch, of which the state has the number: row r + STATE_PART
     * part_rows takes the place of row r; 0: it is not in parts. Needs a `state`. */
    int part_rows;
    int steps_per_epoch;
    bool gathered;                 /* needs a `state` */
    float scale[4], shift[4];      /* channel c uses [c % channels] */
    struct weft_augment augment;   /* needs a `state` */
    struct weft_view state;        /* absent: in order */
    struct weft_view bytes;        /* count * pixels bytes; gathered: of the rows */
    struct weft_view labels;       /* count ints, or of the rows; absent: no labels */
    struct weft_view balance;      /* words; absent: no balanced sampling */
    struct weft_view x;            /* n * pixels floats */
    struct weft_view batch_labels; /* n ints */
    /* n ints, for augment.mix: of the images mixed in, and the share of each image's own
     * label */
    struct weft_view partner_labels, shares;
};

/* The changes of an image of the data. */
struct weft_augment_draw weft_batch_draw(const struct weft_batch_args *args,
                                         struct weft_sample sample, uint32_t key0,
                                         uint32_t key1);

/* The place in the epoch's order of the image that is mixed into that of place `at`. */
static inline size_t weft_batch_partner(const struct weft_batch_args *args, size_t at)
{
    return at + 1 < (size_t)args->count ? at + 1 : 0;
}

/* The image of a row, or of the next one, in the step of the words of `state`, by those
 * of `balance`; NULL: by neither, or not balanced. */
struct weft_sample weft_batch_sample(const struct weft_batch_args *args, size_t row,
                                     bool partner, const uint32_t *state,
                                     const uint32_t *balance);

/* The mixture of an image of the data with its partner, and the weight of its own byte
 * `at`, 0 to 1. */
struct weft_augment_mix weft_batch_mix(const struct weft_batch_args *args,
                                       struct weft_sample sample, uint32_t key0,
                                       uint32_t key1);
float weft_batch_weight(const struct weft_batch_args *args,
                        const struct weft_augment_mix *mix, size_t at);

/* A byte of the images that are augmented. */
typedef uint8_t weft_byte_fn(const void *data, size_t at);

/* The augmented image's byte number `at`; false: it was erased. The image is number
 * `place` of the bytes. */
bool weft_augment_pixel(const struct weft_batch_args *args,
                        const struct weft_augment_draw *draw, size_t place, size_t at,
                        weft_byte_fn *byte, const void *data, uint8_t *out);

#endif
