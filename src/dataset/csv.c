/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: rows of a label and N pixels, or of a label and the path of an image file,
 * separated by commas, semicolons or tabs. N is a square (gray), three times a square
 * (interleaved RGB), or an image of one row. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"

#include "util/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool probe(const struct weft_file *file)
{
    size_t look = file->size < 512 ? file->size : 512;
    for (size_t i = 0; i < look; i++) {
        uint8_t c = file->bytes[i];
        if (c < ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return file->size &&
           (memchr(file->bytes, ',', file->size) || memchr(file->bytes, ';', look) ||
            memchr(file->bytes, '\t', look));
}

/* The most frequent of the delimiters in the first line; a comma may be a decimal one. */
static char find_delimiter(const struct weft_csv *in)
{
    static const char delimiters[] = {';', '\t', ','};
    size_t most = 0;
    char best = ',';
    for (size_t i = 0; i < sizeof(delimiters); i++) {
        size_t count = 0;
        bool quoted = false;
        for (const char *at = in->at; at < in->end && *at != '\n'; at++) {
            quoted ^= *at == '"';
            count += !quoted && *at == delimiters[i];
        }
        if (count > most) {
            most = count;
            best = delimiters[i];
        }
    }
    return best;
}

/* Skips a first line "sep=;", which spreadsheets write and understand. */
static void skip_separator_line(struct weft_csv *in)
{
    const char *end = weft_csv_line_end(in, in->at);
    size_t length = (size_t)(end - in->at);
    length -= length && in->at[length - 1] == '\r';
    if (length != 5 || memcmp(in->at, "sep=", 4) != 0 || end == in->end)
        return;
    in->delimiter = in->at[4];
    in->at = end + 1;
    in->line = 2;
}

/* Starts at the first row; empty lines at the end are removed. */
static enum weft_status begin(struct weft_reading *reading, const char *name,
                              const struct weft_file *file, struct weft_csv *in,
                              struct weft_csv_columns *columns)
{
    char *text = (char *)file->bytes;
    weft_text_end_lines(text, file->size);
    *in = (struct weft_csv){.reading = reading,
                            .name = name,
                            .at = text + weft_text_mark(text, file->size),
                            .end = text + file->size,
                            .line = 1};
    while (in->end > in->at && strchr(" \t\r\n", in->end[-1]) && in->end[-1])
        in->end--;
    if (in->at == in->end)
        return weft_csv_fail_no_rows(in);
    in->delimiter = find_delimiter(in);
    skip_separator_line(in);
    WEFT_TRY(weft_csv_columns_find(in, columns));
    in->rows = in->at;
    return WEFT_OK;
}

/* Infers the shape from the number of pixels, and an upper bound of the number of rows: a
 * row of N numbers has at least 2 N - 1 bytes. */
static enum weft_status infer_shape(const struct weft_csv *in,
                                    const struct weft_csv_columns *c,
                                    struct weft_raw_images *raw, size_t *rows)
{
    size_t bytes = (size_t)(in->end - in->at), lines, pixels = c->pixels;
    size_t side = weft_integer_sqrt(pixels);
    raw->channels = 1;
    if (!side && pixels % 3 == 0 && (side = weft_integer_sqrt(pixels / 3)))
        raw->channels = 3;
    if (!pixels || (!side && pixels > WEFT_MAX_SIDE))
        return weft_fail(
            in->reading->ctx, WEFT_ERR_FORMAT,
            "%s, line %zu: %zu pixels beside the label, must be 1 to %d, a square, "
            "or three times a square for RGB",
            in->name, in->line, pixels, WEFT_MAX_SIDE);
    raw->height = side ? (int)side : 1;
    raw->width = side ? (int)side : (int)pixels;
    WEFT_TRY(weft_csv_count_rows(in, &lines));
    *rows = bytes / (2 * pixels + 1) + 1;
    *rows = lines < *rows ? lines : *rows;
    return WEFT_OK;
}

/* Reads all rows, or up to the first in which `found` is other. */
static enum weft_status read_rows(struct weft_csv *in, const struct weft_csv_columns *c,
                                  size_t rows, float *values,
                                  struct weft_pixel_range *range,
                                  struct weft_raw_images *raw, enum weft_csv_other *found)
{
    enum weft_status status = WEFT_OK;
    size_t count = 0;
    *found = WEFT_CSV_NOTHING;
    while (!status && !*found && in->at < in->end && count < rows) {
        struct weft_csv_row row = {raw->pixels + count * c->pixels,
                                   values ? values + count * c->pixels : NULL, range,
                                   raw->labels + count};
        status = weft_csv_row_read(in, c, &row, found);
        count++;
    }
    assert(status || *found || in->at == in->end);
    raw->count = (int)count;
    return status;
}

static enum weft_status read_floats(struct weft_csv *in, const struct weft_csv_columns *c,
                                    size_t rows, struct weft_raw_images *raw,
                                    enum weft_csv_other *found)
{
    struct weft_pixel_range range = {0};
    size_t size;
    if (!weft_checked_mul(rows * c->pixels, sizeof(float), &size))
        size = SIZE_MAX;
    float *values = malloc(size);
    if (!values)
        return weft_out_of_memory(in->reading->ctx, in->name, size);
    enum weft_status status = read_rows(in, c, rows, values, &range, raw, found);
    bool all = !status && !*found;
    if (all)
        status = weft_pixel_scale(in->reading, in->name, &range);
    size_t count = (size_t)raw->count * c->pixels;
    for (size_t i = 0; all && !status && i < count; i++)
        raw->pixels[i] = weft_pixel_round((double)values[i], in->reading->scale);
    free(values);
    return status;
}

/* Labels that are names are read first, and the pixels then without them. */
static enum weft_status read_names(struct weft_csv *in, struct weft_csv_columns *c,
                                   struct weft_raw_images *raw)
{
    struct weft_labels labels;
    WEFT_TRY(weft_csv_labels_read(in, c, &labels));
    free(raw->labels);
    raw->labels = labels.values;
    raw->classes = labels.classes;
    c->roles[c->label] = WEFT_CSV_SKIPPED;
    return WEFT_OK;
}

static enum weft_status read_all(struct weft_csv *in, struct weft_csv_columns *c,
                                 struct weft_raw_images *raw)
{
    size_t rows = 0;
    enum weft_csv_other found;
    const struct weft_csv start = *in;
    WEFT_TRY(infer_shape(in, c, raw, &rows));
    raw->pixels = malloc(rows * c->pixels);
    raw->labels = malloc(rows * sizeof(*raw->labels));
    if (!raw->pixels || !raw->labels)
        return weft_out_of_memory(in->reading->ctx, in->name,
                                  rows * (c->pixels + sizeof(*raw->labels)));
    WEFT_TRY(read_rows(in, c, rows, NULL, NULL, raw, &found));
    for (bool floats = false; found;) {
        *in = start;
        floats = floats || found == WEFT_CSV_FLOATS;
        if (found == WEFT_CSV_NAMES)
            WEFT_TRY(read_names(in, c, raw));
        *in = start;
        WEFT_TRY(floats ? read_floats(in, c, rows, raw, &found)
                        : read_rows(in, c, rows, NULL, NULL, raw, &found));
    }
    return WEFT_OK;
}

static enum weft_status read_images(struct weft_reading *reading, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    struct weft_csv in;
    struct weft_csv_columns columns = {0};
    struct weft_raw_images raw = {0};
    struct weft_number_locale locale;
    weft_number_locale_begin(&locale);
    enum weft_status status = begin(reading, name, file, &in, &columns);
    if (!status)
        status = columns.lists_files ? weft_csv_files_read(&in, &columns, &raw)
                                     : read_all(&in, &columns, &raw);
    weft_number_locale_end(&locale);
    free(columns.roles);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    struct weft_csv in;
    struct weft_csv_columns columns = {0};
    struct weft_reading reading = {.ctx = ctx};
    struct weft_number_locale locale;
    weft_number_locale_begin(&locale);
    enum weft_status status = begin(&reading, name, file, &in, &columns);
    if (!status)
        status = weft_csv_labels_read(&in, &columns, out);
    weft_number_locale_end(&locale);
    free(columns.roles);
    free(reading.notes);
    return status;
}

static bool matches_name(const char *leaf)
{
    size_t length = strlen(leaf);
    return length > 4 &&
           (!strcmp(leaf + length - 4, ".csv") || !strcmp(leaf + length - 4, ".tsv"));
}

const struct weft_format weft_format_csv = {
    .name = "CSV",
    .probe = probe,
    .read = read_images,
    .read_labels = read_labels,
    .matches_name = matches_name,
    .names = "a .csv or .csv.gz with train or test in its name",
};
