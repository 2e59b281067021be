/* SPDX-License-Identifier: Apache-2.0 */
/* Input images of the command line. */
#define _GNU_SOURCE
#include "core/image_files.h"

#include "core/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { MAX_FOLDER_DEPTH = 32, MAX_BYTES = 1 << 30 };

static void add(struct image_paths *list, const char *path)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 16;
        list->paths =
            term_realloc_or_exit(list->paths, (size_t)list->room * sizeof(*list->paths));
    }
    size_t size = strlen(path) + 1;
    list->paths[list->count++] = memcpy(term_realloc_or_exit(NULL, size), path, size);
}

static bool is_image(const char *name)
{
    static const char *const endings[] = {
        ".png", ".jpg", ".jpeg",   ".pgm",       ".ppm",
        ".pnm", ".idx", ".idx.gz", "idx3-ubyte", "idx3-ubyte.gz"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        size_t k = strlen(endings[i]);
        if (n > k && !strcasecmp(name + n - k, endings[i]))
            return *name != '.';
    }
    return false;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static bool walk(const struct app *app, struct image_paths *list, const char *folder,
                 int depth)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, not_hidden, by_bytes);
    if (n < 0) {
        app_error(app, APP_BAD_INPUT, "%s: %s", folder, strerror(errno));
        return false;
    }
    bool done = true;
    for (int i = 0; i < n; i++) {
        char path[PATHS_MAX];
        struct stat s;
        /* Links to folders are not followed: they may form cycles. */
        if (paths_join(path, folder, entries[i]->d_name) && !lstat(path, &s)) {
            if (S_ISDIR(s.st_mode) && depth < MAX_FOLDER_DEPTH)
                done = walk(app, list, path, depth + 1) && done;
            else if (!S_ISDIR(s.st_mode) && is_image(entries[i]->d_name))
                add(list, path);
        }
        free(entries[i]);
    }
    free(entries);
    return done;
}

enum app_exit image_paths_add(const struct app *app, struct image_paths *list,
                              const char *path)
{
    int before = list->count;
    if (!strcmp(path, "-") || !paths_is_folder(path)) {
        add(list, path);
        return APP_OK;
    }
    if (!walk(app, list, path, 0))
        return APP_BAD_INPUT;
    if (list->count == before)
        return app_error(app, APP_BAD_INPUT,
                         "%s: no images in this folder (expected .png .jpg .jpeg .pgm "
                         ".ppm .idx)",
                         path);
    return APP_OK;
}

void image_paths_free(struct image_paths *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct image_paths){0};
}

static bool fail(char why[512], const char *path, const char *what)
{
    snprintf(why, 512, "%.300s: %s", path, what);
    return false;
}

/* gzread passes uncompressed data through. */
static bool read_all(struct image_file *file, char why[512])
{
    bool standard = !strcmp(file->path, "-");
    int descriptor =
        standard ? dup(STDIN_FILENO) : open(file->path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (descriptor < 0)
        return fail(why, file->path, strerror(errno));
    if (!fstat(descriptor, &s) && S_ISDIR(s.st_mode)) {
        close(descriptor);
        return fail(why, file->path, "is a folder");
    }
    gzFile in = gzdopen(descriptor, "rb");
    if (!in) {
        close(descriptor);
        return fail(why, file->path, "out of memory");
    }
    size_t room = 0;
    int n = 1;
    while (n > 0 && file->size <= MAX_BYTES) {
        if (room - file->size < 65536) {
            room = room ? 2 * room : 1 << 18;
            file->bytes = term_realloc_or_exit(file->bytes, room);
        }
        n = gzread(in, file->bytes + file->size, (unsigned)65536);
        file->size += n > 0 ? (size_t)n : 0;
    }
    int error = Z_OK;
    const char *what = gzerror(in, &error);
    char text[128];
    snprintf(text, sizeof(text), "%s", error == Z_ERRNO ? strerror(errno) : what);
    int closed = gzclose_r(in);
    if (file->size > MAX_BYTES)
        return fail(why, file->path, "larger than 1 GiB");
    if (n < 0 || (error != Z_OK && error != Z_STREAM_END))
        return fail(why, file->path, *text ? text : "cannot be read");
    if (closed == Z_BUF_ERROR)
        return fail(why, file->path, "truncated gzip data");
    return file->size || fail(why, file->path, "is empty");
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* IDX: 0, 0, 8 for bytes, the rank, and the extents: images, rows, columns and optional
 * channels. */
static bool open_idx(struct image_file *file, char why[512])
{
    uint64_t extents[4] = {0, 0, 0, 1}, total = 1;
    size_t rank = file->bytes[3], header = 4 + 4 * rank;
    if (rank < 3 || rank > 4)
        return fail(why, file->path, "an IDX file that does not contain images");
    if (file->size < header)
        return fail(why, file->path, "an IDX file with a truncated header");
    for (size_t i = 0; i < rank; i++) {
        extents[i] = big_endian(file->bytes + 4 + 4 * i);
        if (!extents[i] || (i && extents[i] > 65535))
            return fail(why, file->path, "an IDX file with impossible extents");
        if (__builtin_mul_overflow(total, extents[i], &total))
            return fail(why, file->path, "an IDX file with impossible extents");
    }
    if (extents[3] != 1 && extents[3] != 3)
        return fail(why, file->path, "an IDX file with neither 1 nor 3 channels");
    if (total != file->size - header) {
        char text[160];
        snprintf(
            text, sizeof(text),
            "an IDX file whose header announces %llu bytes, but %zu follow: truncated or "
            "damaged",
            (unsigned long long)total, file->size - header);
        return fail(why, file->path, text);
    }
    file->idx = true;
    file->count = (int)extents[0];
    file->first = (struct weft_image){(int)extents[1], (int)extents[2], (int)extents[3],
                                      file->bytes + header};
    return true;
}

bool image_file_open(struct app *app, struct image_file *file, const char *path,
                     char why[512])
{
    *file = (struct image_file){.path = path, .count = 1};
    if (!read_all(file, why))
        return false;
    if (file->size >= 4 && !file->bytes[0] && !file->bytes[1] && file->bytes[2] == 8)
        return open_idx(file, why);
    const char *name = strcmp(path, "-") ? path : "stdin";
    if (!weft_image_decode(app->context, name, file->bytes, file->size, &file->first))
        return true;
    snprintf(why, 512, "%s", weft_error(app->context));
    return false;
}

struct weft_image image_file_image(const struct image_file *file, int index)
{
    struct weft_image p = file->first;
    if (file->idx)
        p.pixels +=
            (size_t)index * (size_t)p.height * (size_t)p.width * (size_t)p.channels;
    return p;
}

void image_file_close(struct image_file *file)
{
    if (!file->idx && file->first.pixels)
        weft_image_free(&file->first);
    free(file->bytes);
    *file = (struct image_file){0};
}
