/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a batch of augmented images (cl/shared/augment.h), as batch.cl does of others.
 *
 *     x[i, p] = pixel(index(r), p) * scale[p % C] + shift[p % C], or 0 where erased
 *
 * With MIXED it is weight x[i, p] + (1 - weight) x of the next image, and the launch also
 * writes the labels and shares of the mixtures.
 *
 * The places of pixels, bilinear interpolation and colours are integers, so that the
 * bytes are those of every backend. The work-items of a row (dimension 0, any number)
 * process its places in turn. Global size (any, n). */
#include "lib/augment_options.h"
#include "lib/batch.h"
#include "lib/common.h"
#include "lib/storage.h"

/* The byte at (y, x), which may be outside. */
INLINE int tap(const struct weft_augment *a, __global const uchar *from, int y, int x,
               int c)
{
    const bool outside = y < 0 || y >= H || x < 0 || x >= W;
    const int at = (weft_augment_reflect(y, H) * W + weft_augment_reflect(x, W)) * C + c;
    return a->zeros && outside ? 0 : from[at];
}

/* All channels of the pixel at (y, x), resampled, in their colours. */
INLINE void resample(const struct weft_augment *a, const struct weft_augment_draw *d,
                     __global const uchar *from, int y, int x, int *out)
{
    const int at_y = weft_augment_source(d, 0, y, x, H, W);
    const int at_x = weft_augment_source(d, 1, y, x, H, W);
    const int y0 = at_y >> 15, x0 = at_x >> 15;
    const int down = at_y >> 7 & 255, right = at_x >> 7 & 255;
    for (int c = 0; c < C; c++) {
        const int upper =
            tap(a, from, y0, x0, c) * (256 - right) + tap(a, from, y0, x0 + 1, c) * right;
        const int lower = tap(a, from, y0 + 1, x0, c) * (256 - right) +
                          tap(a, from, y0 + 1, x0 + 1, c) * right;
        const int byte = (upper * (256 - down) + lower * down + 32768) >> 16;
        out[c] = weft_augment_blend(weft_augment_blend(byte, 0, d->brightness),
                                    a->middle[c], d->contrast);
    }
#if C == 3
    const int grey = weft_augment_grey(out[0], out[1], out[2]);
    for (int c = 0; c < C; c++)
        out[c] = weft_augment_blend(out[c], grey, d->saturation);
#endif
    for (int c = 0; c < C; c++)
        out[c] = weft_augment_bits(d, out[c]);
}

#if MIXED
INLINE float mix_weight(const struct weft_augment_mix *m, int y, int x)
{
    const bool inside = y >= m->top && y < m->bottom && x >= m->left && x < m->right;
    return inside ? 0.0f : convert_float(m->weight) * (1.0f / AUGMENT_SHARES);
}
#endif

/* All channels of place (out_y, out_x) of the augmented image, normalized. */
INLINE void make_pixel(const struct weft_augment *a, const struct weft_augment_draw *d,
                       __global const uchar *from, int out_y, int out_x,
                       const float *scales, const float *shifts, float *out)
{
    const int y = out_y + d->dy, x = (d->flip ? W - 1 - out_x : out_x) + d->dx;
    const bool erased =
        out_y >= d->top && out_y < d->bottom && out_x >= d->left && out_x < d->right;
    int pixel[C];
    if (a->kind == AUGMENT_RESAMPLED)
        resample(a, d, from, y, x, pixel);
    else
        for (int c = 0; c < C; c++)
            pixel[c] = tap(a, from, y, x, c);
    for (int c = 0; c < C; c++)
        out[c] = erased ? 0.0f : MAD(convert_float(pixel[c]), scales[c], shifts[c]);
}

__kernel void augment_batch(ALIASED_VIEW(uint, state), ALIASED_VIEW(const uchar, bytes),
                            ALIASED_VIEW(const int, labels), ALIASED_VIEW(stored_y, x),
                            ALIASED_VIEW(int, batch_labels),
                            ALIASED_VIEW(int, partner_labels), ALIASED_VIEW(int, shares),
                            ALIASED_VIEW(const uint, balance), uint first_row,
                            uint global_batch, uint count, uint steps_per_epoch,
                            uint gathered, float4 scale4,
                            float4 shift4)
{
    const struct weft_augment augment = AUGMENT_OPTIONS;
    const uint row = get_global_id(1);
    const bool first = get_global_id(0) == 0;
    if (row == 0 && first)
        begin_step(state + state_at);
    const uint batch_row = global_row(state + state_at, first_row + row);
    const struct weft_sample sample =
        sample_of(state + state_at, balance + balance_at, batch_row, false, global_batch,
                  count, steps_per_epoch);
    const uint place = gathered ? batch_row : sample.image;
    const uint key0 = state[state_at + STATE_SEED_LOW],
               key1 = state[state_at + STATE_SEED_HIGH];
    if (HAS_LABELS && first)
        batch_labels[batch_labels_at + row] = labels[labels_at + place];
    struct weft_augment_draw d;
    weft_augment_draw(&d, &augment, H, W, C, sample.image, sample.cycle, key0,
                      key1);
#if MIXED
    const struct weft_sample partner =
        sample_of(state + state_at, balance + balance_at, batch_row, true, global_batch,
                  count, steps_per_epoch);
    const uint other_place = gathered ? batch_row + 1 : partner.image;
    struct weft_augment_draw other;
    weft_augment_draw(&other, &augment, H, W, C, partner.image, partner.cycle, key0,
                      key1);
    struct weft_augment_mix mix;
    weft_augment_mix(&mix, &augment, H, W, sample.image, sample.cycle, key0, key1);
    __global const uchar *other_from =
        bytes + bytes_at + (size_t)other_place * (H * W * C);
    if (HAS_LABELS && first)
        partner_labels[partner_labels_at + row] = labels[labels_at + other_place];
    if (HAS_LABELS && first)
        shares[shares_at + row] = mix.share;
#endif

    const float scales[4] = {scale4.x, scale4.y, scale4.z, scale4.w};
    const float shifts[4] = {shift4.x, shift4.y, shift4.z, shift4.w};
    __global const uchar *from = bytes + bytes_at + (size_t)place * (H * W * C);
    __global stored_y *to = x + x_at + (size_t)row * (H * W * C);
    for (int p = get_global_id(0); p < H * W; p += get_global_size(0)) {
        const int out_y = p / W, out_x = MOD(p, W);
        float pixel[C];
        make_pixel(&augment, &d, from, out_y, out_x, scales, shifts, pixel);
#if MIXED
        float mixed[C];
        make_pixel(&augment, &other, other_from, out_y, out_x, scales, shifts, mixed);
        const float weight = mix_weight(&mix, out_y, out_x);
        for (int c = 0; c < C; c++)
            pixel[c] = MAD(weight, pixel[c], (1.0f - weight) * mixed[c]);
#endif
        for (int c = 0; c < C; c++)
            STORE_Y(pixel[c], to + p * C + c);
    }
}
