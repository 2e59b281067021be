/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of image files. */
#define _XOPEN_SOURCE 700
#include "dataset/image_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

void weft_image_list_free(struct weft_image_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->images[i].path);
    free(list->images);
    weft_names_free(&list->classes);
    *list = (struct weft_image_list){.images = NULL};
}

void weft_left_out_add(struct weft_left_out *left_out, const char *why)
{
    enum { NAMED = 3 };
    size_t at = strlen(left_out->text);
    if (left_out->count++ < NAMED)
        snprintf(left_out->text + at, sizeof(left_out->text) - at, "%s%.120s",
                 at ? "; " : "", why);
}

bool weft_is_image_name(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                          ".pbm", ".pgm",  ".ppm", ".pnm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < WEFT_ARRAY_SIZE(endings); i++)
        if (!strcasecmp(dot, endings[i]))
            return true;
    return false;
}

enum weft_status weft_image_list_add(weft_context *ctx, struct weft_image_list *list,
                                     char *path, int32_t label)
{
    struct stat info;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        struct weft_listed_image *images =
            realloc(list->images, room * sizeof(*list->images));
        if (!images) {
            free(path);
            return weft_out_of_memory(ctx, "images", room * sizeof(*images));
        }
        list->images = images;
        list->room = room;
    }
    if (list->count == WEFT_MAX_IMAGES) {
        free(path);
        return weft_fail(ctx, WEFT_ERR_FORMAT, "more than %d images", WEFT_MAX_IMAGES);
    }
    struct weft_listed_image *image = &list->images[list->count++];
    *image = (struct weft_listed_image){.path = path, .label = label};
    if (!stat(path, &info)) { /* else opening it says why not */
        image->size = (uint64_t)info.st_size;
        image->times[0] = (int64_t)info.st_mtim.tv_sec;
        image->times[1] = (int64_t)info.st_mtim.tv_nsec;
        image->times[2] = (int64_t)info.st_ctim.tv_sec;
        image->times[3] = (int64_t)info.st_ctim.tv_nsec;
    }
    return WEFT_OK;
}
