/* SPDX-License-Identifier: Apache-2.0 */
/* How products see a convolution (gemm_tile.cl says which): its geometry, and the
 * operands gathered.
 *
 * A stride in DATA deals the pixels of x into STRIDE_Y x STRIDE_X parts by what remains
 * of their row and column; the taps that reach a pixel are the same within a part, so
 * no tap is tried in vain. A source row is then an affine function of pixel and tap in
 * all three products: A(m,k) lies where a pixel's spot and a tap's spot add up to, of
 * which one follows from m and the other from k. */
#ifndef WEFT_GATHER_H
#define WEFT_GATHER_H

#include "storage.h"

#define FORWARD 0
#define DATA    1
#define WEIGHTS 2
#ifndef OP
#define OP FORWARD
#endif
#ifndef H
#define H          14 /* of x */
#define W          14
#define C          32
#define K          64 /* filters */
#define R          3  /* window */
#define S          3
#define STRIDE_Y   1
#define STRIDE_X   1
#define DILATION_Y 1
#define DILATION_X 1
#define PAD_TOP    1
#define PAD_LEFT   1
#define GROUPS     1
#define OUT_H      14 /* of z */
#define OUT_W      14
#define TAP_STEP_Y 1 /* stride / gcd(stride, dilation) */
#define TAP_STEP_X 1
#endif
#ifndef POOL_R
#define POOL_R 0 /* window of the fused pool; 0: none */
#endif

#define CG (C / GROUPS)
#define KG (K / GROUPS)

/* The source; the grid of pixels, whose (0, 0) tap lies at pixel * STEP + origin in the
 * source; a tap's step in the source; N. */
#if OP == DATA
#define SRC_H   OUT_H
#define SRC_W   OUT_W
#define SRC_C   K
#define SRC_CG  KG
#define GRID_H  ((H + STRIDE_Y - 1) / STRIDE_Y)
#define GRID_W  ((W + STRIDE_X - 1) / STRIDE_X)
#define STEP_Y  1
#define STEP_X  1
#define DELTA_Y (-(TAP_STEP_Y * DILATION_Y / STRIDE_Y))
#define DELTA_X (-(TAP_STEP_X * DILATION_X / STRIDE_X))
#define PARTS   (STRIDE_Y * STRIDE_X)
#define N       CG
#define OUT_C   C
#else
#define SRC_H   H
#define SRC_W   W
#define SRC_C   C
#define SRC_CG  CG
#define GRID_H  OUT_H
#define GRID_W  OUT_W
#define STEP_Y  STRIDE_Y
#define STEP_X  STRIDE_X
#define DELTA_Y DILATION_Y
#define DELTA_X DILATION_X
#define PARTS   1
#define N       KG
#define OUT_C   K
#endif

/* Floats of a global load of A, of B, and of dz, which is one of them: 4 where all four
 * lie in one group, and are aligned then; 1 where the kernel wants SCALARs. */
#if SRC_CG % 4 == 0 && !defined(SCALAR)
#define VA 4
#else
#define VA 1
#endif
#if KG % 4 == 0 && !defined(SCALAR)
#define VB 4
#else
#define VB 1
#endif
#if OP == DATA
#define VD VA
#else
#define VD VB
#endif
typedef float vec1;
typedef float4 vec4;
typedef PASTE(vec, VA) vec_a;
typedef PASTE(vec, VB) vec_b;
typedef PASTE(vec, VD) vec_d;

#if !X_HALF
#define LOAD_VEC_A(p) (*(__global const vec_a *)(p))
#elif VA == 4
#define LOAD_VEC_A(p) vload_half4(0, p)
#else
#define LOAD_VEC_A(p) vload_half(0, p)
#endif
#if !W_HALF
#define LOAD_VEC_B(p) (*(__global const vec_b *)(p))
#elif VB == 4
#define LOAD_VEC_B(p) vload_half4(0, p)
#else
#define LOAD_VEC_B(p) vload_half(0, p)
#endif

/* dz is the one or the other. */
#if OP == DATA
typedef stored_x stored_d;
#define LOAD_VEC_D(p) LOAD_VEC_A(p)
#else
typedef stored_w stored_d;
#define LOAD_VEC_D(p) LOAD_VEC_B(p)
#endif

/* In one dimension, the taps first, first + TAP_STEP, ... that reach the pixels of a
 * part. */
struct taps {
    int first, count, origin;
};
struct reach {
    struct taps down, across;
};

static inline struct taps taps_reaching(int place, int window, int stride, int dilation,
                                        int step)
{
    struct taps taps = {0, 0, 0};
    for (int r = min(window, step) - 1; r >= 0; r--) {
        const int origin = (place - r * dilation) / stride;
        if (origin * stride == place - r * dilation) {
            taps.first = r;
            taps.count = (window - 1 - r) / step + 1;
            taps.origin = origin;
        }
    }
    return taps;
}

static inline struct reach reach_of(int part)
{
#if OP == DATA
    const int y = part / STRIDE_X, x = part - y * STRIDE_X;
    return (struct reach){
        taps_reaching(y + PAD_TOP, R, STRIDE_Y, DILATION_Y, TAP_STEP_Y),
        taps_reaching(x + PAD_LEFT, S, STRIDE_X, DILATION_X, TAP_STEP_X)};
#else
    return (struct reach){{0, R, -PAD_TOP}, {0, S, -PAD_LEFT}};
#endif
}

struct spot {
    int picture, y, x, c;
};
#define NOWHERE (-0x20000000) /* a row outside whatever is added */

static inline struct spot spot_of_pixel(int pixel, int end, struct reach reach)
{
    const int line = pixel / GRID_W, picture = line / GRID_H;
    const int y = (line - picture * GRID_H) * STEP_Y + reach.down.origin;
    const int x = (pixel - line * GRID_W) * STEP_X + reach.across.origin;
    return (struct spot){picture, pixel < end ? y : NOWHERE, x, 0};
}

/* `index` counts taps times channels. */
static inline struct spot spot_of_tap(int index, int end, struct reach reach)
{
    const int tap = index / SRC_CG, r = tap / reach.across.count;
    const int x = (tap - r * reach.across.count) * DELTA_X;
    return (struct spot){0, index < end ? r * DELTA_Y : NOWHERE, x, index - tap * SRC_CG};
}

/* dz: dy, or, behind a pool, dy where argmax names the place. */
static inline vec_d dz_at(__global const stored_d *dy, __global const uchar *argmax,
                          struct spot spot)
{
#if POOL_R
    const int y = spot.y + POOL_PAD_TOP, x = spot.x + POOL_PAD_LEFT;
    const int oy = y / POOL_STRIDE_Y, r = y - oy * POOL_STRIDE_Y;
    const int ox = x / POOL_STRIDE_X, s = x - ox * POOL_STRIDE_X;
    if (r >= POOL_R || s >= POOL_S || oy >= POOL_OUT_H || ox >= POOL_OUT_W)
        return (vec_d)(0.0f);
    const uint at = ((uint)(spot.picture * POOL_OUT_H + oy) * POOL_OUT_W + (uint)ox) * K +
                    (uint)spot.c;
    const vec_d v = LOAD_VEC_D(dy + at);
#if VD == 4
    const uchar4 winner = *(__global const uchar4 *)(argmax + at);
    return select((float4)(0.0f), v, convert_int4(winner) == (int4)(r * POOL_S + s));
#else
    return argmax[at] == r * POOL_S + s ? v : 0.0f;
#endif
#else
    (void)argmax;
    const uint at =
        ((uint)(spot.picture * OUT_H + spot.y) * OUT_W + (uint)spot.x) * K + (uint)spot.c;
    return LOAD_VEC_D(dy + at);
#endif
}

/* A, at a pixel's spot and a tap's. */
static inline vec_a source_at(__global const stored_x *a, __global const uchar *argmax,
                              struct spot pixel, struct spot tap)
{
    const struct spot spot = {pixel.picture, pixel.y + tap.y, pixel.x + tap.x, tap.c};
    if ((uint)spot.y >= SRC_H || (uint)spot.x >= SRC_W)
        return (vec_a)(0.0f);
#if OP == DATA
    return dz_at(a, argmax, spot);
#else
    (void)argmax;
    const uint at =
        ((uint)(spot.picture * H + spot.y) * W + (uint)spot.x) * C + (uint)spot.c;
    return LOAD_VEC_A(a + at);
#endif
}

/* B, inside of it. */
static inline vec_b other_at(__global const stored_w *b, __global const uchar *argmax,
                             int k, int n, struct reach reach)
{
#if OP == FORWARD || (OP == WEIGHTS && !POOL_R)
    return LOAD_VEC_B(b + (uint)k * K + (uint)n);
#elif OP == DATA
    const int tap = k / KG, down = tap / reach.across.count;
    const int across = tap - down * reach.across.count;
    const int r = reach.down.first + down * TAP_STEP_Y;
    const int s = reach.across.first + across * TAP_STEP_X;
    const uint row = (uint)((r * S + s) * CG + n);
    return LOAD_VEC_B(b + row * K + (uint)(k - tap * KG));
#else
    const int line = k / OUT_W, picture = line / OUT_H;
    const struct spot spot = {picture, line - picture * OUT_H, k - line * OUT_W, n};
    return dz_at(b, argmax, spot);
#endif
}

#endif
