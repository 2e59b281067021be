/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout, forward and backward.
 *
 *     y[i] = number(i) 2^16 < limit ? 0 : scale x[i]
 *
 * number(i) is weft_dropout_bits of random.h. With dropped = DROPOUT_LEVELS rate,
 * rounded, limit is 2^16 dropped and scale 1 / (1 - dropped / DROPOUT_LEVELS). A
 * work-item evaluates VW (4, 8 or 16) counters, one a lane, and the DROPOUT_RUNS vectors
 * that they serve. Global size >= runs of elements, rounded up to a multiple of
 * DROPOUT_RUNS, times DROPOUT_RUN / (DROPOUT_RUNS VW). y may be x. */
#ifndef VW
#define VW 4
#endif
#define ALIGNED 1
#include "lib/common.h"
#include "shared/random.h"
#include "shared/state.h"
#include "lib/storage.h"

/* Pairs of lanes as 64-bit integers. */
#if VW == 16
#define PAIRS 8
#elif VW == 8
#define PAIRS 4
#else
#define PAIRS 2
#endif
typedef PASTE(ulong, PAIRS) ulongv;

/* High half of a * b in every lane. CPUs multiply every other 32-bit lane to 64 bits,
 * and have no mul_hi. */
static inline uintv multiply_high(uintv a, uint b)
{
    const ulongv pairs = PASTE(as_ulong, PAIRS)(a), low = (ulongv)(0xFFFFFFFFul);
    const ulongv even = (pairs & low) * (ulongv)(b), odd = (pairs >> 32) * (ulongv)(b);
    return PASTE(as_uint, VW)((even >> 32) | (odd & ~low));
}

struct philox_words {
    uintv v[4];
};

/* weft_philox of random.h in every lane: with scalars it is ten times slower on CPUs. */
static inline struct philox_words philox(uint key0, uint key1, uintv c0, uint c1, uint c2,
                                         uint c3)
{
    struct philox_words c = {{c0, (uintv)(c1), (uintv)(c2), (uintv)(c3)}};
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uintv high0 = multiply_high(c.v[0], 0xD2511F53u);
        const uintv high1 = multiply_high(c.v[2], 0xCD9E8D57u);
        const uintv low0 = c.v[0] * 0xD2511F53u, low1 = c.v[2] * 0xCD9E8D57u;
        c.v[0] = high1 ^ c.v[1] ^ key0;
        c.v[1] = low1;
        c.v[2] = high0 ^ c.v[3] ^ key1;
        c.v[3] = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}

__kernel void dropout(ALIASED_VIEW(const uint, state), ALIASED_VIEW(const stored_x, x),
                      ALIASED_VIEW(stored_y, y), uint count, uint layer, uint limit,
                      float scale)
{
    const uint first = get_global_id(0) * VW, run = first / DROPOUT_RUN;
    const uint i = run * DROPOUT_RUNS * DROPOUT_RUN + first - run * DROPOUT_RUN;
    if (i >= count)
        return;
    __global const uint *s = state + state_at;
    uint lanes[VW];
    for (uint lane = 0; lane < VW; lane++)
        lanes[lane] = first + lane;
    const struct philox_words w =
        philox(s[STATE_SEED_LOW], s[STATE_SEED_HIGH], VLOADN(lanes), s[STATE_STEP],
               layer + (s[STATE_PART] << 16), RANDOM_DROPOUT);
    x += x_at + i;
    y += y_at + i;
#pragma unroll
    for (uint k = 0; k < DROPOUT_RUNS; k++) {
        const uint to = k * DROPOUT_RUN;
        if (i + to >= count)
            return;
        const uintv bits = k < 4 ? w.v[k] << 16 : w.v[k - 4];
        const floatv v =
            SELECT(bits < limit, (floatv)(0.0f), VLOAD_X(x + to) * (floatv)(scale));
        if (i + to + VW <= count)
            VSTORE_Y(v, y + to);
        else
            store_part_y(v, y + to, count - i - to);
    }
}
