/* SPDX-License-Identifier: Apache-2.0 */
/* The images that a user names: files, folders, stdin; PNG, JPEG, PGM, PPM and IDX. */
#ifndef WEFT_CMD_CORE_IMAGE_FILES_H
#define WEFT_CMD_CORE_IMAGE_FILES_H

#include "core/app.h"

/* Paths in the order in which they are worked on. */
struct image_paths {
    char **paths;
    int count, room;
};

/* Adds a file or "-" as it is named; of a folder, and the folders in it, every file whose
 * name says that it is an image, in sorted order. */
enum app_exit image_paths_add(const struct app *app, struct image_paths *list,
                              const char *path);
void image_paths_free(struct image_paths *list);

/* The images of one file. */
struct image_file {
    const char *path;
    uint8_t *bytes;
    size_t size;
    int count;               /* of images */
    bool idx;                /* as they were written: never inverted unasked */
    struct weft_image first; /* of an IDX file: the extents, and the first pixels */
};

/* Reads a file, "-" from stdin, plain or gzipped. `why` gets a sentence on failure. */
bool image_file_open(struct app *app, struct image_file *file, const char *path,
                     char why[512]);
struct weft_image image_file_image(const struct image_file *file, int index);
void image_file_close(struct image_file *file);

#endif
