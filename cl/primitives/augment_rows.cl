/* SPDX-License-Identifier: Apache-2.0 */
/* As augment.cl, for augmentation by whole pixels on CPUs: the part of an image's row
 * that is inside of the original is copied by vectors, and reversed by them where the
 * image is flipped and has one channel. One work-item a row of the batch. Global size
 * (1, n). */
#include "lib/augment_options.h"
#include "lib/batch.h"
#include "lib/common.h"
#include "lib/storage.h"

#if VW == 16
#define REVERSED(v) (v).sfedcba9876543210
#elif VW == 8
#define REVERSED(v) (v).s76543210
#elif VW == 4
#define REVERSED(v) (v).s3210
#elif VW == 2
#define REVERSED(v) (v).s10
#else
#define REVERSED(v) (v)
#endif

/* Makes a row from an original row of W * C bytes. */
struct row_maker {
    int flip, dx, first, last; /* places `first` to `last` - 1 are inside of it */
    float scales[4], shifts[4];
    floatv scale[C], shift[C]; /* of a vector's lanes, by the channel of the first */
};

INLINE void make_place(const struct row_maker *m, __global const uchar *from,
                       __global stored_y *to, int x, bool zero)
{
    const int at = weft_augment_reflect((m->flip ? W - 1 - x : x) + m->dx, W) * C;
    for (int c = 0; c < C; c++) {
        const float byte = zero ? 0.0f : convert_float(from[at + c]);
        STORE_Y(MAD(byte, m->scales[c], m->shifts[c]), to + x * C + c);
    }
}

INLINE void make_vector(const struct row_maker *m, __global const uchar *from,
                        __global stored_y *to, int at)
{
    const ucharv bytes = m->flip
                             ? REVERSED(VLOADN(from + (W - 1 + m->dx - at - (VW - 1))))
                             : VLOADN(from + m->dx * C + at);
    VSTORE_Y(MAD(CONVERT_FLOATV(bytes), m->scale[at % C], m->shift[at % C]), to + at);
}

/* The last vector overlaps the one before. */
INLINE void make_row(const struct row_maker *m, __global const uchar *from,
                     __global stored_y *to, bool zeros)
{
    const int begin = m->first * C, end = m->last * C;
    const bool reversed = C > 1 ? m->flip : false; /* channels keep their order */
    for (int x = 0; x < m->first; x++)
        make_place(m, from, to, x, zeros);
    if (end - begin < VW || reversed) {
        for (int x = m->first; x < m->last; x++)
            make_place(m, from, to, x, false);
    } else {
        for (int at = begin; at + VW <= end; at += VW)
            make_vector(m, from, to, at);
        make_vector(m, from, to, end - VW);
    }
    for (int x = m->last; x < W; x++)
        make_place(m, from, to, x, zeros);
}

__kernel void augment_batch_rows(ALIASED_VIEW(uint, state),
                                 ALIASED_VIEW(const uchar, bytes),
                                 ALIASED_VIEW(const int, labels),
                                 ALIASED_VIEW(stored_y, x),
                                 ALIASED_VIEW(int, batch_labels), uint first_row,
                                 uint global_batch, uint count, uint steps_per_epoch,
                                 uint gathered, float4 scale4, float4 shift4)
{
    const struct weft_augment augment = AUGMENT_OPTIONS;
    const uint row = get_global_id(1);
    if (row == 0)
        begin_step(state + state_at);
    const uint epoch = batch_epoch(state + state_at, steps_per_epoch);
    const uint index = sample_index(state + state_at, first_row + row, global_batch,
                                    count, steps_per_epoch);
    const uint place = gathered ? first_row + row : index;
    if (HAS_LABELS)
        batch_labels[batch_labels_at + row] = labels[labels_at + place];
    struct weft_augment_draw d;
    weft_augment_draw(&d, &augment, H, W, C, index, epoch,
                      state[state_at + STATE_SEED_LOW],
                      state[state_at + STATE_SEED_HIGH]);
    struct row_maker m = {.flip = d.flip,
                          .dx = d.dx,
                          .first = min(W, max(0, d.flip ? d.dx : -d.dx)),
                          .last = max(0, min(W, W + (d.flip ? d.dx : -d.dx))),
                          .scales = {scale4.x, scale4.y, scale4.z, scale4.w},
                          .shifts = {shift4.x, shift4.y, shift4.z, shift4.w}};
    for (int first = 0; first < C; first++) {
        float a[VW], b[VW];
        for (int lane = 0; lane < VW; lane++) {
            a[lane] = m.scales[(first + lane) % C];
            b[lane] = m.shifts[(first + lane) % C];
        }
        m.scale[first] = VLOAD(a);
        m.shift[first] = VLOAD(b);
    }

    __global const uchar *from = bytes + bytes_at + (size_t)place * (H * W * C);
    __global stored_y *to = x + x_at + (size_t)row * (H * W * C);
    for (int out_y = 0; out_y < H; out_y++) {
        const int y = out_y + d.dy;
        __global const uchar *line = from + weft_augment_reflect(y, H) * (W * C);
        __global stored_y *out = to + out_y * (W * C);
        if (augment.zeros && (y < 0 || y >= H)) {
            for (int at = 0; at < W; at++)
                make_place(&m, line, out, at, true);
        } else {
            make_row(&m, line, out, augment.zeros);
        }
        if (out_y >= d.top && out_y < d.bottom)
            for (int at = d.left * C; at < d.right * C; at++)
                STORE_Y(0.0f, out + at);
    }
}
