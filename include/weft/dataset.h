/* SPDX-License-Identifier: Apache-2.0 */
/* Images with labels, and single images. All of it is host memory; a trainer copies
 * what it needs to its device. */
#ifndef WEFT_DATA_H
#define WEFT_DATA_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_MAX_CHANNELS = 4, WEFT_MAX_CLASSES = 1000 };

enum weft_split { WEFT_SPLIT_TRAIN, WEFT_SPLIT_TEST };

typedef struct weft_dataset weft_dataset;

/* Images are n x height x width x channels bytes, row by row, channels innermost. */
struct weft_dataset_info {
    int count, height, width, channels, classes;
    const char *const *class_names; /* `classes` of them; live as long as the data */
    const char *source;             /* the file or folder, for people */
    const char *known_as; /* what the contents are known as, by hash ("Fashion-MNIST,
                            current release, train"); "" if not known */
    double mean[WEFT_MAX_CHANNELS],
        stddev[WEFT_MAX_CHANNELS]; /* over all pixels of a channel, pixels scaled to
                                         0..1 */
};

/* Reads a data set. `spec` is "fashion-mnist" (Debian's package), or a folder or a file:
 *
 *   - a folder with IDX files named as MNIST's are (train-images-idx3-ubyte and so on,
 *     plain or .gz);
 *   - an IDX file of images, its labels found beside it by name;
 *   - a CSV file with a header and rows `label,pixel1,...,pixelN`, plain or .gz: a square
 *     of grey pixels, or of red, green, blue; any other N is an image of one row;
 *   - an NPY file of unsigned bytes, or of floats in 0..1 or 0..255, (n,h,w) or
 *     (n,h,w,c); its labels lie beside it under the name with "labels" for "images" or
 *     "y" for "x", or as NAME-labels.npy.
 *
 * A folder may hold train and test in any one of these forms; `split` says which is
 * wanted. A single file is itself, whatever `split` says. A file `classes.txt` beside the
 * data names the classes, one a line; data that is known by its hash brings its own
 * names.
 *
 * WEFT_ERR_FILE, WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_open(weft_context *context, const char *spec,
                                            enum weft_split split, weft_dataset **out);

/* Makes a data set of images in memory; both arrays are copied. `labels` may be NULL:
 * all are then 0. Of `shape`, 0 classes: as the labels tell; no class names: numbers;
 * those that are given are 1 to 127 bytes of UTF-8. Mean and stddev are measured.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_from_memory(weft_context *context,
                                                   const struct weft_dataset_info *shape,
                                                   const uint8_t *pixels,
                                                   const int32_t *labels,
                                                   weft_dataset **out);

WEFT_API void weft_dataset_destroy(weft_dataset **data);

WEFT_API void weft_dataset_info(const weft_dataset *data, struct weft_dataset_info *out);

/* Borrowed: `count` images one after the other, and their labels. */
WEFT_API const uint8_t *weft_dataset_pixels(const weft_dataset *data);
WEFT_API const int32_t *weft_dataset_labels(const weft_dataset *data);

/* Parts `data` by a permutation that depends on `seed` alone: `holdout_count` images into
 * `*second`, the others into `*first`, each in the order they had. 0 < holdout_count <
 * count. Names and `known_as` are kept, mean and stddev are those of each part.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_holdout(const weft_dataset *data,
                                               int holdout_count, uint64_t seed,
                                               weft_dataset **first,
                                               weft_dataset **second);

/* Counts the images of `test` that are in `train` too, byte for byte: a leak if it is
 * more than a handful. WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_overlap(const weft_dataset *train,
                                               const weft_dataset *test, int *out);

/* One decoded image: height x width x channels bytes. */
struct weft_image {
    int height, width,
        channels; /* 1 grey, 3 red green blue; an alpha channel is laid over white */
    uint8_t *pixels;
};

/* Decodes a PNG, JPEG or PGM/PPM from memory, told by its first bytes. At most 2^26
 * pixels. `name` is for the error sentence. Free with weft_image_free.
 * WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_image_decode(weft_context *context, const char *name,
                                            const void *bytes, size_t size,
                                            struct weft_image *out);
WEFT_API void weft_image_free(struct weft_image *image);

enum weft_invert { WEFT_INVERT_AUTO, WEFT_INVERT_NO, WEFT_INVERT_YES };

/* What weft_image_preprocess did. */
struct weft_preprocess_info {
    bool resized, cropped, inverted;
    bool uneven_background; /* the border is of many colours: expect little */
};

/* Brings an image to height x width x channels bytes as the Fashion-MNIST images were
 * made: if it has that size already it is only converted; otherwise the border's colour,
 * which may change evenly across the image, is taken as background and trimmed, the
 * longer side scaled to fit by area averaging, the rest filled with background. A light
 * background is inverted, so that the object is light; an even one becomes black. `out`
 * receives height * width * channels bytes; channels are 1 or 3. `fit` may be NULL.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_image_preprocess(weft_context *context,
                                                const struct weft_image *image,
                                                enum weft_invert invert, int height,
                                                int width, int channels, uint8_t *out,
                                                struct weft_preprocess_info *info);

#ifdef __cplusplus
}
#endif
#endif
