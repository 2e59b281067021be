/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: files sorted by class, and the inputs of the network as files. No file is
 * replaced: one whose name is taken gets another name, by a hash of its path, unless it
 * is there already. */
#define _GNU_SOURCE
#include "core/plain_text.h"
#include "core/png_file.h"
#include "predict/predict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MOST_NAME = 100, MOST_STEM = 180, MOST_COPIED = 1 << 29 };

/* The name of a class as that of a folder: without slashes, characters that other systems
 * or shells interpret, controls, and what is not UTF-8. */
static char *folder_of(const char *name)
{
    char *out = term_realloc_or_exit(NULL, strlen(name) + 2), *at = out;
    while (*name) {
        unsigned control;
        size_t length = plain_text_character(name, &control);
        bool first = at == out && strchr(".- ~", *name);
        if (at + length > out + MOST_NAME)
            break;
        if (!length || control || first || strchr("/\\:*?\"<>|", *name))
            *at++ = '_';
        else
            at = (char *)memcpy(at, name, length) + length;
        name += length ? length : 1;
    }
    if (at == out)
        *at++ = '_';
    else if (strchr(". ", at[-1]))
        at[-1] = '_';
    *at = '\0';
    return out;
}

static bool is_taken(const struct prediction *prediction, int count, const char *name)
{
    for (int c = 0; c < count; c++)
        if (!strcasecmp(prediction->folders[c], name))
            return true;
    return false;
}

void predict_name_folders(struct prediction *prediction)
{
    int classes = prediction->net.classes;
    prediction->folders =
        term_realloc_or_exit(NULL, (size_t)classes * sizeof(*prediction->folders));
    for (int c = 0; c < classes; c++) {
        char *plain = folder_of(prediction->names[c]);
        char *name = term_format_or_exit("%s", plain);
        for (int n = c; is_taken(prediction, c, name); n++) {
            free(name);
            name = term_format_or_exit("%s-%d", plain, n);
        }
        free(plain);
        prediction->folders[c] = name;
    }
}

/* A file to be made: a link, or bytes. */
struct new_file {
    const char *folder, *name;
    const char *source; /* absolute; of links the target */
    const void *bytes;  /* NULL: a link */
    size_t size;
};

/* FNV-1a */
static unsigned hash_of(const char *text)
{
    unsigned hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* The path to be tried as number `attempt`: the name itself, with a hash of its source,
 * or with numbers too. */
static bool path_of(char out[PATHS_MAX], const struct new_file *w, int attempt)
{
    char name[PATHS_MAX];
    const char *dot = strrchr(w->name, '.');
    if (!dot || dot == w->name || strlen(dot) > 16)
        dot = w->name + strlen(w->name);
    size_t stem = (size_t)(dot - w->name);
    while (stem > MOST_STEM || (stem == MOST_STEM && (w->name[stem] & 0xc0) == 0x80))
        stem--;
    if (!attempt)
        return paths_join(out, w->folder, w->name);
    int n =
        snprintf(name, sizeof(name), "%.*s-%08x", (int)stem, w->name, hash_of(w->source));
    if (attempt > 1)
        n += snprintf(name + n, sizeof(name) - (size_t)n, "-%d", attempt);
    snprintf(name + n, sizeof(name) - (size_t)n, "%s", dot);
    return paths_join(out, w->folder, name);
}

static bool is_there(const struct new_file *w, const char *path)
{
    char target[PATHS_MAX];
    size_t size;
    if (!w->bytes) {
        ssize_t n = readlink(path, target, sizeof(target));
        return n >= 0 && (size_t)n == strlen(w->source) &&
               !memcmp(target, w->source, (size_t)n);
    }
    char *bytes = paths_read_file(path, w->size, &size, NULL);
    bool same = bytes && size == w->size && !memcmp(bytes, w->bytes, size);
    free(bytes);
    return same;
}

/* False, with errno: EEXIST where the name is taken. An empty file reserves it. */
static bool make(const struct new_file *w, const char *path)
{
    if (!w->bytes)
        return !symlink(w->source, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    close(fd);
    if (paths_write(path, w->bytes, w->size))
        return true;
    int why = errno;
    unlink(path);
    errno = why;
    return false;
}

static enum app_exit place(const struct app *app, const struct new_file *w)
{
    enum { MOST_ATTEMPTS = 1000 };
    char path[PATHS_MAX];
    snprintf(path, sizeof(path), "%s", w->folder);
    bool made = paths_make_folders(w->folder, 0777);
    for (int attempt = 0; made && attempt < MOST_ATTEMPTS; attempt++) {
        if (!path_of(path, w, attempt))
            break;
        if (make(w, path) || (errno == EEXIST && is_there(w, path)))
            return APP_OK;
        if (errno != EEXIST)
            break;
    }
    return app_error(app, APP_FAILED, "%s cannot be written: %s", path, strerror(errno));
}

static enum app_exit save_preview(const struct prediction *prediction,
                                  const struct predict_result *r)
{
    const struct weft_net_info *net = &prediction->net;
    char source[PATHS_MAX];
    struct new_file w = {.folder = prediction->options->preview, .source = source};
    const char *base = paths_basename(r->item->file);
    size_t length = strlen(base);
    bool png = length > 4 && !strcasecmp(base + length - 4, ".png");
    char *name = term_format_or_exit("%s%s", base, png ? "" : ".png");
    const char *why;
    uint8_t *bytes =
        png_encode(r->pixels, net->height, net->width, net->channels, &w.size, &why);
    if (!paths_absolute(source, r->item->file))
        snprintf(source, sizeof(source), "%s", base);
    w.name = name;
    w.bytes = bytes;
    enum app_exit code = bytes ? place(prediction->app, &w)
                               : app_error(prediction->app, APP_FAILED,
                                           "%s cannot be written: %s", name, why);
    free(bytes);
    free(name);
    return code;
}

static enum app_exit sort_file(struct prediction *prediction, const char *into,
                               const struct predict_result *r)
{
    char source[PATHS_MAX], folder[PATHS_MAX];
    const char *file = r->item->path;
    if (!file) {
        prediction->unsorted++;
        return APP_OK;
    }
    if (!paths_absolute(source, file) ||
        !paths_join(folder, into, prediction->folders[r->order[0]]))
        return app_error(prediction->app, APP_FAILED, "%s: its path is too long", file);
    struct new_file w = {
        .folder = folder, .name = paths_basename(file), .source = source};
    const char *why = NULL;
    char *bytes = NULL;
    if (prediction->options->copy) {
        bytes = paths_read_file(file, MOST_COPIED, &w.size, &why);
        w.bytes = bytes;
    }
    enum app_exit code =
        why ? app_error(prediction->app, APP_FAILED, "%s cannot be copied: %s", file, why)
            : place(prediction->app, &w);
    free(bytes);
    return code;
}

enum app_exit predict_sort_result(struct prediction *prediction,
                                  const struct predict_result *r)
{
    const struct predict_options *o = prediction->options;
    const char *into = o->review && r->unsure ? o->review : o->sort_into;
    enum app_exit code = o->preview ? save_preview(prediction, r) : APP_OK;
    return code || !into ? code : sort_file(prediction, into, r);
}
