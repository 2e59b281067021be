/* SPDX-License-Identifier: Apache-2.0 */
/* The images of an epoch in their order: a permutation of all of them, or with balanced
 * sampling as many draws, of every class equally often. Read by C and OpenCL C. */
#ifndef WEFT_SHARED_BALANCE_H
#define WEFT_SHARED_BALANCE_H

#include "shared/random.h"

#ifdef __OPENCL_VERSION__
typedef ulong weft_u64;
#define WEFT_TABLE __global const uint *
#else
typedef uint64_t weft_u64;
#define WEFT_TABLE const uint32_t *
#endif

/* The table of balanced sampling: the number of classes that have images; for each the
 * place in the table of its first image, and the end of the table; the images by
 * class. */
enum { BALANCE_CLASSES, BALANCE_FIRST };

struct weft_sample {
    weft_u32 image;
    weft_u32 cycle; /* how often all images, or those of its class, were drawn before */
};

static inline struct weft_sample weft_shuffled_sample(weft_u32 count, weft_u32 at,
                                                      weft_u32 epoch, weft_u32 key0,
                                                      weft_u32 key1)
{
    struct weft_sample s;
    s.image = weft_shuffle(at, count, key0, key1, epoch);
    s.cycle = epoch;
    return s;
}

/* Draws are numbered over all epochs of `count` of them. A round is one of each class, in
 * an order of its own, and takes the next image of the permutations of each class. */
static inline struct weft_sample weft_balanced_sample(WEFT_TABLE table, weft_u32 count,
                                                      weft_u32 at, weft_u32 epoch,
                                                      weft_u32 key0, weft_u32 key1)
{
    const weft_u32 classes = table[BALANCE_CLASSES];
    const weft_u64 draw = (weft_u64)epoch * count + at, round = draw / classes;
    const weft_u32 c = weft_shuffle((weft_u32)(draw - round * classes), classes, key0,
                                    ~key1, (weft_u32)round);
    const weft_u32 first = table[BALANCE_FIRST + c];
    const weft_u32 images = table[BALANCE_FIRST + c + 1] - first;
    struct weft_sample s;
    s.cycle = (weft_u32)(round / images);
    s.image = table[first + weft_shuffle((weft_u32)(round - (round / images) * images),
                                         images, key0 ^ c, key1, s.cycle)];
    return s;
}

#endif
