/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of ZIP archives, stored or deflated. */
#include "util/zip.h"

#include "os/gunzip_limit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_BYTES = 22, ENTRY_BYTES = 46, HEADER_BYTES = 30, STORED = 0, DEFLATED = 8 };

static unsigned load16(const uint8_t *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)load16(p) | (uint32_t)load16(p + 2) << 16;
}

enum weft_status weft_zip_open(weft_context *ctx, const char *name,
                               const struct weft_file *file, struct weft_zip *out)
{
    enum { MAX_COMMENT = 65535 };
    size_t least =
        file->size > END_BYTES + MAX_COMMENT ? file->size - END_BYTES - MAX_COMMENT : 0;
    for (size_t at = file->size < END_BYTES ? 0 : file->size - END_BYTES + 1;
         at-- > least;) {
        const uint8_t *end = file->bytes + at;
        if (memcmp(end, "PK\5\6", 4) != 0)
            continue;
        size_t bytes = load32(end + 12), offset = load32(end + 16);
        if (offset > at || bytes > at - offset)
            break;
        *out = (struct weft_zip){
            ctx, name, file->bytes, file->size, file->bytes + offset, bytes};
        return WEFT_OK;
    }
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: a ZIP archive without its directory: truncated, or larger than "
                     "4 GiB; download it again",
                     name);
}

bool weft_zip_next(struct weft_zip *zip, struct weft_zip_entry *out)
{
    const uint8_t *p = zip->at;
    if (zip->left < ENTRY_BYTES || memcmp(p, "PK\1\2", 4) != 0)
        return false;
    size_t name = load16(p + 28),
           all = ENTRY_BYTES + name + load16(p + 30) + load16(p + 32);
    if (all > zip->left)
        return false;
    *out = (struct weft_zip_entry){.name = (const char *)p + ENTRY_BYTES,
                                   .name_length = name,
                                   .flags = load16(p + 8),
                                   .method = load16(p + 10),
                                   .crc = load32(p + 16),
                                   .packed = load32(p + 20),
                                   .size = load32(p + 24),
                                   .offset = load32(p + 42)};
    zip->at += all;
    zip->left -= all;
    return true;
}

/* The packed bytes, behind the entry's own header; NULL: not within the file. */
static const uint8_t *find_contents(const struct weft_zip *zip,
                                    const struct weft_zip_entry *e)
{
    const uint8_t *header = zip->bytes + e->offset;
    if (e->offset > zip->size || zip->size - e->offset < HEADER_BYTES ||
        memcmp(header, "PK\3\4", 4) != 0)
        return NULL;
    size_t before = HEADER_BYTES + load16(header + 26) + load16(header + 28);
    size_t left = zip->size - e->offset;
    return before <= left && e->packed <= left - before ? header + before : NULL;
}

/* False: damaged, or of another size. */
static bool unpack(const uint8_t *from, const struct weft_zip_entry *e, uint8_t *to)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)from,
                       .avail_in = (uInt)e->packed,
                       .next_out = to,
                       .avail_out = (uInt)e->size};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return false;
    bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && !stream.avail_out;
    inflateEnd(&stream);
    return whole;
}

static enum weft_status check_entry(const struct weft_zip *zip,
                                    const struct weft_zip_entry *e)
{
    enum { ENCRYPTED = 1 };
    const int length = (int)e->name_length;
    if (e->flags & ENCRYPTED)
        return weft_fail(zip->ctx, WEFT_ERR_FORMAT, "%s: %.*s is encrypted", zip->name,
                         length, e->name);
    if ((e->method != STORED && e->method != DEFLATED) ||
        (e->method == STORED && e->packed != e->size))
        return weft_fail(zip->ctx, WEFT_ERR_FORMAT,
                         "%s: %.*s is compressed by method %u; only stored and deflated "
                         "entries can be read",
                         zip->name, length, e->name, e->method);
    if (e->size <= weft_gunzip_limit(e->packed, UINT32_MAX - 1))
        return WEFT_OK;
    return weft_fail(zip->ctx, WEFT_ERR_FORMAT,
                     "%s: %.*s would be %zu bytes of %zu compressed ones, far more than "
                     "usual; unpack it",
                     zip->name, length, e->name, e->size, e->packed);
}

enum weft_status weft_zip_extract(const struct weft_zip *zip,
                                  const struct weft_zip_entry *e, struct weft_file *out)
{
    const uint8_t *from = find_contents(zip, e);
    WEFT_TRY(check_entry(zip, e));
    struct weft_file file = {from ? malloc(e->size + 1) : NULL, e->size};
    if (from && !file.bytes)
        return weft_out_of_memory(zip->ctx, zip->name, e->size + 1);
    bool whole = from != NULL;
    if (whole && e->method == STORED)
        memcpy(file.bytes, from, e->size);
    else if (whole)
        whole = unpack(from, e, file.bytes);
    if (!whole || crc32_z(0, file.bytes, file.size) != e->crc) {
        weft_file_free(&file);
        return weft_fail(zip->ctx, WEFT_ERR_FORMAT,
                         "%s: %.*s is damaged; download it again", zip->name,
                         (int)e->name_length, e->name);
    }
    file.bytes[file.size] = 0;
    *out = file;
    return WEFT_OK;
}
