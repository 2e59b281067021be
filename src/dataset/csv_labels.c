/* SPDX-License-Identifier: Apache-2.0 */
/* The label column of CSV: numbers, or names of classes. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/class_names.h"
#include "dataset/csv.h"

#include <stdlib.h>
#include <string.h>

/* Words that are labels. Fewer of them among numbers are mistakes; of hexadecimal digits
 * three of eight are words. */
enum { LEAST_SHARE = 4 };

enum weft_status weft_csv_count_rows(const struct weft_csv *in, size_t *out)
{
    size_t lines = 1;
    for (const char *at = in->at; (at = memchr(at, '\n', (size_t)(in->end - at))); at++)
        lines++;
    *out = lines;
    if (lines <= WEFT_MAX_IMAGES)
        return WEFT_OK;
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s: has %zu rows, must be at most %d", in->name, lines,
                     WEFT_MAX_IMAGES);
}

/* The field `column` of a line; false: it has fewer. */
static bool find_field(const struct weft_csv *in, size_t column, const char *at,
                       const char *end, struct weft_csv_field *out)
{
    for (size_t i = 0; i <= column && at <= end; i++) {
        *out = weft_csv_field_take(in, &at, end);
        if (i == column)
            return true;
    }
    return false;
}

bool weft_csv_has_names(const struct weft_csv *in, const struct weft_csv_columns *c)
{
    size_t rows = 0, words = 0;
    for (const char *at = in->rows, *end; at < in->end; at = end + 1) {
        struct weft_csv_field field;
        end = weft_csv_line_end(in, at);
        if (!find_field(in, c->label, at, end, &field))
            continue;
        words += weft_csv_is_word(&field);
        rows++;
    }
    return words && LEAST_SHARE * words >= rows;
}

static enum weft_status fail_name(const struct weft_csv *in,
                                  const struct weft_csv_columns *c)
{
    return weft_fail(
        in->reading->ctx, WEFT_ERR_FORMAT,
        "%s, line %zu, column %zu: the name of a class must be 1 to 127 bytes "
        "of visible text in UTF-8",
        in->name, in->line, c->label + 1);
}

/* Numbers each name in the order of its first occurrence. */
static enum weft_status read_name(struct weft_csv *in, const struct weft_csv_columns *c,
                                  const struct weft_csv_field *field,
                                  struct weft_name_table *names, int32_t *label)
{
    if (!weft_name_is_valid(field->text, field->length))
        return fail_name(in, c);
    if (weft_name_table_find(names, field->text, field->length, label))
        return WEFT_OK;
    if (names->names.count == WEFT_MAX_CLASSES)
        return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                         "%s, line %zu: more than %d classes; is column %zu that of the "
                         "labels?",
                         in->name, in->line, WEFT_MAX_CLASSES, c->label + 1);
    return weft_name_table_add(in->reading->ctx, names, field->text, field->length,
                               label);
}

/* Reads the label of the line that ends at `end`. */
static enum weft_status read_one(struct weft_csv *in, const struct weft_csv_columns *c,
                                 const char *end, struct weft_name_table *names,
                                 int32_t *label)
{
    struct weft_csv_field field;
    if (!find_field(in, c->label, in->at, end, &field))
        return weft_csv_fail_few_columns(in, c->label, c->count);
    if (names)
        return read_name(in, c, &field, names, label);
    for (size_t i = 0; i < c->label; i++)
        weft_csv_field_take(in, &in->at, end);
    return weft_csv_label_read(in, c->label + 1, label);
}

enum weft_status weft_csv_labels_read(struct weft_csv *in,
                                      const struct weft_csv_columns *c,
                                      struct weft_labels *out)
{
    weft_context *ctx = in->reading->ctx;
    size_t rows, count = 0;
    enum weft_status status = WEFT_OK;
    struct weft_name_table names = {.slots = NULL};
    WEFT_TRY(weft_csv_count_rows(in, &rows));
    int32_t *labels = malloc(rows * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, in->name, rows * sizeof(*labels));
    bool named = weft_csv_has_names(in, c);
    for (; in->at < in->end && !status; count++) {
        const char *end = weft_csv_line_end(in, in->at);
        status = read_one(in, c, end, named ? &names : NULL, &labels[count]);
        in->at = end < in->end ? end + 1 : end;
        in->line++;
    }
    if (!status && named)
        status = weft_name_table_sort(ctx, &names, labels, count);
    if (!status)
        *out = (struct weft_labels){(int)count, labels, names.names};
    else {
        free(labels);
        weft_names_free(&names.names);
    }
    free(names.slots);
    return status;
}
