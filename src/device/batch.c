/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels of augmented images, one at a time: what the kernels are compared with. */
#include "device/batch.h"

struct weft_augment_draw weft_batch_draw(const struct weft_batch_args *args, size_t image,
                                         uint32_t epoch, uint32_t key0, uint32_t key1)
{
    return weft_augment_draw(&args->augment, args->pixels / args->channels / args->width,
                             args->width, (uint32_t)image, epoch, key0, key1);
}

bool weft_augment_pixel(const struct weft_batch_args *args,
                        const struct weft_augment_draw *draw, size_t image, size_t at,
                        weft_byte_fn *byte, const void *data, uint8_t *out)
{
    int channels = args->channels, width = args->width;
    int place = (int)at / channels, channel = (int)at % channels;
    int height = args->pixels / channels / width, y = place / width, x = place % width;
    if (y >= draw->top && y < draw->bottom && x >= draw->left && x < draw->right)
        return false;
    y += draw->dy;
    x = (draw->flip ? width - 1 - x : x) + draw->dx;
    bool outside = y < 0 || y >= height || x < 0 || x >= width;
    y = weft_augment_reflect(y, height);
    x = weft_augment_reflect(x, width);
    *out = outside && args->augment.zeros
               ? 0
               : byte(data, image * (size_t)args->pixels +
                                (size_t)((y * width + x) * channels + channel));
    return true;
}
