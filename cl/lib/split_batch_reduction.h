/* SPDX-License-Identifier: Apache-2.0 */
/* Split-batch reduction of a weight gradient, family `vec`. Every split of the batch has
 * its partials [block of channels][ROWS weights, then bias][BLOCK], which
 * conv_bwd_weights_reduce adds in order. The weights of a block come in slices of
 * C_SLICE input channels, each [ky][kx][C_SLICE] and rounded up to whole tiles of TILE
 * weights. */
#ifndef WEFT_SPLIT_BATCH_REDUCTION_H
#define WEFT_SPLIT_BATCH_REDUCTION_H

#include "lib/common.h"
#include "lib/epilogue_options.h"
#include "lib/pool_shape.h"
#include "lib/conv_shape.h"
#include "lib/storage.h"
#include "shared/partial_sums.h"
#include "shared/workspace_layout.h"

#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
#ifndef C_SLICE
#define C_SLICE C_PER_GROUP
#endif
/* Blocks of channels for each work-item. */
#ifndef BLOCKS_PER_ITEM
#define BLOCKS_PER_ITEM 1
#endif

enum {
    BLOCK = NV * VW,
    GROUP_BLOCKS = (K_PER_BLOCK_GROUP + BLOCK - 1) / BLOCK,
    BLOCKS = BLOCK_GROUPS * GROUP_BLOCKS,
    C_SLICES = (C_PER_GROUP + C_SLICE - 1) / C_SLICE,
    TAPS = R * S * C_SLICE, /* weights of a slice */
    SLICE_ROWS = (TAPS + TILE - 1) / TILE * TILE,
    ROWS = C_SLICES * SLICE_ROWS,
    PARTIAL = PARTIAL_FLOATS(ROWS, BLOCK)
};

/* First input and output channel of a block; channels of its group from there on. */
struct batch_block {
    int in, out, left;
};

static inline struct batch_block block_at(int index)
{
    struct batch_block b;
    const int group = index / GROUP_BLOCKS,
              first = (index - group * GROUP_BLOCKS) * BLOCK;
    b.in = DEPTHWISE ? first : group * C_PER_GROUP;
    b.out = group * K_PER_BLOCK_GROUP + first;
    b.left = K_PER_BLOCK_GROUP - first;
    return b;
}

#if POOL_R > 0
/* The taps in argmax; one load where the vector is aligned. */
static inline intv load_argmax(__global const uchar *argmax)
{
#if K_PER_BLOCK_GROUP % VW == 0 && K % VW == 0
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

/* Work of a work-item: blocks [first, last) of images [begin, end), added to partials,
 * which are cleared first. Global size (blocks / BLOCKS_PER_ITEM rounded up, splits). */
struct work_range {
    int first, last, begin, end;
    __global float *partials;
};

static inline struct work_range begin_work_range(__global float *partials, int images,
                                                 int images_per_split)
{
    struct work_range t;
    t.first = get_global_id(0) * BLOCKS_PER_ITEM;
    t.last = min(t.first + BLOCKS_PER_ITEM, (int)BLOCKS);
    t.begin = get_global_id(1) * images_per_split;
    t.end = min(t.begin + images_per_split, images);
    t.partials = partials + (size_t)get_global_id(1) * (BLOCKS * PARTIAL);
    clear(t.partials + t.first * PARTIAL, (t.last - t.first) * PARTIAL);
    return t;
}

static inline void add_bias(__global float *partial, const floatv sum[NV])
{
    partial += ROWS * BLOCK;
#pragma unroll
    for (int v = 0; v < NV; v++)
        VSTORE(VLOAD(partial + v * VW) + sum[v], partial + v * VW);
}

/* The row of dw, in units of K, for a row of a partial; -1: none, padding. */
static inline int weight_row(int row)
{
    const int slice = row / SLICE_ROWS, tap = MOD(row, SLICE_ROWS);
    const int position = tap / C_SLICE, in = slice * C_SLICE + MOD(tap, C_SLICE);
    return tap < TAPS && in < C_PER_GROUP ? position * C_PER_GROUP + in : -1;
}

/* Global size ((ROWS + 1) / REDUCE_ROWS rounded up, blocks). */
__kernel void conv_bwd_weights_reduce(VIEW(const float, partials), VIEW(float, dw),
                                      VIEW(float, dbias), int splits)
{
    const struct batch_block block = block_at(get_global_id(1));
    const int first = get_global_id(0) * REDUCE_ROWS;
    partials += partials_at + get_global_id(1) * PARTIAL;
    for (int row = first; row < min(first + REDUCE_ROWS, ROWS + 1); row++) {
        const int weight = row < ROWS ? weight_row(row) : BIAS ? 0 : -1;
        if (weight < 0)
            continue;
        __global float *to = row == ROWS ? dbias + dbias_at : dw + dw_at + weight * K;
        for (int v = 0; v * VW < min((int)BLOCK, block.left); v++) {
            floatv sum = VLOAD(partials + row * BLOCK + v * VW);
            for (int split = 1; split < splits; split++)
                sum += VLOAD(partials + (size_t)split * (BLOCKS * PARTIAL) + row * BLOCK +
                             v * VW);
            store_part(sum, to + block.out + v * VW, block.left - v * VW);
        }
    }
}

#endif
