/* SPDX-License-Identifier: Apache-2.0 */
/* A tile's inputs, transformed. To be included behind OUTPUTS, the shape and, as
 * constants, V_PLANE (floats of a plane), TILES_Y and TILES_X (of a picture). */
#ifndef WEFT_WINOGRAD_INPUT_H
#define WEFT_WINOGRAD_INPUT_H

#include "storage.h"

/* Rows and columns of zeros before the picture; may be negative. */
#ifndef TOP
#define TOP 0
#endif
#ifndef LEFT
#define LEFT 0
#endif
/* The input is the gradient of maxima; see pool_vec.h. */
#ifndef SPREAD
#define SPREAD 0
#endif

#if SPREAD
#define READ_H (POOL_H * POOL_R)
#define READ_W (POOL_W * POOL_S)
#else
#define READ_H IN_H
#define READ_W IN_W
#endif

/* Where the planes lie. */
#ifndef PLANES_ARE
#define PLANES_ARE __private
#endif
typedef PLANES_ARE float *planes;

/* Where a tile's first output lies. */
struct tile {
    int picture, y, x;
};

static inline struct tile tile_at(int index)
{
    const int row = index / TILES_X;
    struct tile t;
    t.picture = row / TILES_Y;
    t.y = REMAINDER(row, TILES_Y) * OUTPUTS;
    t.x = REMAINDER(index, TILES_X) * OUTPUTS;
    return t;
}

/* The input of a picture, from a channel on. */
struct input {
    __global const stored_x *x;
    __global const uchar *argmax;
};

/* A tile's column of inputs, zeros before y0 and from y1 on. */
static inline void load_column(floatv d[SIDE], struct input from, int top, int x, int y0,
                               int y1)
{
#if SPREAD
    const int px = x / POOL_S, place_x = REMAINDER(x, POOL_S);
#pragma unroll
    for (int i = 0; i < SIDE; i++) {
        d[i] = (floatv)(0.0f);
        if (i < y0 || i >= y1)
            continue;
        const int py = (top + i) / POOL_R, place_y = REMAINDER(top + i, POOL_R);
        const int at = (py * POOL_W + px) * IN;
#if IN % VW == 0
        const intv place = CONVERT_INTV(*(__global const ucharv *)(from.argmax + at));
#else
        const intv place = CONVERT_INTV(VLOADN(from.argmax + at));
#endif
        d[i] = WHERE(place == (intv)(place_y * POOL_S + place_x), VLOAD_X(from.x + at),
                     d[i]);
    }
#else
    __global const stored_x *column = from.x + ((long)top * IN_W + x) * IN;
#pragma unroll
    for (int i = 0; i < SIDE; i++)
        d[i] = i >= y0 && i < y1 ? VLOAD_X(column + i * (IN_W * IN)) : (floatv)(0.0f);
#endif
}

/* A vector of channels of a tile's inputs becomes places of the planes v. */
static inline void load_places(planes v, struct input from, struct tile t)
{
    const int top = t.y - TOP, left = t.x - LEFT;
    const int y0 = max(-top, 0), y1 = min((int)SIDE, READ_H - top);
    const int x0 = max(-left, 0), x1 = min((int)SIDE, READ_W - left);
    floatv part[SIDE][SIDE];
    for (int j = 0; j < SIDE; j++) {
        floatv d[SIDE], to[SIDE];
        if (j < x0 || j >= x1) {
#pragma unroll
            for (int i = 0; i < SIDE; i++)
                part[i][j] = (floatv)(0.0f);
            continue;
        }
        load_column(d, from, top, left + j, y0, y1);
        transform_input(to, d);
#pragma unroll
        for (int i = 0; i < SIDE; i++)
            part[i][j] = to[i];
    }
    for (int i = 0; i < SIDE; i++) {
        floatv to[SIDE];
        transform_input(to, part[i]);
#pragma unroll
        for (int j = 0; j < SIDE; j++)
            VSTORE(to[j], v + (i * SIDE + j) * V_PLANE);
    }
}

/* The tile's picture, from a channel on. */
static inline struct input input_of(__global const stored_x *x,
                                    __global const uchar *argmax, struct tile t,
                                    int channel)
{
    const size_t at =
        (size_t)t.picture * (SPREAD ? POOL_H * POOL_W * IN : IN_H * IN_W * IN) + channel;
    return (struct input){x + at, argmax + at};
}

/* All channels. */
static inline void load_tile(planes v, __global const stored_x *x,
                             __global const uchar *argmax, struct tile t)
{
    for (int c = 0; c < IN; c += VW)
        load_places(v + c, input_of(x, argmax, t, c), t);
}

#endif
