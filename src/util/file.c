/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing of whole files. A write is atomic: the path has the old or the
 * new contents at any time. */
#define _XOPEN_SOURCE 700
#include "util/file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/open_file.h"
#include "os/write_file.h"
#include "util/large_file.h"

static enum weft_status fail_errno(weft_context *ctx, const char *path, const char *what)
{
    return weft_fail(ctx, WEFT_ERR_FILE, "%s: %s: %s", path, what, strerror(errno));
}

void weft_file_free(struct weft_file *file)
{
    weft_large_file_release(&file->large);
    free(file->bytes);
    *file = (struct weft_file){0};
}

enum weft_status weft_file_copy(weft_context *ctx, const struct weft_file *file,
                                size_t at, void *to, size_t size)
{
    assert(at <= file->size && size <= file->size - at);
    if (file->large)
        return weft_large_file_read(ctx, file->large, at, to, size);
    memcpy(to, file->bytes + at, size);
    return WEFT_OK;
}

enum weft_status weft_file_examine(weft_context *ctx, const char *path,
                                   enum weft_file_kind *out)
{
    struct stat info;
    if (stat(path, &info)) {
        if (errno != ENOENT && errno != ENOTDIR)
            return fail_errno(ctx, path, "cannot be examined");
        *out = WEFT_FILE_ABSENT;
        return WEFT_OK;
    }
    *out = S_ISREG(info.st_mode)    ? WEFT_FILE_REGULAR
           : S_ISDIR(info.st_mode)  ? WEFT_FILE_FOLDER
           : S_ISFIFO(info.st_mode) ? WEFT_FILE_PIPE
                                    : WEFT_FILE_OTHER;
    return WEFT_OK;
}

bool weft_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool weft_folder_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *weft_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] != '/' ? "/" : "";
    size_t size = length + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", folder, slash, name);
    return path;
}

/* The buffer of a file that is being read. */
struct file_reader {
    weft_context *ctx;
    const char *path;
    int fd;
    size_t capacity;
    bool ended;
};

/* Reads until `file` has `enough` bytes, or to the end. The buffer grows to `expected` at
 * once and then by doubling. */
static enum weft_status read_until(struct file_reader *r, size_t enough, size_t expected,
                                   struct weft_file *file)
{
    while (!r->ended && file->size < enough) {
        if (!file->bytes || file->size == r->capacity) {
            size_t grown = 2 * r->capacity;
            grown = grown < expected ? expected : grown;
            grown = grown < enough ? grown : enough;
            uint8_t *bytes = realloc(file->bytes, grown + 1);
            if (!bytes)
                return weft_out_of_memory(r->ctx, r->path, grown + 1);
            file->bytes = bytes;
            r->capacity = grown;
        }
        ssize_t got = read(r->fd, file->bytes + file->size, r->capacity - file->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(r->ctx, r->path, "cannot be read");
        file->size += (size_t)got;
        r->ended = !got;
    }
    if (file->bytes)
        file->bytes[file->size] = 0;
    return WEFT_OK;
}

/* Reads the head, checks it, reads the rest. `size`: SIZE_MAX for a pipe. */
static enum weft_status read_all(struct file_reader *r, size_t size,
                                 const struct weft_file_limits *limits,
                                 struct weft_file *file)
{
    /* One byte more than the file has, to detect its end without growing the buffer. */
    size_t limit = limits->limit, expected = size < SIZE_MAX ? size + 1 : 1 << 16;
    if (limits->check) {
        WEFT_TRY(read_until(r, limits->head_size, expected, file));
        WEFT_TRY(limits->check(limits->priv, file, size, &limit));
    }
    WEFT_TRY(read_until(r, limit + 1, expected, file));
    return file->size <= limit
               ? WEFT_OK
               : weft_fail(r->ctx, WEFT_ERR_FORMAT, "%s: more than %zu bytes, the limit",
                           r->path, limit);
}

enum weft_status weft_file_read_within(weft_context *ctx, const char *path,
                                       const struct weft_file_limits *limits,
                                       struct weft_file *out)
{
    enum weft_status status = WEFT_OK;
    struct weft_file file = {0};
    struct stat info;
    size_t size = SIZE_MAX;
    const char *why;
    int fd = weft_open_file(path, limits->fifo, &info, &why);
    if (fd < 0)
        return why ? weft_fail(ctx, WEFT_ERR_FILE, "%s: %s", path, why)
                   : fail_errno(ctx, path, "cannot be opened");
    if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size > limits->limit)
        status =
            weft_fail(ctx, WEFT_ERR_FORMAT, "%s: %ju bytes, more than the limit of %zu",
                      path, (uintmax_t)info.st_size, limits->limit);
    else if (S_ISREG(info.st_mode) && info.st_size > 0)
        size = (size_t)info.st_size; /* files of /proc have size 0 */
    if (!status)
        status =
            read_all(&(struct file_reader){ctx, path, fd, 0, false}, size, limits, &file);
    close(fd);
    if (status)
        weft_file_free(&file);
    else
        *out = file;
    return status;
}

enum weft_status weft_file_read(weft_context *ctx, const char *path, size_t limit,
                                struct weft_file *out)
{
    return weft_file_read_within(ctx, path, &(struct weft_file_limits){.limit = limit},
                                 out);
}

enum weft_status weft_file_write_mode(weft_context *ctx, const char *path, mode_t mode,
                                      const void *bytes, size_t size)
{
    const char *failure = weft_write_file(path, mode, bytes, size);
    if (failure && errno == EISDIR)
        return weft_fail(ctx, WEFT_ERR_FILE, "%s: is a folder, not a file", path);
    return failure ? fail_errno(ctx, path, failure) : WEFT_OK;
}

enum weft_status weft_file_write(weft_context *ctx, const char *path, const void *bytes,
                                 size_t size)
{
    return weft_file_write_mode(ctx, path, 0666, bytes, size);
}

enum weft_status weft_folder_create(weft_context *ctx, const char *path, mode_t mode)
{
    enum weft_status status = WEFT_OK;
    char *part = strdup(path);
    if (!part)
        return weft_out_of_memory(ctx, path, strlen(path) + 1);
    for (char *end = part; *end && !status;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = 0;
        int error = mkdir(part, mode) ? errno : 0;
        /* For an existing folder some systems return EROFS or EACCES instead of
         * EEXIST. */
        if (error && !weft_folder_exists(part)) {
            errno = error;
            status = fail_errno(ctx, part, "cannot be created as a folder");
        }
        *end = kept;
    }
    free(part);
    return status;
}
