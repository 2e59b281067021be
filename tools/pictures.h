/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures that a user names: files, folders, stdin; PNG, JPEG, PGM, PPM and IDX. */
#ifndef WEFT_TOOLS_PICTURES_H
#define WEFT_TOOLS_PICTURES_H

#include "app.h"

/* Paths in the order in which they are worked on. */
struct picture_list {
    char **paths;
    int count, room;
};

/* Adds a file or "-" as it is named; of a folder, and the folders in it, every file whose
 * name says that it is a picture, in sorted order. */
enum app_exit picture_list_add(const struct app *app, struct picture_list *list,
                               const char *path);
void picture_list_finish(struct picture_list *list);

/* The pictures of one file. */
struct picture_file {
    const char *path;
    uint8_t *bytes;
    size_t size;
    int count;                 /* of pictures */
    bool idx;                  /* as they were written: never inverted unasked */
    struct weft_picture first; /* of an IDX file: the extents, and the first pixels */
};

/* Reads a file, "-" from stdin, plain or gzipped. `why` gets a sentence on failure. */
bool picture_file_open(struct app *app, struct picture_file *file, const char *path,
                       char why[512]);
struct weft_picture picture_file_get(const struct picture_file *file, int index);
void picture_file_finish(struct picture_file *file);

#endif
