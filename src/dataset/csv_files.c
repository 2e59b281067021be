/* SPDX-License-Identifier: Apache-2.0 */
/* CSV that lists image files and their labels. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"
#include "dataset/image_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096 };

bool weft_csv_is_image_file(const struct weft_csv_field *field)
{
    char end[8];
    size_t length = field->length < sizeof(end) ? field->length : sizeof(end) - 1;
    memcpy(end, field->text + field->length - length, length);
    end[length] = 0;
    return weft_is_image_name(end);
}

/* The path of a field, from the folder of the list; NULL: it is empty or too long. */
static char *join(const char *list, const struct weft_csv_field *field)
{
    const char *slash = strrchr(list, '/');
    size_t folder = slash && *field->text != '/' ? (size_t)(slash - list) + 1 : 0;
    char *path = malloc(folder + field->length + 1);
    if (!path)
        return NULL;
    memcpy(path, list, folder);
    memcpy(path + folder, field->text, field->length);
    path[folder + field->length] = 0;
    return path;
}

static enum weft_status read_path(struct weft_csv *in, const struct weft_csv_columns *c,
                                  int32_t label, struct weft_image_list *list)
{
    weft_context *ctx = in->reading->ctx;
    const char *end = weft_csv_line_end(in, in->at), *at = in->at;
    struct weft_csv_field field = {NULL, 0};
    size_t column = 0;
    for (; column <= c->file && at <= end; column++)
        field = weft_csv_field_take(in, &at, end);
    if (column <= c->file)
        return weft_csv_fail_few_columns(in, column, c->count);
    if (!field.length || field.length > MAX_PATH || memchr(field.text, 0, field.length))
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s, line %zu, column %zu: must be the path of an image file",
                         in->name, in->line, c->file + 1);
    char *path = join(in->name, &field);
    if (!path)
        return weft_out_of_memory(ctx, in->name, field.length);
    in->at = end < in->end ? end + 1 : end;
    in->line++;
    return weft_image_list_add(ctx, list, path, label);
}

enum weft_status weft_csv_files_read(struct weft_csv *in,
                                     const struct weft_csv_columns *c,
                                     struct weft_raw_images *out)
{
    struct weft_image_list list = {.images = NULL};
    struct weft_labels labels;
    struct weft_csv start = *in;
    WEFT_TRY(weft_csv_labels_read(&start, c, &labels));
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < labels.count && !status; i++)
        status = read_path(in, c, labels.values[i], &list);
    free(labels.values);
    list.classes = labels.classes;
    if (!status)
        return weft_image_list_read(in->reading, in->name, &list, out);
    weft_image_list_free(&list);
    return status;
}
