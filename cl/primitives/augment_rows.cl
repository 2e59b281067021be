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

/* A row of an image as it is made; a mixed one is made of two of them. */
#if MIXED
typedef float *line;
#define PUT(value, to)  (*(to) = (value))
#define VPUT(value, to) VSTORE(value, to)
#else
typedef __global stored_y *line;
#define PUT  STORE_Y
#define VPUT VSTORE_Y
#endif

INLINE void make_place(const struct row_maker *m, __global const uchar *from, line to,
                       int x, bool zero)
{
    const int at = weft_augment_reflect((m->flip ? W - 1 - x : x) + m->dx, W) * C;
    for (int c = 0; c < C; c++) {
        const float byte = zero ? 0.0f : convert_float(from[at + c]);
        PUT(MAD(byte, m->scales[c], m->shifts[c]), to + x * C + c);
    }
}

INLINE void make_vector(const struct row_maker *m, __global const uchar *from, line to,
                        int at)
{
    const ucharv bytes = m->flip
                             ? REVERSED(VLOADN(from + (W - 1 + m->dx - at - (VW - 1))))
                             : VLOADN(from + m->dx * C + at);
    VPUT(MAD(CONVERT_FLOATV(bytes), m->scale[at % C], m->shift[at % C]), to + at);
}

/* The last vector overlaps the one before. */
INLINE void make_row(const struct row_maker *m, __global const uchar *from, line to,
                     bool zeros)
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

INLINE void init_row_maker(struct row_maker *m, const struct weft_augment_draw *d,
                           float4 scale4, float4 shift4)
{
    const float scales[4] = {scale4.x, scale4.y, scale4.z, scale4.w};
    const float shifts[4] = {shift4.x, shift4.y, shift4.z, shift4.w};
    m->flip = d->flip;
    m->dx = d->dx;
    m->first = min(W, max(0, d->flip ? d->dx : -d->dx));
    m->last = max(0, min(W, W + (d->flip ? d->dx : -d->dx)));
    for (int c = 0; c < 4; c++) {
        m->scales[c] = scales[c];
        m->shifts[c] = shifts[c];
    }
    for (int first = 0; first < C; first++) {
        float a[VW], b[VW];
        for (int lane = 0; lane < VW; lane++) {
            a[lane] = scales[(first + lane) % C];
            b[lane] = shifts[(first + lane) % C];
        }
        m->scale[first] = VLOAD(a);
        m->shift[first] = VLOAD(b);
    }
}

/* Row `out_y` of the image `from`, erased places too. */
INLINE void make_line(const struct row_maker *m, const struct weft_augment_draw *d,
                      bool zeros, __global const uchar *from, line out, int out_y)
{
    const int y = out_y + d->dy;
    __global const uchar *row = from + weft_augment_reflect(y, H) * (W * C);
    if (zeros && (y < 0 || y >= H)) {
        for (int at = 0; at < W; at++)
            make_place(m, row, out, at, true);
    } else {
        make_row(m, row, out, zeros);
    }
    if (out_y >= d->top && out_y < d->bottom)
        for (int at = d->left * C; at < d->right * C; at++)
            PUT(0.0f, out + at);
}

#if MIXED
/* A row of the mixture. */
INLINE void mix_line(const struct weft_augment_mix *m, const float *own,
                     const float *other, __global stored_y *to, int y)
{
    const float weight = convert_float(m->weight) * (1.0f / AUGMENT_SHARES);
    for (int at = 0; at < W * C; at++)
        STORE_Y(MAD(weight, own[at], (1.0f - weight) * other[at]), to + at);
    if (y >= m->top && y < m->bottom)
        for (int at = m->left * C; at < m->right * C; at++)
            STORE_Y(other[at], to + at);
}
#endif

__kernel void
augment_batch_rows(ALIASED_VIEW(uint, state), ALIASED_VIEW(const uchar, bytes),
                   ALIASED_VIEW(const int, labels), ALIASED_VIEW(stored_y, x),
                   ALIASED_VIEW(int, batch_labels), ALIASED_VIEW(int, partner_labels),
                   ALIASED_VIEW(int, shares), ALIASED_VIEW(const uint, balance),
                   uint first_row, uint global_batch,
                   uint count, uint steps_per_epoch, uint gathered, float4 scale4,
                   float4 shift4)
{
    const struct weft_augment augment = AUGMENT_OPTIONS;
    const uint row = get_global_id(1);
    if (row == 0)
        begin_step(state + state_at);
    const uint batch_row = global_row(state + state_at, first_row + row);
    const struct weft_sample sample =
        sample_of(state + state_at, balance + balance_at, batch_row, false, global_batch,
                  count, steps_per_epoch);
    const uint place = gathered ? batch_row : sample.image;
    const uint key0 = state[state_at + STATE_SEED_LOW],
               key1 = state[state_at + STATE_SEED_HIGH];
    if (HAS_LABELS)
        batch_labels[batch_labels_at + row] = labels[labels_at + place];
    struct weft_augment_draw d;
    weft_augment_draw(&d, &augment, H, W, C, sample.image, sample.cycle, key0,
                      key1);
    struct row_maker m;
    init_row_maker(&m, &d, scale4, shift4);
    __global const uchar *from = bytes + bytes_at + (size_t)place * (H * W * C);
    __global stored_y *to = x + x_at + (size_t)row * (H * W * C);
#if MIXED
    const struct weft_sample partner =
        sample_of(state + state_at, balance + balance_at, batch_row, true, global_batch,
                  count, steps_per_epoch);
    const uint other_place = gathered ? batch_row + 1 : partner.image;
    struct weft_augment_draw other_d;
    weft_augment_draw(&other_d, &augment, H, W, C, partner.image, partner.cycle, key0,
                      key1);
    struct weft_augment_mix mix;
    weft_augment_mix(&mix, &augment, H, W, sample.image, sample.cycle, key0, key1);
    struct row_maker other_m;
    init_row_maker(&other_m, &other_d, scale4, shift4);
    __global const uchar *other_from =
        bytes + bytes_at + (size_t)other_place * (H * W * C);
    if (HAS_LABELS) {
        partner_labels[partner_labels_at + row] = labels[labels_at + other_place];
        shares[shares_at + row] = mix.share;
    }
    float own[W * C], other[W * C];
    for (int y = 0; y < H; y++) {
        make_line(&m, &d, augment.zeros, from, own, y);
        make_line(&other_m, &other_d, augment.zeros, other_from, other, y);
        mix_line(&mix, own, other, to + y * (W * C), y);
    }
#else
    for (int y = 0; y < H; y++)
        make_line(&m, &d, augment.zeros, from, to + y * (W * C), y);
#endif
}
