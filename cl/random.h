/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers as a function of (key, counter): the same on every backend. Read by C
 * and OpenCL C.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
 * and a permutation of 0..count-1 made of a Feistel network that walks the cycle until it
 * is back in range (Black and Rogaway, CT-RSA 2002). */
#ifndef WEFT_RANDOM_H
#define WEFT_RANDOM_H

#ifdef __OPENCL_VERSION__
typedef uint weft_u32;
#define weft_mulhi(a, b) mul_hi((uint)(a), (uint)(b))
#else
#include <stdint.h>
typedef uint32_t weft_u32;
#define weft_mulhi(a, b) ((uint32_t)(((uint64_t)(uint32_t)(a) * (uint32_t)(b)) >> 32))
#endif

struct weft_random {
    weft_u32 v[4];
};

/* The streams: the last word of the counter says what the numbers are for. */
enum {
    RANDOM_DROPOUT = 1,
    RANDOM_WEIGHTS = 2,
    RANDOM_SHUFFLE = 3,
    RANDOM_SPLIT = 4,
    RANDOM_CHECK = 5
};

static inline struct weft_random weft_philox(weft_u32 key0, weft_u32 key1, weft_u32 c0,
                                             weft_u32 c1, weft_u32 c2, weft_u32 c3)
{
    struct weft_random r;
    for (int round = 0; round < 10; round++) {
        weft_u32 high0 = weft_mulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        weft_u32 high1 = weft_mulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    r.v[0] = c0;
    r.v[1] = c1;
    r.v[2] = c2;
    r.v[3] = c3;
    return r;
}

/* What decides on element `index` of dropout layer `layer`, in the upper 16 bits. A run
 * of counters serves eight runs of elements: four with the lower halves of its words,
 * four with the upper. So a vector of elements needs no shuffling. */
enum { DROPOUT_RUN = 16 };
static inline weft_u32 weft_dropout_bits(weft_u32 key0, weft_u32 key1, weft_u32 index,
                                         weft_u32 step, weft_u32 layer)
{
    weft_u32 run = index / DROPOUT_RUN,
             counter = run / 8 * DROPOUT_RUN + index % DROPOUT_RUN;
    struct weft_random r = weft_philox(key0, key1, counter, step, layer, RANDOM_DROPOUT);
    return r.v[run % 4] << (run % 8 < 4 ? 16 : 0);
}

/* An element falls whose bits are below it. Rates are rounded to multiples of 2^-16. */
static inline weft_u32 weft_dropout_limit(float rate)
{
    return (weft_u32)(rate * 65536.0f + 0.5f) << 16;
}

/* What the others are multiplied by, 1 / (1 - rate). */
static inline float weft_dropout_scale(float rate)
{
    return 65536.0f / (float)(65536 - (weft_dropout_limit(rate) >> 16));
}

/* Uniform in [0, 1) with 24 bits. */
static inline float weft_uniform(weft_u32 bits)
{
    return (float)(bits >> 8) * (1.0f / 16777216.0f);
}

static inline weft_u32 weft_mix(weft_u32 x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return x;
}

/* The place of `index` in permutation `which` of 0..count-1; 0 <= index < count <= 2^30.
 */
static inline weft_u32 weft_shuffle(weft_u32 index, weft_u32 count, weft_u32 key0,
                                    weft_u32 key1, weft_u32 which)
{
    weft_u32 width = 1;
    while (((weft_u32)1 << (2 * width)) < count)
        width++;
    weft_u32 mask = ((weft_u32)1 << width) - 1;
    weft_u32 key = weft_mix(key0 ^ weft_mix(key1 ^ weft_mix(which ^ 0x9E3779B9u)));
    do {
        weft_u32 left = index >> width, right = index & mask;
        for (weft_u32 round = 0; round < 6; round++) {
            weft_u32 next = left ^ (weft_mix(right ^ (key + round * 0xBB67AE85u)) & mask);
            left = right;
            right = next;
        }
        index = left << width | right;
    } while (index >= count);
    return index;
}

#endif
