/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a batch, or a shard of one, from images stored as bytes on the device.
 *
 *     x[i, p] = bytes[index(r), p] * scale[p % C] + shift[p % C]
 *     batch_labels[i] = labels[index(r)]
 *
 * with r = first_row + i, and in part k of a batch PART_ROWS k more. index(r) is row r of
 * the global batch in this epoch's order (weft_sample, balance.h), or r where SHUFFLE is
 * 0 or where bytes and labels have been `gathered` for this batch. With SHUFFLE the
 * launch begins a training step, or its part (state.h). The work-items of a row
 * (dimension 0, any number) process its vectors in turn. Global size (any, n). */
#include "lib/batch.h"
#include "lib/common.h"
#include "lib/storage.h"

/* The vector of values[C] for a first lane of channel `first`. GPUs keep an array in
 * memory if its index is not a constant. */
INLINE floatv of_channel(const floatv *values, uint first)
{
#if DEVICE_CPU
    return values[first];
#else
    floatv v = values[0];
    for (uint c = 1; c < C; c++)
        v = first == c ? values[c] : v;
    return v;
#endif
}

__kernel void make_batch(ALIASED_VIEW(uint, state), ALIASED_VIEW(const uchar, bytes),
                         ALIASED_VIEW(const int, labels), ALIASED_VIEW(stored_y, x),
                         ALIASED_VIEW(int, batch_labels),
                         ALIASED_VIEW(const uint, balance), uint first_row,
                         uint global_batch, uint count, uint pixels,
                         uint steps_per_epoch, uint gathered, float4 scale4,
                         float4 shift4)
{
    const uint row = get_global_id(1);
    if (SHUFFLE && row == 0 && get_global_id(0) == 0)
        begin_step(state + state_at);
    const uint batch_row = global_row(state + state_at, first_row + row);
    const uint place = gathered
                           ? batch_row
                           : sample_of(state + state_at, balance + balance_at, batch_row,
                                       false, global_batch, count, steps_per_epoch)
                                 .image;
    if (HAS_LABELS && get_global_id(0) == 0)
        batch_labels[batch_labels_at + row] = labels[labels_at + place];

    /* Scale and shift of a vector's lanes, by the channel of its first lane. */
    const float scales[4] = {scale4.x, scale4.y, scale4.z, scale4.w};
    const float shifts[4] = {shift4.x, shift4.y, shift4.z, shift4.w};
    floatv scale[C], shift[C];
    for (uint first = 0; first < C; first++) {
        float a[VW], b[VW];
        for (uint lane = 0; lane < VW; lane++) {
            a[lane] = scales[(first + lane) % C];
            b[lane] = shifts[(first + lane) % C];
        }
        scale[first] = VLOAD(a);
        shift[first] = VLOAD(b);
    }

    __global const uchar *from = bytes + bytes_at + (size_t)place * pixels;
    __global stored_y *to = x + x_at + (size_t)row * pixels;
    for (uint p = get_global_id(0) * VW; p < pixels; p += get_global_size(0) * VW) {
        const uint first = p % C;
        const floatv v = MAD(CONVERT_FLOATV(VLOADN(from + p)), of_channel(scale, first),
                             of_channel(shift, first));
        if (p + VW <= pixels)
            VSTORE_Y(v, to + p);
        else
            store_part_y(v, to + p, pixels - p);
    }
}
