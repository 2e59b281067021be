/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a batch of augmented images (cl/shared/augment.h), as batch.cl does of others.
 *
 *     x[i, p] = pixel(index(r), p) * scale[p % C] + shift[p % C], or 0 where erased
 *
 * The work-items of a row (dimension 0, any number) process its places in turn. Macros: H
 * and W, AUGMENT, the numbers of a struct weft_augment. Global size (any, n). */
#include "lib/batch.h"
#include "lib/common.h"
#include "lib/storage.h"
#include "shared/augment.h"

#ifndef AUGMENT
#define AUGMENT AUGMENT_WHOLE_PIXELS, AUGMENT_FLIP, 2, 0, 8, 0
#endif
#ifndef H
#define H 28
#endif
#ifndef W
#define W 28
#endif

__kernel void augment_batch(ALIASED_VIEW(uint, state), ALIASED_VIEW(const uchar, bytes),
                            ALIASED_VIEW(const int, labels), ALIASED_VIEW(stored_y, x),
                            ALIASED_VIEW(int, batch_labels), uint first_row,
                            uint global_batch, uint count, uint steps_per_epoch,
                            float4 scale4, float4 shift4)
{
    const struct weft_augment augment = {AUGMENT};
    const uint row = get_global_id(1);
    if (row == 0 && get_global_id(0) == 0)
        begin_step(state + state_at);
    const uint epoch = batch_epoch(state + state_at, steps_per_epoch);
    const uint index = sample_index(state + state_at, first_row + row, global_batch,
                                    count, steps_per_epoch);
    if (HAS_LABELS && get_global_id(0) == 0)
        batch_labels[batch_labels_at + row] = labels[labels_at + index];
    const struct weft_augment_draw d =
        weft_augment_draw(&augment, H, W, index, epoch, state[state_at + STATE_SEED_LOW],
                          state[state_at + STATE_SEED_HIGH]);

    const float scales[4] = {scale4.x, scale4.y, scale4.z, scale4.w};
    const float shifts[4] = {shift4.x, shift4.y, shift4.z, shift4.w};
    __global const uchar *from = bytes + bytes_at + (size_t)index * (H * W * C);
    __global stored_y *to = x + x_at + (size_t)row * (H * W * C);
    for (int p = get_global_id(0); p < H * W; p += get_global_size(0)) {
        const int out_y = p / W, out_x = MOD(p, W);
        const int y = out_y + d.dy, x = (d.flip ? W - 1 - out_x : out_x) + d.dx;
        const bool erased =
            out_y >= d.top && out_y < d.bottom && out_x >= d.left && out_x < d.right;
        const bool outside = augment.zeros && (y < 0 || y >= H || x < 0 || x >= W);
        const int at =
            (weft_augment_reflect(y, H) * W + weft_augment_reflect(x, W)) * C;
        for (int c = 0; c < C; c++) {
            const float byte = outside ? 0.0f : convert_float(from[at + c]);
            STORE_Y(erased ? 0.0f : MAD(byte, scales[c], shifts[c]), to + p * C + c);
        }
    }
}
