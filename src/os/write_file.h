/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of every file: the library and the command are both built with it. */
#ifndef WEFT_OS_WRITE_FILE_H
#define WEFT_OS_WRITE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Replaces `path` atomically: a temporary file in the same folder is written, synced and
 * renamed, the folder is synced, and on failure nothing is left behind. A symbolic link
 * is followed, a device or pipe is written to directly. A new file has `mode` less the
 * umask, an existing one keeps those of its permissions that are in `mode`. Returns NULL
 * on success, else what failed, with errno set. */
const char *weft_write_file(const char *path, mode_t mode, const void *bytes,
                            size_t size);

/* The same, of parts one after the other. */
struct weft_write_part {
    const void *bytes;
    size_t size;
};
const char *weft_write_file_parts(const char *path, mode_t mode,
                                  const struct weft_write_part *parts, size_t count);

/* The same, of what `write` writes to the descriptor, which it leaves open. It is called
 * at most once; false: it failed, with errno set. */
const char *weft_write_file_by(const char *path, mode_t mode,
                               bool (*write)(void *priv, int fd), void *priv);

#endif
