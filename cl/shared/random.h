/* SPDX-License-Identifier: Apache-2.0 */
/* Counter-based random numbers, a function of (key, counter): the same on every backend.
 * Read by C and OpenCL C.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
 * and a permutation of 0..count-1: a Feistel network with cycle walking (Black and
 * Rogaway, CT-RSA 2002). */
#ifndef WEFT_RANDOM_H
#define WEFT_RANDOM_H

#ifdef __OPENCL_VERSION__
typedef uint weft_u32;
#define WEFT_MUL_HIGH(a, b) mul_hi((uint)(a), (uint)(b))
#else
#include <stdint.h>
typedef uint32_t weft_u32;
#define WEFT_MUL_HIGH(a, b) ((uint32_t)((uint64_t)(a) * (b) >> 32))
#endif

/* Streams: last word of the counter, one for each use. */
enum {
    RANDOM_DROPOUT = 1,
    RANDOM_WEIGHTS = 2,
    RANDOM_SHUFFLE = 3,
    RANDOM_SPLIT = 4,
    RANDOM_VERIFY = 5,
    RANDOM_AUGMENT = 6
};

/* Dropout, see weft_dropout_bits: DROPOUT_RUN consecutive elements use the same half of
 * the same word of consecutive counters. */
enum {
    DROPOUT_RUN = 16,
    DROPOUT_RUNS = 8,      /* runs of elements for each run of counters */
    DROPOUT_LEVELS = 65536 /* equally likely numbers of an element */
};

static inline weft_u32 weft_hash_u32(weft_u32 x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return x;
}

/* Position of `index` in permutation `which` of 0..count-1; 0 <= index < count <= 2^30.
 */
static inline weft_u32 weft_shuffle(weft_u32 index, weft_u32 count, weft_u32 key0,
                                    weft_u32 key1, weft_u32 which)
{
    weft_u32 width = 1;
    while (((weft_u32)1 << (2 * width)) < count)
        width++;
    weft_u32 mask = ((weft_u32)1 << width) - 1;
    weft_u32 key =
        weft_hash_u32(key0 ^ weft_hash_u32(key1 ^ weft_hash_u32(which ^ 0x9E3779B9u)));
    do {
        weft_u32 left = index >> width, right = index & mask;
        for (weft_u32 round = 0; round < 6; round++) {
            weft_u32 next =
                left ^ (weft_hash_u32(right ^ (key + round * 0xBB67AE85u)) & mask);
            left = right;
            right = next;
        }
        index = left << width | right;
    } while (index >= count);
    return index;
}

struct weft_random {
    weft_u32 v[4];
};

/* Kernels that draw a number for each element use a vector version (dropout.cl). */
static inline struct weft_random weft_philox(weft_u32 key0, weft_u32 key1, weft_u32 c0,
                                             weft_u32 c1, weft_u32 c2, weft_u32 c3)
{
    struct weft_random r;
    for (int round = 0; round < 10; round++) {
        const weft_u32 first = WEFT_MUL_HIGH(0xD2511F53u, c0), low = 0xD2511F53u * c0;
        const weft_u32 second = WEFT_MUL_HIGH(0xCD9E8D57u, c2);
        c0 = second ^ c1 ^ key0;
        c1 = 0xCD9E8D57u * c2;
        c2 = first ^ c3 ^ key1;
        c3 = low;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    r.v[0] = c0;
    r.v[1] = c1;
    r.v[2] = c2;
    r.v[3] = c3;
    return r;
}

/* C only. */
#ifndef __OPENCL_VERSION__
/* Uniform in [0, 1) with 24 bits. */
static inline float weft_uniform(uint32_t bits)
{
    return (float)(bits >> 8) * (1.0f / 16777216.0f);
}

/* The random number of element `index` of dropout layer `layer`, one of DROPOUT_LEVELS:
 * numbers below DROPOUT_LEVELS times the rate, rounded, drop the element. A run of
 * counters serves DROPOUT_RUNS runs of elements, four with the lower halves of its words
 * and four with the upper ones, so that a vector of elements needs no shuffling. */
static inline uint32_t weft_dropout_bits(uint32_t key0, uint32_t key1, uint32_t index,
                                         uint32_t step, uint32_t layer)
{
    uint32_t run = index / DROPOUT_RUN,
             counter = run / 8 * DROPOUT_RUN + index % DROPOUT_RUN;
    struct weft_random r = weft_philox(key0, key1, counter, step, layer, RANDOM_DROPOUT);
    return run % 8 < 4 ? r.v[run % 4] & 0xFFFF : r.v[run % 4] >> 16;
}
#endif

#endif
