/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a training run. */
#define _GNU_SOURCE
#include "train/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LOG_BYTES = 1 << 28 };

/* Length of the longest part of `path` that exists; 0: none, a relative path. */
static size_t existing_length(const char *path)
{
    char there[PATHS_MAX];
    size_t length = strlen(path);
    memcpy(there, path, length + 1);
    while (length && !paths_exists(there)) {
        while (length && there[length - 1] != '/')
            length--;
        while (length > 1 && there[length - 1] == '/')
            length--;
        there[length] = '\0';
    }
    return length;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Syncs the folders that have an entry for a new one: those of `path` from its first
 * `existing` bytes on. */
static void sync_parents(const char *path, size_t existing)
{
    char parent[PATHS_MAX];
    snprintf(parent, sizeof(parent), "%s", path);
    for (char *slash; (slash = strrchr(parent, '/')) && slash != parent;) {
        *slash = '\0';
        sync_folder(parent);
        if ((size_t)(slash - parent) <= existing)
            return;
    }
    sync_folder(parent[0] == '/' ? "/" : ".");
}

static enum app_exit set_folder(const struct app *app, struct run_dir *run,
                                const char *folder)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (length >= PATHS_MAX - 32)
        return app_error(app, APP_USAGE, "--out: the path is too long");
    memmove(run->folder, folder, length);
    run->folder[length] = '\0';
    paths_join(run->last, run->folder, "last.safetensors");
    paths_join(run->best, run->folder, "best.safetensors");
    paths_join(run->log, run->folder, "log.jsonl");
    paths_join(run->page, run->folder, "report.html");
    return APP_OK;
}

/* A claimed folder without a run is removed, with those of its parents that the claim
 * made, unless something else is in them. */
static void remove_unused(const struct run_dir *run)
{
    char path[PATHS_MAX];
    snprintf(path, sizeof(path), "%s", run->folder);
    while (strlen(path) > run->existing && !rmdir(path)) {
        char *slash = strrchr(path, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

void run_dir_close(struct run_dir *run)
{
    if (run->lock < 0)
        return;
    if (!paths_exists(run->last))
        remove_unused(run);
    close(run->lock);
    run->lock = -1;
}

static enum app_exit require_new(const struct app *app, const struct run_dir *run)
{
    if (paths_exists(run->folder) && !paths_is_folder(run->folder))
        return app_error(app, APP_USAGE, "--out %s is a file, not a folder", run->folder);
    if (paths_exists(run->last) || paths_exists(run->log))
        return app_error(app, APP_USAGE,
                         "%s already holds a run: continue it with --resume, or choose "
                         "another folder with --out",
                         run->folder);
    return APP_OK;
}

static enum app_exit require_writable(const struct app *app, const struct run_dir *run)
{
    char there[PATHS_MAX];
    size_t existing = existing_length(run->folder);
    memcpy(there, run->folder, existing);
    memcpy(there + existing, existing ? "" : ".", existing ? 1 : 2);
    errno = ENOTDIR;
    if (paths_is_folder(there) && !access(there, W_OK | X_OK))
        return APP_OK;
    return app_error(app, APP_FAILED, "--out %s: %s: %s", run->folder, there,
                     strerror(errno));
}

static void remove_leftovers(int folder)
{
    int copy = dup(folder);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    for (struct dirent *e; entries && (e = readdir(entries));) {
        size_t n = strlen(e->d_name);
        if (!strncmp(e->d_name, ".weft-", 6) && n > 4 &&
            !strcmp(e->d_name + n - 4, ".tmp"))
            unlinkat(folder, e->d_name, 0);
    }
    if (entries)
        closedir(entries);
}

/* Locks the folder. *held: another process has it; it may also have been removed since
 * it was made. */
static bool lock_folder(struct run_dir *run, bool *held)
{
    struct stat opened, named;
    *held = false;
    run->lock = open(run->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return false;
    *held = flock(run->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    if (!*held && !fstat(run->lock, &opened) && !stat(run->folder, &named) &&
        opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
        return true;
    close(run->lock);
    run->lock = -1;
    errno = ENOENT;
    return false;
}

static enum app_exit fail_lock(const struct app *app, const struct run_dir *run,
                               bool held)
{
    if (held)
        return app_error(app, APP_FAILED,
                         "%s: another weft process is training in this folder",
                         run->folder);
    return app_error(app, APP_FAILED, "--out %s: %s", run->folder, strerror(errno));
}

/* Makes and locks the folder. *taken: it exists; with `own` this is an error only if it
 * holds a run. */
static enum app_exit claim(const struct app *app, struct run_dir *run, bool own,
                           bool *taken)
{
    char parent[PATHS_MAX];
    bool held;
    run->existing = existing_length(run->folder);
    snprintf(parent, sizeof(parent), "%s", run->folder);
    char *slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = '\0';
        if (!paths_make_folders(parent, 0777))
            return app_error(app, APP_FAILED, "--out %s: %s", run->folder,
                             strerror(errno));
    }
    *taken = mkdir(run->folder, 0777) != 0;
    if (*taken && errno != EEXIST)
        return app_error(app, APP_FAILED, "--out %s: %s", run->folder, strerror(errno));
    if (*taken && !own)
        return APP_OK;
    if (!*taken)
        sync_parents(run->folder, run->existing);
    if (!lock_folder(run, &held))
        return fail_lock(app, run, held);
    /* Another process may have trained here between the first look and the lock. */
    enum app_exit code = require_new(app, run);
    if (code) {
        close(run->lock);
        run->lock = -1;
        return code;
    }
    remove_leftovers(run->lock);
    return APP_OK;
}

enum app_exit run_dir_create(const struct app *app, struct run_dir *run,
                             const char *folder, const char *net)
{
    bool taken = true;
    enum app_exit code = APP_OK;
    *run = (struct run_dir){.lock = -1};
    for (int k = 1; !folder && taken && !code && k < 10000; k++) {
        char name[PATHS_MAX];
        snprintf(name, sizeof(name), "runs/%.200s-%d", net, k);
        code = set_folder(app, run, name);
        if (!code && k == 1)
            code = require_writable(app, run);
        if (!code && !paths_exists(run->folder))
            code = claim(app, run, false, &taken);
    }
    if (!folder && !code && taken)
        return app_error(app, APP_USAGE,
                         "runs/ has no unused name left: choose a folder with --out");
    if (!folder || code || (code = set_folder(app, run, folder)) ||
        (code = require_new(app, run)) || (code = require_writable(app, run)))
        return code;
    return claim(app, run, true, &taken);
}

enum app_exit run_dir_open(const struct app *app, struct run_dir *run, const char *folder)
{
    bool held;
    *run = (struct run_dir){.lock = -1};
    enum app_exit code = set_folder(app, run, folder);
    run->existing = strlen(run->folder);
    if (!code && !paths_exists(run->last))
        code = app_error(app, APP_BAD_INPUT,
                         "%s: no such file, nothing to resume: start the run without "
                         "--resume",
                         run->last);
    if (code || (code = require_writable(app, run)))
        return code;
    if (!lock_folder(run, &held))
        return fail_lock(app, run, held);
    remove_leftovers(run->lock);
    return APP_OK;
}

enum app_exit run_dir_truncate_log(const struct app *app, const struct run_dir *run,
                                   int epoch)
{
    size_t size = 0, length_kept = 0;
    int epochs = 0;
    const char *why;
    char *text = paths_read_file(run->log, MAX_LOG_BYTES, &size, &why);
    if (!text && errno == ENOENT)
        text = calloc(1, 1);
    if (!text)
        return app_error(app, APP_BAD_INPUT, "%s: %s", run->log, why);
    for (char *line = text, *end;
         (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1) {
        /* not sscanf, which measures the rest of the text for every line */
        static const char head[] = "{\"epoch\": ", results[] = "{\"results\": ";
        bool is_epoch = !strncmp(line, head, sizeof(head) - 1);
        if ((is_epoch && strtol(line + sizeof(head) - 1, NULL, 10) > epoch) ||
            !strncmp(line, results, sizeof(results) - 1))
            continue;
        epochs += is_epoch;
        size_t length = (size_t)(end + 1 - line);
        memmove(text + length_kept, line, length);
        length_kept += length;
    }
    if (epochs < epoch)
        term_warn(
            "%s has %d of the %d epochs of %s: the others are lost from the log, the "
            "weights have them",
            run->log, epochs, epoch, run->last);
    bool done = length_kept == size || paths_write(run->log, text, length_kept);
    free(text);
    return done ? APP_OK
                : app_error(app, APP_FAILED, "%s: %s", run->log, strerror(errno));
}

bool run_dir_log_has_header(const struct run_dir *run)
{
    struct stat info;
    return !stat(run->log, &info) && info.st_size > 0;
}

enum app_exit run_dir_append_log(const struct app *app, const struct run_dir *run,
                                 void (*write)(struct json *json, const void *priv),
                                 const void *priv)
{
    bool first = !run_dir_log_has_header(run);
    FILE *file = fopen(run->log, "ae");
    if (!file)
        return app_error(app, APP_FAILED, "%s: %s", run->log, strerror(errno));
    struct json json = {.out = file, .lines = true};
    write(&json, priv);
    bool done = !fflush(file) && !ferror(file);
    /* The checkpoint that follows counts on this line. */
    done = done && !fsync(fileno(file));
    if (first)
        sync_folder(run->folder);
    done = !fclose(file) && done;
    return done ? APP_OK
                : app_error(app, APP_FAILED, "%s: %s", run->log, strerror(errno));
}
