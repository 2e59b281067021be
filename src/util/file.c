/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing of whole files. A write is atomic: the path has the old or the
 * new contents at any time. */
#define _XOPEN_SOURCE 700
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/write_file.h"

static enum weft_status fail_errno(weft_context *ctx, const char *path, const char *what)
{
    return weft_fail(ctx, WEFT_ERR_FILE, "%s: %s: %s", path, what, strerror(errno));
}

void weft_file_free(struct weft_file *file)
{
    free(file->bytes);
    *file = (struct weft_file){0};
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

/* Reads to the end; `capacity` is the initial size of the buffer. */
static enum weft_status read_all(weft_context *ctx, const char *path, int fd,
                                 size_t capacity, size_t limit, struct weft_file *file)
{
    for (;;) {
        if (!file->bytes || file->size == capacity) {
            capacity = file->bytes ? 2 * capacity : capacity;
            uint8_t *bytes = realloc(file->bytes, capacity + 1);
            if (!bytes)
                return weft_out_of_memory(ctx, path, capacity + 1);
            file->bytes = bytes;
        }
        ssize_t got = read(fd, file->bytes + file->size, capacity - file->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(ctx, path, "cannot be read");
        file->size += (size_t)got;
        if (file->size > limit)
            return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: more than %zu bytes, the limit",
                             path, limit);
        if (!got)
            break;
    }
    file->bytes[file->size] = 0;
    return WEFT_OK;
}

enum weft_status weft_file_read(weft_context *ctx, const char *path, size_t limit,
                                struct weft_file *out)
{
    enum weft_status status;
    struct weft_file file = {0};
    struct stat info;
    size_t capacity = 1 << 16;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(ctx, path, "cannot be opened");
    if (fstat(fd, &info) < 0) {
        status = fail_errno(ctx, path, "cannot be examined");
        goto done;
    }
    if (S_ISDIR(info.st_mode)) {
        status = weft_fail(ctx, WEFT_ERR_FILE, "%s: is a folder, not a file", path);
        goto done;
    }
    if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size > limit) {
        status =
            weft_fail(ctx, WEFT_ERR_FORMAT, "%s: %ju bytes, more than the limit of %zu",
                      path, (uintmax_t)info.st_size, limit);
        goto done;
    }
    /* One byte more than the file has, to detect its end without growing the buffer. */
    if (S_ISREG(info.st_mode) && info.st_size > 0)
        capacity = (size_t)info.st_size + 1;
    status = read_all(ctx, path, fd, capacity, limit, &file);
done:
    close(fd);
    if (status)
        weft_file_free(&file);
    else
        *out = file;
    return status;
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
