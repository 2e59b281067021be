/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets of labelled images, in host memory or in a file. A trainer copies them to its
 * device, all or batch by batch. */
#ifndef WEFT_DATASET_H
#define WEFT_DATASET_H

#include <weft/image.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_MAX_CHANNELS = 4, WEFT_MAX_CLASSES = 65536 };

enum weft_split { WEFT_SPLIT_TRAIN, WEFT_SPLIT_TEST, WEFT_SPLIT_VALIDATION };

typedef struct weft_dataset weft_dataset;

/* All pointers are borrowed and live as long as the dataset. */
struct weft_dataset_info {
    int count, height, width, channels, classes;
    /* count x height x width x channels, channels innermost; NULL: they stay in a file
     * (weft_dataset_open_params.max_memory, decode_as_needed), and weft_dataset_read
     * copies them */
    const uint8_t *pixels;
    const int32_t *labels;          /* count, each 0 to classes - 1 */
    const char *const *class_names; /* classes */
    const char *source;             /* file or folder, for display */
    const char *known_as; /* name of the dataset with this content hash ("Fashion-MNIST,
                             current release, train"); "": unknown */
    /* By channel, over all pixels scaled to 0..1. Of more than 512 image files: over 512
     * of them, spread evenly; what is held out of them has the same. */
    double mean[WEFT_MAX_CHANNELS], stddev[WEFT_MAX_CHANNELS];
    /* Sentences, one a line, on what was decided or skipped when it was read: the column
     * of the labels, clamped pixels; "": nothing. */
    const char *notes;
    /* the way in which the images were made, and others are made for a model of them */
    const struct weft_preprocess_params *preprocess;
    /* of extents, pixels, labels and their order; of image files, of names, sizes,
     * contents and preprocessing instead of pixels: the contents are a file's first
     * 64 KiB and 16 blocks of 4 KiB, evenly spread to its end, or all of up to 128 KiB */
    uint64_t hash;
    /* The path of each image file, and height and width in the file, upright; NULL: the
     * images are not from image files. */
    const char *const *files;
    const int32_t *file_extents;
    int decoded; /* image files that were decoded; 0: none, or all were known */
    double decode_seconds;
    bool decoding; /* others will be, when their images are read */
    bool damaged;  /* one could not be: the next opening leaves it out */
    /* of pixels in the files that are not bytes to 0..255: 255 if they were read as 0..1,
     * 1 as 0..255; 0: all are bytes */
    double scale;
};

/* Options of opening a dataset. */
struct weft_dataset_open_params {
    size_t struct_size;
    /* Image files are made so, with height, width and channels the input of a
     * network. NULL, or height, width and channels 0: the size that all of them have; if
     * they have several, 64x64x3. */
    const struct weft_preprocess_params *preprocess;
    /* A folder of this user only, created if it is missing, where decoded images are
     * kept, so that they are decoded once; NULL: they are not kept. Its files may be
     * deleted. */
    const char *cache_dir;
    int threads; /* that decode images; 0: one a processor */
    /* A folder of images of one class is data too, for example to be added to others
     * (weft_teach). */
    bool one_class;
    /* Names of the classes of the training data, in their order, for a part of other
     * data: labels and class folders that are names get the numbers of these, and another
     * name is refused. NULL and 0: names are sorted. */
    const char *const *class_names;
    int classes;
    /* Larger files of IDX or of NPY of bytes, neither compressed, and of kept decoded
     * images, stay where they are: training and evaluation read the images of a batch
     * when they need it, and fail if the file has become shorter (WEFT_ERR_FILE). So do
     * IDX and NPY of more than 4 GiB. In bytes; 0: half of the machine's memory, or of
     * what its control groups allow the process. */
    size_t max_memory;
    /* Image files whose decoded images are not kept yet are decoded when their images are
     * read, in threads, and are kept then: training begins at once, and decodes ahead of
     * its steps. Needs cache_dir, else it changes nothing. A file that turns out to be
     * damaged, which few do that look whole at both ends, fails the reading of it
     * (WEFT_ERR_FORMAT), and is left out by the next opening. */
    bool decode_as_needed;
    /* For a part of other data than the training data: its `scale` in weft_dataset_info,
     * which pixels that are not bytes must fit. 0: all values decide. */
    double scale;
};
#define weft_dataset_open_params(...) WEFT_PARAMS(weft_dataset_open_params, __VA_ARGS__)

/* Reads a dataset. `spec` is "fashion-mnist" (Debian's package), a folder or a file:
 *
 *   - a folder with IDX files under MNIST's names (train-images-idx3-ubyte and so on,
 *     plain or .gz);
 *   - an IDX file of images; the labels are found beside it by name;
 *   - a CSV file, plain or .gz, with commas, semicolons or tabs: a column of labels,
 *     which a header calls "label", "class", "target", "y", "digit" or similar, in any
 *     place and case, and columns of pixels: square gray images, or square RGB images;
 *     with any other number, images of one row. Columns called "id" or "index" or without
 *     a name are skipped. Without a header the contents decide whether the first or the
 *     last column has the labels; `notes` of the info names it. Labels are numbers, or
 *     names of classes, which are then sorted bytewise; the test part has the classes of
 *     the training part, and another name is refused;
 *   - a CSV file that lists image files: a column of paths, absolute or from the folder
 *     of the CSV, and a column of labels, called so or the other one of two. Files that
 *     cannot be decoded are left out, with a note;
 *   - a folder of images, PNG, JPEG and PNM of any size, with a folder for each class:
 *     train/CLASS/FILE, and test, and validation, val or valid; or CLASS/FILE, which is
 *     the training part. The names of the class folders are the classes, sorted bytewise;
 *     a class folder may have folders, and links are followed. Files that cannot be
 *     decoded are left out, with a note; other kinds and hidden files are skipped;
 *   - an NPY file of integers or floats in 0..1 or 0..255, (n,h,w) or (n,h,w,c); its
 *     labels are beside it under the name with "labels" for "images" or "y" for "x", or
 *     as NAME-labels.npy.
 *
 * All values of floats decide whether they are 0..1 or 0..255, those of the training part
 * for the test part of a folder too; a few beyond 1 or 255 are clamped, with a note.
 *
 * A folder may contain train, test and validation parts in any one of these formats;
 * `split` selects one. Only regular files are read, or a file in a folder of its own
 * name. For a single file `split` is ignored. A file `classes.txt` beside the data names
 * the classes, one a line; a dataset with a known content hash has its own names. A gzip
 * file may decompress to 64 MiB and 32 times its size.
 *
 * WEFT_ERR_FILE, WEFT_ERR_FORMAT, WEFT_ERR_NOMEM; WEFT_ERR_ARG: no such part is there. */
WEFT_API enum weft_status weft_dataset_open(weft_context *context, const char *spec,
                                            enum weft_split split,
                                            const struct weft_dataset_open_params *params,
                                            weft_dataset **out);

/* Images in memory. All arrays are copied. */
struct weft_dataset_params {
    size_t struct_size;
    int count, height, width, channels;
    int classes; /* 0: the largest label + 1, and at least 2, without class names */
    const uint8_t *pixels; /* count x height x width x channels, channels innermost */
    const int32_t *labels; /* count; NULL: all 0 */
    const char *const *class_names; /* 1 to 127 bytes of UTF-8 each; NULL: numbers */
    const char *source;             /* for messages; NULL: "memory" */
    const char *known_as;           /* as in weft_dataset_info; NULL: "" */
    /* Only its fit, trim and invert are used; NULL: as is known of `known_as`, else the
     * defaults */
    const struct weft_preprocess_params *preprocess;
    /* Instead of `pixels`: floats of 0 to 1 in the same order, which are rounded to
     * multiples of 1/255; NULL: pixels are given. */
    const float *values;
};
#define weft_dataset_params(...) WEFT_PARAMS(weft_dataset_params, __VA_ARGS__)

/* Creates a dataset from memory and measures mean and stddev.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status
weft_dataset_from_memory(weft_context *context, const struct weft_dataset_params *params,
                         weft_dataset **out);

WEFT_API void weft_dataset_destroy(weft_dataset **data);

WEFT_API void weft_dataset_info(const weft_dataset *data, struct weft_dataset_info *out,
                                size_t size);
#define weft_dataset_info(data, out) weft_dataset_info(data, out, sizeof(*(out)))

/* Splits `data` by permutations that depend on `seed` only: `holdout_count` images go to
 * `*second`, of each class its share, the others to `*first`, both in their original
 * order. 0 < holdout_count <
 * count. Both keep the class names and `known_as`; each has its own mean and stddev.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_holdout(const weft_dataset *data,
                                               int holdout_count, uint64_t seed,
                                               weft_dataset **first,
                                               weft_dataset **second);

/* Replaces the labels of all images, of which `count` are given, each 0 to classes - 1.
 * The dataset gets another hash, and is no longer a known one if a label differs. Before
 * a trainer or another dataset is made of it.
 * WEFT_ERR_ARG, WEFT_ERR_FILE, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_relabel(weft_dataset *data, const int32_t *labels,
                                               int count);

/* Copies the pixels of `count` images from `first` on, also of images that stay in their
 * file; image files that are not decoded yet are. WEFT_ERR_ARG, WEFT_ERR_FILE,
 * WEFT_ERR_FORMAT if one of these turns out to be damaged, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_read(const weft_dataset *data, int first,
                                            int count, uint8_t *out);

/* Counts the images of `test` that are byte for byte in `train` too: more than a handful
 * is test set leakage. Of one dataset twice: the images that equal an earlier one.
 * WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_dataset_overlap(const weft_dataset *train,
                                               const weft_dataset *test, int *out);

#ifdef __cplusplus
}
#endif
#endif
