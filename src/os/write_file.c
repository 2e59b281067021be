/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic writing of whole files. */
#define _XOPEN_SOURCE 700
#include "os/write_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The contents of a file, by a function that writes them. */
struct contents {
    bool (*write)(void *priv, int fd);
    void *priv;
};

/* The same as bytes. */
struct parts {
    const struct weft_write_part *parts;
    size_t count;
};

static bool write_part(int fd, const char *bytes, size_t size)
{
    while (size) {
        /* Linux writes at most 2^31 - 4096 bytes a call, other systems fewer. */
        ssize_t count = write(fd, bytes, size < 1 << 30 ? size : 1 << 30);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

static bool write_parts(void *priv, int fd)
{
    const struct parts *parts = priv;
    for (size_t i = 0; i < parts->count; i++)
        if (!write_part(fd, parts->parts[i].bytes, parts->parts[i].size))
            return false;
    return true;
}

/* close, which keeps the errno of an earlier failure. */
static bool close_after(int fd, bool done)
{
    int error = errno;
    bool closed = !close(fd);
    if (!done)
        errno = error;
    return done && closed;
}

static const char *write_direct(const char *path, const struct stat *info,
                                const struct contents *contents)
{
    /* Standard output and error share their position with what was printed there. */
    for (int fd = 1; fd <= 2; fd++) {
        struct stat own;
        if (!fstat(fd, &own) && own.st_dev == info->st_dev && own.st_ino == info->st_ino)
            return contents->write(contents->priv, fd) ? NULL : "cannot be written";
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return "cannot be opened for writing";
    return close_after(fd, contents->write(contents->priv, fd)) ? NULL
                                                                : "cannot be written";
}

/* The folder of `path`, owned by the caller. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Creates a temporary file in `folder`; its name is written to *name, owned by the
 * caller. */
static int open_temporary(const char *folder, mode_t mode, char **name)
{
    size_t size = strlen(folder) + 64;
    *name = malloc(size);
    for (int attempt = 0; *name && attempt < 1000; attempt++) {
        snprintf(*name, size, "%s/.weft-%ld-%d.tmp", folder, (long)getpid(), attempt);
        int fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            break;
    }
    int error = *name ? errno : ENOMEM;
    free(*name);
    *name = NULL;
    errno = error;
    return -1;
}

/* Makes the rename durable. A folder that cannot be opened or synced is not an error: the
 * file itself is complete. */
static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return true;
    bool bad = fsync(fd) < 0 && errno == EIO;
    close(fd);
    errno = EIO;
    return !bad;
}

/* `kept`: permissions of the file that is replaced, or -1. */
static const char *replace(const char *path, mode_t mode, int kept,
                           const struct contents *contents)
{
    const char *failure = NULL;
    char *temporary = NULL, *folder = folder_of(path);
    int fd = folder ? open_temporary(folder, mode, &temporary) : -1;
    if (fd < 0) {
        failure = "cannot be created";
        goto done;
    }
    /* Not an error: some file systems have no permissions. */
    if (kept >= 0 && fchmod(fd, (mode_t)kept))
        errno = 0;
    bool written = contents->write(contents->priv, fd) && fsync(fd) == 0;
    if (!close_after(fd, written))
        failure = "cannot be written";
    else if (rename(temporary, path))
        failure = "cannot be replaced";
    if (failure) {
        int error = errno;
        unlink(temporary);
        errno = error;
    } else if (!sync_folder(folder)) {
        failure = "cannot be synced";
    }
done:;
    int error = errno;
    free(temporary);
    free(folder);
    errno = error;
    return failure;
}

/* A link to a file that does not exist: creates the file, which is then replaced. */
static const char *write_dangling(const char *path, mode_t mode,
                                  const struct contents *contents)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC, mode);
    if (fd < 0)
        return "cannot be created";
    close(fd);
    char *target = realpath(path, NULL);
    const char *failure =
        target ? replace(target, mode, -1, contents) : "cannot be created";
    int error = errno;
    if (target && failure)
        unlink(target);
    free(target);
    errno = error;
    return failure;
}

const char *weft_write_file(const char *path, mode_t mode, const void *bytes, size_t size)
{
    return weft_write_file_parts(path, mode, &(struct weft_write_part){bytes, size}, 1);
}

const char *weft_write_file_parts(const char *path, mode_t mode,
                                  const struct weft_write_part *parts, size_t count)
{
    return weft_write_file_by(path, mode, write_parts, &(struct parts){parts, count});
}

const char *weft_write_file_by(const char *path, mode_t mode,
                               bool (*write)(void *priv, int fd), void *priv)
{
    const struct contents contents = {write, priv};
    struct stat info;
    /* A descriptor of this process, such as /dev/stdout redirected to a file. */
    bool descriptor = !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
    if (stat(path, &info)) {
        bool dangling = errno == ENOENT && !lstat(path, &info) && S_ISLNK(info.st_mode);
        return dangling ? write_dangling(path, mode, &contents)
                        : replace(path, mode, -1, &contents);
    }
    if (S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        return "cannot be written";
    }
    if (!S_ISREG(info.st_mode) || descriptor)
        return write_direct(path, &info, &contents);
    char *target = realpath(path, NULL);
    if (!target)
        return "cannot be resolved";
    const char *failure = replace(target, mode, info.st_mode & mode, &contents);
    int error = errno;
    free(target);
    errno = error;
    return failure;
}
