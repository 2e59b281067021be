/* SPDX-License-Identifier: Apache-2.0 */
/* Probabilities of `weft train --folds`, and lists of images with labels. */
#define _GNU_SOURCE
#include "clean/clean.h"

#include "core/csv_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Columns of out-of-fold.csv; the classes follow. */
enum { IMAGE, FILE_NAME, FOLD, LABEL, PREDICTED, FIRST_CLASS };
static const char *const names[FIRST_CLASS] = {"image", "file", "fold", "label",
                                               "predicted"};

static enum app_exit read_row(const struct app *app, const struct csv_file *csv, int row,
                              struct clean_data *data)
{
    int64_t image, label;
    enum app_exit code = csv_file_int(app, csv, row, IMAGE, row - 1, row - 1, &image);
    if (!code)
        code = csv_file_int(app, csv, row, LABEL, 0, data->classes - 1, &label);
    if (code)
        return code;
    data->labels[row - 1] = (int)label;
    float *p = data->probabilities + (size_t)(row - 1) * (size_t)data->classes;
    for (int c = 0; c < data->classes && !code; c++) {
        double value = 0;
        code = csv_file_double(app, csv, row, FIRST_CLASS + c, &value);
        p[c] = (float)value;
    }
    const char *file = csv_file_cell(csv, row, FILE_NAME);
    if (*file && !data->files) {
        data->files =
            term_realloc_or_exit(NULL, (size_t)data->count * sizeof(*data->files));
        memset(data->files, 0, (size_t)data->count * sizeof(*data->files));
    }
    if (data->files)
        data->files[row - 1] = term_format_or_exit("%s", file);
    return code;
}

enum app_exit clean_read(const struct app *app, const char *path,
                         const struct weft_dataset_info *info, struct clean_data *data)
{
    struct csv_file csv;
    enum app_exit code = csv_file_read(app, path, &csv);
    data->classes = info->classes;
    data->names = info->class_names;
    for (int c = 0; c < FIRST_CLASS && !code; c++)
        if (c >= csv.columns || strcmp(csv_file_cell(&csv, 0, c), names[c]) != 0)
            code = app_error(app, APP_BAD_INPUT,
                             "%s: has no column '%s' in place %d: not a file of `weft "
                             "train --folds`",
                             path, names[c], c + 1);
    if (!code && csv.columns != FIRST_CLASS + info->classes)
        code = app_error(app, APP_BAD_INPUT, "%s: has %d classes, but %s has %d", path,
                         csv.columns - FIRST_CLASS, info->source, info->classes);
    if (!code && csv.rows - 1 != info->count)
        code = app_error(app, APP_BAD_INPUT, "%s: has %d images, but %s has %d", path,
                         csv.rows - 1, info->source, info->count);
    if (!code) {
        data->count = info->count;
        data->labels =
            term_realloc_or_exit(NULL, (size_t)data->count * sizeof(*data->labels));
        data->probabilities = term_realloc_or_exit(
            NULL, (size_t)data->count * (size_t)data->classes * sizeof(float));
    }
    for (int row = 1; row < csv.rows && !code; row++)
        code = read_row(app, &csv, row, data);
    csv_file_free(&csv);
    return code;
}

void clean_data_free(struct clean_data *data)
{
    for (int i = 0; data->files && i < data->count; i++)
        free(data->files[i]);
    free(data->files);
    free(data->labels);
    free(data->probabilities);
}

static const struct table_column columns[] = {
    {.key = "image"},  {.key = "file"},        {.key = "label"},   {.key = "given"},
    {.key = "margin"}, {.key = "p_suggested"}, {.key = "p_given"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* A row that `weft train --labels` reads: the column `label` is what it takes. */
static void add_row(struct table *t, const struct clean_data *data, int image,
                    const char *label, int suggested, double margin)
{
    const float *p = data->probabilities + (size_t)image * (size_t)data->classes;
    double given = (double)p[data->labels[image]], other = (double)p[suggested];
    table_int(t, image);
    table_text(t, data->files ? data->files[image] : "");
    table_text(t, label);
    table_text(t, data->names[data->labels[image]]);
    table_double(t, margin, "%.6f", margin);
    table_double(t, other, "%.6f", other);
    table_double(t, given, "%.6f", given);
}

typedef void (*fill_fn)(struct table *t, const struct clean_data *data,
                        const struct clean_result *result);

static enum app_exit write_csv(const struct app *app, const struct clean_data *data,
                               const struct clean_result *result, const char *path,
                               fill_fn fill)
{
    struct table t;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    bool done = file;
    if (file) {
        table_init(&t, file, TABLE_CSV, columns, COLUMN_COUNT, false);
        fill(&t, data, result);
        table_write(&t);
        table_free(&t);
        done = !ferror(file);
        done = !fclose(file) && done && paths_write(path, text, size);
    }
    free(text);
    if (!done)
        return app_error(app, APP_FAILED, "%s: %s", path, strerror(errno));
    app_print_written(path);
    return APP_OK;
}

static void add_suspects(struct table *t, const struct clean_data *data,
                         const struct clean_result *result)
{
    for (int i = 0; i < result->suspect_count; i++) {
        const struct clean_suspect *s = &result->suspects[i];
        add_row(t, data, s->image, data->names[s->suggested], s->suggested, s->margin);
    }
}

enum app_exit clean_write_suspects(const struct app *app, const struct clean_data *data,
                                   const struct clean_result *result, const char *path)
{
    return write_csv(app, data, result, path, add_suspects);
}

/* The label is for a person to fill in: an empty one changes nothing. */
static void add_next(struct table *t, const struct clean_data *data,
                     const struct clean_result *result)
{
    for (int i = 0; i < result->next_count; i++) {
        int image = result->next[i], best = -1, label = data->labels[image];
        const float *p = data->probabilities + (size_t)image * (size_t)data->classes;
        for (int c = 0; c < data->classes; c++)
            if (c != label && (best < 0 || p[c] > p[best]))
                best = c;
        add_row(t, data, image, "", best, (double)p[label] - (double)p[best]);
    }
}

enum app_exit clean_write_next(const struct app *app, const struct clean_data *data,
                               const struct clean_result *result, const char *path)
{
    return write_csv(app, data, result, path, add_next);
}
