/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: rows of `label,pixel1,...,pixelN`, with or without a header. N is a square
 * (gray), three times a square (interleaved RGB), or an image of one row. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_LABEL = WEFT_MAX_CLASSES - 1 };

/* The position of the reader; line and column are counted from 1, for messages. */
struct cursor {
    weft_context *ctx;
    const char *name;
    const uint8_t *at, *end;
    size_t line;
};

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
    return file->size && memchr(file->bytes, ',', file->size);
}

static const uint8_t *line_end(const struct cursor *in)
{
    const uint8_t *end = memchr(in->at, '\n', (size_t)(in->end - in->at));
    return end ? end : in->end;
}

/* A field for an error message, cut to 20 characters. */
static enum weft_status fail_field(const struct cursor *in, size_t column,
                                   const uint8_t *from, int most)
{
    char text[21];
    size_t length = 0;
    while (from + length < in->end && length < sizeof(text) - 1 && from[length] != ',' &&
           from[length] >= ' ' && from[length] < 127) {
        text[length] = (char)from[length];
        length++;
    }
    text[length] = 0;
    return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                     "%s, line %zu, column %zu: \"%s\" is not an integer from 0 to %d",
                     in->name, in->line, column, text, most);
}

/* Reads a number of 0..most with optional spaces; false: none. */
static inline bool read_number(struct cursor *in, int most, int *out)
{
    const uint8_t *at = in->at;
    while (at < in->end && *at == ' ')
        at++;
    if (at == in->end || !is_digit(*at))
        return false;
    int value = 0;
    for (; at < in->end && is_digit(*at); at++) {
        value = 10 * value + (*at - '0');
        if (value > most)
            return false;
    }
    while (at < in->end && *at == ' ')
        at++;
    in->at = at;
    *out = value;
    return true;
}

/* Skips the end of a row; false if the row continues. */
static inline bool end_row(struct cursor *in)
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

static enum weft_status read_row(struct cursor *in, size_t columns, uint8_t *pixels,
                                 int32_t *label)
{
    int value;
    const uint8_t *start = in->at;
    if (!read_number(in, MAX_LABEL, &value))
        return fail_field(in, 1, start, MAX_LABEL);
    *label = value;
    for (size_t column = 2; column <= columns; column++) {
        if (in->at == in->end || *in->at == '\n' || *in->at == '\r')
            return weft_fail(
                in->ctx, WEFT_ERR_FORMAT,
                "%s, line %zu: has %zu columns, but the rows before have %zu%s", in->name,
                in->line, column - 1, columns,
                in->at == in->end ? "; the file is truncated" : "");
        if (*in->at++ != ',')
            return fail_field(in, column - 1, start, column == 2 ? MAX_LABEL : 255);
        start = in->at;
        if (!read_number(in, 255, &value))
            return fail_field(in, column, start, 255);
        *pixels++ = (uint8_t)value;
    }
    if (end_row(in))
        return WEFT_OK;
    if (*in->at != ',')
        return fail_field(in, columns, start, 255);
    return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                     "%s, line %zu: more than the %zu columns of the rows before",
                     in->name, in->line, columns);
}

/* Skips a header: a line whose first field is not a number. */
static enum weft_status skip_header(struct cursor *in)
{
    const uint8_t *end = line_end(in), *at = in->at;
    while (at < end && *at == ' ')
        at++;
    if (at < end && is_digit(*at))
        return WEFT_OK;
    bool quoted = at < end && *at == '"';
    const char *first = (const char *)at + quoted;
    if ((size_t)(end - at) < 6 || strncasecmp(first, "label", 5) != 0)
        for (const uint8_t *comma = at;
             (comma = memchr(comma, ',', (size_t)(end - comma))); comma++) {
            const char *field = (const char *)comma + 1 + (comma[1] == '"');
            if (end - (const uint8_t *)field >= 5 && !strncasecmp(field, "label", 5))
                return weft_fail(
                    in->ctx, WEFT_ERR_FORMAT,
                    "%s, line 1: the column \"label\" is not the first; move "
                    "it to the front",
                    in->name);
        }
    in->at = end < in->end ? end + 1 : end;
    in->line = 2;
    return WEFT_OK;
}

static enum weft_status fail_no_rows(const struct cursor *in)
{
    return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                     "%s: has no rows; they are label,pixel1,...,pixelN", in->name);
}

/* Starts at the first row; empty lines at the end are removed. */
static enum weft_status begin(weft_context *ctx, const char *name,
                              const struct weft_file *file, struct cursor *in)
{
    *in = (struct cursor){ctx, name, file->bytes, file->bytes + file->size, 1};
    if (file->size >= 3 && !memcmp(file->bytes, "\xef\xbb\xbf", 3)) /* byte order mark */
        in->at += 3;
    while (in->end > in->at && strchr(" \t\r\n", in->end[-1]) && in->end[-1])
        in->end--;
    if (in->at == in->end)
        return fail_no_rows(in);
    WEFT_TRY(skip_header(in));
    return in->at == in->end ? fail_no_rows(in) : WEFT_OK;
}

static size_t integer_sqrt(size_t square)
{
    size_t root = 0;
    while (root <= WEFT_MAX_SIDE && root * root < square)
        root++;
    return root * root == square ? root : 0;
}

/* Infers the shape from the first row, and an upper bound of the number of rows: a row
 * of `columns` numbers has at least 2 columns - 1 bytes. */
static enum weft_status infer_shape(const struct cursor *in, struct weft_raw_images *raw,
                                    size_t *columns, size_t *rows)
{
    const uint8_t *end = line_end(in);
    size_t bytes = (size_t)(in->end - in->at), lines = 1;
    *columns = 1;
    for (const uint8_t *at = in->at; (at = memchr(at, ',', (size_t)(end - at))); at++)
        ++*columns;
    size_t pixels = *columns - 1;
    size_t side = integer_sqrt(pixels);
    raw->channels = 1;
    if (!side && pixels % 3 == 0 && (side = integer_sqrt(pixels / 3)))
        raw->channels = 3;
    if (!pixels || (!side && pixels > WEFT_MAX_SIDE))
        return weft_fail(
            in->ctx, WEFT_ERR_FORMAT,
            "%s, line %zu: %zu pixels after the label, must be 1 to %d, a square, "
            "or three times a square for RGB",
            in->name, in->line, pixels, WEFT_MAX_SIDE);
    raw->height = side ? (int)side : 1;
    raw->width = side ? (int)side : (int)pixels;
    for (const uint8_t *at = in->at; (at = memchr(at, '\n', (size_t)(in->end - at)));
         at++)
        lines++;
    *rows = bytes / (2 * *columns - 1) + 1;
    *rows = lines < *rows ? lines : *rows;
    if (*rows > WEFT_MAX_IMAGES)
        return weft_fail(in->ctx, WEFT_ERR_FORMAT, "%s: has %zu rows, must be at most %d",
                         in->name, *rows, WEFT_MAX_IMAGES);
    return WEFT_OK;
}

static enum weft_status read_images(weft_context *ctx, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    struct cursor in;
    struct weft_raw_images raw = {0};
    size_t columns = 0, rows = 0, count = 0;
    WEFT_TRY(begin(ctx, name, file, &in));
    WEFT_TRY(infer_shape(&in, &raw, &columns, &rows));
    size_t pixels = columns - 1;
    enum weft_status status = WEFT_OK;
    raw.pixels = malloc(rows * pixels);
    raw.labels = malloc(rows * sizeof(*raw.labels));
    if (!raw.pixels || !raw.labels)
        status = weft_out_of_memory(ctx, name, rows * (pixels + sizeof(*raw.labels)));
    for (; !status && in.at < in.end && count < rows; count++)
        status = read_row(&in, columns, raw.pixels + count * pixels, raw.labels + count);
    assert(status || in.at == in.end);
    raw.count = (int)count;
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    struct cursor in;
    size_t rows = 1, count = 0;
    WEFT_TRY(begin(ctx, name, file, &in));
    for (const uint8_t *at = in.at; (at = memchr(at, '\n', (size_t)(in.end - at))); at++)
        rows++;
    if (rows > WEFT_MAX_IMAGES)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: has %zu rows, must be at most %d",
                         name, rows, WEFT_MAX_IMAGES);
    int32_t *labels = malloc(rows * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, name, rows * sizeof(*labels));
    for (; in.at < in.end; count++) {
        const uint8_t *end = line_end(&in), *start = in.at;
        if (!read_number(&in, MAX_LABEL, &labels[count])) {
            enum weft_status status = fail_field(&in, 1, start, MAX_LABEL);
            free(labels);
            return status;
        }
        in.at = end < in.end ? end + 1 : end;
        in.line++;
    }
    *out = (struct weft_labels){(int)count, labels};
    return WEFT_OK;
}

static bool matches_name(const char *leaf)
{
    size_t length = strlen(leaf);
    return length > 4 && !strcmp(leaf + length - 4, ".csv");
}

const struct weft_format weft_format_csv = {
    .name = "CSV",
    .probe = probe,
    .read = read_images,
    .read_labels = read_labels,
    .matches_name = matches_name,
    .names = "a .csv or .csv.gz with train or test in its name",
};
