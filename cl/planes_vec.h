/* SPDX-License-Identifier: Apache-2.0 */
/* Partial sums of a convolution's weight gradient, family `vec`, and their sum: planes
 * [split][block of channels][ROWS weights, then bias][BLOCK], a split for so many
 * pictures. The weights of a block come in slices of SLICE input channels, each [ky][kx]
 * [SLICE] and rounded up to whole tiles of TILE weights. */
#ifndef WEFT_PLANES_VEC_H
#define WEFT_PLANES_VEC_H

#include "common.h"
#include "pool_vec.h"
#include "shape_vec.h"
#include "storage.h"

#ifndef GROUPS
#define GROUPS 1
#endif
#ifndef BIAS
#define BIAS 0
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
#ifndef SLICE
#define SLICE GROUP_IN
#endif
/* Blocks of channels that an item does. */
#ifndef PER_ITEM
#define PER_ITEM 1
#endif

enum {
    BLOCK = NV * VW,
    GROUP_BLOCKS = (GROUP_OUT + BLOCK - 1) / BLOCK,
    BLOCKS = GROUPS * GROUP_BLOCKS,
    SLICES = (GROUP_IN + SLICE - 1) / SLICE,
    TAPS = R * S * SLICE, /* of a slice */
    SLICE_ROWS = (TAPS + TILE - 1) / TILE * TILE,
    ROWS = SLICES * SLICE_ROWS,
    PLANE = (ROWS + 1) * BLOCK
};

/* The first channels of a block, and how many the group has from there on. */
struct block {
    int in, out, left;
};

static inline struct block block_at(int index)
{
    struct block b;
    const int group = index / GROUP_BLOCKS,
              first = (index - group * GROUP_BLOCKS) * BLOCK;
    b.in = DEPTHWISE ? first : group * GROUP_IN;
    b.out = group * GROUP_OUT + first;
    b.left = GROUP_OUT - first;
    return b;
}

#if POOL_R > 0
/* The places that argmax names; in one load where they lie as wide as the vector is. */
static inline intv places_at(__global const uchar *argmax)
{
#if GROUP_OUT % VW == 0 && OUT % VW == 0
    return CONVERT_INTV(*(__global const ucharv *)argmax);
#else
    return CONVERT_INTV(VLOADN(argmax));
#endif
}
#endif

static inline void clear(__global float *p, int count)
{
    for (int i = 0; i < count; i++)
        p[i] = 0.0f;
}

/* What a work-item does: blocks from `first` to `last` of the pictures from `begin` to
 * `end`, summed up in planes, which are cleared. Global size (blocks / PER_ITEM rounded
 * up, splits). */
struct task {
    int first, last, begin, end;
    __global float *planes;
};

static inline struct task start_task(__global float *planes, int pictures, int split)
{
    struct task t;
    t.first = get_global_id(0) * PER_ITEM;
    t.last = min(t.first + PER_ITEM, (int)BLOCKS);
    t.begin = get_global_id(1) * split;
    t.end = min(t.begin + split, pictures);
    t.planes = planes + (size_t)get_global_id(1) * (BLOCKS * PLANE);
    clear(t.planes + t.first * PLANE, (t.last - t.first) * PLANE);
    return t;
}

static inline void add_bias(__global float *plane, const floatv sum[NV])
{
    plane += ROWS * BLOCK;
#pragma unroll
    for (int v = 0; v < NV; v++)
        VSTORE(VLOAD(plane + v * VW) + sum[v], plane + v * VW);
}

/* Weights an item of conv_weights_sum adds up. Global size ((ROWS + 1) / SUM_ROWS rounded
 * up, blocks). */
#ifndef SUM_ROWS
#define SUM_ROWS 16
#endif

/* Where a row of a plane belongs in dw, over OUT; negative: nowhere. */
static inline int weight_of(int row)
{
    const int slice = row / SLICE_ROWS, tap = REMAINDER(row, SLICE_ROWS);
    const int place = tap / SLICE, in = slice * SLICE + REMAINDER(tap, SLICE);
    return tap < TAPS && in < GROUP_IN ? place * GROUP_IN + in : -1;
}

__kernel void conv_weights_sum(__global const float *restrict planes, uint planes_at,
                               __global float *restrict dw, uint dw_at,
                               __global float *restrict dbias, uint dbias_at, int splits)
{
    const struct block block = block_at(get_global_id(1));
    const int first = get_global_id(0) * SUM_ROWS;
    planes += planes_at + get_global_id(1) * PLANE;
    for (int row = first; row < min(first + SUM_ROWS, ROWS + 1); row++) {
        const int weight = row < ROWS ? weight_of(row) : BIAS ? 0 : -1;
        if (weight < 0)
            continue;
        __global float *to = row == ROWS ? dbias + dbias_at : dw + dw_at + weight * OUT;
        for (int v = 0; v * VW < min((int)BLOCK, block.left); v++) {
            floatv sum = VLOAD(planes + row * BLOCK + v * VW);
            for (int split = 1; split < splits; split++)
                sum += VLOAD(planes + (size_t)split * (BLOCKS * PLANE) + row * BLOCK +
                             v * VW);
            store_part(sum, to + block.out + v * VW, block.left - v * VW);
        }
    }
}

#endif
