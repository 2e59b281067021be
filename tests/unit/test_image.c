/* SPDX-License-Identifier: Apache-2.0 */
/* Images: what every format decodes to, and what is refused. */
#include <weft/image.h>

#include "unit/file_corpus.h"
#include "base/context.h"

static struct weft_context context;

static struct weft_image decode(const struct buffer *b)
{
    struct weft_image image = {0};
    CHECK_OK(weft_image_decode(&context, "p", b->bytes, b->size, NULL, &image));
    return image;
}

static void check_refused(const struct buffer *b, const char *words)
{
    struct weft_image image = {0};
    CHECK_FAILS(weft_image_decode(&context, "p", b->bytes, b->size, NULL, &image),
                WEFT_ERR_FORMAT, words);
    CHECK(!image.pixels);
}

static void check_pixels(const struct buffer *b, int h, int w, int c, const uint8_t *want)
{
    struct weft_image image = decode(b);
    CHECK_INT(image.height, h);
    CHECK_INT(image.width, w);
    CHECK_INT(image.channels, c);
    if (image.height == h && image.width == w && image.channels == c)
        for (int i = 0; i < h * w * c; i++)
            CHECK_INT(image.pixels[i], want[i]);
    weft_image_free(&image);
    CHECK(!image.pixels);
}

static struct buffer text(const char *what)
{
    struct buffer b = {.size = 0};
    add_text(&b, what);
    return b;
}

static void test_pnm(void)
{
    static const uint8_t grey[] = {0, 28, 57, 85, 255, 227};
    static const uint8_t color[] = {1, 2, 3, 4, 5, 6};
    static const uint8_t wide[] = {0x00, 0x00, 0x80, 0x00, 0xff, 0xff};
    static const uint8_t wide_want[] = {0, 128, 255};
    static const uint8_t bits[] = {255, 0, 255, 0, 0, 255, 0, 255};
    static const uint8_t packed[] = {255, 0,   255, 0,   255, 0,   255, 0,   255, 0,
                                     0,   255, 0,   255, 0,   255, 0,   255, 0,   255};
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "p: is empty"},
        {"P7\n", "is not a PNG, JPEG, PBM, PGM or PPM"},
        {"P5", "is not a PNG"},
        {"P5 ", "truncated: no width"},
        {"P5 x", ": width is not a number"},
        {"P5 65536 1 255 ", ": width is more than 65535"},
        {"P5 2 2 0 \1\2\3\4", "maximum must be"},
        {"P5 2 2 255\n123", "2 x 2 pixels need 4 bytes, the file has 3"},
        {"P5 2 2 255\n12345", "1 extra bytes"},
        {"P5 2 2 9\n\1\2\3\12", "sample 3 is 10, more than the maximum 9"},
        {"P5 0 2 255\n", "2 x 0 pixels"},
        {"P5 65535 65535 255\n", "need 4294836225 bytes"},
        {"P2 2 1 9 1 10", ": sample is more than 9"},
        {"P2 2 1 9 1 # 2", "no sample"},
        {"P2 2 2 9 1 2 33 4", ": sample is more than 9"},
        {"P2 2 1 9 1 2 3", "1 extra bytes"},
        {"P3 2 1 9 1 2 3", "need 11 bytes"},
        {"P1 2 1 0", "need 2 bytes"},
        {"P1 2 1 0 ", "no sample"},
        {"P1 2 1 02", "sample 1 of a bitmap"},
        {"P1 2 1 0 1 1", "1 extra bytes"},
        {"P4 9 2\n123", "2 x 9 pixels need 4 bytes"},
        {"P4 9 2\n12345", "1 extra bytes"},
        {"P4 9", "no height"},
    };
    struct buffer b = text("P2\n# a comment\n3 2\n9\n0 1 2\n3 9 8 # end\n");
    check_pixels(&b, 2, 3, 1, grey);
    b = text("P3 2 1 255 1 2 3 4 5 6");
    check_pixels(&b, 1, 2, 3, color);
    b = text("P5 6 1#c\n#d\n255\n");
    add(&b, color, 6);
    check_pixels(&b, 1, 6, 1, color);
    b = text("P6\n1\n2\n255 ");
    add(&b, color, 6);
    check_pixels(&b, 2, 1, 3, color);
    b = text("P5 3 1 65535\n");
    add(&b, wide, 6);
    check_pixels(&b, 1, 3, 1, wide_want);
    b = text("P1\n#c\n4 2\n0101\n1 0 1 0\n");
    check_pixels(&b, 2, 4, 1, bits);
    b = text("P4\n10 2\n");
    add(&b, "\x55\x7f\xaa\x80", 4); /* the last six bits of a row are no pixels */
    check_pixels(&b, 2, 10, 1, packed);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        b = text(rows[i].text);
        check_refused(&b, rows[i].words);
    }
}

/* True: this build reads the format of the buffer. */
static bool can_read(const struct buffer *b)
{
    struct weft_image image = {0};
    enum weft_status status =
        weft_image_decode(&context, "p", b->bytes, b->size, NULL, &image);
    weft_image_free(&image);
    bool missing = status && strstr(weft_error(&context), "this build cannot read");
    if (missing)
        printf("left out: %s\n", weft_error(&context));
    return !missing;
}

static void test_png(void)
{
    static const uint8_t samples[] = {0,   100, 200, 255, 7,  9,  11, 13,
                                      128, 64,  32,  0,   90, 80, 70, 255};
    struct buffer b = png(2, 4, 0, samples);
    if (!can_read(&b))
        return;
    check_pixels(&b, 2, 4, 1, samples);
    b = png(1, 4, 2, samples);
    check_pixels(&b, 1, 4, 3, samples);

    /* Transparent becomes white, opaque stays; others are blended with white. */
    b = png(1, 4, 6, samples);
    struct weft_image image = decode(&b);
    CHECK_INT(image.channels, 3);
    if (image.width == 4) {
        CHECK(!memcmp(image.pixels, samples, 3));
        CHECK(image.pixels[3] > 7 && image.pixels[3] <= 255);
        CHECK_INT(image.pixels[6], 255);
        CHECK_INT(image.pixels[8], 255);
        CHECK(!memcmp(image.pixels + 9, samples + 12, 3));
    }
    weft_image_free(&image);

    size_t whole = png(2, 4, 0, samples).size;
    for (size_t size = 8; size < whole - 12; size++) { /* up to the end marker */
        b = png(2, 4, 0, samples);
        b.size = size;
        check_refused(&b, "damaged PNG");
    }
    b = png(2, 4, 0, samples);
    b.bytes[45] ^= 1;
    check_refused(&b, "damaged PNG");

    /* A size that would take gigabytes, in a file of a few bytes. */
    struct buffer header = {.size = 0};
    b = text("\x89PNG\r\n\x1a\n");
    add_be32(&header, 60000);
    add_be32(&header, 60000);
    add(&header, "\10\2\0\0\0", 5);
    add_chunk(&b, "IHDR", header.bytes, header.size);
    add_chunk(&b, "IDAT", "x", 1);
    check_refused(&b, "60000 x 60000 pixels");
}

/* The file with a chunk after its header, or before its end. */
static struct buffer with_chunk(struct buffer b, bool at_end, const char *type,
                                const void *bytes, size_t size)
{
    struct buffer out = {.size = 0};
    size_t at = at_end ? b.size - 12 : 33;
    add(&out, b.bytes, at);
    add_chunk(&out, type, bytes, size);
    add(&out, b.bytes + at, b.size - at);
    return out;
}

/* The values are those of the file, whatever it says of gamma, as in OpenCV and
 * Pillow; alpha is composited over white in these values: v a + 255 (1 - a), rounded. */
static void test_png_values(void)
{
    static const uint8_t grey[] = {0, 64, 128, 200};
    static const uint8_t with_alpha[] = {0, 128, 100, 51, 200, 255, 7, 0};
    static const uint8_t over_white[] = {127, 224, 200, 255};
    static const uint8_t color[] = {10, 20, 30, 204, 0, 255, 100, 1};
    static const uint8_t color_over_white[] = {59, 67, 75, 254, 255, 254};
    static const uint8_t deep[] = {0x12, 0x34, 0xff, 0xff, 0x00, 0x80, 0x7f, 0xff};
    static const uint8_t scaled[] = {18, 255, 0, 127};
    struct buffer b = png(1, 4, 0, grey), header = {.size = 0};
    if (!can_read(&b))
        return;
    b = with_chunk(png(1, 4, 0, grey), false, "gAMA", "\0\1\x86\xa0", 4); /* 1.0 */
    check_pixels(&b, 1, 4, 1, grey);
    b = with_chunk(png(1, 4, 0, grey), false, "gAMA", "\0\0\x4e\x20", 4); /* 0.2 */
    check_pixels(&b, 1, 4, 1, grey);
    b = png(1, 4, 4, with_alpha);
    check_pixels(&b, 1, 4, 1, over_white);
    b = png(1, 2, 6, color);
    check_pixels(&b, 1, 2, 3, color_over_white);
    b = with_chunk(png(1, 2, 6, color), false, "gAMA", "\0\1\x86\xa0", 4);
    check_pixels(&b, 1, 2, 3, color_over_white);

    /* 64 is transparent by tRNS. */
    b = with_chunk(png(1, 4, 0, grey), false, "tRNS", "\0\x40", 2);
    check_pixels(&b, 1, 4, 1, (const uint8_t[]){0, 255, 128, 200});

    /* 16 bits: v / 257, rounded. The row of 8 bits has the same bytes. */
    b = png(1, 8, 0, deep);
    add_be32(&header, 4);
    add_be32(&header, 1);
    add(&header, "\20\0\0\0\0", 5);
    struct buffer wide = {.size = 0};
    add(&wide, b.bytes, 8);
    add_chunk(&wide, "IHDR", header.bytes, header.size);
    add(&wide, b.bytes + 33, b.size - 33);
    check_pixels(&wide, 1, 4, 1, scaled);
}

static void test_png_orientation(void)
{
    static const uint8_t stored[] = {1, 2, 3, 4, 5, 6};
    static const struct {
        int h, w;
        uint8_t upright[6];
    } rows[9] = {
        [1] = {2, 3, {1, 2, 3, 4, 5, 6}}, [2] = {2, 3, {3, 2, 1, 6, 5, 4}},
        [3] = {2, 3, {6, 5, 4, 3, 2, 1}}, [4] = {2, 3, {4, 5, 6, 1, 2, 3}},
        [5] = {3, 2, {1, 4, 2, 5, 3, 6}}, [6] = {3, 2, {4, 1, 5, 2, 6, 3}},
        [7] = {3, 2, {6, 3, 5, 2, 4, 1}}, [8] = {3, 2, {3, 6, 2, 5, 1, 4}},
    };
    uint8_t tiff[] = {'M',  'M', 0, '*', 0, 0, 0, 8, 0, 1, 1,
                      0x12, 0,   3, 0,   0, 0, 1, 0, 0, 0, 0};
    struct buffer b = png(2, 3, 0, stored);
    if (!can_read(&b))
        return;
    for (int i = 1; i <= 8; i++)
        for (int at_end = 0; at_end < 2; at_end++) {
            tiff[19] = (uint8_t)i;
            b = with_chunk(png(2, 3, 0, stored), at_end, "eXIf", tiff, sizeof(tiff));
            check_pixels(&b, rows[i].h, rows[i].w, 1, rows[i].upright);
        }
}

/* The colour JPEG with an Exif orientation put in after its first two bytes. */
static struct buffer with_orientation(int orientation, bool big)
{
    static const uint8_t little_tiff[] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12,
                                          1,   3,   0,   1, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t big_tiff[] = {'M',  'M', 0, '*', 0, 0, 0, 8, 0, 1, 1,
                                       0x12, 0,   3, 0,   0, 0, 1, 0, 0, 0, 0};
    struct buffer b = {.size = 0};
    add(&b, jpeg_color, 2);
    add(&b, "\xff\xe1\0\36Exif\0\0", 10); /* 30: what follows, with these two bytes */
    add(&b, big ? big_tiff : little_tiff, 22);
    b.bytes[b.size - (big ? 3 : 4)] = (uint8_t)orientation;
    add(&b, jpeg_color + 2, sizeof(jpeg_color) - 2);
    return b;
}

/* The quarter's colour at a corner: r, g, b or w. */
static char corner(const struct weft_image *p, int bottom, int right)
{
    const uint8_t *c = p->pixels + 3 * ((bottom ? p->height - 3 : 2) * p->width +
                                        (right ? p->width - 3 : 2));
    return c[0] > 150 && c[1] > 150 ? 'w' : c[0] > 150 ? 'r' : c[1] > 150 ? 'g' : 'b';
}

/* Even blocks have one coefficient, eight times their value, in steps of 3; before and
 * behind are roundings to whole numbers. Blue is Y + 1.772 Cb, rounded. */
static const double FLAT = 0.5 + 3 / 16.0 + 0.5, COLOR = (1 + 1.772) * FLAT + 0.5;

static void test_jpeg(void)
{
    /* Corners after each orientation, row by row: r g b w as stored. */
    static const char *const upright[9] = {"rgbw", "rgbw", "grwb", "wbgr", "bwrg",
                                           "rbgw", "brwg", "wgbr", "gwrb"};
    struct buffer b = {.size = 0};
    add(&b, jpeg_color, sizeof(jpeg_color));
    if (!can_read(&b))
        return;
    for (int i = 0; i <= 9; i++)
        for (int big = 0; big < 2; big++) {
            b = with_orientation(i, big);
            struct weft_image image = decode(&b);
            CHECK_INT(image.height, i >= 5 && i <= 8 ? 32 : 16);
            CHECK_INT(image.channels, 3);
            char corners[5] = {0};
            for (int c = 0; c < 4 && image.pixels; c++)
                corners[c] = corner(&image, c / 2, c % 2);
            CHECK_TEXT(corners, upright[i < 9 ? i : 0]);
            weft_image_free(&image);
        }

    b.size = 0;
    add(&b, jpeg_grey, sizeof(jpeg_grey));
    struct weft_image image = decode(&b);
    CHECK_INT(image.channels, 1);
    if (image.width == 32 && image.height == 16) {
        CHECK_NEAR(image.pixels[0], 5, FLAT);
        CHECK_NEAR(image.pixels[16 * 32 - 1], 245, FLAT);
    }
    weft_image_free(&image);

    for (size_t size = 3; size < sizeof(jpeg_color) - 2; size++) {
        b.size = 0;
        add(&b, jpeg_color, size);
        check_refused(&b, "damaged JPEG");
    }
    /* Headers without an image, for which TurboJPEG sets no size. */
    static const uint8_t no_image[] = {0xff, 0xd8, 0xff, 0xd9};
    b.size = 0;
    add(&b, no_image, sizeof(no_image));
    check_refused(&b, "contains no image");
    /* Bytes that do not belong there, right before the end: some cameras leave them. */
    b.size = 0;
    add(&b, jpeg_color, sizeof(jpeg_color) - 2);
    add(&b, "\0\0", 2);
    add(&b, jpeg_color + sizeof(jpeg_color) - 2, 2);
    image = decode(&b);
    CHECK_INT(image.width, 32);
    weft_image_free(&image);
}

/* The middle pixel of a quarter. */
static void check_quarter(const struct weft_image *p, int bottom, int right, int r, int g,
                          int b)
{
    if (p->height != 16 || p->width != 32 || p->channels != 3)
        return;
    const uint8_t *c = p->pixels + 3 * ((bottom ? 12 : 4) * 32 + (right ? 24 : 8));
    CHECK_NEAR(c[0], r, COLOR);
    CHECK_NEAR(c[1], g, COLOR);
    CHECK_NEAR(c[2], b, COLOR);
}

/* Inks: stored as two spaces of colour, inverse with Adobe's segment and as they are
 * without it. */
static void test_jpeg_inks(void)
{
    static const struct {
        const uint8_t *bytes;
        size_t size;
    } rows[] = {{jpeg_ycck, sizeof(jpeg_ycck)}, {jpeg_cmyk, sizeof(jpeg_cmyk)}};
    enum { SEGMENT = 16 };
    struct buffer b = {.size = 0};
    add(&b, jpeg_color, sizeof(jpeg_color));
    if (!can_read(&b))
        return;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        b.size = 0;
        add(&b, rows[i].bytes, rows[i].size);
        struct weft_image image = decode(&b);
        CHECK_INT(image.channels, 3);
        CHECK_INT(image.width, 32);
        check_quarter(&image, 0, 0, 200, 30, 30);
        check_quarter(&image, 0, 1, 30, 200, 30);
        check_quarter(&image, 1, 0, 30, 30, 200);
        check_quarter(&image, 1, 1, 128, 128, 128);
        weft_image_free(&image);
    }
    b.size = 0;
    add(&b, jpeg_cmyk, 2);
    add(&b, jpeg_cmyk + 2 + SEGMENT, sizeof(jpeg_cmyk) - 2 - SEGMENT);
    struct weft_image image = decode(&b);
    check_quarter(&image, 0, 0, 0, 0, 0); /* all of the black ink */
    check_quarter(&image, 1, 1, 0, 0, 0);
    weft_image_free(&image);
}

/* A JPEG is decoded at a fraction of its size where that is enough. */
static void test_jpeg_fraction(void)
{
    static const struct {
        int orientation, to_h, to_w;
        enum weft_fit fit;
        bool trim;
        enum weft_invert invert;
        enum weft_filter filter;
        float crop_fraction;
        int h, w; /* of what is decoded */
    } rows[] = {
        {1, 4, 8, WEFT_FIT_PAD, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 8, 16},
        {1, 2, 4, WEFT_FIT_PAD, false, WEFT_INVERT_YES, WEFT_FILTER_AREA, 0, 4, 8},
        {1, 4, 4, WEFT_FIT_PAD, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 4,
         8}, /* 2x4 of it */
        {1, 4, 4, WEFT_FIT_CROP, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 8,
         16}, /* 4x8 of it */
        {1, 2, 8, WEFT_FIT_STRETCH, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 8, 16},
        {6, 8, 4, WEFT_FIT_PAD, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 16, 8},
        {1, 8, 16, WEFT_FIT_PAD, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 16, 32},
        {1, 16, 32, WEFT_FIT_PAD, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 16, 32},
        {1, 64, 64, WEFT_FIT_CROP, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 16, 32},
        {1, 4, 8, WEFT_FIT_NONE, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 16, 32},
        {1, 4, 8, WEFT_FIT_PAD, false, WEFT_INVERT_NO, WEFT_FILTER_BICUBIC, 0, 16, 32},
        {1, 2, 4, WEFT_FIT_CROP, false, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0.5f, 8, 16},
        {1, 4, 8, WEFT_FIT_PAD, true, WEFT_INVERT_NO, WEFT_FILTER_AREA, 0, 16, 32},
        {1, 4, 8, WEFT_FIT_PAD, false, WEFT_INVERT_AUTO, WEFT_FILTER_AREA, 0, 16, 32},
    };
    struct buffer b = with_orientation(1, false);
    if (!can_read(&b))
        return;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        struct weft_image image = {0};
        b = with_orientation(rows[i].orientation, false);
        CHECK_OK(weft_image_decode(
            &context, "p", b.bytes, b.size,
            weft_preprocess_params(.height = rows[i].to_h, .width = rows[i].to_w,
                                   .channels = 3, .fit = rows[i].fit,
                                   .trim = rows[i].trim, .invert = rows[i].invert,
                                   .filter = rows[i].filter,
                                   .crop_fraction = rows[i].crop_fraction),
            &image));
        CHECK_INT(image.height, rows[i].h);
        CHECK_INT(image.width, rows[i].w);
        weft_image_free(&image);
    }
}

int main(void)
{
    test_context = &context;
    test_pnm();
    test_png();
    test_png_values();
    test_png_orientation();
    test_jpeg();
    test_jpeg_inks();
    test_jpeg_fraction();
    free(context.error);
    return test_end();
}
