/* SPDX-License-Identifier: Apache-2.0 */
/* Search for files: images in a folder by name, labels beside images. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Words in the name of a file of one part. A name with `never` belongs to the other
 * part. */
static const struct part {
    const char *words[2], *never;
} parts[] = {
    [WEFT_SPLIT_TRAIN] = {{"train", "train"}, NULL},
    [WEFT_SPLIT_TEST] = {{"t10k", "test"}, "train"},
};

static bool ends_in_gz(const char *name)
{
    size_t length = strlen(name);
    return length > 3 && !strcmp(name + length - 3, ".gz");
}

/* Index of the format that a name indicates; -1: none. */
static int format_by_name(const char *name, const struct part *part)
{
    char leaf[256];
    size_t length = strlen(name);
    if (*name == '.' || length >= sizeof(leaf))
        return -1;
    for (size_t i = 0; i <= length; i++)
        leaf[i] = (char)tolower((unsigned char)name[i]);
    if (ends_in_gz(leaf))
        leaf[length - 3] = 0;
    if (!strstr(leaf, part->words[0]) && !strstr(leaf, part->words[1]))
        return -1;
    if (part->never && strstr(leaf, part->never))
        return -1;
    for (int i = 0; weft_formats[i]; i++)
        if (weft_formats[i]->matches_name(leaf))
            return i;
    return -1;
}

/* True if two names differ by .gz only. */
static bool same_except_gz(const char *a, const char *b)
{
    size_t long_a = strlen(a) - (ends_in_gz(a) ? 3 : 0);
    size_t long_b = strlen(b) - (ends_in_gz(b) ? 3 : 0);
    return long_a == long_b && !strncmp(a, b, long_a);
}

/* The best name of a folder so far: earlier formats of the table first, uncompressed
 * before compressed. */
struct best {
    int format;
    char *name, *duplicate; /* duplicate: another file of the same format */
};

static bool consider(struct best *best, const char *name, const struct part *part)
{
    int format = format_by_name(name, part);
    if (format < 0 || (best->name && format > best->format))
        return true;
    bool same = best->name && format == best->format;
    bool twin = same && same_except_gz(name, best->name);
    if (twin && ends_in_gz(name))
        return true;
    char *copy = strdup(name);
    if (!copy)
        return false;
    if (same && !twin) {
        free(best->duplicate);
        best->duplicate = copy;
        return true;
    }
    free(best->name);
    if (!twin) {
        free(best->duplicate);
        best->duplicate = NULL;
    }
    best->name = copy;
    best->format = format;
    return true;
}

enum weft_status weft_locate_images(weft_context *ctx, const char *folder,
                                    enum weft_split split, char **out)
{
    enum weft_status status = WEFT_OK;
    struct best best = {0};
    DIR *dir = opendir(folder);
    if (!dir)
        return weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be listed: %s", folder,
                         strerror(errno));
    for (struct dirent *entry; !status && (entry = readdir(dir));)
        if (!consider(&best, entry->d_name, &parts[split]))
            status = weft_out_of_memory(ctx, folder, strlen(entry->d_name));
    closedir(dir);
    *out = NULL;
    if (!status && best.duplicate && !same_except_gz(best.duplicate, best.name)) {
        bool first = strcmp(best.name, best.duplicate) < 0;
        status = weft_fail(ctx, WEFT_ERR_FORMAT,
                           "%s: both %s and %s match; give the path of one", folder,
                           first ? best.name : best.duplicate,
                           first ? best.duplicate : best.name);
    } else if (!status && best.name) {
        *out = weft_path_join(folder, best.name);
        if (!*out)
            status = weft_out_of_memory(ctx, folder, strlen(folder));
    }
    free(best.name);
    free(best.duplicate);
    return status;
}

/* `path` with the first `from` in its last component replaced, owned by the caller;
 * NULL: it has none, or out of memory. */
static char *replace_in_leaf(const char *path, const struct weft_labels_name_rule *rename)
{
    const char *slash = strrchr(path, '/');
    const char *found = strstr(slash ? slash + 1 : path, rename->from);
    if (!found)
        return NULL;
    size_t before = (size_t)(found - path), from = strlen(rename->from),
           to = strlen(rename->to);
    char *result = malloc(strlen(path) - from + to + sizeof(".gz"));
    if (!result)
        return NULL;
    memcpy(result, path, before);
    memcpy(result + before, rename->to, to);
    strcpy(result + before + to, found + from);
    return result;
}

enum weft_status weft_locate_labels(weft_context *ctx, const struct weft_format *format,
                                    const char *images, char **out)
{
    char *expected = NULL;
    enum weft_status status;
    for (const struct weft_labels_name_rule *row = format->labels_beside; row->from;
         row++) {
        char *path = replace_in_leaf(images, row);
        if (!path)
            continue;
        for (int twin = 0; twin < 2; twin++) {
            if (weft_file_exists(path)) {
                free(expected);
                *out = path;
                return WEFT_OK;
            }
            if (!expected)
                expected = strdup(path);
            if (ends_in_gz(path))
                path[strlen(path) - 3] = 0;
            else
                strcat(path, ".gz");
        }
        free(path);
    }
    status = expected
                 ? weft_fail(ctx, WEFT_ERR_FILE, "%s: labels file not found, expected %s",
                             images, expected)
                 : weft_fail(ctx, WEFT_ERR_FILE,
                             "%s: its name does not determine a labels file; rename it, "
                             "with images-idx3-ubyte in its name",
                             images);
    free(expected);
    return status;
}
