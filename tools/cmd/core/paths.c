/* SPDX-License-Identifier: Apache-2.0 */
/* Cache and state folders, and file helpers. */
#define _GNU_SOURCE
#include "core/paths.h"

#include "core/term.h"
#include "os/open_file.h"
#include "os/private_folder.h"
#include "os/write_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool paths_join(char out[PATHS_MAX], const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    int n = snprintf(out, PATHS_MAX, "%s%s%s", folder, slash, name);
    errno = ENAMETOOLONG;
    return n >= 0 && n < PATHS_MAX;
}

bool paths_absolute(char out[PATHS_MAX], const char *path)
{
    char folder[PATHS_MAX];
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
        return snprintf(out, PATHS_MAX, "%s", path) < PATHS_MAX;
    return paths_join(out, folder, strcmp(path, ".") ? path : "");
}

bool paths_make_folders(const char *folder, unsigned mode)
{
    char path[PATHS_MAX];
    if (!paths_join(path, folder, ""))
        return false;
    for (char *s = path + 1; *s; s++) {
        if (*s != '/')
            continue;
        *s = '\0';
        if (mkdir(path, mode) && errno != EEXIST)
            return false;
        *s = '/';
    }
    errno = ENOTDIR;
    return paths_is_folder(folder);
}

/* The variable's folder, else one below the home directory. */
static bool base_folder(char out[PATHS_MAX], const char *variable, const char *below_home)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base && *base == '/')
        return paths_join(out, base, "weft");
    return home && *home == '/' && paths_join(out, home, below_home);
}

bool paths_cache(char out[PATHS_MAX])
{
    static bool warned;
    char path[PATHS_MAX];
    if (!base_folder(path, "XDG_CACHE_HOME", ".cache/weft") ||
        !paths_make_folders(path, 0700) || access(path, W_OK | X_OK))
        return false;
    if (!weft_folder_is_private(path, S_IWGRP | S_IWOTH)) {
        if (!warned)
            term_warn("%s: other users may write to this folder or rename it, so nothing "
                      "is cached; make it yours alone (chown, chmod 700), or let "
                      "XDG_CACHE_HOME name another folder",
                      path);
        warned = true;
        return false;
    }
    memcpy(out, path, strlen(path) + 1);
    return true;
}

bool paths_state(char out[PATHS_MAX])
{
    return base_folder(out, "XDG_STATE_HOME", ".local/state/weft");
}

const char *paths_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool paths_exists(const char *path)
{
    struct stat s;
    return !stat(path, &s);
}

bool paths_is_same(const char *a, const char *b)
{
    struct stat s, t;
    return !stat(a, &s) && !stat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

bool paths_is_folder(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

bool paths_write(const char *path, const void *bytes, size_t size)
{
    term_flush_stdout(); /* `path` may be it */
    return !weft_write_file(strcmp(path, "-") ? path : "/dev/stdout", 0666, bytes, size);
}

bool paths_write_by(const char *path, bool (*write)(void *priv, int fd), void *priv)
{
    term_flush_stdout(); /* `path` may be it */
    return !weft_write_file_by(strcmp(path, "-") ? path : "/dev/stdout", 0666, write,
                               priv);
}

/* Closes `file`. */
static char *read_all(int file, size_t most, size_t *size)
{
    size_t room = 4096, used = 0;
    char *text = malloc(room);
    ssize_t n = 1;
    while (text && n && used <= most) {
        if (used + 1 == room) {
            char *more = realloc(text, room *= 2);
            if (!more)
                break;
            text = more;
        }
        n = read(file, text + used, room - used - 1);
        if (n < 0 && errno != EINTR)
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    close(file);
    if (text && !n && used <= most) {
        text[used] = '\0';
        *size = used;
        return text;
    }
    if (used > most)
        errno = EFBIG;
    free(text);
    return NULL;
}

int paths_open(const char *path, struct stat *info)
{
    const char *why;
    return weft_open_file(path, false, info, &why);
}

char *paths_read_file(const char *path, size_t most, size_t *size, const char **why)
{
    struct stat info;
    const char *refused = NULL;
    int file = weft_open_file(path, false, &info, &refused);
    char *text = file < 0 ? NULL : read_all(file, most, size);
    if (!text && why)
        *why = refused ? refused : strerror(errno);
    return text;
}

char *paths_read_own_file(const char *path, size_t most, size_t *size, struct stat *info)
{
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return NULL;
    if (!fstat(file, info) && S_ISREG(info->st_mode) && info->st_uid == geteuid() &&
        !(info->st_mode & (S_IWGRP | S_IWOTH)))
        return read_all(file, most, size);
    close(file);
    errno = EPERM;
    return NULL;
}

const char *paths_shell_quoted(const char *text)
{
    static char buffers[4][PATHS_MAX];
    static int turn;
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-./+,:=@%";
    if (*text && !text[strspn(text, plain)])
        return text;
    char *out = buffers[turn++ % 4];
    size_t at = 0;
    out[at++] = '\'';
    for (; *text && at + 6 < PATHS_MAX; text++) {
        if (*text == '\'')
            at += (size_t)snprintf(out + at, PATHS_MAX - at, "'\\''");
        else
            out[at++] = *text;
    }
    out[at++] = '\'';
    out[at] = '\0';
    return out;
}
