/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation: what is drawn for an image. */
#include "unit/augment_fixture.h"

#include <math.h>

enum { IMAGES = 20000 };

/* Six deviations of the number of images to which something of this probability happens,
 * and of the mean of numbers with this variance. */
static double count_bound(double probability)
{
    return 6 * sqrt(IMAGES * probability * (1 - probability));
}

static double mean_bound(double variance)
{
    return 6 * sqrt(variance / IMAGES);
}

/* The distance of the nearest uniform draw to an end; more for one key of 3,000. */
static double extreme_bound(double width)
{
    return 8 * width / IMAGES;
}

/* A sine is off by 3 of 16384, and is rounded once. */
static const double SINE = 3 / 16384.0, MAP = 4 / 16384.0, EXP2 = 1e-4;

/* Half of the images are flipped; alternating, each in every second epoch. */
static void check_flips(void)
{
    const struct weft_augment random = resolve("flip", 28),
                              alternating = resolve("alternating-flip", 28);
    int flipped = 0, first = 0, same = 0, both = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        flipped += draw_of(&random, 28, i, 3).flip;
        both += draw_of(&random, 28, i, 3).flip && draw_of(&random, 28, i, 4).flip;
        first += draw_of(&alternating, 28, i, 0).flip;
        for (unsigned epoch = 0; epoch < 4; epoch++)
            same += draw_of(&alternating, 28, i, epoch).flip ==
                    draw_of(&alternating, 28, i, epoch + 1).flip;
    }
    CHECK_NEAR(flipped, IMAGES / 2.0, count_bound(0.5));
    CHECK_NEAR(both, IMAGES / 4.0, count_bound(0.25));
    CHECK_NEAR(first, IMAGES / 2.0, count_bound(0.5));
    CHECK(same == 0);
}

/* All 5 x 5 shifts, as often; the square's centre everywhere. */
static void check_places(void)
{
    const struct weft_augment a = resolve("shift=2 cutout=8", 28);
    int shifts[25] = {0}, corners = 0;
    double area = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        REQUIRE(d.dy >= -2 && d.dy <= 2 && d.dx >= -2 && d.dx <= 2);
        CHECK(d.top >= 0 && d.left >= 0 && d.bottom <= 28 && d.right <= 28);
        shifts[5 * (d.dy + 2) + d.dx + 2]++;
        area += (d.bottom - d.top) * (d.right - d.left);
        corners += d.bottom - d.top == 4 && d.right - d.left == 4 && !d.top && !d.left;
    }
    for (int i = 0; i < 25; i++)
        CHECK_NEAR(shifts[i], IMAGES / 25.0, count_bound(1 / 25.0));
    /* 8 rows, fewer for 4 centres at the top (4 to 7) and 3 at the bottom (7 to 5) */
    double rows = (8.0 * 28 - (4 + 3 + 2 + 1) - (1 + 2 + 3)) / 28;
    double squares = (64.0 * 21 + 16 + 25 + 36 + 49 + 49 + 36 + 25) / 28;
    CHECK_NEAR(area / IMAGES, rows * rows, mean_bound(squares * squares - pow(rows, 4)));
    CHECK_NEAR(corners, IMAGES / 784.0, count_bound(1 / 784.0));
}

/* Mean and variance of the erased area, where each area of 1/50 to 2/5 and each aspect of
 * 0.3 to 10/3 that fit are as likely. */
static double mean_erased(double *variance)
{
    double sum = 0, squares = 0, fit = 0;
    for (int area = 784 / 50; area <= 784 * 2 / 5; area++)
        for (int aspect = 77; aspect < 77 + 777; aspect++) {
            int rows = (int)lround(sqrt(area * aspect / 256.0));
            int columns = (int)lround((double)area / rows);
            if (rows > 0 && rows < 28 && columns > 0 && columns < 28) {
                double erased = rows * columns;
                sum += erased;
                squares += erased * erased;
                fit++;
            }
        }
    *variance = squares / fit - sum * sum / (fit * fit);
    return sum / fit;
}

static void check_erased(void)
{
    const struct weft_augment a = resolve("erase=0.25", 28);
    int erased = 0;
    double area = 0, variance, mean = mean_erased(&variance);
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        int rows = d.bottom - d.top, columns = d.right - d.left;
        if (!rows && !columns)
            continue;
        erased++;
        area += rows * columns;
        CHECK(d.top >= 0 && d.left >= 0 && d.bottom <= 28 && d.right <= 28);
        CHECK(rows * columns >= 784 / 50 / 2 && rows * columns <= 784 * 2 / 5 + 28);
        CHECK(rows < 28 && columns < 28);
    }
    CHECK_NEAR(erased, IMAGES / 4.0, count_bound(0.25));
    CHECK_NEAR(area / erased, mean, mean_bound(variance * IMAGES / erased));
}

/* Another image, epoch or seed: other draws. */
static void check_keys(void)
{
    const struct weft_augment a = resolve("shift=100", 300);
    struct weft_augment_draw d, other;
    weft_augment_draw(&d, &a, 300, 300, 1, 5, 6, 7, 8);
    const unsigned others[][4] = {{4, 6, 7, 8}, {5, 7, 7, 8}, {5, 6, 8, 8}, {5, 6, 7, 9}};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        const unsigned *k = others[i];
        weft_augment_draw(&other, &a, 300, 300, 1, k[0], k[1], k[2], k[3]);
        CHECK(other.dy != d.dy || other.dx != d.dx);
    }
    CHECK(weft_augment_reflect(-1, 4) == 1 && weft_augment_reflect(4, 4) == 2 &&
          weft_augment_reflect(-7, 4) == 1 && weft_augment_reflect(9, 4) == 3 &&
          weft_augment_reflect(3, 1) == 0);
    CHECK(weft_augment_sqrt(24) == 4 && weft_augment_sqrt(25) == 5 &&
          weft_augment_sqrt(0xFFFFFFFF) == 65535);
}

static void check_functions(void)
{
    double worst = 0, power = 0;
    for (int i = -70000; i < 70000; i++)
        worst = fmax(worst, fabs(weft_augment_sine(i) / 16384.0 -
                                 sin(i * 3.14159265358979 / 32768)));
    for (int i = -16384; i <= 16384; i++)
        power = fmax(power, fabs(weft_augment_exp2(i) / 65536.0 - exp2(i / 65536.0)));
    CHECK_NEAR(worst, 0, SINE);
    CHECK_NEAR(power, 0, EXP2);
    CHECK(weft_augment_blend(200, 0, 256) == 200 &&
          weft_augment_blend(200, 0, 512) == 255 &&
          weft_augment_blend(10, 100, 512) == 0 && weft_augment_blend(10, 20, 128) == 15);
}

/* Where (y, x) comes from, in pixels. */
static double source_of(const struct weft_augment_draw *d, int axis, int y, int x)
{
    return (weft_augment_source(d, axis, y, x, 28, 28) - 64) / 32768.0;
}

/* Rotations by angles uniform in -20..20 degrees, about the middle of the image. */
static void check_rotation(void)
{
    const struct weft_augment a = resolve("rotate=20", 28);
    const double turned = MAP * sqrt(2), off = 27 * turned, degrees = 180 / acos(-1);
    double least = 1, most = -1, sum = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        double y0 = source_of(&d, 0, 0, 0), x0 = source_of(&d, 1, 0, 0);
        double y1 = source_of(&d, 0, 0, 27), x1 = source_of(&d, 1, 0, 27);
        double angle = atan2(y1 - y0, x1 - x0) * degrees;
        CHECK_NEAR(hypot(y1 - y0, x1 - x0), 27, off);
        CHECK_NEAR(hypot(y0 - 13.5, x0 - 13.5), hypot(13.5, 13.5), off);
        CHECK_NEAR(source_of(&d, 0, 27, 0) - y0, x1 - x0, off);
        CHECK_NEAR(source_of(&d, 1, 27, 0) - x0, y0 - y1, off);
        least = fmin(least, angle);
        most = fmax(most, angle);
        sum += angle * angle;
    }
    CHECK_NEAR(least, -20, extreme_bound(40) + turned * degrees);
    CHECK_NEAR(most, 20, extreme_bound(40) + turned * degrees);
    CHECK_NEAR(sum / IMAGES, 400 / 3.0, mean_bound(pow(20, 4) * (1 / 5.0 - 1 / 9.0)));
}

/* The mean area of crops that are cut at the sides of the image, by the midpoint rule. */
static double mean_crop(void)
{
    enum { POINTS = 100 };
    double sum = 0;
    for (int i = 0; i < POINTS; i++)
        for (int k = 0; k < POINTS; k++) {
            double side = sqrt(0.25 + 0.75 * (i + 0.5) / POINTS);
            double root = pow(4 / 3.0, (k + 0.5) / POINTS - 0.5);
            sum += fmin(1, side * root) * fmin(1, side / root);
        }
    return sum / (POINTS * POINTS);
}

/* Crops inside of the image: part of the area uniform where no side is cut. */
static void check_crops(void)
{
    const struct weft_augment a = resolve("crop=0.25", 28);
    double sum = 0, least = 1, aspect = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        double rows = d.map[0][0] / 16384.0, columns = d.map[1][1] / 16384.0;
        CHECK(!d.map[0][1] && !d.map[1][0]);
        CHECK(source_of(&d, 0, 0, 0) > -0.35 && source_of(&d, 0, 27, 0) < 27.35);
        CHECK(source_of(&d, 1, 0, 0) > -0.35 && source_of(&d, 1, 0, 27) < 27.35);
        sum += rows * columns;
        least = fmin(least, rows * columns);
        aspect = fmax(aspect, columns / rows);
    }
    /* Two sides of the smallest, and their ratio where the area allows it, two of three
     * times; the smaller one is 0.43. */
    CHECK_NEAR(least, 0.25, extreme_bound(0.75) + 2 * (EXP2 + MAP) * 0.5);
    CHECK_NEAR(aspect, 4 / 3.0,
               4 / 3.0 * (extreme_bound(1.5 * 2 * log(4 / 3.0)) + 2 * EXP2 + MAP / 0.43));
    CHECK_NEAR(sum / IMAGES, mean_crop(),
               mean_bound(0.75 * 0.75 / 12) + 2 * (EXP2 + MAP));
}

/* Each operation to its largest magnitude, and no further. */
static void check_trivial(void)
{
    const struct weft_augment a = resolve("trivial-augment", 28);
    double moved[2] = {0}, sheared[2] = {0}, angle = 0;
    int brightness = 0, contrast = 0, mask = 255, solarize = 256, same = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, 28, i, 1);
        bool rotated = d.map[0][1] && d.map[0][1] == -d.map[1][0];
        for (int axis = 0; axis < 2; axis++) {
            double move =
                (source_of(&d, axis, 0, 0) + source_of(&d, axis, 27, 27) - 27) / 2;
            moved[axis] = fmax(moved[axis], fabs(move));
            if (!rotated)
                sheared[axis] = fmax(sheared[axis], abs(d.map[axis][!axis]) / 16384.0);
        }
        if (rotated)
            angle = fmax(angle, fabs(atan2(d.map[0][1], d.map[0][0])));
        brightness = fmax(brightness, abs(d.brightness - 256));
        contrast = fmax(contrast, abs(d.contrast - 256));
        mask = fmin(mask, d.mask);
        solarize = fmin(solarize, d.solarize);
        CHECK(d.saturation == 256);
        same += !d.map[0][1] && !d.map[1][0] && d.brightness == 256 &&
                d.contrast == 256 && d.mask == 255 && d.solarize == 256;
    }
    for (int axis = 0; axis < 2; axis++) {
        CHECK_NEAR(moved[axis], 28 * 150 / 331.0, 1 / 16.0);
        CHECK_NEAR(sheared[axis], 0.3, MAP);
    }
    CHECK_NEAR(angle, acos(-1) / 6, MAP * sqrt(2) + 2 * acos(-1) / 65536);
    CHECK(brightness == 230 && contrast == 230 && mask == 240 && solarize == 0);
    /* none, two translations, no magnitude of 6 others and small ones of the mask */
    const double still = (3 + 6 / 31.0 + 4 / 31.0) / 10;
    CHECK_NEAR(same, IMAGES * still, count_bound(still));
}

/* The sums of the largest images, moved as far as they may be, fit into an int. */
static void check_extremes(void)
{
    const struct weft_augment a =
        resolve("shift=2048 crop=0.001 rotate=180 scale=0.5 shear=1 translate=1 "
                "trivial-augment",
                AUGMENT_MAX_EXTENT);
    int last = AUGMENT_MAX_EXTENT - 1;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_draw d = draw_of(&a, AUGMENT_MAX_EXTENT, i, 1);
        for (int corner = 0; corner < 4; corner++) {
            int y = d.dy + (corner & 1 ? last : 0), x = d.dx + (corner & 2 ? last : 0);
            for (int axis = 0; axis < 2; axis++) {
                const int *m = d.map[axis];
                CHECK(weft_augment_source(&d, axis, y, x, last + 1, last + 1) ==
                      (int64_t)m[0] * (2 * y - last) + (int64_t)m[1] * (2 * x - last) +
                          m[2]);
            }
        }
    }
}

static struct weft_augment_mix mix_of(const struct weft_augment *a, unsigned image)
{
    struct weft_augment_mix m;
    weft_augment_mix(&m, a, 28, 28, image, 1, 11, 12);
    return m;
}

/* Shares of Beta(a, a): mean 1/2, variance 1 / (8 a + 4), the same below and above. */
static void check_shares(void)
{
    static const struct {
        const char *text;
        double a;
    } cases[] = {{"mixup=0.2", 0.2}, {"mixup=0.4", 0.4}, {"mixup=1", 1}, {"mixup=4", 4}};
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        const struct weft_augment a = resolve(cases[k].text, 28);
        double sum = 0, squares = 0;
        for (unsigned i = 0; i < IMAGES; i++) {
            const struct weft_augment_mix m = mix_of(&a, i);
            double share = m.share / (double)AUGMENT_SHARES - 0.5;
            CHECK(m.weight == m.share && !m.bottom && share >= -0.5 && share <= 0.5);
            sum += share;
            squares += share * share;
        }
        double variance = 1 / (8 * cases[k].a + 4);
        double kurtosis = 3 - 6 / (2 * cases[k].a + 3);
        CHECK_NEAR(sum / IMAGES, 0, mean_bound(variance));
        CHECK_NEAR(squares / IMAGES / variance, 1, mean_bound(kurtosis - 1));
    }
    for (int i = 0; i < AUGMENT_QUANTILES; i++) /* uniform */
        CHECK_NEAR(resolve("mixup=1", 28).beta[i], i * 1024, 1);
    CHECK(weft_augment_part(0, 7) == 0 && weft_augment_part(7, 7) == AUGMENT_SHARES &&
          weft_augment_part(1 << 21, 1 << 22) == AUGMENT_SHARES / 2 &&
          weft_augment_part(2, 3) == AUGMENT_SHARES * 2 / 3);
}

/* The label's share is the part of the pixels that remains; a part is unmixed. */
static void check_cutmix(void)
{
    const struct weft_augment a = resolve("cutmix=1 unmixed=0.25", 28);
    int unmixed = 0;
    double area = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct weft_augment_mix m = mix_of(&a, i);
        int inside = (m.bottom - m.top) * (m.right - m.left);
        REQUIRE(m.top >= 0 && m.left >= 0 && m.bottom <= 28 && m.right <= 28);
        CHECK(m.weight == AUGMENT_SHARES &&
              m.share == AUGMENT_SHARES - AUGMENT_SHARES * inside / 784);
        unmixed += m.share == AUGMENT_SHARES;
        area += inside;
    }
    CHECK_NEAR(unmixed, IMAGES / 4.0, count_bound(0.25));
    /* of sides sqrt(1 - L), E = 1/2 without cuts at the edges: (E s - s^2/4)^2 of both;
     * of parts with this mean none have a larger variance */
    const double mean = 0.75 * (1 / 2.0 - 2 / 4.0 * 0.4 + 1 / 16.0 / 3);
    CHECK_NEAR(area / IMAGES / 784, mean, mean_bound(mean * (1 - mean)));
}

/* Without options nothing moves, and every byte stays. */
static void check_identity(void)
{
    struct weft_augment a = {.kind = AUGMENT_RESAMPLED, .middle = {100}};
    const struct weft_augment_draw d = draw_of(&a, 28, 7, 1);
    for (int y = -3; y < 30; y++)
        for (int x = -3; x < 30; x++)
            CHECK(source_of(&d, 0, y, x) == y && source_of(&d, 1, y, x) == x);
    for (int v = 0; v < 256; v++)
        CHECK(weft_augment_blend(weft_augment_blend(v, 0, d.brightness), 100,
                                 d.contrast) == v &&
              weft_augment_bits(&d, v) == v);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    check_flips();
    check_places();
    check_erased();
    check_keys();
    check_functions();
    check_rotation();
    check_crops();
    check_trivial();
    check_extremes();
    check_shares();
    check_cutmix();
    check_identity();
    return close_device();
}
