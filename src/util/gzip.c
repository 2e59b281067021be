/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking gzip from memory to memory, within a limit. */
#include "util/deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* The most that a byte of deflate can become: 258 bytes for two bits. */
enum { MOST_PER_BYTE = 1032 };

/* A size to begin with. The last four bytes tell the size modulo 2^32 of the last member;
 * as they may lie, no more is taken than the packed bytes could become. */
static size_t first_room(const uint8_t *bytes, size_t size, size_t limit)
{
    size_t told = 0, most = limit;
    if (size >= 18)
        for (size_t i = 0; i < 4; i++)
            told |= (size_t)bytes[size - 4 + i] << (8 * i);
    if (size < limit / MOST_PER_BYTE)
        most = size * MOST_PER_BYTE;
    if (told > most)
        told = most;
    return told < 4096 ? 4096 : told;
}

static enum weft_status grow(weft_context *ctx, const char *name, struct weft_file *file,
                             size_t room)
{
    uint8_t *bytes = realloc(file->bytes, room + 1);
    if (!bytes)
        return weft_out_of_memory(ctx, name, room + 1);
    file->bytes = bytes;
    return WEFT_OK;
}

static uInt at_most(size_t size)
{
    return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

static enum weft_status inflate_all(weft_context *ctx, const char *name, z_stream *stream,
                                    const uint8_t *bytes, size_t size, size_t limit,
                                    struct weft_file *file)
{
    size_t used = 0, room = first_room(bytes, size, limit);
    WEFT_TRY(grow(ctx, name, file, room));
    for (;;) {
        if (file->size == room) {
            room *= 2;
            WEFT_TRY(grow(ctx, name, file, room));
        }
        uInt in = at_most(size - used), out = at_most(room - file->size);
        stream->next_in = (Bytef *)(uintptr_t)(bytes + used);
        stream->avail_in = in;
        stream->next_out = file->bytes + file->size;
        stream->avail_out = out;
        int code = inflate(stream, Z_NO_FLUSH);
        used += in - stream->avail_in;
        file->size += out - stream->avail_out;
        if (file->size > limit)
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: unpacks to more than %zu bytes, the most that is read",
                             name, limit);
        if (code == Z_STREAM_END) {
            if (used == size)
                return WEFT_OK;
            code = inflateReset(stream);
        } else if (code == Z_BUF_ERROR ||
                   (code == Z_OK && used == size && stream->avail_out)) {
            return weft_fail(
                ctx, WEFT_ERR_FORMAT,
                "%s: ends in the middle of its gzip data after %zu bytes; it "
                "was cut short, fetch it again",
                name, size);
        }
        if (code == Z_MEM_ERROR)
            return weft_out_of_memory(ctx, name, room);
        if (code != Z_OK)
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: damaged gzip data near byte %zu of %zu (%s); fetch it "
                             "again",
                             name, used, size,
                             stream->msg ? stream->msg : "needs a dictionary");
    }
}

enum weft_status weft_file_gunzip(weft_context *ctx, const char *name, const void *bytes,
                                  size_t size, size_t limit, struct weft_file *out)
{
    struct weft_file file = {0};
    z_stream stream = {0};
    if (weft_deflate_gunzip(bytes, size, first_room(bytes, size, limit), out))
        return WEFT_OK;
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) /* 16: gzip, not zlib */
        return weft_out_of_memory(ctx, name, 1 << MAX_WBITS);
    enum weft_status status = inflate_all(ctx, name, &stream, bytes, size, limit, &file);
    inflateEnd(&stream);
    if (status) {
        weft_file_free(&file);
        return status;
    }
    file.bytes[file.size] = 0;
    *out = file;
    return WEFT_OK;
}
