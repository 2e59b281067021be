/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files in and out of memory. */
#ifndef WEFT_UTIL_FILE_H
#define WEFT_UTIL_FILE_H

#include <sys/types.h>

#include "base/context.h"

/* A file's contents. A zero byte that is not counted follows them, so that text may be
 * read as a string. */
struct weft_file {
    uint8_t *bytes;
    size_t size;
};

/* Reads all of `path`, at most `limit` bytes; a pipe will do. WEFT_ERR_FILE,
 * WEFT_ERR_NOMEM; WEFT_ERR_FORMAT if it is larger. */
enum weft_status weft_file_read(weft_context *ctx, const char *path, size_t limit,
                                struct weft_file *out);

/* As weft_file_read, and unpacks it if it begins as gzip does. `limit` holds for the
 * unpacked size too. WEFT_ERR_FORMAT if it is damaged. */
enum weft_status weft_file_read_gz(weft_context *ctx, const char *path, size_t limit,
                                   struct weft_file *out);

/* Unpacks gzip (RFC 1952, any number of members) from memory; `name` is for the error
 * sentence. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_file_gunzip(weft_context *ctx, const char *name, const void *bytes,
                                  size_t size, size_t limit, struct weft_file *out);

void weft_file_free(struct weft_file *file);

/* Whether something, file or folder, is there and can be looked at. */
bool weft_file_exists(const char *path);
bool weft_folder_exists(const char *path);

/* Writes `path` whole or not at all: a temporary file in the same folder is written,
 * synced and renamed, and removed on any failure. A symbolic link is followed; a device
 * or pipe is written to directly. `mode` is that of the new file, less the umask. */
enum weft_status weft_file_write(weft_context *ctx, const char *path, const void *bytes,
                                 size_t size);
enum weft_status weft_file_write_mode(weft_context *ctx, const char *path, mode_t mode,
                                      const void *bytes, size_t size);

/* Makes the folder `path` and those above it that are missing, all with `mode` less the
 * umask. One that exists is left as it is. */
enum weft_status weft_folder_create(weft_context *ctx, const char *path, mode_t mode);

/* "folder/name", to be freed; NULL without memory. */
char *weft_path_join(const char *folder, const char *name);

#endif
