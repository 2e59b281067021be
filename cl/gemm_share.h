/* SPDX-License-Identifier: Apache-2.0 */
/* What a work-group does of a product (gather.h), of tiles of MT x NT: rows from m0, of
 * which there are m_end, columns from n0, and k from k_begin to k_end. */
#ifndef WEFT_GEMM_SHARE_H
#define WEFT_GEMM_SHARE_H

#define N_TILES ((N + NT - 1) / NT)

struct share {
    int m0, m_end, n0, k_begin, k_end, group, part;
    uint split;
    struct reach reach;
};

/* Split s does k from s * span. */
static inline struct share share_of_group(int pictures, int span)
{
    struct share v;
    const int tile = (int)get_group_id(0), tile_m = tile / N_TILES;
    v.m0 = tile_m * MT;
    v.n0 = (tile - tile_m * N_TILES) * NT;
    v.split = (uint)get_group_id(1);
    v.group = (int)get_group_id(2) / PARTS;
    v.part = (int)get_group_id(2) - v.group * PARTS;
    v.reach = reach_of(v.part);
    const int pixels = pictures * GRID_H * GRID_W;
    const int taps = v.reach.down.count * v.reach.across.count * SRC_CG;
    v.m_end = OP == WEIGHTS ? taps : pixels;
    v.k_begin = (int)v.split * span;
    v.k_end = min(v.k_begin + span, OP == WEIGHTS ? pixels : taps);
    return v;
}

#endif
