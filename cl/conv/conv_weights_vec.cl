/* SPDX-License-Identifier: Apache-2.0 */
/* Weight and bias gradient of a convolution, family `vec`.
 *
 *     dw[ky,kx,c,k] = sum over n, y, x of dz[n,y,x,k]
 *                     x[n, y STRIDE_Y + ky DILATION_Y - PAD_TOP,
 *                       x STRIDE_X + kx DILATION_X - PAD_LEFT, c]
 *     dbias[k] = sum over n, y, x of dz[n,y,x,k]
 *
 * dz is dy, or behind a max pool dy at the taps in argmax. A work-item packs a panel,
 * rows of an image or several images, for the second-level cache: x in slices of C_SLICE
 * channels with zeros around, dz as one block of channels. For each block of the panel,
 * which fits the first-level cache, it computes TILE weights x NV vectors of channels in
 * registers. The partial sums of `images_per_split` images go to partials
 * (split_batch_reduction.h). Global size (blocks / BLOCKS_PER_ITEM rounded up, splits).
 *
 * FUSED_POOL: the kernel of conv_weights_pooled_vec.h instead. */
#include "lib/split_batch_reduction.h"

#ifndef FUSED_POOL
#define FUSED_POOL 0
#endif
#if FUSED_POOL
#include "conv/conv_weights_pooled_vec.h"
#else

/* Size of a panel and of a block of it: rows of one image, or several whole images. */
#ifndef PACK_PANEL_ROWS
#define PACK_PANEL_ROWS 1
#endif
#ifndef PACK_PANEL_IMAGES
#define PACK_PANEL_IMAGES 1
#endif
#ifndef BLOCK_ROWS
#define BLOCK_ROWS 1
#endif
#ifndef BLOCK_IMAGES
#define BLOCK_IMAGES 1
#endif
#ifndef UNROLL
#define UNROLL 2
#endif

#if DEPTHWISE
#define INPUT(p, v) VLOAD((p) + (v)*VW)
#else
#define INPUT(p, v) ((floatv)(*(p)))
#endif

enum {
    STEP = DEPTHWISE ? BLOCK : C_SLICE, /* floats of a pixel in a panel's x */
    X_H = CONV_EXTENT(PACK_PANEL_ROWS, STRIDE_Y, R, DILATION_Y),
    X_W = CONV_EXTENT(OUT_W, STRIDE_X, S, DILATION_X),
    X_ROW = X_W * STEP,
    X_SLICE = PACK_PANEL_IMAGES * X_H * X_ROW,
    DZ_ROW = OUT_W * BLOCK,
    DZ = PACK_PANEL_IMAGES * PACK_PANEL_ROWS * DZ_ROW,
    PANEL =
        PANEL_FLOATS(PACK_PANEL_IMAGES, C_SLICES, X_H *X_ROW, PACK_PANEL_ROWS *DZ_ROW, VW)
};

/* dz[n,y,x] for the channels from dy and argmax on. */
static inline floatv load_dz(__global const stored_other *dy,
                             __global const uchar *argmax, int n, int y, int x)
{
#if POOL_R == 0
    (void)argmax;
    return VLOAD_OTHER(dy + ((size_t)(n * OUT_H + y) * OUT_W + x) * K);
#else
    floatv sum = (floatv)(0.0f);
    for (int r = 0; r < POOL_R; r++) {
        const int above = y + POOL_PAD_TOP - r, py = above / POOL_STRIDE_Y;
        if (above < 0 || py * POOL_STRIDE_Y != above || py >= POOL_OUT_H)
            continue;
        for (int s = 0; s < POOL_S; s++) {
            const int before = x + POOL_PAD_LEFT - s, px = before / POOL_STRIDE_X;
            if (before < 0 || px * POOL_STRIDE_X != before || px >= POOL_OUT_W)
                continue;
            const size_t at = ((size_t)(n * POOL_OUT_H + py) * POOL_OUT_W + px) * K;
            const intv tap = load_argmax(argmax + at);
            sum += SELECT(tap == (intv)(r * POOL_S + s), VLOAD_OTHER(dy + at),
                          (floatv)(0.0f));
        }
    }
    return sum;
#endif
}

/* Packs dz of a panel, [image][row][column][BLOCK]; `sum` receives its bias gradient. */
static inline void pack_dz(__global float *to, floatv sum[NV],
                           __global const stored_other *dy, __global const uchar *argmax,
                           int image, int images, int row, int rows)
{
    for (int n = image; n < image + images; n++)
        for (int y = row; y < row + rows; y++)
            for (int x = 0; x < OUT_W; x++, to += BLOCK)
#pragma unroll
                for (int v = 0; v < NV; v++) {
                    const floatv d = load_dz(dy + v * VW, argmax + v * VW, n, y, x);
                    VSTORE(d, to + v * VW);
                    sum[v] += d;
                }
}

/* Packs a row of x with zeros around, or a row of zeros. Vectors wider than a pixel
 * reach into the next pixel, which is stored afterwards. */
static inline void pack_row(__global float *to, __global const stored_x *x, bool inside)
{
    for (int column = 0; column < X_W; column++, to += STEP) {
        const int from = column - PAD_LEFT;
        const bool there = inside && from >= 0 && from < W;
        for (int c = 0; c < STEP; c += VW)
            VSTORE(there ? VLOAD_X(x + from * C + c) : (floatv)(0.0f), to + c);
    }
}

/* Packs x of a panel, [slice][image][row][X_W][STEP], from row `top` of the image on,
 * which may be negative. */
static inline void pack_x(__global float *to, __global const stored_x *x, int images,
                          int top, int rows)
{
    for (int slice = 0; slice < C_SLICES; slice++)
        for (int n = 0; n < images; n++)
            for (int row = 0; row < rows; row++) {
                const int y = top + row;
                const bool inside = y >= 0 && y < H;
                pack_row(to + slice * X_SLICE + (n * X_H + row) * X_ROW,
                         x + (size_t)(n * H + (inside ? y : 0)) * (W * C) +
                             slice * C_SLICE,
                         inside);
            }
}

/* Offset in the panel of the first input of weight `tap` of a slice. */
static inline int tap_at(int tap)
{
    const int position = tap / C_SLICE;
    return (position / S * DILATION_Y * X_W + MOD(position, S) * DILATION_X) * STEP +
           MOD(tap, C_SLICE);
}

/* Adds the contribution of a block of the panel to TILE weights of a partial. */
static inline void accumulate_tile(__global float *partial, __global const float *x,
                                   __global const float *dz, int tap, int images,
                                   int rows)
{
    __global const float *at[TILE];
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++) {
#if !DEPTHWISE && DILATION_X == 1 && S * C_SLICE % TILE == 0
        at[i] = x + tap_at(tap) + i;
#else
        at[i] = x + tap_at(min(tap + i, TAPS - 1));
#endif
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] = VLOAD(partial + i * BLOCK + v * VW);
    }
    for (int n = 0; n < images; n++)
        for (int y = 0; y < rows; y++) {
            int from = (n * X_H + y * STRIDE_Y) * X_ROW;
#pragma unroll UNROLL
            for (int column = 0; column < OUT_W; column++) {
                floatv d[NV];
#pragma unroll
                for (int v = 0; v < NV; v++)
                    d[v] = VLOAD(dz + v * VW);
#pragma unroll
                for (int i = 0; i < TILE; i++)
#pragma unroll
                    for (int v = 0; v < NV; v++)
                        acc[i][v] = MAD(INPUT(at[i] + from, v), d[v], acc[i][v]);
                dz += BLOCK;
                from += STRIDE_X * STEP;
            }
        }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int v = 0; v < NV; v++)
            VSTORE(acc[i][v], partial + i * BLOCK + v * VW);
}

/* Adds the contribution of a panel to a partial. */
static inline void accumulate_panel(__global float *partial, __global const float *x,
                                    __global const float *dz, int images, int rows)
{
    for (int slice = 0; slice < C_SLICES; slice++)
        for (int n = 0; n < images; n += BLOCK_IMAGES)
            for (int y = 0; y < rows; y += BLOCK_ROWS)
                for (int tap = 0; tap < TAPS; tap += TILE)
                    accumulate_tile(
                        partial + (slice * SLICE_ROWS + tap) * BLOCK,
                        x + slice * X_SLICE + (n * X_H + y * STRIDE_Y) * X_ROW,
                        dz + (n * PACK_PANEL_ROWS + y) * DZ_ROW, tap,
                        min(BLOCK_IMAGES, images - n), min(BLOCK_ROWS, rows - y));
}

__kernel void conv_bwd_weights(VIEW(const stored_x, x), VIEW(const stored_other, dy),
                               VIEW(const uchar, argmax), VIEW(float, partials),
                               VIEW(float, panels), int images, int images_per_split)
{
    const int item = get_global_id(1) * get_global_size(0) + get_global_id(0);
    const struct work_range t =
        begin_work_range(partials + partials_at, images, images_per_split);
    __global float *const dz = panels + panels_at + (size_t)item * PANEL;
    __global float *const packed_x = dz + DZ;
    for (int n = t.begin; n < t.end; n += PACK_PANEL_IMAGES)
        for (int y = 0; y < OUT_H; y += PACK_PANEL_ROWS) {
            const int image_count = min(PACK_PANEL_IMAGES, t.end - n),
                      rows = min(PACK_PANEL_ROWS, OUT_H - y);
            int in = -1; /* first channel of packed_x; -1: none yet */
            for (int index = t.first; index < t.last; index++) {
                const struct batch_block block = block_at(index);
                floatv sum[NV] = {(floatv)(0.0f)};
                if (block.in != in)
                    pack_x(packed_x, x + x_at + (size_t)n * (H * W * C) + block.in,
                           image_count, y * STRIDE_Y - PAD_TOP,
                           CONV_EXTENT(rows, STRIDE_Y, R, DILATION_Y));
                in = block.in;
                pack_dz(dz, sum, dy + dy_at + block.out, argmax + argmax_at + block.out,
                        n, image_count, y, rows);
                accumulate_panel(t.partials + index * PARTIAL, packed_x, dz, image_count,
                                 rows);
                add_bias(t.partials + index * PARTIAL, sum);
            }
        }
}
#endif
