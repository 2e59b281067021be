/* SPDX-License-Identifier: Apache-2.0 */
/* Input images of the command line: files, folders, stdin; PNG, JPEG, PGM, PPM and
 * IDX. */
#ifndef WEFT_CMD_CORE_IMAGE_FILES_H
#define WEFT_CMD_CORE_IMAGE_FILES_H

#include "core/app.h"

/* Paths in processing order. */
struct image_paths {
    char **paths;
    int count, room;
};

/* Adds a file or "-"; for a folder, recursively every file with an image extension, in
 * sorted order. */
enum app_exit image_paths_add(const struct app *app, struct image_paths *list,
                              const char *path);
void image_paths_free(struct image_paths *list);

/* The images of one file. */
struct image_file {
    const char *path;
    uint8_t *bytes;
    size_t size;
    int count;               /* of images */
    bool idx;                /* dataset images: never inverted automatically */
    struct weft_image first; /* of an IDX file: the extents and the first image */
};

/* Reads a file, or stdin for "-", plain or gzipped. `why` receives the error message. */
bool image_file_open(struct app *app, struct image_file *file, const char *path,
                     char why[512]);
struct weft_image image_file_image(const struct image_file *file, int index);
void image_file_close(struct image_file *file);

#endif
