/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolution, stride 1, by Winograd's algorithm, family `tile`: the transforms
 * around the multiplications, which are a grouped GEMM (gemm_tile.cl), a group for each
 * transform element.
 *
 *     winograd_transform_weights  u = G w G^T, [c][element][k]
 *     winograd_transform_inputs   v = B^T x B, [tile][element][c]
 *     winograd_transform_outputs  y, or with FUSED_POOL y and argmax, from the products
 *                                 m = [tile][element][k]
 *
 * A work-item computes one filter, or one channel of a tile of OUTPUT_TILE x OUTPUT_TILE
 * pixels; neighbouring work-items have neighbouring channels. Global size: their number,
 * rounded up. */
#include "lib/common.h"
#include "lib/pool_shape.h"
#include "lib/conv_shape.h"
#include "lib/winograd.h"

enum { U_STRIDE = K, V_STRIDE = C, M_STRIDE = K };

#define TRANSFORM_SPACE __global
#include "lib/winograd_conv.h"

__kernel void winograd_transform_weights(VIEW(const stored_w, w), VIEW(float, u))
{
    const int item = get_global_id(0), in = item / K, out = MOD(item, K);
    if (in < C)
        transform_filter_tile(u + u_at + in * (TRANSFORM_ELEMENTS * K) + out, w + w_at,
                              in, out);
}

__kernel void winograd_transform_inputs(VIEW(const stored_x, x), VIEW(const uchar, from),
                                        VIEW(float, v), int tiles)
{
    const int item = get_global_id(0), index = item / C, c = MOD(item, C);
    if (index >= tiles)
        return;
    const struct winograd_tile t = tile_at(index);
    transform_input_tile(v + v_at + (size_t)index * (TRANSFORM_ELEMENTS * C) + c,
                         input_of(x + x_at, from + from_at, t, c), t);
}

__kernel void winograd_transform_outputs(VIEW(const float, m), VIEW(const float, bias),
                                         VIEW(const stored_act_grad, act_grad),
                                         VIEW(stored_y, y), VIEW(uchar, argmax),
                                         int tiles, float2 act_params)
{
    const int item = get_global_id(0), index = item / K, c = MOD(item, K);
    if (index >= tiles)
        return;
    const struct output o = {
        y + y_at + c, argmax + argmax_at + c,          act_grad + act_grad_at + c,
        K - c,        BIAS ? bias[bias_at + c] : 0.0f, act_params};
    floatv part[OUTPUT_TILE][INPUT_TILE];
    transform_columns(part, m + m_at + (size_t)index * (TRANSFORM_ELEMENTS * K) + c);
    store_tile(&o, part, tile_at(index));
}
