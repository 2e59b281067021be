/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a dataset by name, folder or file. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"
#include "util/gzip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Largest accepted file, also after decompression. */
#define MAX_FILE_BYTES ((size_t)(UINT32_MAX - 1))

/* Datasets that distributions package. */
static const struct installed {
    const char *name, *folder, *package;
} installed[] = {
    {"fashion-mnist", "/usr/share/datasets/fashion-mnist", "dataset-fashion-mnist"},
};

static enum weft_status resolve_name(weft_context *ctx, const char *spec,
                                     const char **out)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(installed); i++) {
        const struct installed *row = &installed[i];
        if (strcmp(spec, row->name))
            continue;
        if (!weft_folder_exists(row->folder))
            return weft_fail(ctx, WEFT_ERR_FILE,
                             "%s: %s not found; install the package %s (apt install "
                             "%s), or give a folder with the IDX files",
                             spec, row->folder, row->package, row->package);
        *out = row->folder;
        return WEFT_OK;
    }
    *out = spec;
    return WEFT_OK;
}

static enum weft_status read_file(weft_context *ctx, const char *path,
                                  struct weft_file *file,
                                  const struct weft_format **format)
{
    WEFT_TRY(weft_file_read_gz(ctx, path, MAX_FILE_BYTES, file));
    *format = weft_format_detect(file);
    if (*format)
        return WEFT_OK;
    bool empty = !file->size;
    weft_file_free(file);
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     empty ? "%s: is empty" : "%s: is neither IDX, NPY nor CSV", path);
}

/* Reads the labels of a labels file or of a file with both. */
static enum weft_status read_labels(weft_context *ctx, const char *path,
                                    struct weft_labels *out)
{
    struct weft_file file;
    const struct weft_format *format;
    WEFT_TRY(read_file(ctx, path, &file, &format));
    enum weft_status status = format->read_labels(ctx, path, &file, out);
    weft_file_free(&file);
    return status;
}

/* Reads images and labels from one or two files. */
static enum weft_status read_both(weft_context *ctx, const char *path,
                                  struct weft_raw_images *raw)
{
    struct weft_file file;
    struct weft_labels labels;
    const struct weft_format *format;
    char *labels_path;
    WEFT_TRY(read_file(ctx, path, &file, &format));
    enum weft_status status = format->read(ctx, path, &file, raw);
    weft_file_free(&file);
    if (status || raw->labels)
        return status;
    WEFT_TRY(weft_locate_labels(ctx, format, path, &labels_path));
    status = read_labels(ctx, labels_path, &labels);
    if (!status) {
        raw->labels = labels.values;
        if (labels.count != raw->count)
            status = weft_fail(ctx, WEFT_ERR_FORMAT,
                               "%s has %d images, but %s has %d labels; their numbers "
                               "must match",
                               path, raw->count, labels_path, labels.count);
    }
    free(labels_path);
    return status;
}

/* Number of classes in the training part of the same folder, because a test part may
 * lack the last ones; 0: no training part. */
static enum weft_status count_train_classes(weft_context *ctx, const char *folder,
                                            int *out)
{
    char *path, *labels_path = NULL;
    struct weft_file file;
    struct weft_labels labels = {0};
    const struct weft_format *format;
    WEFT_TRY(weft_locate_images(ctx, folder, WEFT_SPLIT_TRAIN, &path));
    *out = 0;
    if (!path)
        return WEFT_OK;
    enum weft_status status = read_file(ctx, path, &file, &format);
    if (!status) {
        status = format->labels_beside
                     ? weft_locate_labels(ctx, format, path, &labels_path)
                     : format->read_labels(ctx, path, &file, &labels);
        weft_file_free(&file);
    }
    if (!status && labels_path)
        status = read_labels(ctx, labels_path, &labels);
    for (int i = 0; i < labels.count; i++)
        if (labels.values[i] >= *out)
            *out = labels.values[i] + 1;
    free(labels.values);
    free(labels_path);
    free(path);
    return status;
}

/* Reads classes.txt from the folder of `path`; its absence is not an error. */
static enum weft_status read_classes(weft_context *ctx, const char *path, char **name,
                                     struct weft_file *file)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    *name = folder ? weft_path_join(folder, "classes.txt") : NULL;
    free(folder);
    if (!*name)
        return weft_out_of_memory(ctx, path, strlen(path));
    return weft_file_exists(*name) ? weft_file_read(ctx, *name, 1 << 20, file) : WEFT_OK;
}

/* Opens a file; `folder` is where its training part may be, or NULL. */
static enum weft_status open_file(weft_context *ctx, const char *path, const char *folder,
                                  weft_dataset **out)
{
    struct weft_raw_images raw = {0};
    struct weft_file classes = {0};
    char *class_file = NULL;
    struct weft_class_names_source naming = {0};
    enum weft_status status = read_both(ctx, path, &raw);
    if (!status) {
        naming.release = weft_known_dataset_find(&raw);
        if (!naming.release)
            status = read_classes(ctx, path, &class_file, &classes);
    }
    naming.text = (const char *)classes.bytes;
    naming.file = class_file;
    if (!status && !naming.release && !naming.text && folder)
        status = count_train_classes(ctx, folder, &naming.least);
    if (!status)
        status = weft_dataset_take(ctx, &raw, path, &naming, out);
    weft_raw_images_free(&raw);
    weft_file_free(&classes);
    free(class_file);
    return status;
}

enum weft_status weft_dataset_open(weft_context *context, const char *spec,
                                   enum weft_split split, weft_dataset **out)
{
    const char *path = NULL;
    char *found;
    WEFT_REQUIRE(context,
                 spec && (split == WEFT_SPLIT_TRAIN || split == WEFT_SPLIT_TEST));
    WEFT_TRY(resolve_name(context, spec, &path));
    if (!weft_file_exists(path))
        return weft_fail(context, WEFT_ERR_FILE,
                         "%s: no such file or folder; data is a file, a folder, or "
                         "the name fashion-mnist",
                         path);
    if (!weft_folder_exists(path))
        return open_file(context, path, NULL, out);
    WEFT_TRY(weft_locate_images(context, path, split, &found));
    if (!found)
        return weft_fail(
            context, WEFT_ERR_FILE,
            "%s: has no %s images; they are recognized by name: %s, %s, or %s", path,
            split == WEFT_SPLIT_TRAIN ? "train" : "test", weft_format_idx.names,
            weft_format_npy.names, weft_format_csv.names);
    enum weft_status status =
        open_file(context, found, split == WEFT_SPLIT_TEST ? path : NULL, out);
    free(found);
    return status;
}
