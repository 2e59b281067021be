/* SPDX-License-Identifier: Apache-2.0 */
/* Weight gradient of a 3x3 convolution, stride 1, by Winograd's algorithm, family `tile`:
 * the transforms around the multiplications, which are a grouped GEMM (gemm_tile.cl), a
 * group for each transform element.
 *
 *     winograd_bwd_weights_inputs     v = B^T x B, [tile][element][c]
 *     winograd_bwd_weights_gradients  d = A dz A^T, [tile][element][k]
 *     winograd_bwd_weights_filters    dw = G^T u G, from the sums u = [c][element][k]
 *
 * A work-item computes a channel of a tile of OUTPUT_TILE x OUTPUT_TILE pixels, or a
 * filter; neighbouring work-items have neighbouring channels. Global size: their number,
 * rounded up. */
#include "lib/common.h"
#include "lib/pool_shape.h"
#include "lib/conv_shape.h"
#include "lib/winograd.h"

enum {
    V_STRIDE = C,
    DZ_STRIDE = K,
    TILES_Y = (OUT_H + OUTPUT_TILE - 1) / OUTPUT_TILE,
    TILES_X = (OUT_W + OUTPUT_TILE - 1) / OUTPUT_TILE
};

#define TRANSFORM_SPACE __global
#include "lib/winograd_gradient.h"

__kernel void winograd_bwd_weights_inputs(VIEW(const stored_x, x), VIEW(float, v),
                                          int tiles)
{
    const int item = get_global_id(0), index = item / C, c = MOD(item, C);
    if (index >= tiles)
        return;
    const struct winograd_tile t = tile_at(index);
    transform_input_tile(v + v_at + (size_t)index * (TRANSFORM_ELEMENTS * C) + c,
                         input_of(x + x_at, 0, t, c), t);
}

__kernel void winograd_bwd_weights_gradients(VIEW(const stored_other, dy),
                                             VIEW(const uchar, argmax), VIEW(float, d),
                                             int tiles)
{
    const int item = get_global_id(0), index = item / K, c = MOD(item, K);
    if (index < tiles)
        transform_gradient_tile(d + d_at + (size_t)index * (TRANSFORM_ELEMENTS * K) + c,
                                dy + dy_at + c, argmax + argmax_at + c, tile_at(index));
}

__kernel void winograd_bwd_weights_filters(VIEW(const float, u), VIEW(float, dw))
{
    const int item = get_global_id(0), in = item / K, out = MOD(item, K);
    if (in >= C)
        return;
    u += u_at + (size_t)in * (TRANSFORM_ELEMENTS * K) + out;
    floatv part[3][INPUT_TILE];
    for (int j = 0; j < INPUT_TILE; j++) {
        floatv column[INPUT_TILE];
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            column[i] = VLOAD(u + (i * INPUT_TILE + j) * K);
        transform_column(part, j, column);
    }
    store_filter(part, dw + dw_at + item, 1);
}
