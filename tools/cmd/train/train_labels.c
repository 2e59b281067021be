/* SPDX-License-Identifier: Apache-2.0 */
/* Labels from a file, in place of those of the data. */
#include "train/train.h"

#include "core/csv_file.h"
#include "core/plain_text.h"

#include <stdlib.h>
#include <string.h>

/* An image file and its number, for a search by name. */
struct named_image {
    const char *file;
    int image;
};

struct relabeling {
    const struct app *app;
    struct csv_file csv;
    struct weft_dataset_info data;
    int image, file, label; /* columns; -1: none */
    struct named_image *by_name;
    int32_t *labels;
    int changed;
};

static int by_file(const void *a, const void *b)
{
    return strcmp(((const struct named_image *)a)->file,
                  ((const struct named_image *)b)->file);
}

static enum app_exit find_columns(struct relabeling *r)
{
    r->image = csv_file_column(&r->csv, "image");
    r->file = csv_file_column(&r->csv, "file");
    r->label = csv_file_column(&r->csv, "label");
    if (r->label < 0 || (r->image < 0 && r->file < 0))
        return app_error(r->app, APP_BAD_INPUT,
                         "%s: must have a column 'label', and a column 'image' or 'file'",
                         r->csv.path);
    if (r->image < 0 && !r->data.files)
        return app_error(r->app, APP_BAD_INPUT,
                         "%s: names files, but the images of %s are not from image "
                         "files: it must have a column 'image' with the index",
                         r->csv.path, r->data.source);
    if (r->image >= 0)
        return APP_OK;
    size_t count = (size_t)r->data.count;
    r->by_name = term_realloc_or_exit(NULL, count * sizeof(*r->by_name));
    for (int i = 0; i < r->data.count; i++)
        r->by_name[i] = (struct named_image){r->data.files[i], i};
    qsort(r->by_name, count, sizeof(*r->by_name), by_file);
    return APP_OK;
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), n = strlen(end);
    return length > n && path[length - n - 1] == '/' && !strcmp(path + length - n, end);
}

/* The same path; or one has the folder before it, as where a run is resumed. */
static bool is_same(const char *a, const char *b)
{
    return !strcmp(a, b) || ends_with(a, b) || ends_with(b, a);
}

static enum app_exit find_image(const struct relabeling *r, int row, int64_t *out)
{
    if (r->image >= 0)
        return csv_file_int(r->app, &r->csv, row, r->image, 0, r->data.count - 1, out);
    const struct named_image key = {csv_file_cell(&r->csv, row, r->file), 0};
    const struct named_image *found =
        bsearch(&key, r->by_name, (size_t)r->data.count, sizeof(*r->by_name), by_file);
    for (int i = 0; !found && i < r->data.count; i++)
        if (is_same(key.file, plain_text(r->by_name[i].file)))
            found = &r->by_name[i];
    if (!found)
        return app_error(r->app, APP_BAD_INPUT, "%s, row %d: %s is no image of %s",
                         r->csv.path, row, key.file, r->data.source);
    *out = found->image;
    return APP_OK;
}

/* A name of a class, or else its number. */
static enum app_exit find_label(const struct relabeling *r, int row, int64_t *out)
{
    const char *name = csv_file_cell(&r->csv, row, r->label);
    for (int c = 0; c < r->data.classes; c++)
        if (!strcmp(r->data.class_names[c], name)) {
            *out = c;
            return APP_OK;
        }
    char *end;
    long number = strtol(name, &end, 10);
    if (end != name && !*end && number >= 0 && number < r->data.classes) {
        *out = number;
        return APP_OK;
    }
    return app_error(r->app, APP_BAD_INPUT,
                     "%s, row %d: '%s' is neither a class of %s nor the number of one",
                     r->csv.path, row, name, r->data.source);
}

/* With `image` and `file`, both must name the same image. */
static enum app_exit check_file(const struct relabeling *r, int row, int64_t image)
{
    const char *file = r->file < 0 ? "" : csv_file_cell(&r->csv, row, r->file);
    if (!*file || !r->data.files || is_same(file, plain_text(r->data.files[image])))
        return APP_OK;
    return app_error(r->app, APP_BAD_INPUT,
                     "%s, row %d: image %d is %s, not %s: the file is for other data",
                     r->csv.path, row, (int)image, r->data.files[image], file);
}

static enum app_exit replace_labels(struct relabeling *r)
{
    enum app_exit code = find_columns(r);
    for (int row = 1; row < r->csv.rows && !code; row++) {
        int64_t image = 0, label = 0;
        if (!*csv_file_cell(&r->csv, row, r->label))
            continue;
        code = find_image(r, row, &image);
        if (!code)
            code = check_file(r, row, image);
        if (!code)
            code = find_label(r, row, &label);
        if (code || r->labels[image] == label)
            continue;
        r->labels[image] = (int32_t)label;
        r->changed++;
    }
    return code;
}

enum app_exit train_apply_labels(struct train_session *session, weft_dataset *data)
{
    struct relabeling r = {.app = session->app};
    if (!*session->labels_path)
        return APP_OK;
    weft_dataset_info(data, &r.data);
    enum app_exit code = csv_file_read(session->app, session->labels_path, &r.csv);
    if (!code) {
        size_t bytes = (size_t)r.data.count * sizeof(*r.labels);
        r.labels = memcpy(term_realloc_or_exit(NULL, bytes), r.data.labels, bytes);
        code = replace_labels(&r);
    }
    if (!code) {
        term_print("Labels  %s of %s images have another one by %s",
                   table_thousands(r.changed), table_thousands(r.data.count),
                   session->labels_path);
        enum weft_status status = weft_dataset_relabel(data, r.labels, r.data.count);
        code = status ? app_report_error(session->app, APP_INPUT, status) : APP_OK;
    }
    free(r.labels);
    free(r.by_name);
    csv_file_free(&r.csv);
    return code;
}
