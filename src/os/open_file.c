/* SPDX-License-Identifier: Apache-2.0 */
/* The opening of every file that is read. */
#define _XOPEN_SOURCE 700
#include "os/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool is_own_descriptor(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (int i = 0; i < 2; i++)
        if (!strncmp(path, folders[i], strlen(folders[i])))
            return true;
    return !strcmp(path, "/dev/stdin");
}

/* Why a file of this kind is not read; NULL: it is. */
static const char *refusal(const char *path, bool fifo, mode_t mode)
{
    if (S_ISDIR(mode))
        return "is a folder, not a file";
    if (S_ISREG(mode) || (S_ISFIFO(mode) && fifo) || is_own_descriptor(path))
        return NULL;
    return S_ISFIFO(mode)   ? "is a FIFO, not a regular file"
           : S_ISSOCK(mode) ? "is a socket, not a regular file"
                            : "is a device, not a regular file";
}

/* Waits for the first data or the end of a FIFO or terminal, and makes reads wait. */
static bool wait_for_data(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int found, flags;
    do {
        found = poll(&poll_fd, 1, -1);
    } while (found < 0 && errno == EINTR);
    flags = fcntl(fd, F_GETFL);
    return found >= 0 && flags >= 0 && !fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int weft_open_file(const char *path, bool fifo, struct stat *info, const char **why)
{
    int fd;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    } while (fd < 0 && errno == EINTR);
    int error = errno;
    bool socket = fd < 0 && error == ENXIO && !stat(path, info);
    bool known = fd < 0 ? socket : !fstat(fd, info);
    *why = known ? refusal(path, fifo, info->st_mode) : NULL;
    if (fd >= 0 && known && !*why && (S_ISREG(info->st_mode) || wait_for_data(fd)))
        return fd;
    if (fd >= 0) {
        error = *why ? EINVAL : errno;
        close(fd);
    }
    errno = error;
    return -1;
}
