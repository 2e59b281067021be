/* SPDX-License-Identifier: Apache-2.0 */
/* Tile scheduling: the m, n and k range of a work-group that computes a tile of MWG x
 * NWG. Needs im2col_gather.h. */
#ifndef WEFT_GEMM_SCHEDULE_H
#define WEFT_GEMM_SCHEDULE_H

#define GEMM_N_TILES ((GEMM_N + NWG - 1) / NWG)

struct work_tile {
    int m0, m_end, n0;  /* first row; rows of the GEMM; first column */
    int k_begin, k_end; /* [k_begin, k_end) */
    int group, phase;
    uint split;
    struct phase_taps phase_taps;
};

/* Global group ids: (tile, split of k, group of channels * PHASES + phase). Split s sums
 * k from s * k_per_split. */
static inline struct work_tile work_tile_of_group(int images, int k_per_split)
{
    struct work_tile v;
    const int tile = (int)get_group_id(0), tile_m = tile / GEMM_N_TILES;
    v.m0 = tile_m * MWG;
    v.n0 = (tile - tile_m * GEMM_N_TILES) * NWG;
    v.split = (uint)get_group_id(1);
    v.group = (int)get_group_id(2) / PHASES;
    v.phase = (int)get_group_id(2) - v.group * PHASES;
    v.phase_taps = phase_taps_of(v.phase);
    const int pixels = images * GRID_H * GRID_W;
    const int taps =
        v.phase_taps.vertical.count * v.phase_taps.horizontal.count * SRC_C_PER_GROUP;
    v.m_end = PASS == PASS_BWD_WEIGHTS ? taps : pixels;
    v.k_begin = (int)v.split * k_per_split;
    v.k_end = min(v.k_begin + k_per_split, PASS == PASS_BWD_WEIGHTS ? pixels : taps);
    return v;
}

/* The arguments of the kernel `gemm` of families tile, sg and mma.
 *
 *     a, b              operands: x and w; dy and w; x and dy
 *     argmax            of a fused max pool
 *     bias_or_act_grad  forward the bias; data gradient the activation's output
 *     out, sums         result, bias gradient; split s writes at s * partial_stride */
#define GEMM_ARGUMENTS                                                           \
    VIEW(const stored_x, a), VIEW(const stored_w, b), VIEW(const uchar, argmax), \
        VIEW(const stored_act_grad, bias_or_act_grad), VIEW(stored_y, out),      \
        VIEW(float, sums), int images, int k_per_split, uint partial_stride,     \
        float2 act_params

/* Moves the views to the first channel of the tile's group, and to its split. */
#define GEMM_MOVE_VIEWS(tile)                                                            \
    do {                                                                                 \
        a += a_at + (uint)((tile).group * SRC_C_PER_GROUP);                              \
        b += b_at + (uint)((tile).group * K_PER_GROUP);                                  \
        argmax += argmax_at + (uint)((tile).group * K_PER_GROUP);                        \
        bias_or_act_grad += bias_or_act_grad_at + (uint)((tile).group * GEMM_N);         \
        out += out_at + (tile).split * partial_stride + (uint)((tile).group * GEMM_N);   \
        sums += sums_at + (tile).split * partial_stride + (uint)((tile).group * GEMM_N); \
    } while (0)

#endif
