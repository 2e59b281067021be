/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution, forward and data gradient: filter and output transforms and the
 * epilogue, for all families. Include after OUTPUT_TILE, the shape and the constants
 * U_STRIDE, V_STRIDE and M_STRIDE: floats of a plane of transformed weights, inputs and
 * products, a plane for each transform element.
 *
 *     z = convolution, filters rotated by 180 degrees where ROTATED_180 (data gradient)
 *     y = f(z)                          forward
 *     y = z f'(act_grad)                ACT_GRAD, data gradient
 *     y, argmax = max of f(z)           FUSED_POOL, over windows that do not overlap
 *
 * POOL_SCATTER: the input is the gradient of such a pool. */
#ifndef WEFT_WINOGRAD_CONV_H
#define WEFT_WINOGRAD_CONV_H

#include "lib/epilogue_options.h"

#ifndef ARGMAX
#define ARGMAX 0
#endif
#ifndef FUSED_POOL
#define FUSED_POOL 0
#endif
#ifndef ROTATED_180
#define ROTATED_180 0
#endif

/* Rows and columns of the convolution that are needed. */
#if FUSED_POOL
#define COMPUTED_H (POOL_OUT_H * POOL_R)
#define COMPUTED_W (POOL_OUT_W * POOL_S)
#else
#define COMPUTED_H OUT_H
#define COMPUTED_W OUT_W
#endif

enum {
    TILES_Y = (COMPUTED_H + OUTPUT_TILE - 1) / OUTPUT_TILE,
    TILES_X = (COMPUTED_W + OUTPUT_TILE - 1) / OUTPUT_TILE
};

#include "lib/activation.h"
#include "lib/winograd_input.h"

/* A tap of the filters of a vector of output channels. */
static inline floatv load_filter_tap(__global const stored_w *w, int tap, int in, int out)
{
#if ROTATED_180
    float lanes[VW];
    for (int i = 0; i < VW; i++)
        lanes[i] =
            out + i < K ? LOAD_W(w + (((size_t)(8 - tap) * K + out + i) * C + in)) : 0.0f;
    return LOAD_LANES(lanes);
#else
    return VLOAD_W(w + ((size_t)tap * C + in) * K + out);
#endif
}

/* u = G g G^T for a vector of output channels, one element for each plane. */
static inline void transform_filter_tile(__global float *u, __global const stored_w *w,
                                         int in, int out)
{
    floatv part[INPUT_TILE][3];
    for (int s = 0; s < 3; s++) {
        floatv g[3], to[INPUT_TILE];
#pragma unroll
        for (int r = 0; r < 3; r++)
            g[r] = load_filter_tap(w, r * 3 + s, in, out);
        transform_weights(to, g);
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            part[i][s] = to[i];
    }
    for (int i = 0; i < INPUT_TILE; i++) {
        floatv to[INPUT_TILE];
        transform_weights(to, part[i]);
#pragma unroll
        for (int j = 0; j < INPUT_TILE; j++)
            VSTORE(to[j], u + (i * INPUT_TILE + j) * U_STRIDE);
    }
}

static inline void store(floatv value, __global stored_y *to, int left)
{
    if (K % VW == 0)
        VSTORE_Y(value, to);
    else if (left > 0)
        store_part_y(value, to, left);
}

/* part = A^T m; store_tile multiplies each row by A. GPUs keep arrays in registers where
 * all loops that index them are unrolled. */
static inline void transform_columns(floatv part[OUTPUT_TILE][INPUT_TILE],
                                     TRANSFORM_SPACE const float *m)
{
    for (int j = 0; j < INPUT_TILE; j++) {
        floatv from[INPUT_TILE], to[OUTPUT_TILE];
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            from[i] = VLOAD(m + (i * INPUT_TILE + j) * M_STRIDE);
        transform_output(to, from);
#pragma unroll
        for (int i = 0; i < OUTPUT_TILE; i++)
            part[i][j] = to[i];
    }
}

/* Outputs from a channel on; `left`: channels from there on. */
struct output {
    __global stored_y *y;
    __global uchar *argmax;
    __global const stored_act_grad *act_grad;
    int left;
    floatv bias;
    float2 act_params;
};

#if FUSED_POOL
static inline void store_bytes(ucharv value, __global uchar *to, int left)
{
#if K % VW == 0
    *(__global ucharv *)to = value;
#else
    uchar lanes[VW];
    VSTOREN(value, lanes);
    for (int i = 0; i < VW; i++)
        if (i < left)
            to[i] = lanes[i];
#endif
}

/* Maximum of a window; NaN if any element is NaN. */
static inline void store_window(const struct output *o,
                                const floatv z[POOL_R][OUTPUT_TILE], int x, size_t to)
{
    floatv best = (floatv)(0.0f), tap = (floatv)(0.0f);
    intv is_nan = (intv)(0);
#pragma unroll
    for (int i = 0; i < POOL_R * POOL_S; i++) {
        const floatv sum = z[i / POOL_S][x + i % POOL_S] + o->bias;
        const floatv value = activate(sum, o->act_params);
        const intv more = value > best;
        is_nan |= sum != sum;
        best = i ? SELECT(more, value, best) : value;
        tap = i ? SELECT(more, (floatv)(i), tap) : tap;
    }
    store(SELECT(is_nan, (floatv)(NAN), best), o->y + to, o->left);
    if (ARGMAX)
        store_bytes(CONVERT_UCHARV(tap), o->argmax + to, o->left);
}

static inline void store_tile(const struct output *o,
                              const floatv part[OUTPUT_TILE][INPUT_TILE],
                              struct winograd_tile t)
{
    const int py = t.y / POOL_R, px = t.x / POOL_S;
#if !DEVICE_CPU
#pragma unroll
#endif
    for (int y = 0; y < OUTPUT_TILE / POOL_R && py + y < POOL_OUT_H; y++) {
        size_t to = (((size_t)t.image * POOL_OUT_H + py + y) * POOL_OUT_W + px) * K;
        floatv z[POOL_R][OUTPUT_TILE];
#pragma unroll
        for (int i = 0; i < POOL_R; i++)
            transform_output(z[i], part[y * POOL_R + i]);
#pragma unroll
        for (int x = 0; x < OUTPUT_TILE / POOL_S; x++, to += K) {
            if (px + x >= POOL_OUT_W)
                break;
            store_window(o, z, x * POOL_S, to);
        }
    }
}
#else
static inline void store_tile(const struct output *o,
                              const floatv part[OUTPUT_TILE][INPUT_TILE],
                              struct winograd_tile t)
{
#if !DEVICE_CPU
#pragma unroll
#endif
    for (int y = 0; y < OUTPUT_TILE && t.y + y < OUT_H; y++) {
        size_t to = (((size_t)t.image * OUT_H + t.y + y) * OUT_W + t.x) * K;
        floatv z[OUTPUT_TILE];
        transform_output(z, part[y]);
#pragma unroll
        for (int x = 0; x < OUTPUT_TILE; x++, to += K) {
            if (t.x + x >= OUT_W)
                break;
            z[x] += o->bias;
            if (ACT_GRAD) {
                const floatv g = VLOAD_ACT_GRAD(o->act_grad + to);
                z[x] *= activate_gradient(g, g, o->act_params);
            } else {
                z[x] = activate(z[x], o->act_params);
            }
            store(z[x], o->y + to, o->left);
        }
    }
}
#endif

#endif
