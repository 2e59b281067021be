/* SPDX-License-Identifier: Apache-2.0 */
/* The image files that operands name: files, and folders searched recursively. */
#ifndef WEFT_CMD_CORE_IMAGE_LIST_H
#define WEFT_CMD_CORE_IMAGE_LIST_H

#include "core/app.h"

struct image_path {
    char *path;
    bool listed; /* found in a folder: must be a regular file, never waited for */
};

/* Files of other kinds that folders contain, by the end of their names. */
struct image_kind {
    char ending[16]; /* ".webp"; "": none */
    int files;
};

struct image_list {
    struct image_path *paths; /* in processing order */
    int count, room;
    struct image_kind *kinds; /* with most files first, after image_list_skipped */
    int kind_count;
    /* Receives one sentence for each thing that is skipped because it cannot be read. */
    void (*skip)(void *priv, const char *why);
    void *priv;
    int failed; /* calls of `skip` */
};

/* Adds a file or "-"; for a folder, recursively every regular file with the ending of an
 * image, in sorted order. */
enum app_exit image_list_add(const struct app *app, struct image_list *list,
                             const char *path);

/* The same for a path that another program wrote: never "-", a FIFO or a device, and what
 * is wrong is skipped. */
void image_list_add_line(struct image_list *list, const char *path);

/* Removes the paths. */
void image_list_clear(struct image_list *list);

/* "4 files of other kinds were skipped (.webp 3, .bmp 1)", owned by the caller; NULL:
 * none. */
char *image_list_skipped(struct image_list *list);

void image_list_free(struct image_list *list);

#endif
