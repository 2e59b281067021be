/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a dataset by name, folder or file. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/class_names.h"
#include "dataset/image_list.h"
#include "image/preprocess.h"
#include "os/memory.h"
#include "util/gzip.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Largest file that is read as a whole, also after decompression. */
#define MAX_FILE_BYTES ((size_t)(UINT32_MAX - 1))

enum { LONGEST_PROBE = 16 }; /* bytes that formats are recognized by */

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

/* Other files by their first bytes, and what to do with them. */
static const struct foreign {
    const char *bytes;
    size_t size;
    const char *what, *how;
} foreign[] = {
    {"\xfd"
     "7zXZ",
     5, "compressed with xz", "decompress it with xz -d"},
    {"BZh", 3, "compressed with bzip2", "decompress it with bzip2 -d"},
    {"\x28\xb5\x2f\xfd", 4, "compressed with zstd", "decompress it with zstd -d"},
    {"7z\xbc\xaf", 4, "a 7z archive", "unpack it"},
    {"\x89HDF", 4, "an HDF5 file", "save its arrays as .npy"},
    {"PAR1", 4, "a Parquet file", "save it as CSV"},
    {"\x80\2", 2, "a Python pickle", "save its arrays as .npy"},
    {"\x80\3", 2, "a Python pickle", "save its arrays as .npy"},
    {"\x80\4\x95", 3, "a Python pickle", "save its arrays as .npy"},
    {"\x80\5\x95", 3, "a Python pickle", "save its arrays as .npy"},
    {"\x89PNG", 4, "an image", "give a dataset, as a file or folder"},
    {"\xff\xd8\xff", 3, "an image", "give a dataset, as a file or folder"},
    {"<!DOCTYPE", 9, "a web page", "download the file again"},
    {"<html", 5, "a web page", "download the file again"},
    {"version https://git-lfs", 23, "a pointer of Git LFS", "fetch it with git lfs pull"},
};

static const struct foreign *find_foreign(const struct weft_file *file)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(foreign); i++)
        if (file->size >= foreign[i].size &&
            !memcmp(file->bytes, foreign[i].bytes, foreign[i].size))
            return &foreign[i];
    return NULL;
}

static enum weft_status fail_unknown(weft_context *ctx, const char *path,
                                     const struct weft_file *file)
{
    const char *encoding = weft_text_foreign_encoding(file->bytes, file->size);
    const struct foreign *other = find_foreign(file);
    if (!file->size)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: is empty; download or save the file again", path);
    if (encoding)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: is a text in %s; save it in UTF-8",
                         path, encoding);
    return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: is neither IDX, NPY, NPZ nor CSV%s%s; %s",
                     path, other ? ", but " : "", other ? other->what : "",
                     other ? other->how
                           : "save its images as .npy, or as CSV with the columns "
                             "label,pixel1,...,pixelN");
}

/* `listed`: its name is from a folder. */
static enum weft_status read_file(weft_context *ctx, const char *path, bool listed,
                                  struct weft_file *file,
                                  const struct weft_format **format)
{
    struct weft_file_limits limits = {.limit = MAX_FILE_BYTES, .fifo = !listed};
    WEFT_TRY(weft_file_read_gz(ctx, path, &limits, file));
    *format = find_foreign(file) ? NULL : weft_format_detect(file);
    if (*format)
        return WEFT_OK;
    enum weft_status status = fail_unknown(ctx, path, file);
    weft_file_free(file);
    return status;
}

/* Opens a file of images that is larger than what is read as a whole, if its format may
 * stay in its file; else *format is NULL. */
static enum weft_status open_large(const struct weft_reading *reading, const char *path,
                                   struct weft_file *file,
                                   const struct weft_format **format)
{
    struct stat info;
    uint8_t bytes[LONGEST_PROBE];
    *format = NULL;
    if (!reading->max_memory || stat(path, &info) || !S_ISREG(info.st_mode) ||
        ((uintmax_t)info.st_size <= reading->max_memory &&
         (uintmax_t)info.st_size <= MAX_FILE_BYTES))
        return WEFT_OK;
    *file = (struct weft_file){.bytes = NULL};
    WEFT_TRY(weft_large_file_open(reading->ctx, path, &file->large));
    file->size = file->large->size;
    const struct weft_file head = {
        bytes, file->size < sizeof(bytes) ? file->size : sizeof(bytes), NULL};
    enum weft_status status = weft_file_copy(reading->ctx, file, 0, bytes, head.size);
    for (int i = 0; weft_formats[i] && !*format && !status; i++)
        if (weft_formats[i]->may_stay && weft_formats[i]->probe(&head))
            *format = weft_formats[i];
    if (!*format)
        weft_file_free(file);
    return status;
}

/* A file that has images. */
static enum weft_status read_images_file(const struct weft_reading *reading,
                                         const char *path, bool listed,
                                         struct weft_file *file,
                                         const struct weft_format **format)
{
    WEFT_TRY(open_large(reading, path, file, format));
    return *format ? WEFT_OK : read_file(reading->ctx, path, listed, file, format);
}

/* Reads the labels of a labels file or of a file with both. */
static enum weft_status read_labels(weft_context *ctx, const char *path,
                                    struct weft_labels *out)
{
    struct weft_file file;
    const struct weft_format *format;
    WEFT_TRY(read_file(ctx, path, true, &file, &format));
    enum weft_status status = format->read_labels(ctx, path, &file, out);
    weft_file_free(&file);
    return status;
}

/* Reads images and labels from one or two files. */
static enum weft_status read_both(struct weft_reading *reading, const char *path,
                                  bool listed, struct weft_raw_images *raw)
{
    weft_context *ctx = reading->ctx;
    struct weft_file file;
    struct weft_labels labels;
    const struct weft_format *format;
    char *labels_path;
    WEFT_TRY(read_images_file(reading, path, listed, &file, &format));
    enum weft_status status = format->read(reading, path, &file, raw);
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

static int count_classes(const int32_t *labels, int count)
{
    int classes = 0;
    for (int i = 0; i < count; i++)
        classes = labels[i] >= classes ? labels[i] + 1 : classes;
    return classes;
}

/* Labels of the training part of the same folder, because a test part may lack some
 * classes; none: no training part. */
static enum weft_status read_train_labels(const struct weft_reading *reading,
                                          const char *folder, struct weft_labels *out)
{
    char *path, *labels_path = NULL;
    struct weft_file file;
    const struct weft_format *format;
    weft_context *ctx = reading->ctx;
    struct weft_reading train = {.ctx = ctx, .max_memory = reading->max_memory};
    enum weft_status status = weft_locate_images(&train, folder, WEFT_SPLIT_TRAIN, &path);
    free(train.notes);
    *out = (struct weft_labels){0};
    if (status || !path)
        return status;
    status = read_images_file(&train, path, true, &file, &format);
    if (!status) {
        status = format->labels_beside
                     ? weft_locate_labels(ctx, format, path, &labels_path)
                     : format->read_labels(ctx, path, &file, out);
        weft_file_free(&file);
    }
    if (!status && labels_path)
        status = read_labels(ctx, labels_path, out);
    free(labels_path);
    free(path);
    return status;
}

/* The scale of the training part of the same folder; 0: bytes, or no such part. */
static enum weft_status find_train_scale(const struct weft_reading *reading,
                                         const char *folder, double *scale)
{
    char *path;
    struct weft_raw_images raw = {0};
    struct weft_reading train = {.ctx = reading->ctx, .max_memory = reading->max_memory};
    enum weft_status status = weft_locate_images(&train, folder, WEFT_SPLIT_TRAIN, &path);
    if (!status && path) {
        status = read_both(&train, path, true, &raw);
        weft_raw_images_free(&raw);
        free(path);
    }
    free(train.notes);
    *scale = train.scale;
    return status;
}

/* Reads images and labels; pixels that are no bytes at the scale of the training part. */
static enum weft_status read_part(struct weft_reading *reading, const char *path,
                                  bool listed, const char *folder,
                                  struct weft_raw_images *raw)
{
    double scale = 0;
    bool is_given = reading->scale > 0;
    enum weft_status status = read_both(reading, path, listed, raw);
    if (!folder || !reading->scale_asked || is_given)
        return status;
    WEFT_TRY(find_train_scale(reading, folder, &scale));
    if (!(scale > 0) || (!status && scale == reading->scale))
        return status;
    weft_raw_images_free(raw);
    reading->scale = scale;
    return read_both(reading, path, listed, raw);
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
    enum weft_file_kind kind;
    WEFT_TRY(weft_file_examine(ctx, *name, &kind));
    if (kind == WEFT_FILE_ABSENT)
        return WEFT_OK;
    WEFT_TRY(weft_file_read(ctx, *name, 1 << 24, file));
    const char *encoding = weft_text_foreign_encoding(file->bytes, file->size);
    return encoding ? weft_fail(ctx, WEFT_ERR_FORMAT,
                                "%s: is a text in %s; save it in UTF-8", *name, encoding)
                    : WEFT_OK;
}

/* Labels that are names are numbered as those of training. */
static enum weft_status follow_training(const struct weft_reading *reading,
                                        const char *path, const struct weft_labels *train,
                                        struct weft_raw_images *raw)
{
    weft_context *ctx = reading->ctx;
    if (!raw->classes.count)
        return WEFT_OK;
    if (reading->class_names)
        return weft_raw_images_follow(ctx, path, raw, reading->class_names,
                                      reading->classes);
    if (train->classes.count)
        return weft_raw_images_follow(ctx, path, raw,
                                      (const char *const *)train->classes.list,
                                      train->classes.count);
    if (train->count)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: its labels are names, such as \"%s\", but those of the "
                         "training part are numbers; write both in one way",
                         path, raw->classes.list[0]);
    if (raw->classes.count > 1 || reading->one_class)
        return WEFT_OK;
    return weft_fail(
        ctx, WEFT_ERR_FORMAT,
        "%s: all its images are of one class, %s; there must be two at least", path,
        raw->classes.list[0]);
}

/* Opens a file; `folder` is where its training part may be, or NULL. */
static enum weft_status open_file(struct weft_reading *reading, const char *path,
                                  bool listed, const char *folder, weft_dataset **out)
{
    weft_context *ctx = reading->ctx;
    struct weft_raw_images raw = {0};
    struct weft_file classes = {0};
    char *class_file = NULL;
    struct weft_class_names_source naming = {0};
    struct weft_labels train = {0};
    enum weft_status status = read_part(reading, path, listed, folder, &raw);
    if (!status && !raw.classes.count && !raw.files.count) {
        naming.release = weft_known_dataset_find(&raw);
        if (!naming.release)
            status = read_classes(ctx, path, &class_file, &classes);
    }
    naming.text = (const char *)classes.bytes;
    naming.file = class_file;
    naming.least = reading->least_classes;
    if (!status && !naming.release && !naming.text && folder) {
        status = read_train_labels(reading, folder, &train);
        naming.least = count_classes(train.values, train.count);
    }
    if (!status)
        status = follow_training(reading, path, &train, &raw);
    if (!status)
        status = weft_dataset_take(reading, &raw, path, &naming, out);
    free(train.values);
    weft_names_free(&train.classes);
    weft_raw_images_free(&raw);
    weft_file_free(&classes);
    free(class_file);
    return status;
}

static bool is_npz(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && !strcmp(path + length - 4, ".npz");
}

/* The message has what was skipped, and where images of this part may be. */
static enum weft_status fail_no_images(const struct weft_reading *reading,
                                       const char *folder, enum weft_split split)
{
    static const char *const parts[] = {[WEFT_SPLIT_TRAIN] = "train",
                                        [WEFT_SPLIT_TEST] = "test",
                                        [WEFT_SPLIT_VALIDATION] = "validation"};
    const char *part = parts[split];
    const char *notes = reading->notes ? reading->notes : "";
    enum weft_status status = split == WEFT_SPLIT_TRAIN ? WEFT_ERR_FILE : WEFT_ERR_ARG;
    char *below = weft_locate_folder_below(folder, split);
    char *packed = below ? NULL : weft_locate_packed(folder);
    if (below)
        weft_fail(reading->ctx, status,
                  "%s: has no %s images; give the folder %s, which has", folder, part,
                  below);
    else if (packed)
        weft_fail(reading->ctx, status, "%s: has no %s images; %s %s", folder, part,
                  is_npz(packed) ? "give the file" : "unpack", packed);
    else
        weft_fail(
            reading->ctx, status,
            "%s: has no %s images; they are recognized by name: %s, %s, or %s, or image "
            "files in a folder for each class%s%.*s",
            folder, part, weft_format_idx.names, weft_format_npy.names,
            weft_format_csv.names, *notes ? "; " : "", (int)strcspn(notes, "\n"), notes);
    free(below);
    free(packed);
    return status;
}

/* Files of a dataset come before image files. */
static enum weft_status open_folder(struct weft_reading *reading, const char *folder,
                                    weft_dataset **out)
{
    enum weft_split split = reading->split;
    struct weft_image_list list = {.images = NULL};
    struct weft_raw_images raw = {0};
    bool listed;
    char *found;
    WEFT_TRY(weft_locate_images(reading, folder, split, &found));
    if (found) {
        enum weft_status status = open_file(
            reading, found, true, split == WEFT_SPLIT_TRAIN ? NULL : folder, out);
        free(found);
        return status;
    }
    WEFT_TRY(weft_image_folder_list(reading, folder, split, &list, &listed));
    if (!listed)
        return fail_no_images(reading, folder, split);
    WEFT_TRY(weft_image_list_read(reading, folder, &list, &raw));
    if (reading->class_names) {
        enum weft_status status = weft_raw_images_follow(
            reading->ctx, folder, &raw, reading->class_names, reading->classes);
        if (status) {
            weft_raw_images_free(&raw);
            return status;
        }
    }
    return weft_dataset_take(reading, &raw, folder,
                             &(struct weft_class_names_source){.text = NULL}, out);
}

static size_t half_of_memory(void)
{
    uint64_t half = weft_memory_bytes("") / 2;
    return half && half < SIZE_MAX ? (size_t)half : SIZE_MAX / 2;
}

static enum weft_status read_params(const struct weft_dataset_open_params *params,
                                    struct weft_reading *reading)
{
    weft_context *context = reading->ctx;
    struct weft_dataset_open_params p;
    struct weft_preprocess_params *image = &reading->preprocess;
    WEFT_TRY(weft_params_read(context, "weft_dataset_open", params, &p, sizeof(p)));
    WEFT_REQUIRE(context, p.threads >= 0, "threads must be 0 or more");
    reading->cache_dir = p.cache_dir;
    reading->threads = p.threads;
    reading->one_class = p.one_class;
    reading->decode_as_needed = p.decode_as_needed;
    reading->max_memory = p.max_memory ? p.max_memory : half_of_memory();
    reading->class_names = p.classes ? p.class_names : NULL;
    reading->classes = p.classes;
    reading->scale = p.scale;
    WEFT_REQUIRE(context, p.scale == 0 || p.scale == 1 || p.scale == 255,
                 "scale must be 0, 1 or 255");
    WEFT_REQUIRE(context, p.classes >= 0 && p.classes <= WEFT_MAX_CLASSES,
                 "classes must be 0 to WEFT_MAX_CLASSES");
    WEFT_REQUIRE(context, !p.classes || p.class_names, "class_names must be given");
    for (int i = 0; i < p.classes; i++)
        WEFT_REQUIRE(context, p.class_names[i] && weft_text_is_name(p.class_names[i]),
                     "each of class_names must be 1 to 127 bytes of UTF-8");
    if (!p.preprocess)
        return WEFT_OK;
    WEFT_TRY(weft_params_read(context, "weft_dataset_open", p.preprocess, image,
                              sizeof(*image)));
    return image->height || image->width || image->channels
               ? weft_preprocess_check_all(context, image)
               : weft_preprocess_check(context, image);
}

enum weft_status weft_dataset_open(weft_context *context, const char *spec,
                                   enum weft_split split,
                                   const struct weft_dataset_open_params *params,
                                   weft_dataset **out)
{
    const char *path = NULL;
    enum weft_file_kind kind;
    struct weft_reading reading = {.ctx = context,
                                   .split = split,
                                   .preprocess =
                                       *weft_preprocess_params(.fit = WEFT_FIT_PAD)};
    WEFT_REQUIRE_POINTER(NULL, context, "context");
    WEFT_REQUIRE_POINTER(context, spec, "spec");
    WEFT_REQUIRE_POINTER(context, out, "out");
    WEFT_REQUIRE(context, (unsigned)split <= WEFT_SPLIT_VALIDATION,
                 "split must be a value of enum weft_split");
    WEFT_TRY(read_params(params, &reading));
    WEFT_TRY(resolve_name(context, spec, &path));
    WEFT_TRY(weft_file_examine(context, path, &kind));
    if (kind == WEFT_FILE_ABSENT)
        return weft_fail(context, WEFT_ERR_FILE,
                         "%s: no such file or folder; data is a file, a folder, or "
                         "the name fashion-mnist",
                         path);
    if (kind == WEFT_FILE_OTHER)
        return weft_fail(context, WEFT_ERR_FILE,
                         "%s: is a socket or a device; data is a file or a folder", path);
    enum weft_status status = kind == WEFT_FILE_FOLDER
                                  ? open_folder(&reading, path, out)
                                  : open_file(&reading, path, false, NULL, out);
    free(reading.notes);
    return status;
}
