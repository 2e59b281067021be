/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: rows of a label and N pixels, separated by commas, semicolons or tabs. N is a
 * square (gray), three times a square (interleaved RGB), or an image of one row. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"

#include "util/text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LABEL = WEFT_CSV_MAX_LABEL };

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

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

/* "0,5", which a comma does not separate. */
static bool has_decimal_comma(const struct weft_csv *in, const char *from)
{
    const char *at = weft_csv_skip_spaces(in, from, in->end);
    bool quoted = at < in->end && *at == '"';
    if (!quoted && in->delimiter == ',')
        return false;
    at += quoted;
    at += at < in->end && *at == '-';
    const char *digits = at;
    while (at < in->end && is_digit(*at))
        at++;
    return at > digits && at + 1 < in->end && *at == ',' && is_digit(at[1]);
}

/* A field for an error message, cut to 20 characters. */
static enum weft_status fail_field(const struct weft_csv *in, size_t column,
                                   const char *from, int most)
{
    char text[21];
    size_t length = 0;
    while (from + length < in->end && length < sizeof(text) - 1 &&
           from[length] != in->delimiter && from[length] >= ' ' && from[length] < 127) {
        text[length] = from[length];
        length++;
    }
    text[length] = 0;
    if (has_decimal_comma(in, from))
        return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                         "%s, line %zu, column %zu: a number with a decimal comma; save "
                         "the file with decimal points, as in 0.5",
                         in->name, in->line, column);
    bool word = length && ((text[0] | 32) >= 'a') && ((text[0] | 32) <= 'z');
    return weft_fail(
        in->reading->ctx, WEFT_ERR_FORMAT,
        "%s, line %zu, column %zu: \"%s\" is not an integer from 0 to %d%s", in->name,
        in->line, column, text, most,
        word && most == MAX_LABEL
            ? "; number the classes from 0, with their names, one a line, in "
              "classes.txt"
            : "");
}

/* Reads an integer of 0..most with optional spaces and quotes; false: none. */
static inline bool read_number(struct weft_csv *in, int most, int *out)
{
    const char *at = in->at;
    while (at < in->end && *at == ' ')
        at++;
    if (at < in->end && !is_digit(*at)) {
        at = weft_csv_skip_spaces(in, at, in->end);
        at += at < in->end && *at == '"';
    }
    if (at == in->end || !is_digit(*at))
        return false;
    bool quoted = at > in->at && at[-1] == '"';
    int value = 0;
    for (; at < in->end && is_digit(*at); at++) {
        value = 10 * value + (*at - '0');
        if (value > most)
            return false;
    }
    if (quoted && (at == in->end || *at++ != '"'))
        return false;
    if (at < in->end && *at != in->delimiter && *at != '\n' && *at != '\r')
        at = weft_csv_skip_spaces(in, at, in->end);
    in->at = at;
    *out = value;
    return true;
}

static bool at_field_end(const struct weft_csv *in)
{
    return in->at == in->end || *in->at == in->delimiter || *in->at == '\n' ||
           *in->at == '\r';
}

/* Reads a number that may have a fraction; in->at is behind it. */
static bool read_float(struct weft_csv *in, double *out)
{
    const char *at = in->at, *end = at;
    while (is_digit(*end) || *end == '.')
        end++;
    if (end == in->end || *end == in->delimiter || *end == '\n') {
        struct weft_csv_field plain = {at, (size_t)(end - at)};
        in->at = end;
        return weft_csv_number(&plain, out);
    }
    end = weft_csv_line_end(in, at);
    struct weft_csv_field field = weft_csv_field_take(in, &at, end);
    if (!weft_csv_number(&field, out))
        return false;
    in->at = at - 1;
    return true;
}

/* A label may be written as 5 or as 5.0. */
static enum weft_status read_label(struct weft_csv *in, size_t column, int32_t *label)
{
    int value;
    double number;
    const char *start = in->at;
    if (read_number(in, MAX_LABEL, &value) && at_field_end(in)) {
        *label = value;
        return WEFT_OK;
    }
    in->at = start;
    if (!read_float(in, &number) || number < 0 || number > MAX_LABEL ||
        number != floor(number))
        return fail_field(in, column, start, MAX_LABEL);
    *label = (int32_t)number;
    return WEFT_OK;
}

/* Skips the end of a row; false if the row continues. */
static inline bool end_row(struct weft_csv *in)
{
    if (in->at < in->end && *in->at == '\r')
        in->at++;
    if (in->at < in->end && *in->at != '\n')
        return false;
    if (in->at < in->end)
        in->at++;
    in->line++;
    return true;
}

/* Where pixels of a row go. Floats are kept until all of them decide the scale. */
struct csv_row {
    uint8_t *pixels;
    float *floats; /* NULL: all pixels so far are integers */
    struct weft_pixel_range *range;
};

/* True if the field is a number with a fraction or an exponent. */
static bool is_fraction(const struct weft_csv *in, const char *start)
{
    double value;
    struct weft_csv_field field =
        weft_csv_field_take(in, &start, weft_csv_line_end(in, start));
    return weft_csv_number(&field, &value) && value >= 0 &&
           strcspn(field.text, ".eE") < field.length;
}

/* Reads pixel number `pixel`; *floats is set if it is no integer. */
static enum weft_status read_pixel(struct weft_csv *in, size_t column, size_t pixel,
                                   const struct csv_row *row, bool *floats)
{
    int value;
    double number;
    const char *start = in->at;
    if (!row->floats) {
        if (read_number(in, 255, &value) && at_field_end(in)) {
            row->pixels[pixel] = (uint8_t)value;
            return WEFT_OK;
        }
        *floats = is_fraction(in, start);
        return *floats ? WEFT_OK : fail_field(in, column, start, 255);
    }
    if (!read_float(in, &number) || !(number >= 0))
        return fail_field(in, column, start, 255);
    row->floats[pixel] = (float)number;
    weft_pixel_range_add(row->range, number);
    return WEFT_OK;
}

static enum weft_status fail_few_columns(const struct weft_csv *in, size_t has,
                                         size_t columns)
{
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s, line %zu: has %zu columns, but the rows before have %zu%s",
                     in->name, in->line, has, columns,
                     in->at == in->end ? "; the file is truncated" : "");
}

/* Reads a pixel of up to three digits and nothing else, as nearly all are. The text ends
 * with a byte that is no digit. */
static inline bool read_plain_pixel(struct weft_csv *in, uint8_t *out)
{
    const char *at = in->at;
    unsigned value = 0;
    while (at < in->at + 3 && is_digit(*at))
        value = 10 * value + (unsigned)(*at++ - '0');
    if (at == in->at || value > 255 || (*at != in->delimiter && *at != '\n'))
        return false;
    *out = (uint8_t)value;
    in->at = at;
    return true;
}

/* Reads a row; if *floats, it has a pixel that is no integer, and its rest is unread. */
static enum weft_status read_row(struct weft_csv *in, const struct weft_csv_columns *c,
                                 const struct csv_row *row, int32_t *label, bool *floats)
{
    size_t pixel = 0;
    for (size_t column = 0; column < c->count; column++) {
        if (column) {
            if (in->at == in->end || *in->at == '\n' || *in->at == '\r')
                return fail_few_columns(in, column, c->count);
            in->at++;
        }
        bool is_pixel = c->roles[column] == WEFT_CSV_PIXEL;
        if (is_pixel && !row->floats && read_plain_pixel(in, row->pixels + pixel))
            pixel++;
        else if (is_pixel) {
            WEFT_TRY(read_pixel(in, column + 1, pixel++, row, floats));
            if (*floats)
                return WEFT_OK;
        } else if (c->roles[column] == WEFT_CSV_LABEL) {
            WEFT_TRY(read_label(in, column + 1, label));
        } else {
            const char *end = weft_csv_line_end(in, in->at);
            weft_csv_field_take(in, &in->at, end);
            in->at--;
        }
    }
    if (end_row(in))
        return WEFT_OK;
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s, line %zu: more than the %zu columns of the rows before",
                     in->name, in->line, c->count);
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
    return weft_csv_columns_find(in, columns);
}

static size_t count_lines(const struct weft_csv *in)
{
    size_t lines = 1;
    for (const char *at = in->at; (at = memchr(at, '\n', (size_t)(in->end - at))); at++)
        lines++;
    return lines;
}

static enum weft_status check_rows(const struct weft_csv *in, size_t rows)
{
    if (rows <= WEFT_MAX_IMAGES)
        return WEFT_OK;
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s: has %zu rows, must be at most %d", in->name, rows,
                     WEFT_MAX_IMAGES);
}

/* Infers the shape from the number of pixels, and an upper bound of the number of rows: a
 * row of N numbers has at least 2 N - 1 bytes. */
static enum weft_status infer_shape(const struct weft_csv *in,
                                    const struct weft_csv_columns *c,
                                    struct weft_raw_images *raw, size_t *rows)
{
    size_t bytes = (size_t)(in->end - in->at), lines = count_lines(in),
           pixels = c->pixels;
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
    *rows = bytes / (2 * pixels + 1) + 1;
    *rows = lines < *rows ? lines : *rows;
    return check_rows(in, *rows);
}

/* Reads all rows; *floats: a pixel is no integer, and the rest is unread. */
static enum weft_status read_rows(struct weft_csv *in, const struct weft_csv_columns *c,
                                  size_t rows, float *values,
                                  struct weft_pixel_range *range,
                                  struct weft_raw_images *raw, bool *floats)
{
    enum weft_status status = WEFT_OK;
    size_t count = 0;
    while (!status && !*floats && in->at < in->end && count < rows) {
        struct csv_row row = {raw->pixels + count * c->pixels,
                              values ? values + count * c->pixels : NULL, range};
        status = read_row(in, c, &row, raw->labels + count, floats);
        count++;
    }
    assert(status || *floats || in->at == in->end);
    raw->count = (int)count;
    return status;
}

static enum weft_status read_floats(struct weft_csv *in, const struct weft_csv_columns *c,
                                    size_t rows, struct weft_raw_images *raw)
{
    struct weft_pixel_range range = {0};
    size_t size;
    bool floats = false;
    if (!weft_checked_mul(rows * c->pixels, sizeof(float), &size))
        size = SIZE_MAX;
    float *values = malloc(size);
    if (!values)
        return weft_out_of_memory(in->reading->ctx, in->name, size);
    enum weft_status status = read_rows(in, c, rows, values, &range, raw, &floats);
    if (!status)
        status = weft_pixel_scale(in->reading, in->name, &range);
    size_t count = (size_t)raw->count * c->pixels;
    for (size_t i = 0; !status && i < count; i++)
        raw->pixels[i] = weft_pixel_round((double)values[i], in->reading->scale);
    free(values);
    return status;
}

static enum weft_status read_all(struct weft_csv *in, const struct weft_csv_columns *c,
                                 struct weft_raw_images *raw)
{
    size_t rows = 0;
    bool floats = false;
    const struct weft_csv start = *in;
    WEFT_TRY(infer_shape(in, c, raw, &rows));
    raw->pixels = malloc(rows * c->pixels);
    raw->labels = malloc(rows * sizeof(*raw->labels));
    if (!raw->pixels || !raw->labels)
        return weft_out_of_memory(in->reading->ctx, in->name,
                                  rows * (c->pixels + sizeof(*raw->labels)));
    WEFT_TRY(read_rows(in, c, rows, NULL, NULL, raw, &floats));
    if (!floats)
        return WEFT_OK;
    *in = start;
    return read_floats(in, c, rows, raw);
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
        status = read_all(&in, &columns, &raw);
    weft_number_locale_end(&locale);
    free(columns.roles);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}

static enum weft_status label_rows(struct weft_csv *in, const struct weft_csv_columns *c,
                                   struct weft_labels *out)
{
    weft_context *ctx = in->reading->ctx;
    size_t rows = count_lines(in), count = 0;
    WEFT_TRY(check_rows(in, rows));
    int32_t *labels = malloc(rows * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, in->name, rows * sizeof(*labels));
    for (; in->at < in->end; count++) {
        const char *end = weft_csv_line_end(in, in->at);
        for (size_t i = 0; i < c->label && in->at <= end; i++)
            weft_csv_field_take(in, &in->at, end);
        enum weft_status status = in->at <= end
                                      ? read_label(in, c->label + 1, &labels[count])
                                      : fail_few_columns(in, c->label, c->count);
        if (status) {
            free(labels);
            return status;
        }
        in->at = end < in->end ? end + 1 : end;
        in->line++;
    }
    *out = (struct weft_labels){(int)count, labels};
    return WEFT_OK;
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
        status = label_rows(&in, &columns, out);
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
