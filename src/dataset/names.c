/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of names: classes, files. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"

#include <stdlib.h>
#include <string.h>

enum weft_status weft_names_add(weft_context *ctx, struct weft_names *names,
                                const char *name)
{
    if (names->count == names->room) {
        int room = names->room ? 2 * names->room : 16;
        char **list = realloc(names->list, (size_t)room * sizeof(*list));
        if (!list)
            return weft_out_of_memory(ctx, name, (size_t)room * sizeof(*list));
        names->list = list;
        names->room = room;
    }
    char *copy = strdup(name);
    if (!copy)
        return weft_out_of_memory(ctx, name, strlen(name) + 1);
    names->list[names->count++] = copy;
    return WEFT_OK;
}

void weft_names_free(struct weft_names *names)
{
    for (int i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    *names = (struct weft_names){.list = NULL};
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void weft_names_sort(struct weft_names *names)
{
    if (names->count)
        qsort(names->list, (size_t)names->count, sizeof(*names->list), compare);
}

int weft_names_find(const struct weft_names *names, const char *name)
{
    int from = 0, to = names->count;
    while (from < to) {
        int middle = from + (to - from) / 2;
        int order = strcmp(name, names->list[middle]);
        if (!order)
            return middle;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return -1;
}
