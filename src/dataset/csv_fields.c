/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a line of CSV. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"

#include "util/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *weft_csv_line_end(const struct weft_csv *in, const char *at)
{
    const char *end = memchr(at, '\n', (size_t)(in->end - at));
    return end ? end : in->end;
}

const char *weft_csv_skip_spaces(const struct weft_csv *in, const char *at,
                                 const char *end)
{
    size_t size;
    while (at < end && *at != in->delimiter &&
           (size = weft_text_space(at, (size_t)(end - at))))
        at += size;
    return at;
}

static const char *field_end(const struct weft_csv *in, const char *at, const char *end)
{
    const char *stop = memchr(at, in->delimiter, (size_t)(end - at));
    return stop ? stop : end;
}

struct weft_csv_field weft_csv_field_take(const struct weft_csv *in, const char **at,
                                          const char *end)
{
    const char *from = weft_csv_skip_spaces(in, *at, end), *to = NULL;
    if (from < end && *from == '"') {
        const char *quote = memchr(from + 1, '"', (size_t)(end - from - 1));
        const char *behind = quote ? weft_csv_skip_spaces(in, quote + 1, end) : NULL;
        if (behind && (behind == end || *behind == in->delimiter)) {
            *at = behind + 1;
            from = weft_csv_skip_spaces(in, from + 1, quote);
            to = quote;
        }
    }
    if (!to) {
        to = field_end(in, from, end);
        *at = to + 1;
    }
    return (struct weft_csv_field){from, weft_text_trim(from, (size_t)(to - from))};
}

size_t weft_csv_field_count(const struct weft_csv *in, const char *at)
{
    const char *end = weft_csv_line_end(in, at);
    size_t count = 0;
    for (; at <= end; count++)
        weft_csv_field_take(in, &at, end);
    return count;
}

enum weft_status weft_csv_fail_no_rows(const struct weft_csv *in)
{
    return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                     "%s: has no rows; they are label,pixel1,...,pixelN", in->name);
}

/* Numbers of few digits: integers up to 10^15 and their quotients by powers of ten are
 * exact, and so rounded as strtod rounds. Returns the characters read. */
static size_t read_short_number(const struct weft_csv_field *field, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    enum { MOST = 15 };
    uint64_t value = 0;
    size_t i = 0, digits = 0, point = 0;
    for (; i < field->length && digits < MOST; i++) {
        char c = field->text[i];
        if (c == '.' && !point)
            point = i + 1;
        else if (c >= '0' && c <= '9') {
            value = 10 * value + (uint64_t)(c - '0');
            digits++;
        } else
            return 0;
    }
    *out = (double)value / powers[point ? i - point : 0];
    return digits ? i : 0;
}

bool weft_csv_number(const struct weft_csv_field *field, double *out)
{
    char *end;
    if (field->length && read_short_number(field, out) == field->length)
        return true;
    for (size_t i = 0; i < field->length; i++)
        if (!memchr("0123456789+-.eE", field->text[i], 15))
            return false;
    if (!field->length)
        return false;
    *out = strtod(field->text, &end);
    return end == field->text + field->length && isfinite(*out);
}

bool weft_csv_is_word(const struct weft_csv_field *field)
{
    double number;
    bool letters = false;
    for (size_t i = 0; i < field->length && !letters; i++)
        letters = isalpha((unsigned char)field->text[i]) || (field->text[i] & 0x80);
    return letters && !weft_csv_number(field, &number);
}

size_t weft_integer_sqrt(size_t square)
{
    size_t root = 0;
    while (root <= WEFT_MAX_SIDE && root * root < square)
        root++;
    return root * root == square ? root : 0;
}

bool weft_csv_is_square(size_t pixels)
{
    return pixels && (weft_integer_sqrt(pixels) ||
                      (pixels % 3 == 0 && weft_integer_sqrt(pixels / 3)));
}
