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

static bool first_free(char out[PATHS_MAX], const char *net)
{
    for (int k = 1; k < 10000; k++) {
        snprintf(out, PATHS_MAX, "runs/%.200s-%d", net, k);
        if (!paths_exists(out))
            return true;
    }
    return false;
}

enum app_exit run_dir_init(struct app *app, struct run_dir *run, const char *folder,
                           const char *net)
{
    *run = (struct run_dir){.lock = -1};
    if (!folder && first_free(run->folder, net))
        folder = run->folder;
    if (!folder)
        return app_error(app, APP_USAGE,
                         "runs/ has no unused name left: choose a folder with --out");
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
    return APP_OK;
}

void run_dir_close(struct run_dir *run)
{
    if (run->lock >= 0)
        close(run->lock);
    run->lock = -1;
}

enum app_exit run_dir_require_new(const struct app *app, const struct run_dir *run)
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

enum app_exit run_dir_require_writable(const struct app *app, const struct run_dir *run)
{
    char there[PATHS_MAX]; /* the deepest existing folder of the path */
    memcpy(there, run->folder, sizeof(there));
    while (!paths_exists(there) && strcmp(there, ".") != 0) {
        char *slash = strrchr(there, '/');
        if (!slash)
            memcpy(there, ".", 2);
        else
            slash[slash == there] = '\0';
    }
    errno = ENOTDIR;
    if (paths_is_folder(there) && !access(there, W_OK | X_OK))
        return APP_OK;
    return app_error(app, APP_FAILED, "--out %s: %s: %s", run->folder, there,
                     strerror(errno));
}

enum app_exit run_dir_require_checkpoint(const struct app *app, const struct run_dir *run)
{
    if (paths_exists(run->last))
        return APP_OK;
    return app_error(app, APP_BAD_INPUT,
                     "%s: no such file, nothing to resume: start the run without "
                     "--resume",
                     run->last);
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

enum app_exit run_dir_lock(const struct app *app, struct run_dir *run)
{
    if (!paths_make_folders(run->folder, 0777))
        return app_error(app, APP_FAILED, "--out %s: %s", run->folder, strerror(errno));
    run->lock = open(run->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return app_error(app, APP_FAILED, "--out %s: %s", run->folder, strerror(errno));
    if (flock(run->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return app_error(app, APP_FAILED,
                         "%s: another weft process is training in this folder",
                         run->folder);
    remove_leftovers(run->lock);
    return APP_OK;
}

enum app_exit run_dir_truncate_log(const struct app *app, const struct run_dir *run,
                                   int epoch)
{
    size_t size, length_kept = 0;
    char *text = paths_read_file(run->log, MAX_LOG_BYTES, &size);
    if (!text && errno == ENOENT)
        return APP_OK;
    if (!text)
        return app_error(app, APP_BAD_INPUT, "%s: %s", run->log, strerror(errno));
    for (char *line = text, *end;
         (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1) {
        int number;
        bool is_epoch = sscanf(line, "{\"epoch\": %d,", &number) == 1;
        if (is_epoch && number > epoch)
            continue;
        size_t length = (size_t)(end + 1 - line);
        memmove(text + length_kept, line, length);
        length_kept += length;
    }
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
    FILE *file = fopen(run->log, "ae");
    if (!file)
        return app_error(app, APP_FAILED, "%s: %s", run->log, strerror(errno));
    struct json json = {.out = file, .lines = true};
    write(&json, priv);
    bool done = !fflush(file) && !ferror(file);
    done = !fclose(file) && done;
    return done ? APP_OK
                : app_error(app, APP_FAILED, "%s: %s", run->log, strerror(errno));
}
