/* SPDX-License-Identifier: Apache-2.0 */
/* Cache and state folders (XDG Base Directory Specification), and file helpers. */
#ifndef WEFT_CMD_CORE_PATHS_H
#define WEFT_CMD_CORE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { PATHS_MAX = 4096 };

/* $XDG_CACHE_HOME/weft or ~/.cache/weft, created with mode 0700. False: unavailable, or
 * other users may write to it, of which it warns; nothing is cached. */
bool paths_cache(char out[PATHS_MAX]);

/* $XDG_STATE_HOME/weft or ~/.local/state/weft, which may not exist yet. False:
 * unavailable. */
bool paths_state(char out[PATHS_MAX]);

/* folder/name. False if it is too long. */
bool paths_join(char out[PATHS_MAX], const char *folder, const char *name);

/* `path` in the current folder if it is relative. False if it is too long. */
bool paths_absolute(char out[PATHS_MAX], const char *path);

/* Creates a folder and its parents. False on failure, with errno set. */
bool paths_make_folders(const char *folder, unsigned mode);

/* The part after the last slash. */
const char *paths_basename(const char *path);

bool paths_exists(const char *path);
/* Both exist, and are one file. */
bool paths_is_same(const char *a, const char *b);
bool paths_is_folder(const char *path);

/* Replaces a file as os/write_file.h describes; "-" is stdout. False on failure, with
 * errno set. */
bool paths_write(const char *path, const void *bytes, size_t size);
/* The same of what `write` writes to the descriptor: false if it failed. */
bool paths_write_by(const char *path, bool (*write)(void *priv, int fd), void *priv);

/* Opens a file, but no FIFO, socket or device (os/open_file.h); -1: errno. */
int paths_open(const char *path, struct stat *info);

/* Reads a file of at most `most` bytes and appends a zero byte; no FIFO, socket or device
 * (os/open_file.h). NULL on failure, with errno set and *why, unless `why` is NULL, the
 * reason for "path: why". Caller frees it. */
char *paths_read_file(const char *path, size_t most, size_t *size, const char **why);

/* The same for a file of a cache: not a link, owned and writable by this user alone. Also
 * returns what stat does. */
char *paths_read_own_file(const char *path, size_t most, size_t *size, struct stat *info);

/* The text quoted as one shell word, in a static buffer valid for four calls. */
const char *paths_shell_quoted(const char *text);

#endif
