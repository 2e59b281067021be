/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of images: DIR/train/CLASS/FILE and so on, or DIR/CLASS/FILE. */
#define _XOPEN_SOURCE 700
#include "dataset/image_list.h"

#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 32, MAX_NAMES = 3 };

/* Names of the folders of a part, in any case. */
static const char *const part_folders[][MAX_NAMES] = {
    [WEFT_SPLIT_TRAIN] = {"train", "training", NULL},
    [WEFT_SPLIT_TEST] = {"test", "testing", NULL},
    [WEFT_SPLIT_VALIDATION] = {"validation", "val", "valid"},
};

static bool names_part(const char *name, enum weft_split split)
{
    for (int i = 0; i < MAX_NAMES && part_folders[split][i]; i++)
        if (!strcasecmp(name, part_folders[split][i]))
            return true;
    return false;
}

/* The names in a folder, sorted bytewise. */
static enum weft_status list_names(weft_context *ctx, const char *folder,
                                   struct weft_names *out)
{
    enum weft_status status = WEFT_OK;
    struct dirent *entry;
    DIR *dir = opendir(folder);
    while (dir && !status && (errno = 0, entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = weft_names_add(ctx, out, entry->d_name);
    if (!status && (!dir || errno))
        status = weft_fail(ctx, WEFT_ERR_FILE, "%s: cannot be listed: %s", folder,
                           strerror(errno));
    if (dir)
        closedir(dir);
    if (!status)
        weft_names_sort(out);
    return status;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* The folder of a part, owned by the caller; NULL: none. */
static enum weft_status find_part(weft_context *ctx, const char *folder,
                                  enum weft_split split, char **out)
{
    struct weft_names names = {.list = NULL};
    enum weft_status status = list_names(ctx, folder, &names);
    *out = NULL;
    for (int i = 0; i < names.count && !status; i++) {
        if (!names_part(names.list[i], split))
            continue;
        char *path = weft_path_join(folder, names.list[i]);
        if (!path)
            status = weft_out_of_memory(ctx, folder, strlen(folder));
        else if (!is_folder(path))
            free(path);
        else if (*out) {
            status = weft_fail(ctx, WEFT_ERR_FORMAT,
                               "both %s and %s are folders of one part; rename one", *out,
                               path);
            free(path);
        } else
            *out = path;
    }
    weft_names_free(&names);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* The search of one class, and the folders that contain the current one. */
struct walk {
    weft_context *ctx;
    struct weft_image_list *list;
    int32_t label;
    int depth;
    struct {
        dev_t device;
        ino_t inode;
    } above[MAX_DEPTH];
};

static enum weft_status walk_folder(struct walk *w, const char *folder);

/* Adds a folder that no link may lead to. */
static void set_above(struct walk *w, const char *folder)
{
    struct stat info;
    if (stat(folder, &info))
        return;
    w->above[w->depth].device = info.st_dev;
    w->above[w->depth++].inode = info.st_ino;
}

/* A link to a folder that contains it is a loop. */
static enum weft_status enter(struct walk *w, const char *folder, const struct stat *info)
{
    for (int i = 0; i < w->depth; i++)
        if (w->above[i].device == info->st_dev && w->above[i].inode == info->st_ino)
            return WEFT_OK;
    if (w->depth == MAX_DEPTH)
        return weft_fail(w->ctx, WEFT_ERR_FORMAT, "%s: more than %d folders deep", folder,
                         MAX_DEPTH);
    w->above[w->depth].device = info->st_dev;
    w->above[w->depth++].inode = info->st_ino;
    enum weft_status status = walk_folder(w, folder);
    w->depth--;
    if (status != WEFT_ERR_FILE)
        return status;
    weft_left_out_add(&w->list->left_out, weft_error(w->ctx));
    return WEFT_OK;
}

/* Takes ownership of `path`. */
static enum weft_status walk_entry(struct walk *w, const char *name, char *path)
{
    struct stat info;
    struct weft_image_list *list = w->list;
    enum weft_status status = WEFT_OK;
    bool exists = !stat(path, &info), folder = exists && S_ISDIR(info.st_mode);
    if (*name == '.')
        list->hidden++;
    else if (folder)
        status = enter(w, path, &info);
    else if (!weft_is_image_name(name)) {
        if (!list->others++)
            snprintf(list->other, sizeof(list->other), "%s", name);
    } else
        return weft_image_list_add(w->ctx, list, path, w->label);
    free(path);
    return status;
}

static enum weft_status walk_folder(struct walk *w, const char *folder)
{
    struct weft_names names = {.list = NULL};
    enum weft_status status = list_names(w->ctx, folder, &names);
    for (int i = 0; i < names.count && !status; i++) {
        char *path = weft_path_join(folder, names.list[i]);
        status = path ? walk_entry(w, names.list[i], path)
                      : weft_out_of_memory(w->ctx, folder, strlen(folder));
    }
    weft_names_free(&names);
    return status;
}

/* Lists the images of class folder `name` below `part`, a folder of the data `root` or
 * that itself. */
static enum weft_status walk_class(weft_context *ctx, const char *root, const char *part,
                                   const char *name, struct weft_image_list *list)
{
    struct stat info;
    struct walk walk = {.ctx = ctx, .list = list, .label = list->classes.count};
    set_above(&walk, root);
    set_above(&walk, part);
    char *path = weft_path_join(part, name);
    if (!path)
        return weft_out_of_memory(ctx, part, strlen(part));
    enum weft_status status = WEFT_OK;
    if (!stat(path, &info) && S_ISDIR(info.st_mode))
        status = enter(&walk, path, &info);
    else if (!list->others++)
        snprintf(list->other, sizeof(list->other), "%s", name);
    free(path);
    return status;
}

/* Adds the class folders of `part`, those with images, and their images. */
static enum weft_status list_classes(weft_context *ctx, const char *root,
                                     const char *part, struct weft_image_list *list)
{
    struct weft_names names = {.list = NULL};
    enum weft_status status = list_names(ctx, part, &names);
    for (int i = 0; i < names.count && !status; i++) {
        size_t before = list->count;
        if (*names.list[i] == '.') {
            list->hidden++;
            continue;
        }
        status = walk_class(ctx, root, part, names.list[i], list);
        if (status || list->count == before)
            continue;
        if (!weft_text_is_name(names.list[i]))
            status = weft_fail(ctx, WEFT_ERR_FORMAT,
                               "%s: the name of a class folder must be 1 to 127 bytes of "
                               "visible text in UTF-8",
                               part);
        else
            status = weft_names_add(ctx, &list->classes, names.list[i]);
    }
    weft_names_free(&names);
    return status;
}

/* Lists the images of the known classes in another part. */
static enum weft_status list_known(weft_context *ctx, const char *root, const char *part,
                                   struct weft_image_list *list)
{
    struct weft_image_list own = {.images = NULL};
    enum weft_status status = list_classes(ctx, root, part, &own);
    for (int i = 0; i < own.classes.count && !status; i++)
        if (weft_names_find(&list->classes, own.classes.list[i]) < 0)
            status = weft_fail(ctx, WEFT_ERR_FORMAT,
                               "%s: has class %s, which the training part has not; move "
                               "images of it there, or remove the folder",
                               part, own.classes.list[i]);
    for (size_t i = 0; i < own.count && !status; i++)
        own.images[i].label = (int32_t)weft_names_find(
            &list->classes, own.classes.list[own.images[i].label]);
    if (!status) {
        struct weft_names kept = list->classes;
        list->classes = own.classes;
        own.classes = kept;
        struct weft_image_list swapped = *list;
        *list = own;
        own = swapped;
    }
    weft_image_list_free(&own);
    return status;
}

static enum weft_status check_classes(const struct weft_reading *reading,
                                      const char *folder,
                                      const struct weft_image_list *list)
{
    weft_context *ctx = reading->ctx;
    if (list->classes.count > WEFT_MAX_CLASSES)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: has %d class folders, at most %d",
                         folder, list->classes.count, WEFT_MAX_CLASSES);
    if (list->classes.count != 1 || reading->one_class)
        return WEFT_OK;
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: all its images are in one folder, %s; there must be a folder "
                     "for each class, and two at least",
                     folder, list->classes.list[0]);
}

enum weft_status weft_image_folder_list(struct weft_reading *reading, const char *folder,
                                        enum weft_split split,
                                        struct weft_image_list *out, bool *found)
{
    weft_context *ctx = reading->ctx;
    struct weft_image_list list = {.images = NULL};
    char *train, *part = NULL;
    *found = false;
    WEFT_TRY(find_part(ctx, folder, WEFT_SPLIT_TRAIN, &train));
    enum weft_status status = WEFT_OK;
    if (train && split != WEFT_SPLIT_TRAIN)
        status = find_part(ctx, folder, split, &part);
    bool exists = split == WEFT_SPLIT_TRAIN || part;
    const char *first = train ? train : folder;
    if (!status && exists)
        status = list_classes(ctx, folder, first, &list);
    if (!status && exists)
        status = check_classes(reading, first, &list);
    if (!status && part)
        status = list_known(ctx, folder, part, &list);
    free(train);
    free(part);
    if (status || !list.count) {
        weft_image_list_free(&list);
        return status;
    }
    *out = list;
    *found = true;
    return WEFT_OK;
}
