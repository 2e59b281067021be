/* SPDX-License-Identifier: Apache-2.0 */
/* Forward convolutions and data gradients by Winograd: what is around the product, for
 * all families. To be included behind OUTPUTS, the shape and, as constants, U_PLANE,
 * V_PLANE and M_PLANE: floats of a place's plane of weights, inputs and products.
 *
 * TURNED: windows turned by half a turn, in and out exchanged, as the data gradient needs
 * them. y = f(z), or for the data gradient (GATE) y = z f'(gate), or (POOLED) y = the
 * maximum of f(z) over windows of POOL_R x POOL_S that touch each other, and which place
 * it was; SPREAD: the input is the gradient of such maxima. */
#ifndef WEFT_WINOGRAD_CONV_H
#define WEFT_WINOGRAD_CONV_H

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

/* What must be computed of the convolution. */
#if POOLED
#define MAKE_H (POOL_H * POOL_R)
#define MAKE_W (POOL_W * POOL_S)
#else
#define MAKE_H OUT_H
#define MAKE_W OUT_W
#endif

enum {
    TILES_Y = (MAKE_H + OUTPUTS - 1) / OUTPUTS,
    TILES_X = (MAKE_W + OUTPUTS - 1) / OUTPUTS
};

#include "winograd_input.h"

/* One window's weights of a vector of output channels. */
static inline floatv weights_at(__global const stored_w *w, int tap, int in, int out)
{
#if TURNED
    float lanes[VW];
    for (int i = 0; i < VW; i++)
        lanes[i] = out + i < OUT
                       ? LOAD_W(w + (((size_t)(8 - tap) * OUT + out + i) * IN + in))
                       : 0.0f;
    return VLOAD(lanes);
#else
    return VLOAD_W(w + ((size_t)tap * IN + in) * OUT + out);
#endif
}

/* A vector of one window's weights becomes places of the planes u. */
static inline void load_window(__global float *u, __global const stored_w *w, int in,
                               int out)
{
    floatv part[SIDE][3];
    for (int s = 0; s < 3; s++) {
        floatv g[3], to[SIDE];
#pragma unroll
        for (int r = 0; r < 3; r++)
            g[r] = weights_at(w, r * 3 + s, in, out);
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
            VSTORE(to[j], u + (i * SIDE + j) * U_PLANE);
    }
}

static inline void store(floatv value, __global stored_y *to, int left)
{
    if (OUT % VW == 0)
        VSTORE_Y(value, to);
    else if (left > 0)
        store_part_y(value, to, left);
}

/* part = A^T m; what remains is to multiply each row by A. */
static inline void transform_columns(floatv part[OUTPUTS][SIDE],
                                     PLANES_ARE const float *m)
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
    __global stored_y *y;
    __global uchar *argmax;
    __global const stored_gate *gate;
    int left;
    floatv bias;
    float leak;
};

#if POOLED
static inline void store_bytes(ucharv value, __global uchar *to, int left)
{
#if OUT % VW == 0
    *(__global ucharv *)to = value;
#else
    uchar lanes[VW];
    VSTOREN(value, lanes);
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
                const floatv g = VLOAD_GATE(o->gate + to);
                z[x] *= activate_gradient(g, g, o->leak);
            } else {
                z[x] = activate(z[x], o->leak);
            }
            store(z[x], o->y + to, o->left);
        }
    }
}
#endif

#endif
