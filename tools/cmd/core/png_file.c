/* SPDX-License-Identifier: Apache-2.0 */
/* PNG (ISO 15948) of 8 bits a sample, with the stored blocks of deflate (RFC 1951): the
 * command does not depend on the libraries that the library may be built without. */
#include "core/png_file.h"
#include "core/paths.h"
#include "core/term.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_STORED = 65535, CHUNK_FRAME = 12, BLOCK_HEAD = 5 };

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(value >> shift);
    return at;
}

static uint32_t crc32(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

static uint32_t adler32(const uint8_t *bytes, size_t size)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < size; i++) {
        a = (a + bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* Begins a chunk; its data follow. */
static uint8_t *begin_chunk(uint8_t *at, const char *type, size_t size)
{
    at = put32(at, (uint32_t)size);
    memcpy(at, type, 4);
    return at + 4;
}

/* Behind the `size` bytes of data that end at `at`. */
static uint8_t *end_chunk(uint8_t *at, size_t size)
{
    return put32(at, crc32(at - size - 4, size + 4));
}

/* Each line is preceded by its filter, none. */
static uint8_t *put_lines(uint8_t *at, const uint8_t *pixels, size_t height, size_t row)
{
    for (size_t y = 0; y < height; y++, at += row) {
        *at++ = 0;
        memcpy(at, pixels + y * row, row);
    }
    return at;
}

static uint8_t *put_zlib(uint8_t *at, const uint8_t *lines, size_t size)
{
    *at++ = 0x78;
    *at++ = 0x01;
    for (size_t done = 0; done < size;) {
        size_t part = size - done < MOST_STORED ? size - done : MOST_STORED;
        *at++ = done + part == size;
        for (int invert = 0; invert < 2; invert++) {
            *at++ = (uint8_t)((part ^ (invert ? 0xFFFF : 0)) & 255);
            *at++ = (uint8_t)((part ^ (invert ? 0xFFFF : 0)) >> 8 & 255);
        }
        memcpy(at, lines + done, part);
        at += part;
        done += part;
    }
    return put32(at, adler32(lines, size));
}

bool png_file_write(const char *path, const uint8_t *pixels, int height, int width,
                    int channels)
{
    enum { HEADER = 13, ZLIB_FRAME = 6 };
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    size_t row = (size_t)width * (size_t)channels;
    size_t size = (size_t)height * (row + 1);
    size_t packed = size + (size / MOST_STORED + 1) * BLOCK_HEAD + ZLIB_FRAME;
    uint8_t *lines = term_realloc_or_exit(NULL, size);
    uint8_t *file = term_realloc_or_exit(NULL, sizeof(signature) + HEADER + packed +
                                                   3 * (size_t)CHUNK_FRAME);
    put_lines(lines, pixels, (size_t)height, row);
    memcpy(file, signature, sizeof(signature));
    uint8_t *at = begin_chunk(file + sizeof(signature), "IHDR", HEADER);
    at = put32(put32(at, (uint32_t)width), (uint32_t)height);
    const uint8_t format[5] = {8, channels == 3 ? 2 : 0, 0, 0, 0};
    memcpy(at, format, sizeof(format));
    at = end_chunk(at + sizeof(format), HEADER);
    uint8_t *head = at, *data = at + 8;
    at = put_zlib(data, lines, size);
    begin_chunk(head, "IDAT", (size_t)(at - data));
    at = end_chunk(at, (size_t)(at - data));
    at = end_chunk(begin_chunk(at, "IEND", 0), 0);
    bool done = paths_write(path, file, (size_t)(at - file));
    free(lines);
    free(file);
    return done;
}
