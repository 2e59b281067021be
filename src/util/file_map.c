/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are larger than memory. */
#define _XOPEN_SOURCE 700
#include "util/file_map.h"

#include "os/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum weft_status weft_file_map_open(weft_context *ctx, const char *path,
                                    struct weft_file_map **out)
{
    struct stat info;
    const char *why;
    struct weft_file_map *map = calloc(1, sizeof(*map));
    char *copy = strdup(path);
    int fd = map && copy ? weft_open_file(path, false, &info, &why) : -1;
    if (!map || !copy) {
        free(map);
        free(copy);
        return weft_out_of_memory(ctx, path, sizeof(*map));
    }
    *map = (struct weft_file_map){.path = copy, .fd = fd, .users = 1};
    void *bytes = MAP_FAILED;
    if (fd >= 0 && (uintmax_t)info.st_size <= SIZE_MAX / 2) {
        map->size = (size_t)info.st_size;
        bytes = mmap(NULL, map->size, PROT_READ, MAP_SHARED, fd, 0);
        why = NULL;
    }
    if (bytes == MAP_FAILED) {
        const char *reason = fd < 0 && why ? why : strerror(errno);
        enum weft_status status =
            weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be mapped: %s", path, reason);
        map->size = 0;
        weft_file_map_release(&map);
        return status;
    }
    map->bytes = bytes;
    *out = map;
    return WEFT_OK;
}

struct weft_file_map *weft_file_map_retain(struct weft_file_map *map)
{
    if (map)
        map->users++;
    return map;
}

void weft_file_map_release(struct weft_file_map **map)
{
    struct weft_file_map *m = *map;
    *map = NULL;
    if (!m || --m->users)
        return;
    if (m->size)
        munmap((void *)(uintptr_t)m->bytes, m->size);
    if (m->fd >= 0)
        close(m->fd);
    free(m->path);
    free(m);
}

enum weft_status weft_file_map_read(weft_context *ctx, const struct weft_file_map *map,
                                    size_t at, void *to, size_t size)
{
    struct stat info;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(map->fd, (char *)to + done, size - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return weft_fail(ctx, WEFT_ERR_FILE,
                             "%s: byte %zu cannot be read: %s; copy "
                             "the file to a disk that is whole",
                             map->path, at + done, strerror(errno));
        if (!got)
            return weft_fail(
                ctx, WEFT_ERR_FILE,
                "%s: ends at byte %jd, but had %zu when it was opened; leave "
                "the file as it is while it is in use",
                map->path, fstat(map->fd, &info) ? (intmax_t)0 : (intmax_t)info.st_size,
                map->size);
        done += (size_t)got;
    }
    return WEFT_OK;
}

void weft_file_map_expect(const struct weft_file_map *map, size_t at, size_t size)
{
    posix_fadvise(map->fd, (off_t)at, (off_t)size, POSIX_FADV_WILLNEED);
}
