/* SPDX-License-Identifier: Apache-2.0 */
/* Images as training sees them, made on the host. */
#include "base/context.h"
#include "dataset/dataset.h"
#include "device/batch.h"
#include "net/augment.h"

#include <weft/train.h>

#include <math.h>

static uint8_t byte_of(const void *data, size_t at)
{
    return ((const uint8_t *)data)[at];
}

/* An epoch of training on a dataset. */
struct epoch {
    const weft_dataset *data;
    const struct weft_dataset_info *info;
    struct weft_image_block own, other; /* two images */
    struct weft_batch_args args;
    uint32_t number, key0, key1;
};

static struct weft_sample image_at(const struct epoch *e, size_t place)
{
    return weft_shuffled_sample((uint32_t)e->info->count, (uint32_t)place, e->number,
                                e->key0, e->key1);
}

static double pixel_of(const struct epoch *e, const struct weft_augment_draw *draw,
                       const uint8_t *image, size_t at)
{
    uint8_t byte;
    if (weft_augment_pixel(&e->args, draw, 0, at, byte_of, image, &byte))
        return byte;
    return 255 * e->info->mean[at % (size_t)e->args.channels];
}

/* The image of a place in the epoch's order. */
static enum weft_status make_image(struct epoch *e, size_t place, uint8_t *pixels,
                                   struct weft_preview_image *out)
{
    weft_context *ctx = e->data->context;
    const struct weft_batch_args *a = &e->args;
    struct weft_sample sample = image_at(e, place),
                       partner = image_at(e, weft_batch_partner(a, place));
    const struct weft_augment_draw own = weft_batch_draw(a, sample, e->key0, e->key1);
    const struct weft_augment_draw other = weft_batch_draw(a, partner, e->key0, e->key1);
    const struct weft_augment_mix mix = weft_batch_mix(a, sample, e->key0, e->key1);
    WEFT_TRY(weft_dataset_block(ctx, e->data, (int)sample.image, 1, &e->own));
    WEFT_TRY(weft_dataset_block(ctx, e->data, (int)partner.image, 1, &e->other));
    for (size_t at = 0; at < (size_t)a->pixels; at++) {
        double weight = (double)weft_batch_weight(a, &mix, at), sum = 0;
        if (weight > 0)
            sum += weight * pixel_of(e, &own, e->own.pixels, at);
        if (weight < 1)
            sum += (1 - weight) * pixel_of(e, &other, e->other.pixels, at);
        pixels[at] = (uint8_t)lrint(sum);
    }
    *out = (struct weft_preview_image){.index = (int)sample.image,
                                       .partner = (int)partner.image,
                                       .share = (float)mix.share / AUGMENT_SHARES};
    return WEFT_OK;
}

enum weft_status weft_preview(const weft_dataset *data,
                              const struct weft_preview_params *params, uint8_t *pixels,
                              struct weft_preview_image *images)
{
    struct weft_preview_params p;
    struct weft_dataset_info info;
    struct weft_augment_options options = {0};
    WEFT_REQUIRE_POINTER(NULL, data, "data");
    weft_context *ctx = data->context;
    WEFT_REQUIRE_POINTER(ctx, pixels, "pixels");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, &p));
    weft_dataset_info(data, &info);
    WEFT_REQUIRE(ctx, p.epoch >= 0, "epoch must be 0 or more");
    WEFT_REQUIRE(ctx,
                 p.first >= 0 && p.count >= 0 && p.first <= info.count &&
                     p.count <= info.count - p.first,
                 "first and count must be images of an epoch");
    if (p.augment)
        WEFT_TRY(weft_augment_read(ctx, p.augment, &options));
    struct epoch epoch = {.data = data,
                          .info = &info,
                          .args = {.count = info.count,
                                   .pixels = (int)weft_dataset_image_bytes(&info),
                                   .channels = info.channels,
                                   .width = info.width},
                          .number = (uint32_t)p.epoch,
                          .key0 = (uint32_t)p.seed,
                          .key1 = (uint32_t)(p.seed >> 32)};
    WEFT_TRY(weft_augment_resolve(
        ctx, &options,
        (struct weft_shape){.h = info.height, .w = info.width, .c = info.channels},
        info.mean, &epoch.args.augment));
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < p.count && !status; i++) {
        struct weft_preview_image image;
        status = make_image(&epoch, (size_t)(p.first + i),
                            pixels + (size_t)i * (size_t)epoch.args.pixels, &image);
        if (images && !status)
            images[i] = image;
    }
    weft_image_block_free(&epoch.own);
    weft_image_block_free(&epoch.other);
    return status;
}
