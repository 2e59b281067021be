/* SPDX-License-Identifier: Apache-2.0 */
/* Small files put together byte by byte, for tests of what reads them. */
#ifndef WEFT_TESTS_UNIT_FILE_CORPUS_H
#define WEFT_TESTS_UNIT_FILE_CORPUS_H

#include <zlib.h>

#include "unit/jpegs.h"
#include "unit/test.h"

struct buffer {
    uint8_t bytes[1 << 16];
    size_t size;
};

static inline void add(struct buffer *b, const void *bytes, size_t size)
{
    REQUIRE(b->size + size <= sizeof(b->bytes));
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static inline void add_text(struct buffer *b, const char *text)
{
    add(b, text, strlen(text));
}

static inline void add_be32(struct buffer *b, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 8), (uint8_t)value};
    add(b, bytes, 4);
}

/* Pixel i is i * 37 % 256. */
static inline void add_pixels(struct buffer *b, int count)
{
    for (int i = 0; i < count; i++)
        add(b, &(uint8_t){(uint8_t)(i * 37)}, 1);
}

static inline struct buffer idx_images(uint32_t n, uint32_t h, uint32_t w)
{
    struct buffer b = {.size = 0};
    add_be32(&b, 0x803);
    add_be32(&b, n);
    add_be32(&b, h);
    add_be32(&b, w);
    add_pixels(&b, (int)(n * h * w));
    return b;
}

/* Labels are digits. */
static inline struct buffer idx_labels(const char *labels)
{
    struct buffer b = {.size = 0};
    add_be32(&b, 0x801);
    add_be32(&b, (uint32_t)strlen(labels));
    for (const char *c = labels; *c; c++)
        add(&b, &(uint8_t){(uint8_t)(*c - '0')}, 1);
    return b;
}

/* The header of an NPY file. */
static inline struct buffer npy(int version, const char *type, const char *order,
                                const char *shape)
{
    struct buffer b = {.size = 0};
    char text[256];
    int length = snprintf(text, sizeof(text),
                          "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", type,
                          order, shape);
    uint8_t head[12] = {0x93,
                        'N',
                        'U',
                        'M',
                        'P',
                        'Y',
                        (uint8_t)version,
                        0,
                        (uint8_t)length,
                        (uint8_t)(length >> 8),
                        0,
                        0};
    add(&b, head, version == 1 ? 10 : 12);
    add(&b, text, (size_t)length);
    return b;
}

static inline void add_le(struct buffer *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        add(b, &(uint8_t){(uint8_t)(i < 8 ? value >> (8 * i) : 0)}, 1);
}

/* Adds an entry to a ZIP archive, and to its directory. */
static inline void zip_add(struct buffer *b, struct buffer *directory, const char *name,
                           const struct buffer *contents, bool deflated)
{
    static uint8_t packed[1 << 16];
    z_stream stream = {0};
    const uint8_t *bytes = contents->bytes;
    size_t size = contents->size;
    if (deflated) {
        REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
        stream.next_in = (Bytef *)(uintptr_t)contents->bytes;
        stream.avail_in = (uInt)contents->size;
        stream.next_out = packed;
        stream.avail_out = sizeof(packed);
        REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
        deflateEnd(&stream);
        bytes = packed;
        size = sizeof(packed) - stream.avail_out;
    }
    uint32_t offset = (uint32_t)b->size;
    uint32_t crc = (uint32_t)crc32(0, contents->bytes, (uInt)contents->size);
    for (int i = 0; i < 2; i++) {
        struct buffer *to = i ? directory : b;
        add(to, i ? "PK\1\2\24\0" : "PK\3\4", i ? 6 : 4);
        add(to, "\24\0\0\0", 4);
        add_le(to, deflated ? 8 : 0, 2);
        add_le(to, 0, 4); /* time */
        add_le(to, crc, 4);
        add_le(to, (uint32_t)size, 4);
        add_le(to, (uint32_t)contents->size, 4);
        add_le(to, (uint32_t)strlen(name), 2);
        add_le(to, 0, 2);
        if (i) {
            add_le(to, 0, 10);
            add_le(to, offset, 4);
        }
        add_text(to, name);
    }
    add(b, bytes, size);
}

static inline void zip_end(struct buffer *b, const struct buffer *directory)
{
    uint32_t offset = (uint32_t)b->size;
    add(b, directory->bytes, directory->size);
    add(b, "PK\5\6\0\0\0\0\1\0\1\0", 12);
    add_le(b, (uint32_t)directory->size, 4);
    add_le(b, offset, 4);
    add_le(b, 0, 2);
}

/* NPZ of one part: three images of 2x2, labels 2, 1, 0. */
static inline struct buffer npz(const char *images, const char *labels, bool deflated)
{
    struct buffer b = {.size = 0}, directory = {.size = 0};
    struct buffer x = npy(1, "|u1", "False", "(3, 2, 2)");
    struct buffer y = npy(1, "|u1", "False", "(3, 1)");
    add_pixels(&x, 12);
    add(&y, "\2\1\0", 3);
    zip_add(&b, &directory, images, &x, deflated);
    zip_add(&b, &directory, labels, &y, deflated);
    zip_end(&b, &directory);
    return b;
}

static inline void add_chunk(struct buffer *b, const char *type, const void *bytes,
                             size_t size)
{
    add_be32(b, (uint32_t)size);
    size_t start = b->size;
    add(b, type, 4);
    add(b, bytes, size);
    add_be32(b, (uint32_t)crc32(0, b->bytes + start, (uInt)(size + 4)));
}

/* A PNG of 8 bits a sample. `type`: 0 grey, 2 colour, 4 grey with alpha, 6 colour with
 * alpha. */
static inline struct buffer png(uint32_t h, uint32_t w, int type, const uint8_t *samples)
{
    static const size_t channels[7] = {1, 0, 3, 0, 2, 0, 4};
    struct buffer b = {.size = 0}, header = {.size = 0}, lines = {.size = 0};
    size_t row = w * channels[type];
    uint8_t packed[4096];
    uLongf size = sizeof(packed);
    add(&b, "\x89PNG\r\n\x1a\n", 8);
    add_be32(&header, w);
    add_be32(&header, h);
    add(&header, (uint8_t[]){8, (uint8_t)type, 0, 0, 0}, 5);
    add_chunk(&b, "IHDR", header.bytes, header.size);
    for (uint32_t y = 0; y < h; y++) {
        add(&lines, "", 1); /* no filter */
        add(&lines, samples + y * row, row);
    }
    REQUIRE(compress(packed, &size, lines.bytes, lines.size) == Z_OK);
    add_chunk(&b, "IDAT", packed, size);
    add_chunk(&b, "IEND", "", 0);
    return b;
}

#endif
