/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout, forward and backward alike.
 *
 *     y[i] = uniform(i) < rate ? 0 : x[i] / keep,  keep = 1 - rate
 *
 * uniform(i) is word i % 4 of Philox at counter (i / 4, step, layer, RANDOM_DROPOUT). A
 * work-item takes VW (4, 8 or 16) counters, a lane each, so 4 VW elements. Global size >=
 * count / (4 VW), rounded up. */
#ifndef VW
#define VW 4
#endif
#include "common.h"
#include "random.h"
#include "state.h"

typedef PASTE(ulong, VW) ulongv;

/* The high half of a * b, lane by lane; mul_hi is slow on processors. */
static inline uintv multiply_high(uintv a, uint b)
{
    const ulongv product = PASTE(convert_ulong, VW)(a) * (ulongv)(b);
    return PASTE(convert_uint, VW)(product >> (ulongv)(32));
}

/* As weft_uniform. */
static inline floatv uniform(uintv bits)
{
    return CONVERT_FLOATV(bits >> 8) * (1.0f / 16777216.0f);
}

struct words {
    uintv v0, v1, v2, v3;
};

/* As weft_philox of random.h, in every lane: over scalars it is ten times slower on
 * processors. */
static inline struct words philox(uint key0, uint key1, uintv c0, uint c1, uint c2,
                                  uint c3)
{
    struct words c = {c0, (uintv)(c1), (uintv)(c2), (uintv)(c3)};
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uintv high0 = multiply_high(c.v0, 0xD2511F53u), low0 = c.v0 * 0xD2511F53u;
        const uintv high1 = multiply_high(c.v2, 0xCD9E8D57u), low1 = c.v2 * 0xCD9E8D57u;
        c.v0 = high1 ^ c.v1 ^ key0;
        c.v1 = low1;
        c.v2 = high0 ^ c.v3 ^ key1;
        c.v3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}

/* The four elements from `i` on. x and y may be one. */
static inline void drop(float4 uniform, __global const float *x, __global float *y,
                        uint i, uint count, float rate, float keep)
{
    const float4 v = select(vload4(0, x + i) / keep, (float4)(0.0f), uniform < rate);
    if (i + 4 <= count) {
        vstore4(v, 0, y + i);
        return;
    }
    y[i] = v.s0;
    if (i + 1 < count)
        y[i + 1] = v.s1;
    if (i + 2 < count)
        y[i + 2] = v.s2;
}

__kernel void dropout(__global const uint *state, uint state_at, __global const float *x,
                      uint x_at, __global float *y, uint y_at, uint count, uint layer,
                      float rate, float keep)
{
    const uint first = get_global_id(0) * VW;
    if (4 * first >= count)
        return;
    __global const uint *s = state + state_at;
    uint lanes[VW];
    for (uint lane = 0; lane < VW; lane++)
        lanes[lane] = first + lane;
    const struct words w = philox(s[STATE_SEED_LOW], s[STATE_SEED_HIGH], VLOAD(lanes),
                                  s[STATE_STEP], layer, RANDOM_DROPOUT);
    float words[4][VW];
    VSTORE(uniform(w.v0), words[0]);
    VSTORE(uniform(w.v1), words[1]);
    VSTORE(uniform(w.v2), words[2]);
    VSTORE(uniform(w.v3), words[3]);
    for (uint lane = 0; lane < VW; lane++)
        if (4 * (first + lane) < count)
            drop((float4)(words[0][lane], words[1][lane], words[2][lane], words[3][lane]),
                 x + x_at, y + y_at, 4 * (first + lane), count, rate, keep);
}
