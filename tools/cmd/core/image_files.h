/* SPDX-License-Identifier: Apache-2.0 */
/* The images of one file or of stdin: PNG, JPEG, PBM, PGM, PPM, and IDX with any number
 * of images, which are read one at a time. */
#ifndef WEFT_CMD_CORE_IMAGE_FILES_H
#define WEFT_CMD_CORE_IMAGE_FILES_H

#include "core/image_list.h"

struct image_file {
    const char *path;
    struct gzFile_s *in; /* gzipped or not */
    uint8_t *bytes;      /* of the file; of IDX: of the current image */
    size_t size;
    bool idx;                /* dataset images: never inverted automatically */
    int count;               /* of images; 1 unless `idx` */
    int next;                /* index of the next image */
    struct weft_image image; /* the current one */
    /* For weft_image_decode, set after opening; NULL: images are decoded whole. */
    const struct weft_preprocess_params *purpose;
};

/* Opens a file, or stdin for "-", plain or gzipped. False: *why receives the error
 * message, owned by the caller. */
bool image_file_open(struct image_file *file, const struct image_path *path, char **why);

/* Reads the next image into `image`. False after the last one, with *why NULL, or on
 * failure. Threads that read files of their own have contexts of their own. */
bool image_file_next(weft_context *context, struct image_file *file, char **why);

void image_file_close(struct image_file *file);

#endif
