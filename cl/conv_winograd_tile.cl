/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution with a window of 3x3, stride 1, by Winograd's algorithm, family `tile`:
 * what is before and after the products, which are a grouped product of matrices
 * (gemm_tile.cl), a group a place.
 *
 *     winograd_weights  u = G w G^T, [in][place][out]
 *     winograd_inputs   v = B^T x B, [tile][place][in]
 *     winograd_outputs  y, or with POOLED y and argmax, of m = [tile][place][out]
 *
 * A work-item does one window, or one channel of a tile of OUTPUTS x OUTPUTS pixels.
 * Neighbours have neighbouring channels. Global size: their count, rounded up. */
#include "common.h"
#include "pool_vec.h"
#include "shape_vec.h"
#include "winograd.h"

enum { U_PLANE = OUT, V_PLANE = IN, M_PLANE = OUT };

#define PLANES_ARE __global
#include "winograd_conv.h"

__kernel void winograd_weights(__global const stored_w *restrict w, uint w_at,
                               __global float *restrict u, uint u_at)
{
    const int item = get_global_id(0), in = item / OUT, out = REMAINDER(item, OUT);
    if (in < IN)
        load_window(u + u_at + in * (PLACES * OUT) + out, w + w_at, in, out);
}

__kernel void winograd_inputs(__global const stored_x *restrict x, uint x_at,
                              __global const uchar *restrict from, uint from_at,
                              __global float *restrict v, uint v_at, int tiles)
{
    const int item = get_global_id(0), index = item / IN, c = REMAINDER(item, IN);
    if (index >= tiles)
        return;
    const struct tile t = tile_at(index);
    load_places(v + v_at + (size_t)index * (PLACES * IN) + c,
                input_of(x + x_at, from + from_at, t, c), t);
}

__kernel void winograd_outputs(__global const float *restrict m, uint m_at,
                               __global const float *restrict bias, uint bias_at,
                               __global const stored_gate *restrict gate, uint gate_at,
                               __global stored_y *restrict y, uint y_at,
                               __global uchar *restrict argmax, uint argmax_at, int tiles,
                               float leak)
{
    const int item = get_global_id(0), index = item / OUT, c = REMAINDER(item, OUT);
    if (index >= tiles)
        return;
    const struct output o = {
        y + y_at + c, argmax + argmax_at + c,          gate + gate_at + c,
        OUT - c,      BIAS ? bias[bias_at + c] : 0.0f, leak};
    floatv part[OUTPUTS][SIDE];
    transform_columns(part, m + m_at + (size_t)index * (PLACES * OUT) + c);
    store_tile(&o, part, tile_at(index));
}
