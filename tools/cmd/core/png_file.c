/* SPDX-License-Identifier: Apache-2.0 */
/* PNG (ISO 15948) of 8 bits a sample, by zlib: libpng is optional, and reads only. */
#include "core/png_file.h"
#include "core/paths.h"
#include "core/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CHUNK_FRAME = 12, HEADER = 13, FILTER_UP = 2 };
static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(value >> shift);
    return at;
}

/* A chunk, whose data may be in their place already. */
static uint8_t *put_chunk(uint8_t *at, const char *type, const uint8_t *data, size_t size)
{
    uint8_t *begin = put32(at, (uint32_t)size);
    memcpy(begin, type, 4);
    if (size && data != begin + 4)
        memcpy(begin + 4, data, size);
    return put32(begin + 4 + size, (uint32_t)crc32(0, begin, (uInt)size + 4));
}

/* Each line begins with its filter, by which it is stored as the difference from the line
 * above. */
static void put_lines(uint8_t *out, const uint8_t *pixels, size_t height, size_t row)
{
    for (size_t y = 0; y < height; y++) {
        *out++ = FILTER_UP;
        for (size_t x = 0; x < row; x++)
            *out++ = (uint8_t)(pixels[y * row + x] - (y ? pixels[(y - 1) * row + x] : 0));
    }
}

uint8_t *png_encode(const uint8_t *pixels, int height, int width, int channels,
                    size_t *size)
{
    size_t row = (size_t)width * (size_t)channels, plain = (size_t)height * (row + 1);
    uLong packed = compressBound((uLong)plain);
    uint8_t *lines = term_realloc_or_exit(NULL, plain);
    uint8_t *file = term_realloc_or_exit(NULL, sizeof(signature) + HEADER + packed +
                                                   3 * (size_t)CHUNK_FRAME);
    uint8_t header[HEADER] = {[8] = 8, [9] = channels == 3 ? 2 : 0};
    put_lines(lines, pixels, (size_t)height, row);
    put32(put32(header, (uint32_t)width), (uint32_t)height);
    memcpy(file, signature, sizeof(signature));
    uint8_t *at = put_chunk(file + sizeof(signature), "IHDR", header, HEADER);
    int status = compress2(at + 8, &packed, lines, (uLong)plain, Z_BEST_SPEED);
    free(lines);
    if (status != Z_OK) {
        free(file);
        errno = ENOMEM; /* its only cause: the room suffices */
        return NULL;
    }
    at = put_chunk(at, "IDAT", at + 8, packed);
    at = put_chunk(at, "IEND", NULL, 0);
    *size = (size_t)(at - file);
    return file;
}

bool png_file_write(const char *path, const uint8_t *pixels, int height, int width,
                    int channels)
{
    size_t size;
    uint8_t *file = png_encode(pixels, height, width, channels, &size);
    bool done = file && paths_write(path, file, size);
    int why = errno;
    free(file);
    errno = why;
    return done;
}
