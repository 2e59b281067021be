/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of gzip within a limit. */
#include "util/gzip.h"

#include "os/gunzip_limit.h"
#include "util/deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* Highest compression of deflate: 258 bytes in two bits. */
enum { MAX_EXPANSION = 1032 };

/* Initial size of the output. The last four bytes are the size modulo 2^32 of the last
 * member; they may be wrong, so the highest possible expansion is the limit. */
static size_t initial_capacity(const uint8_t *bytes, size_t size, size_t limit)
{
    size_t stored = 0, most = limit;
    if (size >= 18)
        for (size_t i = 0; i < 4; i++)
            stored |= (size_t)bytes[size - 4 + i] << (8 * i);
    if (size < limit / MAX_EXPANSION)
        most = size * MAX_EXPANSION;
    if (stored > most)
        stored = most;
    return stored < 4096 ? 4096 : stored;
}

static enum weft_status grow(weft_context *ctx, const char *name, struct weft_file *file,
                             size_t capacity)
{
    uint8_t *bytes = realloc(file->bytes, capacity + 1);
    if (!bytes)
        return weft_out_of_memory(ctx, name, capacity + 1);
    file->bytes = bytes;
    return WEFT_OK;
}

static uInt clamp_to_uint(size_t size)
{
    return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

static enum weft_status inflate_all(weft_context *ctx, const char *name, z_stream *stream,
                                    const uint8_t *bytes, size_t size, size_t limit,
                                    struct weft_file *file)
{
    size_t used = 0, capacity = initial_capacity(bytes, size, limit);
    WEFT_TRY(grow(ctx, name, file, capacity));
    for (;;) {
        if (file->size == capacity) {
            capacity = 2 * capacity < limit + 1 ? 2 * capacity : limit + 1;
            WEFT_TRY(grow(ctx, name, file, capacity));
        }
        uInt in = clamp_to_uint(size - used), out = clamp_to_uint(capacity - file->size);
        stream->next_in = (Bytef *)(uintptr_t)(bytes + used);
        stream->avail_in = in;
        stream->next_out = file->bytes + file->size;
        stream->avail_out = out;
        int code = inflate(stream, Z_NO_FLUSH);
        used += in - stream->avail_in;
        file->size += out - stream->avail_out;
        if (file->size > limit)
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: decompresses to more than %zu bytes, the limit for "
                             "%zu compressed bytes; if it is meant to, decompress it "
                             "with gunzip",
                             name, limit, size);
        if (code == Z_STREAM_END) {
            /* Zeros up to the block size of a tape or disk may follow. */
            while (used < size && !bytes[used])
                used++;
            if (used == size)
                return WEFT_OK;
            code = inflateReset(stream);
        } else if (code == Z_BUF_ERROR ||
                   (code == Z_OK && used == size && stream->avail_out)) {
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: truncated gzip data after %zu bytes; download it again",
                             name, size);
        }
        if (code == Z_MEM_ERROR)
            return weft_out_of_memory(ctx, name, capacity);
        if (code != Z_OK)
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: damaged gzip data near byte %zu of %zu (%s); "
                             "download it again",
                             name, used, size,
                             stream->msg ? stream->msg : "needs a dictionary");
    }
}

enum weft_status weft_gunzip(weft_context *ctx, const char *name, const void *bytes,
                             size_t size, size_t limit, struct weft_file *out)
{
    struct weft_file file = {0};
    z_stream stream = {0};
    if (weft_deflate_gunzip(bytes, size, initial_capacity(bytes, size, limit), out))
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

enum weft_status weft_file_read_gz(weft_context *ctx, const char *path,
                                   const struct weft_file_limits *limits,
                                   struct weft_file *out)
{
    struct weft_file file = {0};
    size_t limit = limits->limit;
    WEFT_TRY(weft_file_read_within(ctx, path, limits, &file));
    if (file.size < 2 || file.bytes[0] != 0x1f || file.bytes[1] != 0x8b) {
        *out = file;
        return WEFT_OK;
    }
    enum weft_status status = weft_gunzip(ctx, path, file.bytes, file.size,
                                          weft_gunzip_limit(file.size, limit), out);
    weft_file_free(&file);
    return status;
}
