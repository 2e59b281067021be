/* SPDX-License-Identifier: Apache-2.0 */
/* The label column of CSV without names: the first or the last, by what the numbers
 * allow. Labels are words, or integers that take every value from 0 or 1 on, many times;
 * pixels at the corners of images are constant, or take values with gaps. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Likeness of a column to labels. */
enum likeness {
    NO_LABELS,   /* a value that is no label */
    CONSTANT,    /* of several rows */
    GAPS,        /* few of the values up to the largest */
    SOME_VALUES, /* at least half of them */
    ALL_VALUES,
};

struct column_statistics {
    bool labels;   /* all values are integers of 0 to the greatest label */
    bool counting; /* each value is the one before and 1 */
    bool repeats;  /* the first value occurs again */
    struct weft_csv_field first;
    size_t words;
    double before;
    int least, most;
    size_t rows, counts[WEFT_MAX_CLASSES];
};

static void add(struct column_statistics *c, const struct weft_csv_field *field)
{
    double value;
    bool number = weft_csv_number(field, &value);
    c->words += weft_csv_is_word(field);
    c->repeats = c->repeats || (c->rows && field->length == c->first.length &&
                                !memcmp(field->text, c->first.text, field->length));
    c->first = c->rows ? c->first : *field;
    c->counting = c->counting && number && (!c->rows || value == c->before + 1);
    c->before = number ? value : 0;
    if (!number || value != floor(value) || value < 0 || value > WEFT_CSV_MAX_LABEL)
        c->labels = false;
    else {
        int label = (int)value;
        c->least = !c->rows || label < c->least ? label : c->least;
        c->most = label > c->most ? label : c->most;
        c->counts[label]++;
    }
    c->rows++;
}

static enum likeness likeness(const struct column_statistics *c)
{
    int distinct = 0;
    for (int i = 0; i <= c->most; i++)
        distinct += c->counts[i] > 0;
    if (!c->labels)
        return NO_LABELS;
    if (distinct == 1)
        return CONSTANT;
    if (c->least <= 1 && distinct == c->most - c->least + 1)
        return ALL_VALUES;
    return 2 * distinct > c->most ? SOME_VALUES : GAPS;
}

/* Words that are no names of rows. */
static bool has_names(const struct column_statistics *c)
{
    return c->repeats && 4 * c->words >= c->rows;
}

/* True if one value takes more than half of the rows, as the background does. */
static bool mostly_one_value(const struct column_statistics *c)
{
    for (int i = 0; i <= c->most; i++)
        if (2 * c->counts[i] > c->rows)
            return true;
    return false;
}

/* True if `pixels` take far more values than `labels`, as those of images without dark
 * corners do. */
static bool has_pixel_range(const struct column_statistics *pixels,
                            const struct column_statistics *labels)
{
    return pixels->labels && pixels->most >= 100 && 4 * labels->most <= pixels->most;
}

/* -1: the first column has the labels, 1: the last, 0: undecidable. Where a value is no
 * label at all, reading the first column as labels reports it. */
static int decide(const struct column_statistics *first,
                  const struct column_statistics *last)
{
    enum { FEW_ROWS = 20 }; /* labels may have gaps */
    enum likeness a = likeness(first), b = likeness(last);
    if (has_names(first) || has_names(last))
        return has_names(first) ? -1 : 1;
    if (a == NO_LABELS)
        return b >= SOME_VALUES ? 1 : -1;
    if (a == ALL_VALUES && (b != ALL_VALUES || has_pixel_range(last, first)))
        return -1;
    if (b == ALL_VALUES && has_pixel_range(first, last))
        return 1;
    if (a == ALL_VALUES)
        return (int)mostly_one_value(first) - (int)mostly_one_value(last);
    if (a == CONSTANT)
        return b >= SOME_VALUES ? 1 : 0;
    if (b == ALL_VALUES || (a == GAPS && b == SOME_VALUES))
        return a == GAPS && b == ALL_VALUES ? 1 : 0;
    return a == GAPS && first->rows >= FEW_ROWS ? 0 : -1; /* the first as usual */
}

/* Reads the first two fields of a line and the last. */
static void add_line(const struct weft_csv *in, const char *at, const char *end,
                     struct column_statistics *columns)
{
    struct weft_csv_field field = weft_csv_field_take(in, &at, end);
    const char *last = end;
    add(&columns[0], &field);
    if (at <= end) {
        const char *second = at;
        field = weft_csv_field_take(in, &second, end);
        add(&columns[1], &field);
    }
    while (last > at && last[-1] != in->delimiter)
        last--;
    field = weft_csv_field_take(in, &last, end);
    add(&columns[2], &field);
}

static bool has_equal_rows(const struct weft_csv *in, size_t count)
{
    for (const char *at = in->at; at < in->end; at = weft_csv_line_end(in, at) + 1)
        if (weft_csv_field_count(in, at) != count)
            return false;
    return true;
}

enum weft_status weft_csv_columns_guess(const struct weft_csv *in, size_t count,
                                        size_t *label, size_t *skipped)
{
    enum { FIRST, SECOND, LAST };
    weft_context *ctx = in->reading->ctx;
    struct column_statistics *c = calloc(3, sizeof(*c));
    if (!c)
        return weft_out_of_memory(ctx, in->name, 3 * sizeof(*c));
    for (int i = 0; i < 3; i++)
        c[i].labels = c[i].counting = true;
    for (const char *at = in->at; at < in->end;) {
        const char *end = weft_csv_line_end(in, at);
        if (end > at)
            add_line(in, at, end, c);
        at = end + 1;
    }
    /* An index before the labels: one column more than an image and its label have. */
    bool index = count > 3 && c[FIRST].rows > 1 &&
                 (c[FIRST].counting || weft_csv_is_image_file(&c[FIRST].first)) &&
                 weft_csv_is_square(count - 2) && !weft_csv_is_square(count - 1);
    bool single = c[FIRST].rows == 1; /* decides nothing */
    int side = single ? -1 : decide(&c[index ? SECOND : FIRST], &c[LAST]);
    bool only_pixels = weft_csv_is_square(count) && !weft_csv_is_square(count - 1);
    enum likeness best = likeness(&c[side < 0 ? FIRST : LAST]);
    free(c);
    *skipped = index ? 1 : 0;
    *label = side < 0 ? *skipped : count - 1;
    if (only_pixels && (side == 0 || best != ALL_VALUES) && count >= 9)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %zu columns, which are images without labels; add a "
                         "column of labels",
                         in->name, count);
    if (side || !has_equal_rows(in, count))
        return WEFT_OK; /* the reader of rows reports which is not */
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: either of columns %zu and %zu may have the labels; write a "
                     "first line with the names of the columns, and \"label\" for one",
                     in->name, *skipped + 1, count);
}
