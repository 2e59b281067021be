/* SPDX-License-Identifier: Apache-2.0 */
/* Names of classes and their numbers. */
#ifndef WEFT_DATASET_CLASS_NAMES_H
#define WEFT_DATASET_CLASS_NAMES_H

#include "dataset/format.h"

/* Names in the order in which they were added, and their places by hash. */
struct weft_name_table {
    struct weft_names names;
    int32_t *slots; /* indices of names; -1: free */
    size_t room;    /* slots, a power of two */
};

/* 1 to 127 bytes of visible text in UTF-8. */
bool weft_name_is_valid(const char *text, size_t length);

bool weft_name_table_find(const struct weft_name_table *table, const char *text,
                          size_t length, int32_t *index);

/* Adds a copy of a valid name that is not there. WEFT_ERR_NOMEM. */
enum weft_status weft_name_table_add(weft_context *ctx, struct weft_name_table *table,
                                     const char *text, size_t length, int32_t *index);

/* Sorts the names bytewise, after which they are found no more, and numbers the labels
 * again. WEFT_ERR_NOMEM. */
enum weft_status weft_name_table_sort(weft_context *ctx, struct weft_name_table *table,
                                      int32_t *labels, size_t count);

/* Numbers the classes of images as others are: `names`, those of training. Names that are
 * the numbers of classes and nothing else are those classes, where no class has such a
 * name. WEFT_ERR_FORMAT if there is another, WEFT_ERR_NOMEM. */
enum weft_status weft_raw_images_follow(weft_context *ctx, const char *source,
                                        struct weft_raw_images *raw,
                                        const char *const *names, int count);

#endif
