/* SPDX-License-Identifier: Apache-2.0 */
/* Files of vectors: NPY, with a CSV beside it that says which image each row is of. */
#ifndef WEFT_CMD_CORE_VECTOR_FILE_H
#define WEFT_CMD_CORE_VECTOR_FILE_H

#include "core/app.h"

/* The image of a vector. */
struct vector_image {
    char *file;      /* an image file, or the data; owned */
    int index;       /* of the image in it; -1: the only one */
    int class_index; /* predicted; -1: unknown */
    float probability;
    uint64_t hash; /* image_hash */
};

/* Vectors in memory. */
struct vector_set {
    float *values; /* count x dimensions */
    struct vector_image *images;
    int64_t count, room;
    int dimensions;
    char **classes; /* names of the predicted ones; owned */
    int class_count;
};

void vector_set_free(struct vector_set *set);
/* Takes the ownership of image->file. */
void vector_set_add(struct vector_set *set, const float *vector,
                    const struct vector_image *image);

/* "shirts/7.jpg", or "photos.idx[12]"; allocated. */
char *vector_image_name(const struct vector_image *image);

/* Writes the rows of a vector file while `make` produces them: it is called once and
 * passes each vector to vector_file_add. `path` ends with .npy or .csv; of NPY the images
 * are in PATH.csv. On failure neither is written. */
struct vector_file;
enum app_exit vector_file_write(const struct app *app, const char *path,
                                const char *const *classes, int dimensions,
                                enum app_exit (*make)(void *priv,
                                                      struct vector_file *file),
                                void *priv, int64_t *count);
void vector_file_add(struct vector_file *file, const float *vector,
                     const struct vector_image *image);

/* Reads an NPY file of float32 or float64, (count, dimensions), and the images beside it
 * if there are any; vectors are divided by their norms. */
enum app_exit vector_file_read(const struct app *app, const char *path,
                               struct vector_set *set);

#endif
