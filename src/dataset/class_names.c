/* SPDX-License-Identifier: Apache-2.0 */
/* Names of classes and their numbers. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/class_names.h"

#include "os/suggest.h"
#include "util/hash.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 128 };

bool weft_name_is_valid(const char *text, size_t length)
{
    char name[NAME_BYTES];
    if (length >= sizeof(name) || memchr(text, 0, length))
        return false;
    memcpy(name, text, length);
    name[length] = 0;
    return weft_text_is_name(name);
}

/* The slot of a name, or the free one where it belongs. */
static size_t find_slot(const struct weft_name_table *t, const char *text, size_t length)
{
    size_t slot = (size_t)weft_hash64(text, length) & (t->room - 1);
    for (; t->slots[slot] >= 0; slot = (slot + 1) & (t->room - 1)) {
        const char *name = t->names.list[t->slots[slot]];
        if (!strncmp(name, text, length) && !name[length])
            break;
    }
    return slot;
}

bool weft_name_table_find(const struct weft_name_table *table, const char *text,
                          size_t length, int32_t *index)
{
    int32_t found = table->room ? table->slots[find_slot(table, text, length)] : -1;
    *index = found;
    return found >= 0;
}

/* Twice as many slots. */
static enum weft_status grow(weft_context *ctx, struct weft_name_table *t)
{
    struct weft_name_table larger = {.names = t->names,
                                     .room = t->room ? 2 * t->room : 64};
    larger.slots = malloc(larger.room * sizeof(*larger.slots));
    if (!larger.slots)
        return weft_out_of_memory(ctx, "names", larger.room * sizeof(*larger.slots));
    for (size_t i = 0; i < larger.room; i++)
        larger.slots[i] = -1;
    for (int32_t i = 0; i < t->names.count; i++) {
        const char *name = t->names.list[i];
        larger.slots[find_slot(&larger, name, strlen(name))] = i;
    }
    free(t->slots);
    *t = larger;
    return WEFT_OK;
}

enum weft_status weft_name_table_add(weft_context *ctx, struct weft_name_table *table,
                                     const char *text, size_t length, int32_t *index)
{
    char name[NAME_BYTES];
    if (2 * ((size_t)table->names.count + 1) > table->room)
        WEFT_TRY(grow(ctx, table));
    snprintf(name, sizeof(name), "%.*s", (int)length, text);
    *index = table->names.count;
    WEFT_TRY(weft_names_add(ctx, &table->names, name));
    table->slots[find_slot(table, text, length)] = *index;
    return WEFT_OK;
}

enum weft_status weft_name_table_sort(weft_context *ctx, struct weft_name_table *table,
                                      int32_t *labels, size_t count)
{
    size_t names = (size_t)table->names.count;
    char **before = malloc((names + 1) * sizeof(*before));
    int32_t *index = malloc((names + 1) * sizeof(*index));
    enum weft_status status =
        before && index ? WEFT_OK : weft_out_of_memory(ctx, "names", names * 12);
    if (!status) {
        memcpy(before, table->names.list, names * sizeof(*before));
        weft_names_sort(&table->names);
        for (size_t i = 0; i < names; i++)
            index[i] = (int32_t)weft_names_find(&table->names, before[i]);
        for (size_t i = 0; i < count; i++)
            labels[i] = index[labels[i]];
    }
    free(before);
    free(index);
    return status;
}

static enum weft_status fail_unknown(weft_context *ctx, const char *source,
                                     const char *name, const char *const *names,
                                     int count)
{
    enum { SHOWN = 10 };
    char list[SHOWN * 50] = "", close[WEFT_SUGGESTION];
    for (int i = 0; i < count && i < SHOWN; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%.40s",
                 i ? ", " : "", names[i]);
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: has class \"%s\", which the training data has not: its %d "
                     "classes are %s%s; correct the name, or train with images of it%s",
                     source, name, count, list, count > SHOWN ? ", ..." : "",
                     weft_suggestion(name, names, count, close));
}

static bool are_numbers(const struct weft_names *names)
{
    for (int i = 0; i < names->count; i++)
        if (names->list[i][strspn(names->list[i], "0123456789")])
            return false;
    return true;
}

/* The class whose number a name is; -1: none. */
static int32_t number_of(const char *name, int count)
{
    long number = strlen(name) < 6 ? strtol(name, NULL, 10) : count;
    return number < count ? (int32_t)number : -1;
}

/* *index receives the class of each of the images' names. */
static enum weft_status match(weft_context *ctx, const char *source,
                              const struct weft_names *all, const char *const *names,
                              int count, int32_t *index)
{
    struct weft_name_table table = {.slots = NULL};
    enum weft_status status = WEFT_OK;
    bool numbers = are_numbers(all);
    int32_t at, *number = malloc((size_t)count * sizeof(*number));
    if (!number)
        return weft_out_of_memory(ctx, source, (size_t)count * sizeof(*number));
    for (int32_t i = 0; i < count && !status; i++) {
        size_t length = strlen(names[i]);
        if (weft_name_table_find(&table, names[i], length, &at))
            continue; /* the first of two that are equal */
        status = weft_name_table_add(ctx, &table, names[i], length, &at);
        if (!status)
            number[at] = i;
    }
    for (int i = 0; i < all->count && !status; i++) {
        const char *name = all->list[i];
        index[i] = weft_name_table_find(&table, name, strlen(name), &at) ? number[at]
                   : numbers ? number_of(name, count)
                             : -1;
        if (index[i] < 0)
            status = fail_unknown(ctx, source, name, names, count);
    }
    weft_names_free(&table.names);
    free(table.slots);
    free(number);
    return status;
}

enum weft_status weft_raw_images_follow(weft_context *ctx, const char *source,
                                        struct weft_raw_images *raw,
                                        const char *const *names, int count)
{
    struct weft_names copies = {.list = NULL};
    size_t bytes = (size_t)raw->classes.count * sizeof(int32_t);
    int32_t *index = malloc(bytes);
    if (!index)
        return weft_out_of_memory(ctx, source, bytes);
    enum weft_status status = match(ctx, source, &raw->classes, names, count, index);
    for (int i = 0; i < count && !status; i++)
        status = weft_names_add(ctx, &copies, names[i]);
    for (int i = 0; i < raw->count && !status; i++)
        raw->labels[i] = index[raw->labels[i]];
    free(index);
    if (status) {
        weft_names_free(&copies);
        return status;
    }
    weft_names_free(&raw->classes);
    raw->classes = copies;
    return WEFT_OK;
}
