/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV: pixels and labels that are numbers. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"

#include "util/text.h"

#include <math.h>
#include <string.h>

enum { MAX_LABEL = WEFT_CSV_MAX_LABEL };

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
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
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s, line %zu, column %zu: \"%s\" is not an integer from 0 to %d%s",
                     in->name, in->line, column, text, most,
                     word && most == MAX_LABEL
                         ? ", as most labels are; correct it, or give each "
                           "class a number or each a name"
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

enum weft_status weft_csv_label_read(struct weft_csv *in, size_t column, int32_t *label)
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

/* True if the field is a number with a fraction or an exponent. */
static bool is_fraction(const struct weft_csv *in, const char *start)
{
    double value;
    struct weft_csv_field field =
        weft_csv_field_take(in, &start, weft_csv_line_end(in, start));
    return weft_csv_number(&field, &value) && value >= 0 &&
           strcspn(field.text, ".eE") < field.length;
}

/* Reads pixel number `pixel`. */
static enum weft_status read_pixel(struct weft_csv *in, size_t column, size_t pixel,
                                   const struct weft_csv_row *row,
                                   enum weft_csv_other *found)
{
    int value;
    double number;
    const char *start = in->at;
    if (!row->floats) {
        if (read_number(in, 255, &value) && at_field_end(in)) {
            row->pixels[pixel] = (uint8_t)value;
            return WEFT_OK;
        }
        if (!is_fraction(in, start))
            return fail_field(in, column, start, 255);
        *found = WEFT_CSV_FLOATS;
        return WEFT_OK;
    }
    if (!read_float(in, &number) || !(number >= 0))
        return fail_field(in, column, start, 255);
    row->floats[pixel] = (float)number;
    weft_pixel_range_add(row->range, number);
    return WEFT_OK;
}

enum weft_status weft_csv_fail_few_columns(const struct weft_csv *in, size_t has,
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

/* Reads a label, or finds that labels are names. */
static enum weft_status read_label(struct weft_csv *in, const struct weft_csv_columns *c,
                                   int32_t *label, enum weft_csv_other *found)
{
    const char *start = in->at;
    enum weft_status status = weft_csv_label_read(in, c->label + 1, label);
    if (!status || !weft_csv_has_names(in, c))
        return status;
    in->at = start;
    *found = WEFT_CSV_NAMES;
    return WEFT_OK;
}

enum weft_status weft_csv_row_read(struct weft_csv *in, const struct weft_csv_columns *c,
                                   const struct weft_csv_row *row,
                                   enum weft_csv_other *found)
{
    size_t pixel = 0;
    for (size_t column = 0; column < c->count; column++) {
        if (column) {
            if (in->at == in->end || *in->at == '\n' || *in->at == '\r')
                return weft_csv_fail_few_columns(in, column, c->count);
            in->at++;
        }
        bool is_pixel = c->roles[column] == WEFT_CSV_PIXEL;
        if (is_pixel && !row->floats && read_plain_pixel(in, row->pixels + pixel)) {
            pixel++;
            continue;
        }
        if (is_pixel)
            WEFT_TRY(read_pixel(in, column + 1, pixel++, row, found));
        else if (c->roles[column] == WEFT_CSV_LABEL)
            WEFT_TRY(read_label(in, c, row->label, found));
        else {
            const char *end = weft_csv_line_end(in, in->at);
            weft_csv_field_take(in, &in->at, end);
            in->at--;
        }
        if (*found)
            return WEFT_OK;
    }
    if (end_row(in))
        return WEFT_OK;
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s, line %zu: more than the %zu columns of the rows before",
                     in->name, in->line, c->count);
}
