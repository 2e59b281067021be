/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are larger than memory: open, and read in parts. */
#ifndef WEFT_UTIL_LARGE_FILE_H
#define WEFT_UTIL_LARGE_FILE_H

#include "base/context.h"

struct weft_large_file {
    char *path;
    int fd;
    size_t size; /* when it was opened */
    int users;
};

/* A regular file. WEFT_ERR_FILE, WEFT_ERR_NOMEM. */
enum weft_status weft_large_file_open(weft_context *ctx, const char *path,
                                      struct weft_large_file **out);
struct weft_large_file *weft_large_file_retain(struct weft_large_file *file);
void weft_large_file_release(struct weft_large_file **file);

/* Copies `size` bytes from `at` on. WEFT_ERR_FILE: they cannot be read, or the file has
 * become shorter. */
enum weft_status weft_large_file_read(weft_context *ctx,
                                      const struct weft_large_file *file, size_t at,
                                      void *to, size_t size);

/* These bytes are read soon: the disk begins with them. */
void weft_large_file_expect(const struct weft_large_file *file, size_t at, size_t size);

#endif
