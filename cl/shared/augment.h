/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation of training images: what is drawn for an image, a function of seed, epoch
 * and image. Integers alone, so that it is the same on every backend. Read by C and
 * OpenCL C. */
#ifndef WEFT_SHARED_AUGMENT_H
#define WEFT_SHARED_AUGMENT_H

#include "shared/random.h"

enum { AUGMENT_NO_FLIP, AUGMENT_FLIP, AUGMENT_ALTERNATE_FLIP };

enum augment_kind { AUGMENT_NONE, AUGMENT_WHOLE_PIXELS, AUGMENT_KINDS };

/* Which augmentation; ints alone, for a kernel one list of numbers. Fractions are in
 * 65536ths. All zero: none. */
struct weft_augment {
    int kind; /* enum augment_kind */
    int flip;
    int shift;  /* at most, rows and columns */
    int zeros;  /* outside of the image are zeros; else it is reflected */
    int cutout; /* rows and columns of the square */
    int erase;  /* chance of an erased rectangle */
};

/* Third word of the counter: one for each kind of draws. Draws that are repeated add
 * multiples of AUGMENT_AGAIN. */
enum {
    AUGMENT_MOVE,      /* flip, rows, columns, erase or not */
    AUGMENT_ERASE,     /* area, aspect, row, column; or row and column of the square */
    AUGMENT_ALTERNATE, /* first flip: without the epoch */
    AUGMENT_AGAIN = 16
};

/* For one image. The pixel at (y, x) of the result is that of the image at (y + dy, x' +
 * dx), x' = flip ? width - 1 - x : x, or exactly 0 after normalization within the
 * erased rows and columns. */
struct weft_augment_draw {
    int flip, dy, dx;
    int top, left, bottom, right; /* erased: up to bottom - 1 and right - 1 */
};

/* The largest images: their areas fit into the arithmetic here. */
enum { AUGMENT_MAX_EXTENT = 2048 };

/* 0 to count - 1. */
static inline int weft_augment_below(weft_u32 bits, int count)
{
    return (int)WEFT_MUL_HIGH(bits, (weft_u32)count);
}

/* -most to most. */
static inline int weft_augment_within(weft_u32 bits, int most)
{
    return weft_augment_below(bits, 2 * most + 1) - most;
}

/* Rounded down. */
static inline weft_u32 weft_augment_sqrt(weft_u32 square)
{
    weft_u32 root = 0;
    for (weft_u32 bit = 1u << 15; bit; bit >>= 1)
        if ((root | bit) * (root | bit) <= square)
            root |= bit;
    return root;
}

/* The index in 0..count-1 of a place of an image continued by reflection, without
 * repeating its edge. */
static inline int weft_augment_reflect(int at, int count)
{
    if (at >= 0 && at < count)
        return at;
    if (count == 1)
        return 0;
    const int period = 2 * count - 2;
    at %= period; /* no absolute value: Oclgrind 21.10 lacks clang's function for it */
    at = at < 0 ? at + period : at;
    return at < count ? at : period - at;
}

/* A rectangle of 0.02 to 0.4 of the image, of aspect 0.3 to 1 / 0.3 (Zhong et al. 2017,
 * arXiv:1708.04896); after ten that do not fit none. */
static inline void weft_augment_erase(struct weft_augment_draw *d, int height, int width,
                                      weft_u32 image, weft_u32 epoch, weft_u32 key0,
                                      weft_u32 key1)
{
    const int pixels = height * width, least = pixels / 50, most = pixels * 2 / 5;
    for (int k = 0; k < 10; k++) {
        const struct weft_random r =
            weft_philox(key0, key1, image, epoch,
                        (weft_u32)(AUGMENT_ERASE + k * AUGMENT_AGAIN), RANDOM_AUGMENT);
        const int area = least + weft_augment_below(r.v[0], most - least + 1);
        const int aspect = 77 + weft_augment_below(r.v[1], 777); /* 256ths */
        const int rows =
            (int)(weft_augment_sqrt((weft_u32)area * (weft_u32)aspect) + 8) / 16;
        const int columns = rows ? (area + rows / 2) / rows : 0;
        if (!rows || !columns || rows >= height || columns >= width)
            continue;
        d->top = weft_augment_below(r.v[2], height - rows + 1);
        d->left = weft_augment_below(r.v[3], width - columns + 1);
        d->bottom = d->top + rows;
        d->right = d->left + columns;
        return;
    }
}

/* A square with its centre anywhere in the image, cut at the edges (DeVries and Taylor
 * 2017, arXiv:1708.04552). */
static inline void weft_augment_cutout(struct weft_augment_draw *d, int side, int height,
                                       int width, struct weft_random r)
{
    const int top = weft_augment_below(r.v[0], height) - side / 2;
    const int left = weft_augment_below(r.v[1], width) - side / 2;
    d->top = top < 0 ? 0 : top;
    d->left = left < 0 ? 0 : left;
    d->bottom = top + side < height ? top + side : height;
    d->right = left + side < width ? left + side : width;
}

static inline struct weft_augment_draw weft_augment_draw(const struct weft_augment *a,
                                                         int height, int width,
                                                         weft_u32 image, weft_u32 epoch,
                                                         weft_u32 key0, weft_u32 key1)
{
    struct weft_augment_draw d = {0, 0, 0, 0, 0, 0, 0};
    const struct weft_random move =
        weft_philox(key0, key1, image, epoch, AUGMENT_MOVE, RANDOM_AUGMENT);
    if (a->flip == AUGMENT_FLIP)
        d.flip = (int)(move.v[0] & 1);
    if (a->flip == AUGMENT_ALTERNATE_FLIP) {
        const struct weft_random first =
            weft_philox(key0, key1, image, 0, AUGMENT_ALTERNATE, RANDOM_AUGMENT);
        d.flip = (int)((first.v[0] ^ epoch) & 1);
    }
    d.dy = weft_augment_within(move.v[1], a->shift);
    d.dx = weft_augment_within(move.v[2], a->shift);
    if (a->cutout)
        weft_augment_cutout(
            &d, a->cutout, height, width,
            weft_philox(key0, key1, image, epoch, AUGMENT_ERASE, RANDOM_AUGMENT));
    if (weft_augment_below(move.v[3], 65536) < a->erase)
        weft_augment_erase(&d, height, width, image, epoch, key0, key1);
    return d;
}

#endif
