/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing of whole files. */
#ifndef WEFT_UTIL_FILE_H
#define WEFT_UTIL_FILE_H

#include <sys/types.h>

#include "base/context.h"

struct weft_large_file; /* large_file.h */

/* Contents of a file. A zero byte that `size` does not count follows: text is a
 * string. */
struct weft_file {
    uint8_t *bytes; /* NULL: they stay in the file */
    size_t size;
    struct weft_large_file *large; /* NULL: they are in memory */
};

/* Reads all of `path`, at most `limit` bytes; a regular file or a descriptor of this
 * process (os/open_file.h). WEFT_ERR_FILE, WEFT_ERR_NOMEM; WEFT_ERR_FORMAT if it is
 * larger. */
enum weft_status weft_file_read(weft_context *ctx, const char *path, size_t limit,
                                struct weft_file *out);

/* Limits of what is read of a file. */
struct weft_file_limits {
    size_t limit; /* bytes */
    bool fifo;    /* a FIFO too, after waiting for its writer */

    /* NULL, or checks the first `head_size` bytes (fewer of a smaller file) before more
     * is read, and may lower *limit, the bytes that are read at most. `size` is that of
     * the file, SIZE_MAX for a pipe. */
    size_t head_size;
    enum weft_status (*check)(void *priv, const struct weft_file *head, size_t size,
                              size_t *limit);
    void *priv;
};

enum weft_status weft_file_read_within(weft_context *ctx, const char *path,
                                       const struct weft_file_limits *limits,
                                       struct weft_file *out);

void weft_file_free(struct weft_file *file);

/* Copies `size` bytes from `at` on, within the file. WEFT_ERR_FILE: they are not in
 * memory, and cannot be read any more. */
enum weft_status weft_file_copy(weft_context *ctx, const struct weft_file *file,
                                size_t at, void *to, size_t size);

enum weft_file_kind {
    WEFT_FILE_ABSENT, /* also a link to a file that does not exist */
    WEFT_FILE_REGULAR,
    WEFT_FILE_FOLDER,
    WEFT_FILE_PIPE,
    WEFT_FILE_OTHER, /* a socket or a device */
};

/* The kind of `path`, links followed. WEFT_ERR_FILE if it cannot be examined: then it is
 * unknown whether it exists. */
enum weft_status weft_file_examine(weft_context *ctx, const char *path,
                                   enum weft_file_kind *out);

/* True if a file or folder exists and is accessible. */
bool weft_file_exists(const char *path);
bool weft_folder_exists(const char *path);

/* Replaces `path` atomically, as in os/write_file.h; `mode` is that of a new file, less
 * the umask. */
enum weft_status weft_file_write(weft_context *ctx, const char *path, const void *bytes,
                                 size_t size);
enum weft_status weft_file_write_mode(weft_context *ctx, const char *path, mode_t mode,
                                      const void *bytes, size_t size);

/* Creates the folder `path` and its missing parents with `mode` less the umask. An
 * existing folder is left unchanged. */
enum weft_status weft_folder_create(weft_context *ctx, const char *path, mode_t mode);

/* "folder/name", owned by the caller; NULL: out of memory. */
char *weft_path_join(const char *folder, const char *name);

#endif
