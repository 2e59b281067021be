/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing of images to a network's input, and its text in model files. */
#include <weft/image.h>

#include "unit/test.h"
#include "base/context.h"
#include "image/preprocess.h"

static struct weft_context context;

enum { SIDE = 100 };

/* An image of `background` with a `value` box; rows and columns inclusive. */
static struct weft_image boxed(uint8_t *pixels, int background, int value, int top,
                               int left, int bottom, int right)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            pixels[y * SIDE + x] =
                (uint8_t)(y >= top && y <= bottom && x >= left && x <= right
                              ? value
                              : background);
    return (struct weft_image){SIDE, SIDE, 1, pixels};
}

/* Fits to 28 x 28 and checks where the object is: `rows` x `columns` of `object` in the
 * middle of `background`. */
static struct weft_preprocess_info check_fit(const struct weft_image *image,
                                             enum weft_invert invert, int rows,
                                             int columns, int object, int background)
{
    uint8_t out[28 * 28];
    struct weft_preprocess_info fit = {0};
    int top = (28 - rows) / 2, left = (28 - columns) / 2;
    CHECK_OK(weft_image_preprocess(&context, image,
                                   weft_preprocess_params(.height = 28, .width = 28,
                                                          .channels = 1, .trim = true,
                                                          .invert = invert),
                                   out, &fit));
    for (int y = 0; y < 28; y++)
        for (int x = 0; x < 28; x++) {
            bool inside = y >= top && y < top + rows && x >= left && x < left + columns;
            if (out[y * 28 + x] != (inside ? object : background))
                TEST_FAIL("row %d, column %d is %d, should be %d", y, x, out[y * 28 + x],
                          inside ? object : background);
            test_checks++;
        }
    return fit;
}

static void test_fit(void)
{
    static uint8_t pixels[SIDE * SIDE], other[50 * 50];
    struct weft_image p = boxed(pixels, 255, 0, 10, 30, 93, 50); /* 84 x 21 */
    struct weft_preprocess_info fit = check_fit(&p, WEFT_INVERT_AUTO, 28, 7, 255, 0);
    CHECK(fit.resized && fit.cropped && fit.inverted && !fit.uneven_background);
    fit = check_fit(&p, WEFT_INVERT_NO, 28, 7, 0, 255);
    CHECK(!fit.inverted && fit.cropped);

    /* A background that is nearly white ends at 0; the object keeps the full range. */
    p = boxed(pixels, 250, 50, 40, 8, 60, 91);
    fit = check_fit(&p, WEFT_INVERT_AUTO, 7, 28, 204, 0); /* 255 - 50 * 255 / 250 */
    p = boxed(pixels, 0, 180, 10, 30, 93, 50);
    fit = check_fit(&p, WEFT_INVERT_AUTO, 28, 7, 180, 0);
    CHECK(!fit.inverted);
    fit = check_fit(&p, WEFT_INVERT_YES, 28, 7, 75, 255);
    CHECK(fit.inverted);

    /* Light that falls off evenly, from 240 on the left to 141 on the right. */
    p = boxed(pixels, 0, 1, 10, 30, 93, 50);
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (uint8_t)(pixels[i] ? 0 : 240 - i % SIDE);
    fit = check_fit(&p, WEFT_INVERT_AUTO, 28, 7, 255, 0);
    CHECK(fit.cropped && fit.inverted && !fit.uneven_background);

    /* Noise within the tolerance does not hold up the trimming; specks do not either. */
    p = boxed(pixels, 255, 0, 10, 30, 93, 50);
    for (int i = 0; i < SIDE * SIDE; i += 3)
        if (pixels[i] == 255)
            pixels[i] = 250;
    weft_image_preprocess(&context, &p,
                          weft_preprocess_params(.height = 28, .width = 28, .channels = 1,
                                                 .trim = true,
                                                 .invert = WEFT_INVERT_AUTO),
                          other, &fit);
    CHECK(fit.cropped && other[14 * 28 + 14] == 255 && other[14 * 28 + 4] == 0);

    /* Nothing to see: the whole image. */
    p = boxed(pixels, 77, 77, 0, 0, 0, 0);
    fit = check_fit(&p, WEFT_INVERT_AUTO, 28, 28, 0, 0);
    CHECK(!fit.cropped && !fit.uneven_background);

    /* A border of stripes is no background. */
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (uint8_t)(i % SIDE / 10 % 2 ? 220 : 20);
    weft_image_preprocess(
        &context, &p,
        weft_preprocess_params(.height = 28, .width = 28, .channels = 1, .trim = true),
        other, &fit);
    CHECK(fit.uneven_background && !fit.cropped);

    /* Area averaging: black and white lines become their mean. */
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (uint8_t)(i / SIDE % 2 ? 255 : 0);
    weft_image_preprocess(&context, &p,
                          weft_preprocess_params(.height = 50, .width = 50, .channels = 1,
                                                 .invert = WEFT_INVERT_NO),
                          other, &fit);
    CHECK(other[0] == 128 && other[2499] == 128);
}

/* Fits to height x width with the given params, and compares. */
static void check_fitted(const struct weft_image *image,
                         const struct weft_preprocess_params *params, const uint8_t *want,
                         bool cropped)
{
    uint8_t out[64] = {0};
    struct weft_preprocess_info info;
    CHECK_OK(weft_image_preprocess(&context, image, params, out, &info));
    CHECK_INT(info.cropped, cropped);
    CHECK(info.resized && !info.uneven_background);
    for (int i = 0; i < params->height * params->width * params->channels; i++)
        CHECK_INT(out[i], want[i]);
}

/* By default nothing but the size changes: each pixel as a block, averaged back, is the
 * same byte, whatever the border is. */
static void test_fit_blocks(void)
{
    enum { MOST = 4 };
    static uint8_t pixels[28 * 28], blocks[28 * 28 * MOST * MOST], out[28 * 28];
    for (int border = 0; border < 256; border += 51)
        for (int k = 2; k <= MOST; k++) {
            struct weft_preprocess_info info;
            for (int i = 0; i < 28 * 28; i++)
                pixels[i] =
                    (uint8_t)(i < 100 || i > 600 || i % 28 < 5 ? border : i * 7919 >> 3);
            for (int y = 0; y < 28 * k; y++)
                for (int x = 0; x < 28 * k; x++)
                    blocks[y * 28 * k + x] = pixels[y / k * 28 + x / k];
            struct weft_image image = {28 * k, 28 * k, 1, blocks};
            CHECK_OK(weft_image_preprocess(
                &context, &image,
                weft_preprocess_params(.height = 28, .width = 28, .channels = 1), out,
                &info));
            CHECK(info.resized && !info.cropped && !info.inverted);
            CHECK(!memcmp(out, pixels, sizeof(out)));
        }
}

static void test_fit_kinds(void)
{
    /* 2 x 4 to 2 x 2. */
    static uint8_t wide[] = {10, 20, 30, 40, 50, 60, 70, 80};
    const struct weft_image p = {2, 4, 1, wide};
    struct weft_preprocess_params params =
        *weft_preprocess_params(.height = 2, .width = 2, .channels = 1);
    params.fit = WEFT_FIT_CROP;
    check_fitted(&p, &params, (const uint8_t[]){20, 30, 60, 70}, true);
    params.fit = WEFT_FIT_STRETCH;
    check_fitted(&p, &params, (const uint8_t[]){15, 35, 55, 75}, false);
    params.invert = WEFT_INVERT_YES;
    check_fitted(&p, &params, (const uint8_t[]){240, 220, 200, 180}, false);
    params.fit = WEFT_FIT_NONE;
    uint8_t out[4];
    struct weft_preprocess_info info;
    CHECK_FAILS(weft_image_preprocess(&context, &p, &params, out, &info), WEFT_ERR_FORMAT,
                "image of 2x4 pixels instead of 2x2");

    /* Padding has the color of the border. */
    static uint8_t flat[] = {7, 7, 7, 7, 7, 7, 7, 7};
    const struct weft_image q = {1, 4, 1, flat};
    params = *weft_preprocess_params(.height = 4, .width = 4, .channels = 1);
    check_fitted(&q, &params,
                 (const uint8_t[]){7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7},
                 false);
    params.fit = (enum weft_fit)99;
    CHECK_FAILS(weft_image_preprocess(&context, &q, &params, out, &info), WEFT_ERR_ARG,
                "fit");
}

/* An RGB image that any language can repeat; its bicubic resizings by Pillow 12, to the
 * byte: all of it to 4 x 5, row 7 of 16 x 9, and the central 70 % to 4 x 4. */
static void test_bicubic(void)
{
    enum { H = 11, W = 13 };
    static const uint8_t smaller[] = {
        51,  120, 177, 139, 141, 114, 120, 132, 117, 141, 139, 118, 96,  165, 187,
        159, 173, 108, 148, 116, 125, 140, 128, 132, 113, 110, 125, 178, 107, 79,
        110, 75,  115, 112, 135, 126, 141, 120, 113, 122, 128, 150, 72,  92,  167,
        86,  155, 192, 155, 134, 116, 141, 124, 139, 143, 112, 104, 136, 196, 149};
    static const uint8_t larger[] = {173, 192, 30,  215, 78, 63,  105, 102, 166,
                                     143, 114, 137, 102, 97, 121, 160, 126, 154,
                                     39,  116, 188, 135, 31, 102, 249, 15,  86};
    static const uint8_t center[] = {
        172, 110, 93,  154, 114, 179, 129, 127, 119, 124, 52,  110, 129, 87,  154, 123,
        138, 127, 138, 147, 105, 75,  115, 172, 94,  159, 137, 158, 103, 116, 166, 99,
        127, 117, 155, 158, 156, 152, 88,  106, 146, 105, 114, 126, 112, 176, 119, 109};
    uint8_t pixels[H * W * 3], out[16 * 9 * 3];
    struct weft_preprocess_info info;
    for (int i = 0; i < H * W * 3; i++) {
        int y = i / 3 / W, x = i / 3 % W;
        pixels[i] = (uint8_t)(y * 37 + x * x * 11 + i % 3 * 61);
    }
    const struct weft_image image = {H, W, 3, pixels};
    struct weft_preprocess_params p =
        *weft_preprocess_params(.height = 4, .width = 5, .channels = 3,
                                .fit = WEFT_FIT_STRETCH, .filter = WEFT_FILTER_BICUBIC);
    CHECK_OK(weft_image_preprocess(&context, &image, &p, out, &info));
    CHECK(!memcmp(out, smaller, sizeof(smaller)));
    p.height = 16;
    p.width = 9;
    CHECK_OK(weft_image_preprocess(&context, &image, &p, out, &info));
    CHECK(!memcmp(out + (size_t)7 * sizeof(larger), larger, sizeof(larger)));
    p.height = p.width = 4;
    p.fit = WEFT_FIT_CROP;
    p.crop_fraction = 0.7f;
    CHECK_OK(weft_image_preprocess(&context, &image, &p, out, &info));
    CHECK(!memcmp(out, center, sizeof(center)) && info.cropped);
    p.crop_fraction = 1.5f;
    CHECK_FAILS(weft_image_preprocess(&context, &image, &p, out, &info), WEFT_ERR_ARG,
                "crop_fraction must be 0 to 1");
}

/* The length that two intervals share. */
static int64_t shared(int64_t a, int64_t a_size, int64_t b, int64_t b_size)
{
    int64_t end = a + a_size < b + b_size ? a + a_size : b + b_size;
    int64_t begin = a > b ? a : b;
    return end > begin ? end - begin : 0;
}

/* Result (i, j) of rows x columns: the mean of its area, as a fraction of integers, of
 * which a half is rounded up. */
static int area_mean(const struct weft_image *image, int rows, int columns, int i, int j,
                     int channel)
{
    int64_t sum = 0, all = (int64_t)image->height * image->width;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            sum += shared(i * image->height, image->height, y * rows, rows) *
                   shared(j * image->width, image->width, x * columns, columns) *
                   image->pixels[(y * image->width + x) * image->channels + channel];
    return (int)((2 * sum + all) / (2 * all));
}

/* Smaller and larger, of one and three channels, by ratios with many halves, stretched
 * and cropped, to the byte. */
static void test_area(void)
{
    enum { MOST = 60 };
    static const struct {
        int height, width, rows, columns;
    } sizes[] = {{40, 60, 30, 45}, {9, 12, 6, 8},   {37, 23, 11, 7}, {60, 60, 7, 30},
                 {5, 7, 13, 16},   {48, 33, 48, 9}, {1, 1, 3, 2},    {30, 50, 28, 28}};
    uint8_t pixels[MOST * MOST * 3], out[MOST * MOST * 3];
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * i * 7919 >> 7 ^ i * 31);
    for (size_t n = 0; n < 4 * WEFT_ARRAY_SIZE(sizes); n++) {
        struct weft_preprocess_info info;
        int rows = sizes[n / 4].rows, columns = sizes[n / 4].columns, left = 0;
        const int channels = n % 2 ? 3 : 1, width = columns;
        const bool crop = n % 4 > 1;
        const struct weft_image image = {sizes[n / 4].height, sizes[n / 4].width,
                                         channels, pixels};
        if (crop) { /* all rows, the columns in the middle */
            columns = (image.width * rows + image.height / 2) / image.height;
            if (columns < width)
                continue;
            left = (columns - width) / 2;
        }
        CHECK_OK(weft_image_preprocess(
            &context, &image,
            weft_preprocess_params(.height = rows, .width = width, .channels = channels,
                                   .fit = crop ? WEFT_FIT_CROP : WEFT_FIT_STRETCH),
            out, &info));
        for (int k = 0; k < rows * width * channels; k++) {
            int column = k / channels % width + left, row = k / channels / width;
            CHECK_INT(out[k],
                      area_mean(&image, rows, columns, row, column, k % channels));
        }
    }
}

/* Every combination as text and back; anything else is refused. */
static void test_preprocess_text(void)
{
    static const char *const wrong[] = {"fit",
                                        "fit=",
                                        "fit=pads",
                                        "fit=pad,",
                                        "resize=256",
                                        "trim=yes trim=no",
                                        "fit=pad x",
                                        "invert=yes=no",
                                        "crop-fraction=0",
                                        "crop-fraction=2",
                                        "crop-fraction=0.5x",
                                        "crop-fraction=0.5 crop-fraction=0.5"};
    char text[WEFT_PREPROCESS_TEXT];
    struct weft_preprocess_params p;
    for (int i = 0; i < 4 * 2 * 3; i++) {
        struct weft_preprocess_params back = {.height = 5};
        p = (struct weft_preprocess_params){.fit = (enum weft_fit)(i % 4),
                                            .trim = i / 4 % 2,
                                            .invert = (enum weft_invert)(i / 8)};
        weft_preprocess_write(&p, text);
        CHECK(weft_preprocess_read(text, &back));
        CHECK(back.fit == p.fit && back.trim == p.trim && back.invert == p.invert);
        CHECK_INT(back.height, 5);
    }
    CHECK_TEXT(text, "fit=none trim=yes invert=auto");
    CHECK(weft_preprocess_read("crop-fraction=0.875 fit=crop filter=bicubic", &p));
    weft_preprocess_write(&p, text);
    CHECK_TEXT(text, "fit=crop trim=yes invert=auto filter=bicubic crop-fraction=0.875");
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(wrong); i++)
        CHECK(!weft_preprocess_read(wrong[i], &p));
    CHECK(weft_preprocess_read("", &p));
}

/* An image of the right size: only the channels change. */
static void test_fit_without_resizing(void)
{
    static uint8_t pixels[28 * 28], other[28 * 28 * 3];
    struct weft_preprocess_info fit = {0};
    for (int i = 0; i < 28 * 28; i++)
        pixels[i] = (uint8_t)(255 - i % 50);
    struct weft_image p = {28, 28, 1, pixels};
    weft_image_preprocess(
        &context, &p, weft_preprocess_params(.height = 28, .width = 28, .channels = 3),
        other, &fit);
    CHECK(!fit.resized && !fit.cropped && !fit.inverted);
    for (int i = 0; i < 28 * 28 * 3; i++)
        CHECK_INT(other[i], pixels[i / 3]);
    p = (struct weft_image){28, 28, 3, other};
    fit = (struct weft_preprocess_info){0};
    weft_image_preprocess(&context, &p,
                          weft_preprocess_params(.height = 28, .width = 28, .channels = 1,
                                                 .invert = WEFT_INVERT_YES),
                          pixels, &fit);
    CHECK(fit.inverted);
    for (int i = 0; i < 28 * 28; i++)
        CHECK_INT(pixels[i], i % 50);

    CHECK_FAILS(weft_image_preprocess(
                    &context, &p,
                    weft_preprocess_params(.height = 0, .width = 28, .channels = 1),
                    other, &fit),
                WEFT_ERR_ARG, "height and width must be 1 to 65535");
    CHECK_FAILS(weft_image_preprocess(
                    &context, &p,
                    weft_preprocess_params(.height = 28, .width = 28, .channels = 2),
                    other, &fit),
                WEFT_ERR_ARG, "channels must be 1 or 3");
}

int main(void)
{
    test_context = &context;
    test_fit();
    test_fit_blocks();
    test_fit_kinds();
    test_fit_without_resizing();
    test_bicubic();
    test_area();
    test_preprocess_text();
    free(context.error);
    return test_end();
}
