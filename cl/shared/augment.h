/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation of training images: what is drawn for an image, a function of seed, epoch
 * and image. Integers alone, so that it is the same on every backend. Read by C and
 * OpenCL C. */
#ifndef WEFT_SHARED_AUGMENT_H
#define WEFT_SHARED_AUGMENT_H

#include "shared/random.h"

enum { AUGMENT_NO_FLIP, AUGMENT_FLIP, AUGMENT_ALTERNATE_FLIP };

/* WHOLE_PIXELS: nothing of what follows `erase`. */
enum augment_kind {
    AUGMENT_NONE,
    AUGMENT_WHOLE_PIXELS,
    AUGMENT_RESAMPLED,
    AUGMENT_KINDS
};

enum { AUGMENT_NO_MIX, AUGMENT_MIXUP, AUGMENT_CUTMIX };

/* A mixed image has its own share in this many parts; quantiles of shares. */
enum { AUGMENT_SHARES = 4096, AUGMENT_QUANTILES = 33 };

/* Which augmentation; ints alone, for a kernel one list of numbers. Fractions are in
 * 65536ths. All zero: none. */
struct weft_augment {
    int kind; /* enum augment_kind */
    int flip;
    int shift;        /* at most, rows and columns */
    int zeros;        /* outside of the image are zeros; else it is reflected */
    int cutout;       /* rows and columns of the square */
    int erase;        /* chance of an erased rectangle */
    int crop;         /* least part of the area that remains; 0: all */
    int rotate;       /* at most, 65536 are a turn */
    int scale, shear; /* 16384ths */
    int translate;    /* part of the height, and of the width */
    int brightness, contrast, saturation; /* 256ths */
    int trivial;
    int mix;       /* with the next image */
    int unmixed;   /* chance of an image that stays as it is */
    int middle[4]; /* the mean byte of each channel */
    /* Quantiles of the distribution of shares at 0, 1/64, ... 1/2; it is symmetric. In
     * 65536ths. */
    int beta[AUGMENT_QUANTILES];
};

/* Third word of the counter: one for each kind of draws. Draws that are repeated add
 * multiples of AUGMENT_AGAIN. */
enum {
    AUGMENT_MOVE,      /* flip, rows, columns, erase or not */
    AUGMENT_ERASE,     /* area, aspect, row, column; or row and column of the square */
    AUGMENT_ALTERNATE, /* first flip: without the epoch */
    AUGMENT_CROP,      /* area, aspect, row, column */
    AUGMENT_SPIN,      /* angle, scale, shear */
    AUGMENT_TRANSLATE, /* rows, columns */
    AUGMENT_COLOR,     /* brightness, contrast, saturation */
    AUGMENT_TRIVIAL,   /* operation, magnitude, sign */
    AUGMENT_MIX,       /* mixed or not, share, row, column */
    AUGMENT_AGAIN = 16
};

/* For one image. The pixel at (y, x) of the result is that of the image at (y + dy, x' +
 * dx), x' = flip ? width - 1 - x : x, or exactly 0 after normalization within the
 * erased rows and columns. With AUGMENT_RESAMPLED it is the one at map of that place,
 * bilinear, rounded to a byte, with its colours changed. */
struct weft_augment_draw {
    int flip, dy, dx;
    int top, left, bottom, right; /* erased: up to bottom - 1 and right - 1 */
    /* In 16384ths, as rows y, x, 1 of the source, by columns y, x, 1 of the place */
    int map[2][3];
    int brightness, contrast, saturation; /* factors in 256ths */
    int mask, solarize; /* bits of a byte that remain; from here on it is inverted */
};

/* The mixture with the next image of the epoch's order, itself augmented: each pixel is
 * `weight` of the image and the rest of the other, within the rectangle it is the
 * other's. The image's label has `share`. Both are in AUGMENT_SHARES. */
struct weft_augment_mix {
    int share, weight;
    int top, left, bottom, right; /* up to bottom - 1 and right - 1 */
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

/* The sine in 16384ths of an angle of which 65536 are a turn; off by at most 3. */
static inline int weft_augment_sine(int angle)
{
    int a = ((angle + 32768) & 65535) - 32768;
    if (a > 16384)
        a = 32768 - a;
    if (a < -16384)
        a = -32768 - a;
    const int z = 2 * a, square = z * z >> 15; /* of a quarter turn, 32768ths */
    const int p = 2611 + (square * -148 >> 15);
    return z * (51472 + (square * (-21167 + (square * p >> 15)) >> 15)) >> 16;
}

/* 2^(x / 65536) in 65536ths, for x of up to 65536 / 4; off by at most 1e-4. */
static inline int weft_augment_exp2(int x)
{
    const int y = x * 22713 >> 15; /* by ln 2 */
    const int square = y * y >> 16;
    return 65536 + y + square / 2 + (square * y >> 16) / 6;
}

static inline int weft_augment_times(int a, int b)
{
    return a * b >> 14;
}

/* The parts of an affine map: angle, 65536 a turn; 16384ths; 16ths of pixels. */
struct weft_augment_affine {
    int angle, step, shear_y, shear_x, move_y, move_x;
    int crop_height, crop_width, crop_y, crop_x;
};

/* Rectangles of `crop` to 1 of the area and of aspect 3/4 to 4/3, cut at the sides
 * (Szegedy et al. 2014, arXiv:1409.4842). */
static inline void weft_augment_crop(struct weft_augment_affine *m, int least, int height,
                                     int width, struct weft_random r)
{
    const weft_u32 area = (weft_u32)(least + weft_augment_below(r.v[0], 65537 - least));
    const weft_u32 side = weft_augment_sqrt(area << 14);   /* 32768ths */
    const int aspect = weft_augment_within(r.v[1], 13600); /* log2(4/3) / 2 */
    const int rows = (int)(side * (weft_u32)weft_augment_exp2(-aspect) >> 17);
    const int columns = (int)(side * (weft_u32)weft_augment_exp2(aspect) >> 17);
    m->crop_height = rows < 16384 ? rows : 16384;
    m->crop_width = columns < 16384 ? columns : 16384;
    const int free_y = (16384 - m->crop_height) * height >> 10;
    const int free_x = (16384 - m->crop_width) * width >> 10;
    m->crop_y = weft_augment_below(r.v[2], free_y + 1) - free_y / 2;
    m->crop_x = weft_augment_below(r.v[3], free_x + 1) - free_x / 2;
}

/* One operation of random magnitude, 31 of them (Mueller and Hutter 2021,
 * arXiv:2103.10158), without sharpness, equalization and autocontrast. */
static inline void weft_augment_trivial(struct weft_augment_draw *d,
                                        struct weft_augment_affine *m, int height,
                                        int width, int colored, struct weft_random r)
{
    const int level = weft_augment_below(r.v[1], 31), sign = r.v[2] & 1 ? -1 : 1;
    const int shear = sign * level * 4915 / 30;       /* 0.3 */
    const int factor = 256 + sign * level * 230 / 30; /* 0.9 */
    switch (weft_augment_below(r.v[0], colored ? 11 : 10)) {
    case 0:
        break;
    case 1:
        m->shear_x += shear;
        break;
    case 2:
        m->shear_y += shear;
        break;
    case 3: /* 150 / 331 of the width, in 16ths of pixels */
        m->move_x += sign * level * width * 29 / 120;
        break;
    case 4:
        m->move_y += sign * level * height * 29 / 120;
        break;
    case 5:
        m->angle += sign * level * 5461 / 30; /* 30 degrees */
        break;
    case 6:
        d->brightness = factor;
        break;
    case 7:
        d->contrast = factor;
        break;
    case 8:
        d->mask = 256 - (1 << (level * 4 + 15) / 30);
        break;
    case 9:
        d->solarize = 256 - level * 256 / 30;
        break;
    default:
        d->saturation = factor;
    }
}

static inline void weft_augment_compose(struct weft_augment_draw *d,
                                        const struct weft_augment_affine *m, int height,
                                        int width)
{
    const int sine = weft_augment_sine(m->angle);
    const int cosine = weft_augment_sine(m->angle + 16384);
    const int yy = cosine + weft_augment_times(sine, m->shear_x);
    const int yx = sine + weft_augment_times(cosine, m->shear_y);
    const int xy = weft_augment_times(cosine, m->shear_x) - sine;
    const int xx = cosine - weft_augment_times(sine, m->shear_y);
    const int whole[2][2] = {
        {weft_augment_times(yy, m->step), weft_augment_times(yx, m->step)},
        {weft_augment_times(xy, m->step), weft_augment_times(xx, m->step)}};
    const int moved[2] = {m->move_y, m->move_x}, extent[2] = {height, width};
    for (int i = 0; i < 2; i++) {
        d->map[i][0] = weft_augment_times(whole[i][0], m->crop_height);
        d->map[i][1] = weft_augment_times(whole[i][1], m->crop_width);
        d->map[i][2] = (moved[i] + weft_augment_times(whole[i][0], m->crop_y) +
                        weft_augment_times(whole[i][1], m->crop_x)) *
                           2048 +
                       (extent[i] - 1) * 16384 + 64;
    }
}

/* Where the pixel at (y, x), flipped and moved, comes from, in 32768ths of pixels: for
 * `axis` 0 the row, 1 the column. */
static inline int weft_augment_source(const struct weft_augment_draw *d, int axis, int y,
                                      int x, int height, int width)
{
    return d->map[axis][0] * (2 * y - (height - 1)) +
           d->map[axis][1] * (2 * x - (width - 1)) + d->map[axis][2];
}

/* `value` by a factor in 256ths away from `base`, as a byte. */
static inline int weft_augment_blend(int value, int base, int factor)
{
    const int blend = base * (256 - factor) + value * factor + 128;
    return blend < 0 ? 0 : blend > 65535 ? 255 : blend >> 8;
}

static inline int weft_augment_grey(int red, int green, int blue)
{
    return (77 * red + 150 * green + 29 * blue + 128) >> 8;
}

/* Posterized, then solarized. */
static inline int weft_augment_bits(const struct weft_augment_draw *d, int value)
{
    const int bits = value & d->mask;
    return bits >= d->solarize ? 255 - bits : bits;
}

static inline void weft_augment_resample(const struct weft_augment *a,
                                         struct weft_augment_draw *d, int height,
                                         int width, int colored, weft_u32 image,
                                         weft_u32 epoch, weft_u32 key0, weft_u32 key1)
{
    struct weft_augment_affine m = {0, 16384, 0, 0, 0, 0, 16384, 16384, 0, 0};
    if (a->crop)
        weft_augment_crop(
            &m, a->crop, height, width,
            weft_philox(key0, key1, image, epoch, AUGMENT_CROP, RANDOM_AUGMENT));
    const struct weft_random spin =
        weft_philox(key0, key1, image, epoch, AUGMENT_SPIN, RANDOM_AUGMENT);
    m.angle = weft_augment_within(spin.v[0], a->rotate);
    m.step = (1 << 28) / (16384 + weft_augment_within(spin.v[1], a->scale));
    m.shear_x = weft_augment_within(spin.v[2], a->shear);
    const struct weft_random move =
        weft_philox(key0, key1, image, epoch, AUGMENT_TRANSLATE, RANDOM_AUGMENT);
    m.move_y = weft_augment_within(move.v[0], a->translate * height >> 12);
    m.move_x = weft_augment_within(move.v[1], a->translate * width >> 12);
    const struct weft_random color =
        weft_philox(key0, key1, image, epoch, AUGMENT_COLOR, RANDOM_AUGMENT);
    d->brightness = 256 + weft_augment_within(color.v[0], a->brightness);
    d->contrast = 256 + weft_augment_within(color.v[1], a->contrast);
    d->saturation = 256 + weft_augment_within(color.v[2], a->saturation);
    d->mask = 255;
    d->solarize = 256;
    if (a->trivial)
        weft_augment_trivial(
            d, &m, height, width, colored,
            weft_philox(key0, key1, image, epoch, AUGMENT_TRIVIAL, RANDOM_AUGMENT));
    weft_augment_compose(d, &m, height, width);
}

/* A share of the distribution whose quantiles are `beta`, linear between them. */
static inline int weft_augment_share(const int *beta, weft_u32 bits)
{
    const int cell = (int)(bits >> 26 & 31), within = (int)(bits >> 11 & 32767);
    const int value =
        beta[cell] + (((beta[cell + 1] - beta[cell]) * within + 16384) >> 15);
    const int share = (value + 8) >> 4; /* from 65536ths */
    return bits >> 31 ? AUGMENT_SHARES - share : share;
}

/* The part of `whole` that `area` is, in AUGMENT_SHARES, rounded down; whole <= 2^30. */
static inline int weft_augment_part(int area, int whole)
{
    int part = area / whole, rest = area % whole;
    for (int one = AUGMENT_SHARES; one > 1; one /= 2) {
        rest *= 2;
        part = 2 * part + (rest >= whole);
        rest -= rest >= whole ? whole : 0;
    }
    return part;
}

/* Mixup (Zhang et al. 2017, arXiv:1710.09412), or a rectangle of the image's aspect with
 * its centre anywhere, cut at the edges (CutMix: Yun et al. 2019, arXiv:1905.04899). */
static inline void weft_augment_mix(struct weft_augment_mix *m,
                                    const struct weft_augment *a, int height, int width,
                                    weft_u32 image, weft_u32 epoch, weft_u32 key0,
                                    weft_u32 key1)
{
    const struct weft_augment_mix none = {AUGMENT_SHARES, AUGMENT_SHARES, 0, 0, 0, 0};
    *m = none;
    const struct weft_random r =
        weft_philox(key0, key1, image, epoch, AUGMENT_MIX, RANDOM_AUGMENT);
    if (weft_augment_below(r.v[0], 65536) < a->unmixed)
        return;
    const int share = weft_augment_share(a->beta, r.v[1]);
    if (a->mix == AUGMENT_MIXUP) {
        m->share = m->weight = share;
        return;
    }
    /* 4096 times the root of the other's part */
    const int side = (int)weft_augment_sqrt((weft_u32)(AUGMENT_SHARES - share) << 12);
    const int rows = (side * height + 2048) >> 12, columns = (side * width + 2048) >> 12;
    const int top = weft_augment_below(r.v[2], height) - rows / 2;
    const int left = weft_augment_below(r.v[3], width) - columns / 2;
    m->top = top < 0 ? 0 : top;
    m->left = left < 0 ? 0 : left;
    m->bottom = top + rows < height ? top + rows : height;
    m->right = left + columns < width ? left + columns : width;
    m->share =
        AUGMENT_SHARES -
        weft_augment_part((m->bottom - m->top) * (m->right - m->left), height * width);
}

/* By a pointer, like the one above: what clang 14 makes of a returned struct is beyond
 * Oclgrind. */
static inline void weft_augment_draw(struct weft_augment_draw *d,
                                     const struct weft_augment *a, int height, int width,
                                     int channels, weft_u32 image, weft_u32 epoch,
                                     weft_u32 key0, weft_u32 key1)
{
    const struct weft_augment_draw none = {0, 0, 0, 0, 0, 0, 0, {{0, 0, 0}, {0, 0, 0}},
                                           0, 0, 0, 0, 0};
    *d = none;
    const struct weft_random move =
        weft_philox(key0, key1, image, epoch, AUGMENT_MOVE, RANDOM_AUGMENT);
    if (a->flip == AUGMENT_FLIP)
        d->flip = (int)(move.v[0] & 1);
    if (a->flip == AUGMENT_ALTERNATE_FLIP) {
        const struct weft_random first =
            weft_philox(key0, key1, image, 0, AUGMENT_ALTERNATE, RANDOM_AUGMENT);
        d->flip = (int)((first.v[0] ^ epoch) & 1);
    }
    d->dy = weft_augment_within(move.v[1], a->shift);
    d->dx = weft_augment_within(move.v[2], a->shift);
    if (a->cutout)
        weft_augment_cutout(
            d, a->cutout, height, width,
            weft_philox(key0, key1, image, epoch, AUGMENT_ERASE, RANDOM_AUGMENT));
    if (weft_augment_below(move.v[3], 65536) < a->erase)
        weft_augment_erase(d, height, width, image, epoch, key0, key1);
    if (a->kind == AUGMENT_RESAMPLED)
        weft_augment_resample(a, d, height, width, channels == 3, image, epoch, key0,
                              key1);
}

#endif
