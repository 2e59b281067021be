/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution with a window of 3x3, stride 1, by Winograd's algorithm, family `vec`.
 *
 *     winograd_weights  u = G w G^T, [block][place][in][BLOCK]; TURNED: windows turned
 *                       by half a turn, in and out exchanged, as the data gradient needs
 *                       them
 *     winograd          y = f(z), or for the data gradient (GATE) y = z f'(gate), or
 *                       (POOLED) y = the maximum of f(z) over windows of
 *                       POOL_R x POOL_S that touch each other, and which place it was;
 *                       SPREAD: x is the gradient of such maxima
 *
 * An item of `winograd` takes TILES tiles of OUTPUTS x OUTPUTS pixels with all channels:
 * it transforms their inputs, then for each block of output channels multiplies PLACES
 * small matrices and transforms the products back. Between these steps the numbers lie in
 * private arrays of some 100 KB, which a processor keeps in its second-level cache; their
 * planes are 16 floats longer than needed, or else all would fall into the same few
 * places of the first-level one. What lies outside of the picture is not read.
 * Global size (blocks / PER_ITEM, tiles / TILES), rounded up. */
#include "common.h"
#include "pool_vec.h"
#include "shape_vec.h"
#include "winograd.h"

#ifndef BIAS
#define BIAS 0
#endif
#ifndef GATE
#define GATE 0
#endif
#ifndef ARGMAX
#define ARGMAX 0
#endif
#ifndef POOLED
#define POOLED 0
#endif
#ifndef TURNED
#define TURNED 0
#endif
#ifndef TILES
#define TILES 6
#endif
#ifndef PER_ITEM
#define PER_ITEM 1
#endif
/* A product's registers: TILE tiles x NV vectors. TILE divides TILES. */
#ifndef TILE
#define TILE 6
#endif
#ifndef NV
#define NV 2
#endif
#ifndef UNROLL
#define UNROLL 4
#endif

/* What must be computed of the convolution. */
#if POOLED
#define MAKE_H (POOL_H * POOL_R)
#define MAKE_W (POOL_W * POOL_S)
#else
#define MAKE_H OUT_H
#define MAKE_W OUT_W
#endif

enum {
    BLOCK = NV * VW,
    BLOCKS = (OUT + BLOCK - 1) / BLOCK,
    CHANNELS = (IN + VW - 1) / VW * VW,
    U_PLANE = IN * BLOCK + 16,
    V_PLANE = TILES * CHANNELS + 16,
    M_PLANE = TILES * BLOCK + 16,
    TILES_Y = (MAKE_H + OUTPUTS - 1) / OUTPUTS,
    TILES_X = (MAKE_W + OUTPUTS - 1) / OUTPUTS
};

#include "winograd_tile.h"

/* One window's weights of a vector of output channels. */
static inline floatv weights_at(__global const float *w, int tap, int in, int out)
{
#if TURNED
    float lanes[VW];
    for (int i = 0; i < VW; i++)
        lanes[i] =
            out + i < OUT ? w[((size_t)(8 - tap) * OUT + out + i) * IN + in] : 0.0f;
    return VLOAD(lanes);
#else
    return VLOAD(w + ((size_t)tap * IN + in) * OUT + out);
#endif
}

/* One work-item an input channel of a block. Global size (IN, BLOCKS). */
__kernel void winograd_weights(__global const float *restrict w, uint w_at,
                               __global float *restrict u, uint u_at)
{
    const int in = get_global_id(0), block = get_global_id(1);
    u += u_at + (size_t)block * (PLACES * U_PLANE) + in * BLOCK;
    for (int v = 0; v < BLOCK; v += VW) {
        floatv part[SIDE][3];
        for (int s = 0; s < 3; s++) {
            floatv g[3], to[SIDE];
#pragma unroll
            for (int r = 0; r < 3; r++)
                g[r] = weights_at(w + w_at, r * 3 + s, in, block * BLOCK + v);
            transform_weights(to, g);
#pragma unroll
            for (int i = 0; i < SIDE; i++)
                part[i][s] = to[i];
        }
        for (int i = 0; i < SIDE; i++) {
            floatv to[SIDE];
            transform_weights(to, part[i]);
#pragma unroll
            for (int j = 0; j < SIDE; j++)
                VSTORE(to[j], u + (i * SIDE + j) * U_PLANE + v);
        }
    }
}

/* TILE rows of one place's product. */
static inline void multiply(float *m, const float *v, __global const float *u)
{
    floatv acc[TILE][NV];
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int k = 0; k < NV; k++)
            acc[i][k] = (floatv)(0.0f);
#pragma unroll UNROLL
    for (int c = 0; c < IN; c++) {
        floatv b[NV];
#pragma unroll
        for (int k = 0; k < NV; k++)
            b[k] = VLOAD(u + c * BLOCK + k * VW);
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int k = 0; k < NV; k++)
                acc[i][k] = MAD((floatv)(v[i * CHANNELS + c]), b[k], acc[i][k]);
    }
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int k = 0; k < NV; k++)
            VSTORE(acc[i][k], m + i * BLOCK + k * VW);
}

static inline void store(floatv value, __global float *to, int left)
{
    if (OUT % BLOCK == 0)
        VSTORE(value, to);
    else if (left > 0)
        store_part(value, to, left);
}

/* part = A^T m; what remains is to multiply each row by A. */
static inline void transform_columns(floatv part[OUTPUTS][SIDE], const float *m)
{
    for (int j = 0; j < SIDE; j++) {
        floatv from[SIDE], to[OUTPUTS];
#pragma unroll
        for (int i = 0; i < SIDE; i++)
            from[i] = VLOAD(m + (i * SIDE + j) * M_PLANE);
        transform_output(to, from);
#pragma unroll
        for (int i = 0; i < OUTPUTS; i++)
            part[i][j] = to[i];
    }
}

/* Where the outputs go, from a channel on, `left` channels to the end. */
struct output {
    __global float *y;
    __global uchar *argmax;
    __global const float *gate;
    int left;
    floatv bias;
    float leak;
};

#if POOLED
static inline void store_bytes(ucharv value, __global uchar *to, int left)
{
#if OUT % VW == 0
    if (left > 0)
        *(__global ucharv *)to = value;
#else
    uchar lanes[VW];
    VSTORE(value, lanes);
    for (int i = 0; i < VW; i++)
        if (i < left)
            to[i] = lanes[i];
#endif
}

/* The maximum over a window; a NaN wins and stays. */
static inline void store_window(const struct output *o, const floatv z[POOL_R][OUTPUTS],
                                int x, size_t to)
{
    floatv best = (floatv)(0.0f), place = (floatv)(0.0f);
    intv strange = (intv)(0);
#pragma unroll
    for (int i = 0; i < POOL_R * POOL_S; i++) {
        const floatv sum = z[i / POOL_S][x + i % POOL_S] + o->bias;
        const floatv value = activate(sum, o->leak);
        const intv more = value > best;
        strange |= sum != sum;
        best = i ? WHERE(more, value, best) : value;
        place = i ? WHERE(more, (floatv)(i), place) : place;
    }
    store(WHERE(strange, (floatv)(NAN), best), o->y + to, o->left);
    if (ARGMAX)
        store_bytes(CONVERT_UCHARV(place), o->argmax + to, o->left);
}

static inline void store_tile(const struct output *o, const floatv part[OUTPUTS][SIDE],
                              struct tile t)
{
    const int py = t.y / POOL_R, px = t.x / POOL_S;
    for (int y = 0; y < OUTPUTS / POOL_R && py + y < POOL_H; y++) {
        size_t to = (((size_t)t.picture * POOL_H + py + y) * POOL_W + px) * OUT;
        floatv z[POOL_R][OUTPUTS];
#pragma unroll
        for (int i = 0; i < POOL_R; i++)
            transform_output(z[i], part[y * POOL_R + i]);
#pragma unroll
        for (int x = 0; x < OUTPUTS / POOL_S; x++, to += OUT) {
            if (px + x >= POOL_W)
                break;
            store_window(o, z, x * POOL_S, to);
        }
    }
}
#else
static inline void store_tile(const struct output *o, const floatv part[OUTPUTS][SIDE],
                              struct tile t)
{
    for (int y = 0; y < OUTPUTS && t.y + y < OUT_H; y++) {
        size_t to = (((size_t)t.picture * OUT_H + t.y + y) * OUT_W + t.x) * OUT;
        floatv z[OUTPUTS];
        transform_output(z, part[y]);
#pragma unroll
        for (int x = 0; x < OUTPUTS; x++, to += OUT) {
            if (t.x + x >= OUT_W)
                break;
            z[x] += o->bias;
            if (GATE) {
                const floatv g = VLOAD(o->gate + to);
                z[x] *= activate_gradient(g, g, o->leak);
            } else {
                z[x] = activate(z[x], o->leak);
            }
            store(z[x], o->y + to, o->left);
        }
    }
}
#endif

/* `from` is the argmax of SPREAD, `argmax` that of POOLED. */
__kernel void winograd(__global const float *restrict x, uint x_at,
                       __global const uchar *restrict from, uint from_at,
                       __global const float *restrict u, uint u_at,
                       __global const float *restrict bias, uint bias_at,
                       __global const float *restrict gate, uint gate_at,
                       __global float *restrict y, uint y_at,
                       __global uchar *restrict argmax, uint argmax_at, int tiles,
                       float leak)
{
    float v[PLACES * V_PLANE] __attribute__((aligned(64)));
    float m[PLACES * M_PLANE] __attribute__((aligned(64)));
    const int first = get_global_id(1) * TILES, count = min((int)TILES, tiles - first);
    const int begin = get_global_id(0) * PER_ITEM,
              end = min(begin + PER_ITEM, (int)BLOCKS);
    for (int i = 0; i < TILES; i++)
        load_tile(v + i * CHANNELS, x + x_at, from + from_at,
                  tile_at(first + min(i, count - 1)));
    u += u_at + (size_t)begin * (PLACES * U_PLANE);
    for (int block = begin; block < end; block++) {
        for (int place = 0; place < PLACES; place++, u += U_PLANE)
            for (int i = 0; i < TILES; i += TILE)
                multiply(m + place * M_PLANE + i * BLOCK,
                         v + place * V_PLANE + i * CHANNELS, u);
        for (int k = 0; k < BLOCK; k += VW) {
            const int channel = block * BLOCK + k;
            if (channel >= OUT)
                break;
            const struct output o = {y + y_at + channel,
                                     argmax + argmax_at + channel,
                                     gate + gate_at + channel,
                                     OUT - channel,
                                     BIAS ? VLOAD(bias + bias_at + channel)
                                          : (floatv)(0.0f),
                                     leak};
            for (int i = 0; i < count; i++) {
                floatv part[OUTPUTS][SIDE];
                transform_columns(part, m + i * BLOCK + k);
                store_tile(&o, part, tile_at(first + i));
            }
        }
    }
}
