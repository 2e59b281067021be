/* SPDX-License-Identifier: Apache-2.0 */
/* Search for files: images in a folder by name, labels beside images. Names are compared
 * without regard to case. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NAME = 256 };

/* Words in the name of a file of one part. A name with `never` belongs to the other
 * part. */
static const struct part {
    const char *words[2], *never;
} parts[] = {
    [WEFT_SPLIT_TRAIN] = {{"train", "train"}, NULL},
    [WEFT_SPLIT_TEST] = {{"t10k", "test"}, "train"},
    [WEFT_SPLIT_VALIDATION] = {{"validation", "valid"}, "train"},
};

/* `name` in lower case without .gz; false: too long. */
static bool plain_name(const char *name, char out[MAX_NAME])
{
    size_t length = strlen(name);
    if (length >= MAX_NAME)
        return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    if (length > 3 && !strcmp(out + length - 3, ".gz"))
        out[length - 3] = 0;
    return true;
}

static bool ends_in_gz(const char *name)
{
    size_t length = strlen(name);
    return length > 3 && !strcasecmp(name + length - 3, ".gz");
}

/* Index of the format that a name indicates; -1: none. */
static int format_by_name(const char *name, const struct part *part)
{
    char leaf[MAX_NAME];
    if (*name == '.' || !plain_name(name, leaf))
        return -1;
    if (!strstr(leaf, part->words[0]) && !strstr(leaf, part->words[1]))
        return -1;
    if (part->never && strstr(leaf, part->never))
        return -1;
    for (int i = 0; weft_formats[i]; i++)
        if (weft_formats[i]->matches_name(leaf))
            return i;
    return -1;
}

/* `name`, in lower case without .gz, with the first `from` of the rule replaced. */
static bool apply_rule(const struct weft_labels_name_rule *rule, const char *name,
                       char out[MAX_NAME])
{
    const char *found = strstr(name, rule->from);
    if (!found)
        return false;
    int length = snprintf(out, MAX_NAME, "%.*s%s%s", (int)(found - name), name, rule->to,
                          found + strlen(rule->from));
    return length < MAX_NAME;
}

/* Files of one part in a folder. */
struct candidate {
    char *name; /* path from the folder */
    int format;
    bool nested; /* in a folder of its own name, as some programs unpack */
};
struct candidates {
    struct candidate *list;
    size_t count;
};

static enum weft_status add_candidate(weft_context *ctx, struct candidates *c,
                                      const char *name, int format, bool nested)
{
    size_t size = 2 * strlen(name) + 2;
    struct candidate *list = realloc(c->list, (c->count + 1) * sizeof(*list));
    char *path = malloc(size);
    if (list)
        c->list = list;
    if (!list || !path) {
        free(path);
        return weft_out_of_memory(ctx, name, size);
    }
    snprintf(path, size, nested ? "%s/%s" : "%s", name, name);
    list[c->count++] = (struct candidate){path, format, nested};
    return WEFT_OK;
}

/* Adds a file whose name fits, or the file of this name in a folder of this name. */
static enum weft_status consider(struct weft_reading *reading, const char *folder,
                                 const char *name, int format, struct candidates *c)
{
    enum weft_file_kind kind;
    char *path = weft_path_join(folder, name);
    enum weft_status status = path ? weft_file_examine(reading->ctx, path, &kind)
                                   : weft_out_of_memory(reading->ctx, name, MAX_NAME);
    if (!status && kind == WEFT_FILE_REGULAR)
        status = add_candidate(reading->ctx, c, name, format, false);
    else if (!status && kind == WEFT_FILE_FOLDER) {
        char *inner = weft_path_join(path, name);
        status = inner ? weft_file_examine(reading->ctx, inner, &kind)
                       : weft_out_of_memory(reading->ctx, name, MAX_NAME);
        free(inner);
        if (!status && kind == WEFT_FILE_REGULAR)
            status = add_candidate(reading->ctx, c, name, format, true);
    } else if (!status)
        weft_reading_note(reading, "%s is skipped: it is %s, not a file of images", path,
                          kind == WEFT_FILE_ABSENT
                              ? "a link to a file that does not exist"
                          : kind == WEFT_FILE_PIPE ? "a pipe"
                                                   : "a socket or a device");
    free(path);
    return status;
}

/* True if `a` is preferred to `b`: earlier formats of the table, files before folders. */
static bool precedes(const struct candidate *a, const struct candidate *b)
{
    return a->format != b->format ? a->format < b->format : a->nested < b->nested;
}

/* True if `labels` has the name of the labels of `images`. */
static bool labels_of(const struct candidate *labels, const struct candidate *images)
{
    const struct weft_labels_name_rule *rule =
        weft_formats[images->format]->labels_beside;
    char name[MAX_NAME], expected[MAX_NAME], given[MAX_NAME];
    if (labels == images || !plain_name(images->name, name) ||
        !plain_name(labels->name, given))
        return false;
    for (; rule && rule->from; rule++)
        if (apply_rule(rule, name, expected) && !strcmp(expected, given))
            return true;
    return false;
}

static bool same_except_gz(const char *a, const char *b)
{
    char plain_a[MAX_NAME], plain_b[MAX_NAME];
    return plain_name(a, plain_a) && plain_name(b, plain_b) && !strcmp(plain_a, plain_b);
}

/* The best candidate, uncompressed before compressed; NULL: none. *duplicate is another
 * that is as good. */
static const struct candidate *choose(const struct candidates *c,
                                      const struct candidate **duplicate)
{
    const struct candidate *best = NULL;
    *duplicate = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *other = &c->list[i];
        bool is_labels = false;
        for (size_t k = 0; k < c->count; k++)
            is_labels |= labels_of(other, &c->list[k]);
        if (is_labels || (best && precedes(best, other)))
            continue;
        if (!best || precedes(other, best)) {
            best = other;
            *duplicate = NULL;
        } else if (!same_except_gz(best->name, other->name))
            *duplicate = other;
        else if (ends_in_gz(best->name))
            best = other;
    }
    return best;
}

static enum weft_status list_candidates(struct weft_reading *reading, const char *folder,
                                        const struct part *part, struct candidates *c)
{
    enum weft_status status = WEFT_OK;
    DIR *dir = opendir(folder);
    struct dirent *entry = NULL;
    errno = dir ? 0 : errno;
    while (dir && !status && (errno = 0, entry = readdir(dir))) {
        int format = format_by_name(entry->d_name, part);
        if (format >= 0)
            status = consider(reading, folder, entry->d_name, format, c);
    }
    if (!status && (!dir || errno))
        status = weft_fail(reading->ctx, WEFT_ERR_FILE, "%s: cannot be listed: %s",
                           folder, strerror(errno));
    if (dir)
        closedir(dir);
    return status;
}

static void free_candidates(struct candidates *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->list[i].name);
    free(c->list);
}

enum weft_status weft_locate_images(struct weft_reading *reading, const char *folder,
                                    enum weft_split split, char **out)
{
    struct candidates c = {0};
    const struct candidate *best = NULL, *other = NULL;
    enum weft_status status = list_candidates(reading, folder, &parts[split], &c);
    *out = NULL;
    if (!status)
        best = choose(&c, &other);
    if (best && other) {
        bool first = strcmp(best->name, other->name) < 0;
        status = weft_fail(reading->ctx, WEFT_ERR_FORMAT,
                           "%s: both %s and %s match; give the path of one", folder,
                           (first ? best : other)->name, (first ? other : best)->name);
    } else if (best) {
        *out = weft_path_join(folder, best->name);
        if (!*out)
            status = weft_out_of_memory(reading->ctx, folder, strlen(folder));
    }
    free_candidates(&c);
    return status;
}

/* A folder below `folder` that has images of the part, as torchvision and archives make
 * them; owned by the caller, NULL: none. */
static char *find_below(const char *folder, const struct part *part, int depth, int *most)
{
    char *found = NULL;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir)) && --*most > 0;) {
        struct candidates c = {0};
        struct weft_reading quiet = {.ctx = NULL};
        enum weft_file_kind kind;
        char *path = *entry->d_name == '.' ? NULL : weft_path_join(folder, entry->d_name);
        if (!path || weft_file_examine(NULL, path, &kind) || kind != WEFT_FILE_FOLDER) {
            free(path);
            continue;
        }
        if (!list_candidates(&quiet, path, part, &c) && c.count)
            found = strdup(path);
        else if (depth > 1)
            found = find_below(path, part, depth - 1, most);
        free_candidates(&c);
        free(quiet.notes);
        free(path);
    }
    if (dir)
        closedir(dir);
    return found;
}

char *weft_locate_folder_below(const char *folder, enum weft_split split)
{
    enum { DEPTH = 3 };
    int entries = 1000; /* that are examined */
    return find_below(folder, &parts[split], DEPTH, &entries);
}

char *weft_locate_packed(const char *folder)
{
    static const char *const endings[] = {".zip", ".npz", ".tar", ".tar.gz", ".tgz",
                                          ".7z",  ".rar", ".xz",  ".bz2",    ".zst"};
    char *found = NULL;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        for (size_t i = 0; i < WEFT_ARRAY_SIZE(endings) && !found; i++) {
            size_t length = strlen(entry->d_name), end = strlen(endings[i]);
            if (length > end && !strcasecmp(entry->d_name + length - end, endings[i]))
                found = weft_path_join(folder, entry->d_name);
        }
    if (dir)
        closedir(dir);
    return found;
}

/* The entry of a folder that is called `name` in any case, with or without .gz, or the
 * file of this name in such a folder; owned by the caller. An exact name is preferred. */
static enum weft_status find_in_folder(weft_context *ctx, const char *folder,
                                       const char *name, char **out)
{
    char found[MAX_NAME] = "";
    struct dirent *entry;
    enum weft_file_kind kind = WEFT_FILE_ABSENT;
    DIR *dir = opendir(*folder ? folder : ".");
    *out = NULL;
    for (int rank = 0; dir && (errno = 0, entry = readdir(dir));) {
        const char *given = entry->d_name;
        int better = !strcmp(given, name)           ? 4
                     : !same_except_gz(given, name) ? 0
                     : ends_in_gz(given)            ? 2
                                                    : 3;
        if (better > rank && strlen(given) < sizeof(found)) {
            rank = better;
            strcpy(found, given);
        }
    }
    int error = errno;
    if (dir)
        closedir(dir);
    else
        strcpy(found, name); /* a folder that may be entered but not listed */
    if (error && dir)
        return weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be listed: %s", folder,
                         strerror(error));
    char *path = *found ? weft_path_join(folder, found) : NULL;
    if (!path)
        return *found ? weft_out_of_memory(ctx, name, MAX_NAME) : WEFT_OK;
    enum weft_status status = weft_file_examine(ctx, path, &kind);
    if (!status && kind == WEFT_FILE_FOLDER) {
        char *inner = weft_path_join(path, found);
        free(path);
        path = inner;
        status = path ? weft_file_examine(ctx, path, &kind)
                      : weft_out_of_memory(ctx, name, MAX_NAME);
    }
    if (!status && kind == WEFT_FILE_REGULAR) {
        *out = path;
        return WEFT_OK;
    }
    free(path);
    return status;
}

/* Folder of `path`, and its last component in lower case without .gz. */
static bool split_path(const char *path, char **folder, char leaf[MAX_NAME])
{
    const char *slash = strrchr(path, '/');
    *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    return *folder && plain_name(slash ? slash + 1 : path, leaf);
}

/* In the folder of the images, and if that has their name, in the one above. */
static enum weft_status find_labels(weft_context *ctx, const char *folder,
                                    const char *images, const char *labels, char **out)
{
    WEFT_TRY(find_in_folder(ctx, folder, labels, out));
    size_t length = strlen(folder), name = strlen(images);
    if (*out || length < name + 2 ||
        strncasecmp(folder + length - 1 - name, images, name))
        return WEFT_OK;
    char *above = weft_path_join(folder, "..");
    enum weft_status status = above ? find_in_folder(ctx, above, labels, out)
                                    : weft_out_of_memory(ctx, folder, length);
    free(above);
    return status;
}

enum weft_status weft_locate_labels(weft_context *ctx, const struct weft_format *format,
                                    const char *images, char **out)
{
    char *folder = NULL, leaf[MAX_NAME], expected[MAX_NAME] = "", name[MAX_NAME];
    enum weft_status status = WEFT_OK;
    *out = NULL;
    bool named = split_path(images, &folder, leaf);
    if (!folder)
        return weft_out_of_memory(ctx, images, strlen(images));
    for (const struct weft_labels_name_rule *rule = format->labels_beside;
         named && rule->from && !status && !*out; rule++) {
        if (!apply_rule(rule, leaf, name))
            continue;
        if (!*expected)
            strcpy(expected, name);
        status = find_labels(ctx, folder, leaf, name, out);
    }
    if (!status && !*out)
        status = *expected
                     ? weft_fail(ctx, WEFT_ERR_FILE,
                                 "%s: labels file not found, expected %s%s beside it",
                                 images, expected, ends_in_gz(images) ? ".gz" : "")
                     : weft_fail(ctx, WEFT_ERR_FILE,
                                 "%s: its name does not determine a labels file; rename "
                                 "it, with images-idx3-ubyte in its name",
                                 images);
    free(folder);
    return status;
}
