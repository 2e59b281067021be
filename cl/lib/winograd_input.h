/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd's input transform. Include after OUTPUT_TILE, the shape and the constants
 * V_STRIDE (floats of a plane), TILES_Y and TILES_X (tiles of an image). */
#ifndef WEFT_WINOGRAD_INPUT_H
#define WEFT_WINOGRAD_INPUT_H

#include "lib/storage.h"

/* The input is the gradient of a max pool whose windows do not overlap (pool_shape.h). */
#ifndef POOL_SCATTER
#define POOL_SCATTER 0
#endif

#if POOL_SCATTER
#define SOURCE_H (POOL_OUT_H * POOL_R)
#define SOURCE_W (POOL_OUT_W * POOL_S)
#else
#define SOURCE_H H
#define SOURCE_W W
#endif

/* Address space of the planes. */
#ifndef TRANSFORM_SPACE
#define TRANSFORM_SPACE __private
#endif
typedef TRANSFORM_SPACE float *transform_ptr;

/* Position of a tile's first output. */
struct winograd_tile {
    int image, y, x;
};

static inline struct winograd_tile tile_at(int index)
{
    const int row = index / TILES_X;
    struct winograd_tile t;
    t.image = row / TILES_Y;
    t.y = MOD(row, TILES_Y) * OUTPUT_TILE;
    t.x = MOD(index, TILES_X) * OUTPUT_TILE;
    return t;
}

#if POOL_R > 0
/* The gradient at a pixel before a max pool whose windows do not overlap: that of the
 * pixel's window where argmax names the pixel, else 0. */
INLINE floatv unpool(floatv grad, __global const uchar *argmax, int channels, int y,
                     int x)
{
    const intv wanted = (intv)(MOD(y, POOL_R) * POOL_S + MOD(x, POOL_S));
    intv tap;
    if (channels % VW == 0)
        tap = CONVERT_INTV(*(__global const ucharv *)argmax);
    else
        tap = CONVERT_INTV(VLOADN(argmax));
    return SELECT(tap == wanted, grad, (floatv)(0.0f));
}
#endif

/* Input of an image, from a channel on. */
struct input {
    __global const stored_x *x;
    __global const uchar *argmax;
};

/* A column of a tile's inputs; rows outside [y0, y1) are 0. */
static inline void load_column(floatv d[INPUT_TILE], struct input from, int top, int x,
                               int y0, int y1)
{
#if POOL_SCATTER
#pragma unroll
    for (int i = 0; i < INPUT_TILE; i++) {
        d[i] = (floatv)(0.0f);
        if (i < y0 || i >= y1)
            continue;
        const int y = top + i, at = (y / POOL_R * POOL_OUT_W + x / POOL_S) * C;
        d[i] = unpool(VLOAD_X(from.x + at), from.argmax + at, C, y, x);
    }
#else
    __global const stored_x *column = from.x + ((long)top * W + x) * C;
#pragma unroll
    for (int i = 0; i < INPUT_TILE; i++)
        d[i] = i >= y0 && i < y1 ? VLOAD_X(column + i * (W * C)) : (floatv)(0.0f);
#endif
}

/* v = B^T d B for a vector of channels, one element for each plane. */
static inline void transform_input_tile(transform_ptr v, struct input from,
                                        struct winograd_tile t)
{
    const int top = t.y - PAD_TOP, left = t.x - PAD_LEFT;
    const int y0 = max(-top, 0), y1 = min((int)INPUT_TILE, SOURCE_H - top);
    const int x0 = max(-left, 0), x1 = min((int)INPUT_TILE, SOURCE_W - left);
    floatv part[INPUT_TILE][INPUT_TILE];
    for (int j = 0; j < INPUT_TILE; j++) {
        floatv d[INPUT_TILE], to[INPUT_TILE];
        if (j < x0 || j >= x1) {
#pragma unroll
            for (int i = 0; i < INPUT_TILE; i++)
                part[i][j] = (floatv)(0.0f);
            continue;
        }
        load_column(d, from, top, left + j, y0, y1);
        transform_input(to, d);
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            part[i][j] = to[i];
    }
    for (int i = 0; i < INPUT_TILE; i++) {
        floatv to[INPUT_TILE];
        transform_input(to, part[i]);
#pragma unroll
        for (int j = 0; j < INPUT_TILE; j++)
            VSTORE(to[j], v + (i * INPUT_TILE + j) * V_STRIDE);
    }
}

/* Input of the tile's image, from a channel on. */
static inline struct input input_of(__global const stored_x *x,
                                    __global const uchar *argmax, struct winograd_tile t,
                                    int channel)
{
    const size_t at =
        (size_t)t.image * (POOL_SCATTER ? POOL_OUT_H * POOL_OUT_W * C : H * W * C) +
        channel;
    return (struct input){x + at, argmax + at};
}

/* The same for all channels. */
static inline void transform_input_channels(transform_ptr v, __global const stored_x *x,
                                            __global const uchar *argmax,
                                            struct winograd_tile t)
{
    for (int c = 0; c < C; c += VW)
        transform_input_tile(v + c, input_of(x, argmax, t, c), t);
}

#endif
