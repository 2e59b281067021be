/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are larger than memory: mapped, and read in parts. */
#ifndef WEFT_UTIL_FILE_MAP_H
#define WEFT_UTIL_FILE_MAP_H

#include "base/context.h"

/* An open file. Its bytes may be read as they are until the file becomes shorter or the
 * disk fails: then the process ends, and weft_file_map_read reports it. */
struct weft_file_map {
    char *path;
    int fd;
    const uint8_t *bytes;
    size_t size;
    int users;
};

/* A regular file that is not empty. WEFT_ERR_FILE, WEFT_ERR_NOMEM. */
enum weft_status weft_file_map_open(weft_context *ctx, const char *path,
                                    struct weft_file_map **out);
struct weft_file_map *weft_file_map_retain(struct weft_file_map *map);
void weft_file_map_release(struct weft_file_map **map);

/* Copies `size` bytes from `at` on. WEFT_ERR_FILE. */
enum weft_status weft_file_map_read(weft_context *ctx, const struct weft_file_map *map,
                                    size_t at, void *to, size_t size);

/* These bytes are read soon: the disk begins with them. */
void weft_file_map_expect(const struct weft_file_map *map, size_t at, size_t size);

#endif
