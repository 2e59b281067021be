/* SPDX-License-Identifier: Apache-2.0 */
/* Implicit im2col: the shape of the GEMM of a convolution (gemm_tile.cl), and loads of
 * its operands.
 *
 * In PASS_BWD_DATA with a stride the pixels of x form STRIDE_Y x STRIDE_X phases, by row
 * and column modulo the stride. All pixels of a phase have the same taps, so that no
 * load is multiplied by zero. In every pass the source row and column of A(m,k) are then
 * the sum of two coordinates, one that depends on the pixel and one that depends on the
 * tap. */
#ifndef WEFT_IM2COL_GATHER_H
#define WEFT_IM2COL_GATHER_H

#include "lib/conv_shape.h"
#include "lib/pool_shape.h"
#include "lib/storage.h"
#include "shared/conv_pass.h"

#ifndef PASS
#define PASS PASS_FORWARD
#endif
#ifndef PHASE_TAP_STEP_Y
#define PHASE_TAP_STEP_Y 1 /* stride / gcd(stride, dilation) */
#endif
#ifndef PHASE_TAP_STEP_X
#define PHASE_TAP_STEP_X 1
#endif

/* Source tensor of A; grid of pixels, of which (0, 0) reads its first tap at pixel *
 * STEP + origin; distance of two taps in the source; columns of the GEMM. */
#if PASS == PASS_BWD_DATA
#define SRC_H           OUT_H
#define SRC_W           OUT_W
#define SRC_C           K
#define SRC_C_PER_GROUP K_PER_GROUP
#define GRID_H          ((H + STRIDE_Y - 1) / STRIDE_Y)
#define GRID_W          ((W + STRIDE_X - 1) / STRIDE_X)
#define STEP_Y          1
#define STEP_X          1
#define DELTA_Y         (-(PHASE_TAP_STEP_Y * DILATION_Y / STRIDE_Y))
#define DELTA_X         (-(PHASE_TAP_STEP_X * DILATION_X / STRIDE_X))
#define PHASES          (STRIDE_Y * STRIDE_X)
#define GEMM_N          C_PER_GROUP
#define OUT_C           C
#else
#define SRC_H           H
#define SRC_W           W
#define SRC_C           C
#define SRC_C_PER_GROUP C_PER_GROUP
#define GRID_H          OUT_H
#define GRID_W          OUT_W
#define STEP_Y          STRIDE_Y
#define STEP_X          STRIDE_X
#define DELTA_Y         DILATION_Y
#define DELTA_X         DILATION_X
#define PHASES          1
#define GEMM_N          K_PER_GROUP
#define OUT_C           K
#endif

/* Floats of a global load of A, of B and of dz, which is one of the two: 4 if all four
 * belong to one group, and are aligned then; 1 if the kernel defines SCALAR. */
#if SRC_C_PER_GROUP % 4 == 0 && !defined(SCALAR)
#define VA 4
#else
#define VA 1
#endif
#if K_PER_GROUP % 4 == 0 && !defined(SCALAR)
#define VB 4
#else
#define VB 1
#endif
#if PASS == PASS_BWD_DATA
#define VDZ VA
#else
#define VDZ VB
#endif
typedef float vec1;
typedef float4 vec4;
typedef PASTE(vec, VA) vec_a;
typedef PASTE(vec, VB) vec_b;
typedef PASTE(vec, VDZ) vec_dz;

#if (X_HALF && VA == 4) || (W_HALF && VB == 4)
static inline float4 load_half_vec4(__global const half *p)
{
    const ushort4 bits = *(__global const ushort4 *)p;
    return vload_half4(0, (__private const half *)&bits);
}
#endif
#if !X_HALF
#define LOAD_VEC_A(p) (*(__global const vec_a *)(p))
#elif VA == 4
#define LOAD_VEC_A(p) load_half_vec4(p)
#else
#define LOAD_VEC_A(p) vload_half(0, p)
#endif
#if !W_HALF
#define LOAD_VEC_B(p) (*(__global const vec_b *)(p))
#elif VB == 4
#define LOAD_VEC_B(p) load_half_vec4(p)
#else
#define LOAD_VEC_B(p) vload_half(0, p)
#endif

/* dz is A in PASS_BWD_DATA, B otherwise. */
#if PASS == PASS_BWD_DATA
typedef stored_x stored_dz;
#define LOAD_VEC_DZ(p) LOAD_VEC_A(p)
#else
typedef stored_w stored_dz;
#define LOAD_VEC_DZ(p) LOAD_VEC_B(p)
#endif

/* Taps of a phase along one axis: first, first + step, ..., `count` of them. `origin`:
 * source position of the first tap for pixel 0. */
struct taps {
    int first, count, origin;
};
struct phase_taps {
    struct taps vertical, horizontal;
};

static inline struct taps phase_axis_taps(int position, int window, int stride,
                                          int dilation, int step)
{
    struct taps taps = {0, 0, 0};
    for (int r = min(window, step) - 1; r >= 0; r--) {
        const int origin = (position - r * dilation) / stride;
        if (origin * stride == position - r * dilation) {
            taps.first = r;
            taps.count = (window - 1 - r) / step + 1;
            taps.origin = origin;
        }
    }
    return taps;
}

static inline struct phase_taps phase_taps_of(int phase)
{
#if PASS == PASS_BWD_DATA
    const int y = phase / STRIDE_X, x = phase - y * STRIDE_X;
    return (struct phase_taps){
        phase_axis_taps(y + PAD_TOP, R, STRIDE_Y, DILATION_Y, PHASE_TAP_STEP_Y),
        phase_axis_taps(x + PAD_LEFT, S, STRIDE_X, DILATION_X, PHASE_TAP_STEP_X)};
#else
    return (struct phase_taps){{0, R, -PAD_TOP}, {0, S, -PAD_LEFT}};
#endif
}

struct coord {
    int image, y, x, c;
};
#define OUT_OF_BOUNDS (-0x20000000) /* outside the source for every tap */

static inline struct coord coord_of_pixel(int pixel, int end,
                                          struct phase_taps phase_taps)
{
    const int line = pixel / GRID_W, image = line / GRID_H;
    const int y = (line - image * GRID_H) * STEP_Y + phase_taps.vertical.origin;
    const int x = (pixel - line * GRID_W) * STEP_X + phase_taps.horizontal.origin;
    return (struct coord){image, pixel < end ? y : OUT_OF_BOUNDS, x, 0};
}

/* index = tap * channels + channel */
static inline struct coord coord_of_tap(int index, int end, struct phase_taps phase_taps)
{
    const int tap = index / SRC_C_PER_GROUP, r = tap / phase_taps.horizontal.count;
    const int x = (tap - r * phase_taps.horizontal.count) * DELTA_X;
    return (struct coord){0, index < end ? r * DELTA_Y : OUT_OF_BOUNDS, x,
                          index - tap * SRC_C_PER_GROUP};
}

/* dz at a coordinate: dy, or behind a fused max pool dy where argmax names this tap,
 * else 0. */
static inline vec_dz load_dz(__global const stored_dz *dy, __global const uchar *argmax,
                             struct coord coord)
{
#if POOL_R
    const int y = coord.y + POOL_PAD_TOP, x = coord.x + POOL_PAD_LEFT;
    const int oy = y / POOL_STRIDE_Y, r = y - oy * POOL_STRIDE_Y;
    const int ox = x / POOL_STRIDE_X, s = x - ox * POOL_STRIDE_X;
    if (r >= POOL_R || s >= POOL_S || oy >= POOL_OUT_H || ox >= POOL_OUT_W)
        return (vec_dz)(0.0f);
    const uint at = ((uint)(coord.image * POOL_OUT_H + oy) * POOL_OUT_W + (uint)ox) * K +
                    (uint)coord.c;
    const vec_dz v = LOAD_VEC_DZ(dy + at);
#if VDZ == 4
    const uchar4 argmax_tap = *(__global const uchar4 *)(argmax + at);
    return select((float4)(0.0f), v, convert_int4(argmax_tap) == (int4)(r * POOL_S + s));
#else
    return argmax[at] == r * POOL_S + s ? v : 0.0f;
#endif
#else
    (void)argmax;
    const uint at = ((uint)(coord.image * OUT_H + coord.y) * OUT_W + (uint)coord.x) * K +
                    (uint)coord.c;
    return LOAD_VEC_DZ(dy + at);
#endif
}

/* A, at the sum of a pixel's and a tap's coordinate; 0 outside the source. */
static inline vec_a gather_a(__global const stored_x *a, __global const uchar *argmax,
                             struct coord pixel, struct coord tap)
{
    const struct coord coord = {pixel.image, pixel.y + tap.y, pixel.x + tap.x, tap.c};
    const bool inside = ((uint)coord.y < SRC_H) & ((uint)coord.x < SRC_W);
#if PASS == PASS_BWD_DATA
    return inside ? load_dz(a, argmax, coord) : (vec_a)(0.0f);
#else
    (void)argmax;
    const uint at =
        ((uint)(coord.image * H + coord.y) * W + (uint)coord.x) * C + (uint)coord.c;
#if VA == 1
    /* Without a branch: the loads of a work-item wait for each other behind several. */
    const vec_a v = LOAD_VEC_A(a + (inside ? at : 0));
    return inside ? v : 0.0f;
#else
    return inside ? LOAD_VEC_A(a + at) : (vec_a)(0.0f);
#endif
#endif
}

/* B(k,n), k and n in range. */
static inline vec_b gather_b(__global const stored_w *b, __global const uchar *argmax,
                             int k, int n, struct phase_taps phase_taps)
{
#if PASS == PASS_FORWARD || (PASS == PASS_BWD_WEIGHTS && !POOL_R)
    return LOAD_VEC_B(b + (uint)k * K + (uint)n);
#elif PASS == PASS_BWD_DATA
    const int tap = k / K_PER_GROUP, down = tap / phase_taps.horizontal.count;
    const int across = tap - down * phase_taps.horizontal.count;
    const int r = phase_taps.vertical.first + down * PHASE_TAP_STEP_Y;
    const int s = phase_taps.horizontal.first + across * PHASE_TAP_STEP_X;
    const uint row = (uint)((r * S + s) * C_PER_GROUP + n);
    return LOAD_VEC_B(b + row * K + (uint)(k - tap * K_PER_GROUP));
#else
    const int line = k / OUT_W, image = line / OUT_H;
    const struct coord coord = {image, line - image * OUT_H, k - line * OUT_W, n};
    return load_dz(b, argmax, coord);
#endif
}

#endif
