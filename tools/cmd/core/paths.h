/* SPDX-License-Identifier: Apache-2.0 */
/* Where files are kept (XDG Base Directory Specification), and small file work. */
#ifndef WEFT_CMD_CORE_PATHS_H
#define WEFT_CMD_CORE_PATHS_H

#include <stdbool.h>
#include <stddef.h>

enum { PATHS_MAX = 4096 };

/* $XDG_CACHE_HOME/weft or ~/.cache/weft, created 0700. False: there is no such place, and
 * nothing is kept. */
bool paths_cache(char out[PATHS_MAX]);

/* $XDG_STATE_HOME/weft or ~/.local/state/weft, which need not be there yet. False: there
 * is no such place. */
bool paths_state(char out[PATHS_MAX]);

/* folder/name. False if it is too long. */
bool paths_join(char out[PATHS_MAX], const char *folder, const char *name);

/* Makes a folder and those above it. False: errno tells. */
bool paths_make_folders(const char *folder, unsigned mode);

/* What follows the last slash. */
const char *paths_basename(const char *path);

bool paths_exists(const char *path);
bool paths_is_folder(const char *path);

/* Writes a whole file aside, to .weft-XXXXXX.tmp, and renames it into place. False: errno
 * tells. */
bool paths_write_atomic(const char *path, const void *bytes, size_t size);

/* Reads a file of at most `most` bytes, adding a zero byte. NULL: errno tells. Free
 * it. */
char *paths_read_file(const char *path, size_t most, size_t *size);

/* The text as a shell takes it for one word, in a static buffer that lives for four
 * calls. */
const char *paths_shell_quoted(const char *text);

#endif
