/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of image files. */
#define _GNU_SOURCE
#include "core/image_files.h"

#include "os/gunzip_limit.h"
#include "os/idx_header.h"
#include "os/open_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    CHUNK = 1 << 16,
    MAX_BYTES =
        1 << 29, /* a PPM of 2^26 pixels with two bytes a sample needs 3/4 of it */
    MAX_PIXELS = 1 << 26
};

static bool fail(char **why, const struct image_file *file, const char *what)
{
    *why = term_format_or_exit("%s: %s", file->path, what);
    return false;
}

static int open_file(const struct image_path *path, const char **what)
{
    struct stat s;
    return strcmp(path->path, "-") || path->listed
               ? weft_open_file(path->path, false, &s, what)
               : dup(STDIN_FILENO);
}

/* The failure of a read that returned `got`; NULL: none, but the end of the file. */
static const char *read_error(gzFile in, int got)
{
    int error = Z_OK;
    const char *what = gzerror(in, &error);
    if (error == Z_BUF_ERROR)
        return "truncated gzip data";
    if (got >= 0 && (error == Z_OK || error == Z_STREAM_END))
        return NULL;
    return error == Z_ERRNO ? strerror(errno) : *what ? what : "cannot be read";
}

/* Reads up to `size` bytes more. */
static bool read_more(struct image_file *file, size_t size, char **why)
{
    file->bytes = term_realloc_or_exit(file->bytes, file->size + size);
    int got = gzread(file->in, file->bytes + file->size, (unsigned)size);
    const char *what = read_error(file->in, got);
    if (got > 0)
        file->size += (size_t)got;
    return what ? fail(why, file, what) : true;
}

static bool is_known(const struct image_file *file)
{
    const uint8_t *b = file->bytes;
    return file->size >= 3 && (!memcmp(b, "\x89PN", 3) || !memcmp(b, "\xff\xd8\xff", 3) ||
                               (b[0] == 'P' && b[1] >= '1' && b[1] <= '6'));
}

/* The most bytes that are read after as much of the file as zlib has read. */
static size_t limit_of(gzFile in)
{
    z_off_t packed = gzoffset(in);
    return gzdirect(in) || packed < 0 ? MAX_BYTES
                                      : weft_gunzip_limit((size_t)packed, MAX_BYTES);
}

/* Reads the rest of a file that begins like an image. */
static bool read_rest(struct image_file *file, char **why)
{
    size_t before = 0;
    while (file->size > before && file->size <= limit_of(file->in)) {
        before = file->size;
        if (!read_more(file, file->size > CHUNK ? file->size : CHUNK, why))
            return false;
    }
    if (file->size <= limit_of(file->in))
        return true;
    return fail(why, file,
                gzdirect(file->in) ? "larger than 512 MiB"
                                   : "decompresses to far more than is usual for its "
                                     "size; decompress it with gzip -d");
}

static size_t image_bytes(const struct weft_image *image)
{
    return (size_t)image->height * (size_t)image->width * (size_t)image->channels;
}

/* The first bytes of the file have been read. */
static bool read_idx_header(struct image_file *file, char **why)
{
    struct weft_idx_header header;
    uint8_t bytes[WEFT_IDX_HEADER];
    char reason[WEFT_IDX_REASON];
    memcpy(bytes, file->bytes, WEFT_IDX_PREFIX);
    weft_idx_parse(bytes, WEFT_IDX_PREFIX, &header, reason);
    if (header.dimensions == 1 || header.dimensions == 2)
        return fail(why, file, "an IDX file that does not contain images");
    size_t rest = header.size ? header.size - WEFT_IDX_PREFIX : 0;
    int got = gzread(file->in, bytes + WEFT_IDX_PREFIX, (unsigned)rest);
    const char *what = read_error(file->in, got);
    if (!what)
        what = weft_idx_parse(bytes, WEFT_IDX_PREFIX + (size_t)got, &header, reason);
    if (what)
        return fail(why, file, what);
    const uint32_t *extents = header.extents;
    for (int i = 0; i < header.dimensions; i++)
        if (!extents[i] || extents[i] > (i ? 65535 : INT32_MAX))
            return fail(why, file, "an IDX file with impossible extents");
    if ((uint64_t)extents[1] * extents[2] > MAX_PIXELS)
        return fail(why, file, "an IDX file with impossible extents");
    if (extents[3] != 1 && extents[3] != 3)
        return fail(why, file, "an IDX file with neither 1 nor 3 channels");
    file->count = (int)extents[0];
    file->image =
        (struct weft_image){(int)extents[1], (int)extents[2], (int)extents[3], NULL};
    file->size = image_bytes(&file->image);
    file->bytes = term_realloc_or_exit(file->bytes, file->size);
    file->image.pixels = file->bytes;
    return true;
}

bool image_file_open(struct image_file *file, const struct image_path *path, char **why)
{
    const char *what = NULL;
    *why = NULL;
    *file = (struct image_file){.path = strcmp(path->path, "-") ? path->path : "stdin",
                                .count = 1};
    int descriptor = open_file(path, &what);
    if (descriptor < 0)
        return fail(why, file, what ? what : strerror(errno));
    file->in = gzdopen(descriptor, "rb");
    if (!file->in) {
        close(descriptor);
        return fail(why, file, "out of memory");
    }
    if (!read_more(file, WEFT_IDX_PREFIX, why))
        return false;
    file->idx = file->size == WEFT_IDX_PREFIX && !memcmp(file->bytes, "\0\0\x08", 3);
    return file->idx ? read_idx_header(file, why) : true;
}

/* After the last image of an IDX file. */
static bool end_idx(struct image_file *file, char **why)
{
    uint8_t extra;
    int got = gzread(file->in, &extra, 1);
    const char *what = read_error(file->in, got);
    if (!what && got > 0)
        what = "an IDX file with more bytes than its header announces: damaged";
    return what ? fail(why, file, what) : false;
}

static bool next_idx(struct image_file *file, char **why)
{
    if (file->next == file->count)
        return end_idx(file, why);
    int got = gzread(file->in, file->bytes, (unsigned)file->size);
    const char *what = read_error(file->in, got);
    if (what)
        return fail(why, file, what);
    if (got != (int)file->size) {
        *why = term_format_or_exit("%s: an IDX file whose header announces %d images, "
                                   "but %d follow: truncated or damaged",
                                   file->path, file->count, file->next);
        return false;
    }
    file->next++;
    return true;
}

bool image_file_next(weft_context *context, struct image_file *file, char **why)
{
    *why = NULL;
    if (file->idx)
        return next_idx(file, why);
    if (file->next++)
        return false;
    if (!file->size)
        return fail(why, file, "is empty");
    if (is_known(file) && !read_rest(file, why))
        return false;
    enum weft_status status = weft_image_decode(context, file->path, file->bytes,
                                                file->size, file->purpose, &file->image);
    if (!status)
        return true;
    *why = term_format_or_exit("%s", weft_error(context));
    return false;
}

void image_file_close(struct image_file *file)
{
    if (!file->idx && file->image.pixels)
        weft_image_free(&file->image);
    if (file->in)
        gzclose_r(file->in);
    free(file->bytes);
    *file = (struct image_file){0};
}
