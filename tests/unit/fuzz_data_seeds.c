/* SPDX-License-Identifier: Apache-2.0 */
/* Small valid files of every format that fuzz_data.c reads. */
#define _POSIX_C_SOURCE 200809L
#include "unit/fuzz.h"
#include "unit/file_corpus.h"

static struct buffer with_pixels(struct buffer b, int count)
{
    add_pixels(&b, count);
    return b;
}

static struct buffer text(const char *head, int pixels)
{
    struct buffer b = {.size = 0};
    add_text(&b, head);
    add_pixels(&b, pixels);
    return b;
}

/* Images of 8x8 as text. */
static struct buffer csv(int rows)
{
    struct buffer b = {.size = 0};
    char cell[16];
    for (int row = -1; row < rows; row++)
        for (int i = 0; i <= 64; i++) {
            snprintf(cell, sizeof(cell), row < 0 ? "%sp%d%s" : "%s%d%s", i ? "," : "",
                     row < 0 ? i
                     : i     ? (row * 64 + i) * 37 % 256
                             : row % 3,
                     i == 64 ? "\n" : "");
            add_text(&b, !i && row < 0 ? "label" : cell);
        }
    return b;
}

static struct buffer bytes(const uint8_t *from, size_t size)
{
    struct buffer b = {.size = 0};
    add(&b, from, size);
    return b;
}

static struct buffer gzip(const char *contents)
{
    struct buffer b = {.size = 0};
    z_stream stream = {0};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)contents;
    stream.avail_in = (uInt)strlen(contents);
    stream.next_out = b.bytes;
    stream.avail_out = sizeof(b.bytes);
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    b.size = sizeof(b.bytes) - stream.avail_out;
    deflateEnd(&stream);
    return b;
}

void fuzz_seeds(void)
{
    static const uint8_t samples[4 * 30] = {9, 200, 30, 128, 255, 0, 77};
    uint8_t pixels[3 * 400];
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * i * 37 >> 3);
    const struct {
        const char *reader, *name;
        struct buffer file;
    } seeds[] = {
        {"idx", "IDX images", idx_images(3, 2, 2)},
        {"idx", "IDX labels", idx_labels("0123456789")},
        {"csv", "CSV", text("label,a,b,c,d\n1,0,37,74,111\r\n2,0, 3 ,255,9\n", 0)},
        {"csv", "CSV of other columns",
         text("\xef\xbb\xbf\"Unnamed: 0\",r0,r1,Class\nx,\"5\",7,1.0\n,0,8,0\n", 0)},
        {"csv", "CSV of floats",
         text("sep=;\nid;y;p1;p2\n;1;0.5;1e0\n7;0;1.01;.25\n", 0)},
        {"csv", "CSV without a header", text("7,1,0,4\n8,0,0,5\n9,2,3,4\n", 0)},
        {"csv", "CSV of 8x8", csv(5)},
        {"idx", "IDX images of 16x16", idx_images(4, 16, 16)},
        {"npy", "NPY of 12x12",
         with_pixels(npy(1, "|u1", "False", "(5, 12, 12)"), 5 * 144)},
        {"pnm", "PGM of 20x20", text("P5\n20 20\n255\n", 400)},
        {"image", "PNG of 20x20", png(20, 20, 2, pixels)},
        {"npy", "NPY bytes", with_pixels(npy(1, "|u1", "False", "(2, 2, 3)"), 12)},
        {"npy", "NPY floats", with_pixels(npy(2, "<f4", "False", "(1, 1, 1, 1)"), 0)},
        {"npy", "NPY float16", with_pixels(npy(1, ">f2", "False", "(1, 1, 1)"), 2)},
        {"npy", "NPY labels", with_pixels(npy(1, "|u1", "False", "(5,)"), 5)},
        {"npz", "NPZ", npz("x_train.npy", "y_train.npy", false)},
        {"npz", "NPZ deflated", npz("train_images.npy", "train_labels.npy", true)},
        {"image", "PNG grey", png(5, 6, 0, samples)},
        {"image", "PNG colour", png(5, 6, 2, samples)},
        {"image", "PNG colour with alpha", png(5, 6, 6, samples)},
        {"image", "JPEG colour", bytes(jpeg_color, sizeof(jpeg_color))},
        {"image", "JPEG progressive", bytes(jpeg_grey, sizeof(jpeg_grey))},
        {"pnm", "PGM text", text("P2 3 2 9\n1 2 3 4 # five\n 5 6\n", 0)},
        {"pnm", "PGM", text("P5\n5 3\n255\n", 15)},
        {"pnm", "PPM of two bytes", text("P6 2 2 65535\n", 24)},
        {"pnm", "PBM text", text("P1 # one\n3 2 1 0 1 0 1 0\n", 0)},
        {"pnm", "PBM", text("P4\n11 2\n", 4)},
        {"gzip", "gzip", gzip("label,pixel1\n1,2\n1,3\n1,4\n")},
    };
    for (uint32_t i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
        struct buffer file = seeds[i].file;
        if (!strcmp(seeds[i].name, "NPY floats"))
            add(&file, &(float){0.5f}, 4);
        fuzz_replay(seeds[i].reader, seeds[i].name, false, file.bytes, file.size);
    }
}
