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

static void make_image(const struct weft_dataset_info *info,
                       const struct weft_batch_args *args,
                       const struct weft_preview_params *p, size_t image, uint8_t *out)
{
    const struct weft_augment_draw draw = weft_batch_draw(
        args, image, (uint32_t)p->epoch, (uint32_t)p->seed, (uint32_t)(p->seed >> 32));
    for (size_t at = 0; at < (size_t)args->pixels; at++)
        if (!weft_augment_pixel(args, &draw, image, at, byte_of, info->pixels, &out[at]))
            out[at] = (uint8_t)lrint(255 * info->mean[at % (size_t)args->channels]);
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
    WEFT_REQUIRE(ctx, info.pixels, "data must be in memory, with pixels");
    WEFT_REQUIRE(ctx, p.epoch >= 0, "epoch must be 0 or more");
    WEFT_REQUIRE(ctx,
                 p.first >= 0 && p.count >= 0 && p.first <= info.count &&
                     p.count <= info.count - p.first,
                 "first and count must be images of an epoch");
    if (p.augment)
        WEFT_TRY(weft_augment_read(ctx, p.augment, &options));
    struct weft_batch_args args = {.count = info.count,
                                   .pixels = (int)weft_dataset_image_bytes(&info),
                                   .channels = info.channels,
                                   .width = info.width};
    WEFT_TRY(weft_augment_resolve(
        ctx, &options,
        (struct weft_shape){.h = info.height, .w = info.width, .c = info.channels},
        info.mean, &args.augment));
    for (int i = 0; i < p.count; i++) {
        uint32_t image =
            weft_shuffle((uint32_t)(p.first + i), (uint32_t)info.count, (uint32_t)p.seed,
                         (uint32_t)(p.seed >> 32), (uint32_t)p.epoch);
        make_image(&info, &args, &p, image, pixels + (size_t)i * (size_t)args.pixels);
        if (images)
            images[i].index = (int)image;
    }
    return WEFT_OK;
}
