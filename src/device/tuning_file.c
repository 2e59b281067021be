/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a device's tuning results: path, reading, writing, lock. */
#include "device/tuning_file.h"

#include "util/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 16 << 20 };

/* "Portable Computing Language, Xe" as "portable-computing-language-xe". */
static void file_name(const char *name, char *out, size_t size)
{
    size_t used = 0;
    for (; *name && used + 8 < size; name++) {
        char c = (char)tolower((unsigned char)*name);
        if (isalnum((unsigned char)c))
            out[used++] = c;
        else if (used && out[used - 1] != '-')
            out[used++] = '-';
    }
    while (used && out[used - 1] == '-')
        used--;
    snprintf(out + used, size - used, ".txt");
}

static enum weft_status load(weft_context *ctx, struct weft_tuning *t)
{
    struct weft_file file;
    enum weft_file_kind kind;
    int damaged;
    if (!weft_file_examine(NULL, t->path, &kind) && kind == WEFT_FILE_ABSENT)
        return WEFT_OK;
    enum weft_status status = weft_file_read(NULL, t->path, MAX_FILE_BYTES, &file);
    if (status == WEFT_ERR_NOMEM)
        return weft_out_of_memory(ctx, t->path, MAX_FILE_BYTES);
    if (status) {
        weft_log_message(ctx, WEFT_LOG_WARN,
                         "%s: cannot be read; its tuning results are ignored", t->path);
        return WEFT_OK;
    }
    status =
        weft_tuning_read(ctx, t, (const char *)file.bytes, file.size, false, &damaged);
    weft_file_free(&file);
    if (!status && damaged)
        weft_log_message(ctx, WEFT_LOG_WARN,
                         "%s: %d damaged line%s ignored; `weft tune` measures again",
                         t->path, damaged, damaged == 1 ? "" : "s");
    return status;
}

enum weft_status weft_tuning_open(weft_context *ctx, const char *folder, const char *name,
                                  const char *about, const char *bundled,
                                  struct weft_tuning **out)
{
    int damaged = 0;
    char file[160];
    struct weft_tuning *t = calloc(1, sizeof(*t));
    if (!t)
        return weft_out_of_memory(ctx, "tuning", sizeof(*t));
    enum weft_status status = WEFT_OK;
    snprintf(t->about, sizeof(t->about), "%s", about);
    if (bundled)
        status = weft_tuning_read(ctx, t, bundled, strlen(bundled), true, &damaged);
    t->bundled = t->count;
    file_name(name, file, sizeof(file));
    if (!status && folder && !(t->path = weft_path_join(folder, file)))
        status = weft_out_of_memory(ctx, "tuning", sizeof(file));
    if (!status && t->path)
        status = load(ctx, t);
    if (status)
        weft_tuning_destroy(&t);
    else
        *out = t;
    return status;
}

char *weft_tuning_path_with(const struct weft_tuning *t, const char *ending)
{
    size_t size = t->path ? strlen(t->path) + strlen(ending) + 1 : 0;
    char *path = size ? malloc(size) : NULL;
    if (path)
        snprintf(path, size, "%s%s", t->path, ending);
    return path;
}

static enum weft_status create_folder(weft_context *ctx, const struct weft_tuning *t)
{
    char *folder = strdup(t->path);
    if (!folder)
        return weft_out_of_memory(ctx, "tuning", strlen(t->path));
    char *slash = strrchr(folder, '/');
    enum weft_status status = WEFT_OK;
    if (slash && slash != folder) {
        *slash = 0;
        status = weft_folder_create(ctx, folder, 0700);
    }
    free(folder);
    return status;
}

enum weft_status weft_tuning_save(weft_context *ctx, const struct weft_tuning *t)
{
    size_t size;
    if (!t->path)
        return WEFT_OK;
    WEFT_TRY(create_folder(ctx, t));
    char *text = weft_tuning_write(t, &size);
    if (!text)
        return weft_out_of_memory(ctx, "tuning", WEFT_TUNING_LINE);
    enum weft_status status = weft_file_write(ctx, t->path, text, size);
    free(text);
    return status;
}

enum weft_status weft_tuning_remove(weft_context *ctx, const struct weft_tuning *t)
{
    if (!t->path || !unlink(t->path) || errno == ENOENT)
        return WEFT_OK;
    return weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be removed: %s", t->path,
                     strerror(errno));
}

enum weft_status weft_tuning_lock(weft_context *ctx, struct weft_tuning *t, int *lock)
{
    *lock = -1;
    if (!t->path)
        return WEFT_OK;
    WEFT_TRY(create_folder(ctx, t));
    char *path = weft_tuning_path_with(t, ".lock");
    if (!path)
        return weft_out_of_memory(ctx, "tuning", strlen(t->path));
    enum weft_status status = WEFT_OK;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        status = weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be created: %s", path,
                           strerror(errno));
    else if (flock(file, LOCK_EX | LOCK_NB))
        status = weft_fail(ctx, WEFT_ERR_FILE,
                           "%s: another process is tuning this device; wait for it to "
                           "end",
                           path);
    if (!status)
        status = load(ctx, t);
    free(path);
    if (status && file >= 0)
        close(file);
    if (!status)
        *lock = file;
    return status;
}

void weft_tuning_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}
