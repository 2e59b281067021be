/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution with a window of 3x3, stride 1, by Winograd's algorithm, family `tile`:
 * what is before and after the products, which are a grouped product of matrices
 * (gemm_tile.cl), a group a place.
 *
 *     winograd_weights  u = G w G^T, [in][place][out]
 *     winograd_transform_inputs   v = B^T x B, [tile][place][in]
 *     winograd_transform_outputs  y, or with FUSED_POOL y and argmax, of m =
 * [tile][place][out]
 *
 * A work-item does one window, or one channel of a tile of OUTPUT_TILE x OUTPUT_TILE
 * pixels. Neighbours have neighbouring channels. Global size: their count, rounded up. */
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
    const struct tile t = tile_at(index);
    transform_input_tile(v + v_at + (size_t)index * (TRANSFORM_ELEMENTS * C) + c,
                         input_of(x + x_at, from + from_at, t, c), t);
}

__kernel void winograd_transform_outputs(VIEW(const float, m), VIEW(const float, bias),
                                         VIEW(const stored_act_grad, act_grad),
                                         VIEW(stored_y, y), VIEW(uchar, argmax),
                                         int tiles, float negative_slope)
{
    const int item = get_global_id(0), index = item / K, c = MOD(item, K);
    if (index >= tiles)
        return;
    const struct output o = {
        y + y_at + c, argmax + argmax_at + c,          act_grad + act_grad_at + c,
        K - c,        BIAS ? bias[bias_at + c] : 0.0f, negative_slope};
    floatv part[OUTPUT_TILE][INPUT_TILE];
    transform_columns(part, m + m_at + (size_t)index * (TRANSFORM_ELEMENTS * K) + c);
    store_tile(&o, part, tile_at(index));
}
