/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels of augmented images, one at a time: what the kernels are compared with. */
#include "device/batch.h"

#include "shared/state.h"

#include <math.h>

struct weft_sample weft_batch_sample(const struct weft_batch_args *args, size_t row,
                                     bool partner, const uint32_t *state,
                                     const uint32_t *balance)
{
    row += (size_t)args->first;
    if (!state)
        return (struct weft_sample){(uint32_t)row, 0};
    if (args->part_rows)
        row += state[STATE_NEXT_PART] * (size_t)args->part_rows;
    uint32_t steps = (uint32_t)args->steps_per_epoch, epoch = state[STATE_STEP] / steps;
    uint32_t key0 = state[STATE_SEED_LOW], key1 = state[STATE_SEED_HIGH];
    size_t own = state[STATE_STEP] % steps * (size_t)args->global_batch + row;
    uint32_t at = (uint32_t)(partner ? weft_batch_partner(args, own) : own);
    uint32_t count = (uint32_t)args->count;
    return balance ? weft_balanced_sample(balance, count, at, epoch, key0, key1)
                   : weft_shuffled_sample(count, at, epoch, key0, key1);
}

struct weft_augment_draw weft_batch_draw(const struct weft_batch_args *args,
                                         struct weft_sample sample, uint32_t key0,
                                         uint32_t key1)
{
    struct weft_augment_draw d;
    weft_augment_draw(&d, &args->augment, args->pixels / args->channels / args->width,
                      args->width, args->channels, sample.image, sample.cycle, key0,
                      key1);
    return d;
}

struct weft_augment_mix weft_batch_mix(const struct weft_batch_args *args,
                                       struct weft_sample sample, uint32_t key0,
                                       uint32_t key1)
{
    struct weft_augment_mix m = {.share = AUGMENT_SHARES, .weight = AUGMENT_SHARES};
    if (args->augment.mix)
        weft_augment_mix(&m, &args->augment, args->pixels / args->channels / args->width,
                         args->width, sample.image, sample.cycle, key0, key1);
    return m;
}

float weft_batch_weight(const struct weft_batch_args *args,
                        const struct weft_augment_mix *mix, size_t at)
{
    int place = (int)at / args->channels;
    int y = place / args->width, x = place % args->width;
    bool inside = y >= mix->top && y < mix->bottom && x >= mix->left && x < mix->right;
    return inside ? 0 : (float)mix->weight / AUGMENT_SHARES;
}

/* An image, read a byte at a time. */
struct source {
    const struct weft_batch_args *args;
    const struct weft_augment_draw *draw;
    size_t place; /* of the image */
    weft_byte_fn *byte;
    const void *data;
};

static int height_of(const struct weft_batch_args *args)
{
    return args->pixels / args->channels / args->width;
}

/* The byte at (y, x), which may be outside. */
static int tap(const struct source *s, int y, int x, int channel)
{
    const struct weft_batch_args *a = s->args;
    int height = height_of(a), width = a->width;
    if (a->augment.zeros && (y < 0 || y >= height || x < 0 || x >= width))
        return 0;
    int place = weft_augment_reflect(y, height) * width + weft_augment_reflect(x, width);
    size_t at = (size_t)place * (size_t)a->channels + (size_t)channel;
    return s->byte(s->data, s->place * (size_t)a->pixels + at);
}

/* Bilinear, at the place that the map gives, with brightness and contrast. The sums are
 * exact in double: the interpolation has 16 bits more than a byte. */
static int toned(const struct source *s, int y, int x, int channel)
{
    const struct weft_batch_args *a = s->args;
    double at[2];
    for (int axis = 0; axis < 2; axis++) {
        int source = weft_augment_source(s->draw, axis, y, x, height_of(a), a->width);
        at[axis] = floor(source / 128.0) / 256;
    }
    int y0 = (int)floor(at[0]), x0 = (int)floor(at[1]);
    double down = at[0] - y0, right = at[1] - x0, sum = 0;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            sum += (i ? down : 1 - down) * (j ? right : 1 - right) *
                   tap(s, y0 + i, x0 + j, channel);
    int byte = (int)floor(sum + 0.5);
    return weft_augment_blend(weft_augment_blend(byte, 0, s->draw->brightness),
                              a->augment.middle[channel], s->draw->contrast);
}

static int resampled(const struct source *s, int y, int x, int channel)
{
    int value = toned(s, y, x, channel);
    if (s->args->channels == 3) {
        int grey =
            weft_augment_grey(toned(s, y, x, 0), toned(s, y, x, 1), toned(s, y, x, 2));
        value = weft_augment_blend(value, grey, s->draw->saturation);
    }
    return weft_augment_bits(s->draw, value);
}

bool weft_augment_pixel(const struct weft_batch_args *args,
                        const struct weft_augment_draw *draw, size_t place, size_t at,
                        weft_byte_fn *byte, const void *data, uint8_t *out)
{
    const struct source s = {args, draw, place, byte, data};
    int spot = (int)at / args->channels, channel = (int)at % args->channels;
    int y = spot / args->width, x = spot % args->width;
    if (y >= draw->top && y < draw->bottom && x >= draw->left && x < draw->right)
        return false;
    y += draw->dy;
    x = (draw->flip ? args->width - 1 - x : x) + draw->dx;
    *out =
        (uint8_t)(args->augment.kind == AUGMENT_RESAMPLED ? resampled(&s, y, x, channel)
                                                          : tap(&s, y, x, channel));
    return true;
}
