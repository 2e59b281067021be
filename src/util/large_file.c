/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are larger than memory. None is mapped: of a mapped file that becomes
 * shorter, the process could not report it. */
#define _XOPEN_SOURCE 700
#include "util/large_file.h"

#include "os/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum weft_status weft_large_file_open(weft_context *ctx, const char *path,
                                      struct weft_large_file **out)
{
    struct stat info;
    const char *why = NULL;
    struct weft_large_file *file = calloc(1, sizeof(*file));
    char *copy = strdup(path);
    if (!file || !copy) {
        free(file);
        free(copy);
        return weft_out_of_memory(ctx, path, sizeof(*file));
    }
    *file = (struct weft_large_file){
        .path = copy, .fd = weft_open_file(path, false, &info, &why), .users = 1};
    bool opened = file->fd >= 0;
    if (opened && (uintmax_t)info.st_size > SIZE_MAX / 2) {
        errno = EFBIG;
        opened = false;
    }
    if (!opened) {
        enum weft_status status = weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be read: %s",
                                            path, why ? why : strerror(errno));
        weft_large_file_release(&file);
        return status;
    }
    file->size = (size_t)info.st_size;
    *out = file;
    return WEFT_OK;
}

struct weft_large_file *weft_large_file_retain(struct weft_large_file *file)
{
    if (file)
        file->users++;
    return file;
}

void weft_large_file_release(struct weft_large_file **file)
{
    struct weft_large_file *f = *file;
    *file = NULL;
    if (!f || --f->users)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
}

enum weft_status weft_large_file_read(weft_context *ctx,
                                      const struct weft_large_file *file, size_t at,
                                      void *to, size_t size)
{
    struct stat info;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(file->fd, (char *)to + done, size - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return weft_fail(ctx, WEFT_ERR_FILE,
                             "%s: byte %zu cannot be read: %s; copy "
                             "the file to a disk that is whole",
                             file->path, at + done, strerror(errno));
        if (!got)
            return weft_fail(
                ctx, WEFT_ERR_FILE,
                "%s: ends at byte %jd, but had %zu when it was opened; leave "
                "the file as it is while it is in use",
                file->path, fstat(file->fd, &info) ? (intmax_t)0 : (intmax_t)info.st_size,
                file->size);
        done += (size_t)got;
    }
    return WEFT_OK;
}

void weft_large_file_expect(const struct weft_large_file *file, size_t at, size_t size)
{
    posix_fadvise(file->fd, (off_t)at, (off_t)size, POSIX_FADV_WILLNEED);
}
