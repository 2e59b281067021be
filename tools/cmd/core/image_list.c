/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of image files. */
#define _GNU_SOURCE
#include "core/image_list.h"

#include "core/paths.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_FOLDER_DEPTH = 32, MAX_KINDS = 64, KINDS_NAMED = 8 };

static void add(struct image_list *list, const char *path, bool listed)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 16;
        list->paths =
            term_realloc_or_exit(list->paths, (size_t)list->room * sizeof(*list->paths));
    }
    size_t size = strlen(path) + 1;
    char *copy = memcpy(term_realloc_or_exit(NULL, size), path, size);
    list->paths[list->count++] = (struct image_path){copy, listed};
}

static bool is_image(const char *name)
{
    static const char *const endings[] = {
        ".png", ".jpg", ".jpeg", ".jpe",    ".jfif",      ".pbm",         ".pgm",
        ".ppm", ".pnm", ".idx",  ".idx.gz", "idx3-ubyte", "idx3-ubyte.gz"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        size_t k = strlen(endings[i]);
        if (n > k && !strcasecmp(name + n - k, endings[i]))
            return true;
    }
    return false;
}

/* Counts a file by the end of its name, in lower case; an end that is long or not of
 * letters and digits counts as none. */
static void count_kind(struct image_list *list, const char *name)
{
    struct image_kind kind = {.files = 1};
    const char *dot = strrchr(name, '.');
    size_t n = dot && dot != name ? strlen(dot) : 0;
    bool plain = n > 1 && n < sizeof(kind.ending);
    for (size_t i = 1; plain && i < n; i++)
        plain = isalnum((unsigned char)dot[i]) && (unsigned char)dot[i] < 0x80;
    for (size_t i = 0; plain && i < n; i++)
        kind.ending[i] = (char)tolower((unsigned char)dot[i]);
    for (int i = 0; i < list->kind_count; i++)
        if (!strcmp(list->kinds[i].ending, kind.ending) || i == MAX_KINDS - 1) {
            list->kinds[i].files++;
            return;
        }
    list->kinds = term_realloc_or_exit(list->kinds, (size_t)(list->kind_count + 1) *
                                                        sizeof(*list->kinds));
    list->kinds[list->kind_count++] = kind;
}

static void skip(struct image_list *list, const char *path, const char *why)
{
    char *text = term_format_or_exit("%s: %s", path, why);
    list->skip(list->priv, text);
    list->failed++;
    free(text);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void walk(struct image_list *list, const char *folder, int depth);

/* Links to folders are not followed: they may form cycles. */
static void visit(struct image_list *list, const char *path, const char *name, int depth)
{
    struct stat s;
    bool image = is_image(name);
    if (lstat(path, &s)) {
        skip(list, path, strerror(errno));
        return;
    }
    if (S_ISDIR(s.st_mode)) {
        walk(list, path, depth + 1);
        return;
    }
    if (S_ISLNK(s.st_mode) && stat(path, &s)) {
        if (image)
            skip(list, path, strerror(errno));
        return;
    }
    if (image && S_ISREG(s.st_mode))
        add(list, path, true);
    else if (image)
        skip(list, path,
             S_ISDIR(s.st_mode)    ? "is a link to a folder"
             : S_ISFIFO(s.st_mode) ? "is a FIFO, not a file"
             : S_ISSOCK(s.st_mode) ? "is a socket, not a file"
                                   : "is a device, not a file");
    else if (S_ISREG(s.st_mode))
        count_kind(list, name);
}

static void walk(struct image_list *list, const char *folder, int depth)
{
    struct dirent **entries;
    char path[PATHS_MAX];
    if (depth > MAX_FOLDER_DEPTH) {
        skip(list, folder, "is nested too deeply, in 32 folders");
        return;
    }
    int n = scandir(folder, &entries, not_hidden, by_bytes);
    if (n < 0) {
        skip(list, folder, strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        if (paths_join(path, folder, entries[i]->d_name))
            visit(list, path, entries[i]->d_name, depth);
        else
            skip(list, folder, "contains a file whose path is too long");
        free(entries[i]);
    }
    free(entries);
}

/* Adds the images of a folder. What is wrong, owned by the caller; NULL: nothing. */
static char *add_folder(struct image_list *list, const char *path)
{
    int count = list->count, failed = list->failed;
    walk(list, path, 0);
    if (list->count > count || list->failed > failed)
        return NULL;
    char *skipped = image_list_skipped(list);
    char *why = term_format_or_exit(
        "%s: no images in this folder (expected .png .jpg .jpeg .pbm .pgm .ppm .idx)%s%s",
        path, skipped ? "; " : "", skipped ? skipped : "");
    free(skipped);
    return why;
}

enum app_exit image_list_add(const struct app *app, struct image_list *list,
                             const char *path)
{
    if (!strcmp(path, "-") || !paths_is_folder(path)) {
        add(list, path, false);
        return APP_OK;
    }
    char *why = add_folder(list, path);
    enum app_exit code = why ? app_error(app, APP_BAD_INPUT, "%s", why) : APP_OK;
    free(why);
    return code;
}

void image_list_add_line(struct image_list *list, const char *path)
{
    char *why = NULL;
    if (paths_is_folder(path))
        why = add_folder(list, path);
    else
        add(list, path, true);
    if (why)
        list->skip(list->priv, why);
    list->failed += why != NULL;
    free(why);
}

static int by_files(const void *a, const void *b)
{
    const struct image_kind *x = a, *y = b;
    return x->files != y->files ? (x->files < y->files) - (x->files > y->files)
                                : strcmp(x->ending, y->ending);
}

char *image_list_skipped(struct image_list *list)
{
    char named[KINDS_NAMED * 40];
    size_t at = 0;
    int files = 0;
    if (!list->kind_count)
        return NULL;
    qsort(list->kinds, (size_t)list->kind_count, sizeof(*list->kinds), by_files);
    for (int i = 0; i < list->kind_count; i++) {
        const struct image_kind *kind = &list->kinds[i];
        files += kind->files;
        if (i < KINDS_NAMED)
            at +=
                (size_t)snprintf(named + at, sizeof(named) - at, "%s%s %d", i ? ", " : "",
                                 *kind->ending ? kind->ending : "none", kind->files);
    }
    return term_format_or_exit("%d file%s of other kinds %s skipped (%s%s)", files,
                               files > 1 ? "s" : "", files > 1 ? "were" : "was", named,
                               list->kind_count > KINDS_NAMED ? ", ..." : "");
}

void image_list_clear(struct image_list *list)
{
    while (list->count)
        free(list->paths[--list->count].path);
}

void image_list_free(struct image_list *list)
{
    image_list_clear(list);
    free(list->paths);
    free(list->kinds);
    *list = (struct image_list){0};
}
