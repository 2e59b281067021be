/* SPDX-License-Identifier: Apache-2.0 */
/* Weight gradient of a 3x3 convolution by Winograd's algorithm: the transforms of dz and
 * of the sums of products, for all families. Include after winograd_input.h's needs and
 * the constant DZ_STRIDE: floats of a plane of transformed gradients. dz is dy, or behind
 * a max pool dy at the taps in argmax. */
#ifndef WEFT_WINOGRAD_GRADIENT_H
#define WEFT_WINOGRAD_GRADIENT_H

#include "lib/winograd_input.h"

/* dz at a pixel of an image, for the channels from dy and argmax on. */
static inline floatv load_dz(__global const stored_other *dy,
                             __global const uchar *argmax, int y, int x)
{
#if POOL_R == 0
    (void)argmax;
    return VLOAD_OTHER(dy + (y * OUT_W + x) * K);
#else
    const int py = y / POOL_R, px = x / POOL_S;
    if (py >= POOL_OUT_H || px >= POOL_OUT_W)
        return (floatv)(0.0f);
    const int at = (py * POOL_OUT_W + px) * K;
    return unpool(VLOAD_OTHER(dy + at), argmax + at, K, y, x);
#endif
}

/* Transforms a tile's gradient of a vector of channels, one element for each plane.
 * Returns its sum. */
static inline floatv transform_gradient_tile(__global float *to,
                                             __global const stored_other *dy,
                                             __global const uchar *argmax,
                                             struct winograd_tile t)
{
    const size_t at =
        (size_t)t.image * (POOL_R ? POOL_OUT_H * POOL_OUT_W * K : OUT_H * OUT_W * K);
    const int rows = min((int)OUTPUT_TILE, OUT_H - t.y),
              columns = min((int)OUTPUT_TILE, OUT_W - t.x);
    floatv part[INPUT_TILE][OUTPUT_TILE], sum = (floatv)(0.0f);
    for (int j = 0; j < OUTPUT_TILE; j++) {
        floatv d[OUTPUT_TILE], v[INPUT_TILE];
#pragma unroll
        for (int i = 0; i < OUTPUT_TILE; i++) {
            d[i] = i < rows && j < columns
                       ? load_dz(dy + at, argmax + at, t.y + i, t.x + j)
                       : (floatv)(0.0f);
            sum += d[i];
        }
        transform_gradient(v, d);
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            part[i][j] = v[i];
    }
    for (int i = 0; i < INPUT_TILE; i++) {
        floatv v[INPUT_TILE];
        transform_gradient(v, part[i]);
#pragma unroll
        for (int j = 0; j < INPUT_TILE; j++)
            VSTORE(v[j], to + (i * INPUT_TILE + j) * DZ_STRIDE);
    }
    return sum;
}

/* Column j of G^T u. */
static inline void transform_column(floatv part[3][INPUT_TILE], int j,
                                    const floatv u[INPUT_TILE])
{
    floatv g[3];
    transform_weight_gradient(g, u);
#pragma unroll
    for (int r = 0; r < 3; r++)
        part[r][j] = g[r];
}

/* The filters of an input channel and a vector of output channels, of which `count` are
 * there. */
static inline void store_filter(const floatv part[3][INPUT_TILE], __global float *dw,
                                int count)
{
    for (int r = 0; r < 3; r++) {
        floatv g[3];
        transform_weight_gradient(g, part[r]);
        for (int s = 0; s < 3; s++)
            store_part(g[s], dw + (size_t)(r * 3 + s) * (C * K), count);
    }
}

#endif
