/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of CSV by their names: labels, pixels, or skipped. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/csv.h"

#include "util/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 40, NO_COLUMN = -1 };

/* Names without case and punctuation. */
static const char *const label_names[] = {
    "label",       "labels",      "class",      "classes",     "target",
    "targets",     "y",           "digit",      "digits",      "category",
    "categories",  "labelid",     "classid",    "targetid",    "categoryid",
    "classlabel",  "classindex",  "labelindex", "classnumber", "labelnumber",
    "targetlabel", "targetclass", "ytrain",     "ytest",       "ytrue",
    "truelabel",   "groundtruth", NULL};
static const char *const skipped_names[] = {
    "",           "unnamed",  "id",        "ids",       "index",     "idx",
    "row",        "rowid",    "rowindex",  "rownames",  "rownumber", "imageid",
    "imgid",      "sampleid", "recordid",  "uid",       "uuid",      "guid",
    "file",       "filename", "filepath",  "path",      "imagepath", "imagename",
    "imagefile",  "fname",    "name",      "labelname", "classname", "categoryname",
    "targetname", "letter",   "character", NULL};
/* Names of classes among them: labels if no other column has any. */
static const char *const class_names[] = {
    "labelname", "classname", "categoryname", "targetname", "letter", "character", NULL};
/* Names before a number that programs give to columns without names. */
static const char *const neutral_names[] = {
    "",        "v",    "x",         "c",   "col",   "column", "f",
    "feature", "attr", "attribute", "var", "field", NULL};

struct name {
    char text[MAX_NAME];    /* letters and digits in lower case, without a last number */
    char letters[MAX_NAME]; /* of it */
    bool numbered;
    int numbers; /* how many it has, and the first two: pixel7, r0c9 */
    double number[2];
};

static bool is_one_of(const char *const *list, const char *text)
{
    while (*list && strcmp(*list, text) != 0)
        list++;
    return *list;
}

static void find_numbers(struct name *name, const struct weft_csv_field *field)
{
    bool within = false;
    for (size_t i = 0; i < field->length; i++) {
        bool digit = isdigit((unsigned char)field->text[i]);
        name->numbers += digit && !within;
        if (digit && name->numbers <= 2) {
            double *number = &name->number[name->numbers - 1];
            *number = 10 * *number + (field->text[i] - '0');
        }
        within = digit;
    }
}

static struct name normalize(const struct weft_csv_field *field)
{
    struct name name = {.text = ""};
    size_t length = 0;
    for (size_t i = 0; i < field->length && length < sizeof(name.text) - 1; i++)
        if (isalnum((unsigned char)field->text[i]) || (field->text[i] & 0x80))
            name.text[length++] = (char)tolower((unsigned char)field->text[i]);
    size_t whole = length;
    while (length && isdigit((unsigned char)name.text[length - 1]))
        length--;
    name.text[length] = 0;
    name.numbered = length < whole;
    for (size_t i = 0, letters = 0; i < length; i++)
        if (!isdigit((unsigned char)name.text[i]))
            name.letters[letters++] = name.text[i];
    find_numbers(&name, field);
    return name;
}

/* Numbered names of the same letters: pixel1 and pixel2, r0c0 and r9c9. */
struct name_group {
    char letters[MAX_NAME];
    size_t count;
    long first;
    double last[2];   /* numbers of the last name */
    bool by_order[2]; /* they increase, compared from the first or from the second on */
};
enum { MAX_GROUPS = 8 };

/* Names of a header by kind. The indices are those of the first of their kind. */
struct csv_header {
    size_t count;
    size_t labels, class_names, one_hot, numbered, others, neutral;
    long label, second_label, class_name, first_one_hot, first_other, first_pixel,
        disorder;
    struct weft_csv_field label_name;
    struct name_group groups[MAX_GROUPS]; /* of numbered names, others are in the last */
};

static void set_first(long *first, size_t column)
{
    *first = *first == NO_COLUMN ? (long)column : *first;
}

/* Pixels are read from left to right: their numbers must increase, those of rows and
 * columns in one order or the other. */
static void check_order(struct csv_header *h, struct name_group *g, size_t column,
                        const struct name *name)
{
    bool known = g < &h->groups[MAX_GROUPS - 1] && name->numbers <= 2;
    for (int i = 0; i < 2; i++) {
        double major = name->number[i] - g->last[i];
        double minor = name->number[1 - i] - g->last[1 - i];
        g->by_order[i] = g->count == 1 || !known ||
                         (g->by_order[i] && (major > 0 || (major == 0 && minor > 0)));
    }
    memcpy(g->last, name->number, sizeof(g->last));
    if (!g->by_order[0] && !g->by_order[1])
        set_first(&h->disorder, column);
}

static void add_to_group(struct csv_header *h, size_t column, const struct name *name)
{
    struct name_group *g = h->groups;
    while (g < &h->groups[MAX_GROUPS - 1] && g->count &&
           strcmp(g->letters, name->letters) != 0)
        g++;
    if (!g->count++) {
        strcpy(g->letters, name->letters);
        g->first = (long)column;
    }
    check_order(h, g, column, name);
}

/* A few numbered names among pixels of other letters, like class_0 and class_1: the first
 * column of such a group. */
static long find_odd_group(const struct csv_header *h)
{
    size_t most = 0;
    for (int i = 0; i < MAX_GROUPS; i++)
        most = h->groups[i].count > most ? h->groups[i].count : most;
    for (int i = 0; i < MAX_GROUPS && most >= h->numbered / 2; i++)
        if (h->groups[i].count && h->groups[i].count < h->numbered / 4)
            return h->groups[i].first;
    return NO_COLUMN;
}

static void add_name(struct csv_header *h, struct weft_csv_columns *c, size_t i,
                     const struct name *name)
{
    bool is_label = is_one_of(label_names, name->text);
    c->roles[i] = WEFT_CSV_PIXEL;
    if (is_label && !name->numbered) {
        c->roles[i] = WEFT_CSV_LABEL;
        if (h->labels++)
            set_first(&h->second_label, i);
        else
            h->label = (long)i;
    } else if (is_one_of(skipped_names, name->text) &&
               (!name->numbered || !strcmp(name->text, "unnamed"))) {
        c->roles[i] = WEFT_CSV_SKIPPED;
        if (is_one_of(class_names, name->text)) {
            set_first(&h->class_name, i);
            h->class_names++;
        }
    } else if (name->numbered) {
        set_first(&h->first_pixel, i);
        add_to_group(h, i, name);
        h->numbered++;
        h->neutral += is_one_of(neutral_names, name->text);
        if (is_label && strcmp(name->text, "y") != 0) {
            set_first(&h->first_one_hot, i);
            h->one_hot++;
        }
    } else {
        set_first(&h->first_other, i);
        h->others++;
    }
}

/* A line is a header if most of its fields are names, or if its numbers count up as
 * those of columns without names do; not if it names an image file. */
static bool is_header(const struct weft_csv *in, const char *at, const char *end,
                      bool *numbers_only)
{
    size_t names = 0, numbers = 0;
    bool counting = true;
    double before = 0, value;
    while (at <= end) {
        struct weft_csv_field field = weft_csv_field_take(in, &at, end);
        if (weft_csv_is_image_file(&field))
            return false;
        if (weft_csv_number(&field, &value)) {
            counting = counting && (numbers ? value == before + 1 : value <= 1);
            before = value;
            numbers++;
        } else
            names += field.length > 0;
    }
    *numbers_only = !names && numbers;
    if (!names)
        return !numbers || (counting && numbers >= 10);
    return names > numbers || counting;
}

/* A name for messages: at most 30 bytes of visible UTF-8. */
struct shown {
    char text[31];
};

static struct shown show_name(const struct weft_csv_field *field)
{
    struct shown s = {""};
    size_t length =
        field->length < sizeof(s.text) - 1 ? field->length : sizeof(s.text) - 1;
    while (length && length < field->length && (field->text[length] & 0xc0) == 0x80)
        length--; /* not within a character */
    memcpy(s.text, field->text, length);
    for (size_t i = 0; i < length && !weft_text_is_name(s.text); i++)
        s.text[i] = s.text[i] >= ' ' && s.text[i] < 127 ? s.text[i] : '?';
    return s;
}

static struct shown name_of(const struct weft_csv *in, long column)
{
    const char *at = in->at, *end = weft_csv_line_end(in, at);
    struct weft_csv_field field = {"", 0};
    for (long i = 0; i <= column && at <= end; i++)
        field = weft_csv_field_take(in, &at, end);
    return show_name(&field);
}

static enum weft_status fail_header(const struct weft_csv *in, const struct csv_header *h)
{
    weft_context *ctx = in->reading->ctx;
    if (h->labels > 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: both columns \"%s\" and \"%s\" may have the labels; "
                         "remove one, or rename it to \"index\"",
                         in->name, name_of(in, h->label).text,
                         name_of(in, h->second_label).text);
    if (!h->labels && h->one_hot > 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %zu columns like \"%s\", which may be one-hot labels; "
                         "write one column \"label\" with the number of the class",
                         in->name, h->one_hot, name_of(in, h->first_one_hot).text);
    if (h->others && (h->numbered || !h->labels))
        return weft_fail(
            ctx, WEFT_ERR_FORMAT,
            "%s: column %ld, \"%s\", is neither labels nor pixels by its "
            "name; rename it to \"label\" if it has the labels, to \"index\" "
            "if it is to be skipped",
            in->name, h->first_other + 1, name_of(in, h->first_other).text);
    if (h->disorder != NO_COLUMN)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: column %ld, \"%s\", is not in the order of the pixels "
                         "before it; sort the columns of pixels by their numbers",
                         in->name, h->disorder + 1, name_of(in, h->disorder).text);
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: no column is called \"label\" or \"class\": from \"%s\" on "
                     "there are images without labels; add a column \"label\"",
                     in->name, name_of(in, h->first_pixel).text);
}

/* Roles by the names of the header. */
static void read_header(const struct weft_csv *in, struct csv_header *h,
                        struct weft_csv_columns *c)
{
    const char *at = in->at, *end = weft_csv_line_end(in, at);
    *h = (struct csv_header){.label = NO_COLUMN,
                             .second_label = NO_COLUMN,
                             .class_name = NO_COLUMN,
                             .first_one_hot = NO_COLUMN,
                             .first_other = NO_COLUMN,
                             .first_pixel = NO_COLUMN,
                             .disorder = NO_COLUMN};
    for (; at <= end && h->count < c->count; h->count++) {
        struct weft_csv_field field = weft_csv_field_take(in, &at, end);
        struct name name = normalize(&field);
        add_name(h, c, h->count, &name);
    }
    if (!h->labels && h->class_names == 1) {
        h->labels = 1;
        h->label = h->class_name;
        c->roles[h->label] = WEFT_CSV_LABEL;
    }
}

/* *guess: the names do not distinguish the columns. */
static enum weft_status check_header(const struct weft_csv *in, struct csv_header *h,
                                     bool *guess)
{
    if (h->labels == 1 && find_odd_group(h) != NO_COLUMN) {
        h->first_other = find_odd_group(h);
        h->others++;
    }
    *guess = !h->labels && h->neutral && h->neutral == h->numbered && !h->others;
    if (h->disorder == NO_COLUMN &&
        (*guess || (h->labels == 1 && !(h->others && h->numbered))))
        return WEFT_OK;
    return fail_header(in, h);
}

/* The first column of a row that has the path of an image file; NO_COLUMN: none. */
static long find_file(const struct weft_csv *in, const char *row)
{
    const char *end = weft_csv_line_end(in, row);
    for (long i = 0; row <= end; i++) {
        struct weft_csv_field field = weft_csv_field_take(in, &row, end);
        if (weft_csv_is_image_file(&field))
            return i;
    }
    return NO_COLUMN;
}

/* The columns of a list of image files: of two, the label is the other one. `h` has no
 * columns if there is no header. */
static enum weft_status find_list(const struct weft_csv *in, const struct csv_header *h,
                                  long file, struct weft_csv_columns *c)
{
    long label = c->count == 2 ? 1 - file : h->labels == 1 ? h->label : NO_COLUMN;
    memset(c->roles, WEFT_CSV_SKIPPED, c->count);
    c->lists_files = true;
    c->file = (size_t)file;
    if (h->labels > 1 && c->count > 2)
        return fail_header(in, h);
    if (h->count && h->count != c->count)
        return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                         "%s, line %zu: has %zu columns, but the header has %zu",
                         in->name, in->line + 1, c->count, h->count);
    if (label == NO_COLUMN || label == file)
        return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                         "%s: lists image files in column %ld of %zu; call the column of "
                         "their classes \"label\" in the first line",
                         in->name, file + 1, c->count);
    c->roles[label] = WEFT_CSV_LABEL;
    if (c->count > 2)
        weft_reading_note(in->reading,
                          "%s: column %ld has the paths of image files, column %ld the "
                          "labels; others are skipped",
                          in->name, file + 1, label + 1);
    return WEFT_OK;
}

/* R writes names of rows without a name for their column; other programs end each row
 * with a delimiter. */
static enum weft_status match_header(const struct weft_csv *in, size_t named,
                                     const char *row, struct weft_csv_columns *c)
{
    const char *last = weft_csv_line_end(in, row);
    last -= last > row && last[-1] == '\r';
    if (c->count == named)
        return WEFT_OK;
    if (c->count != named + 1)
        return weft_fail(in->reading->ctx, WEFT_ERR_FORMAT,
                         "%s, line %zu: has %zu columns, but the header has %zu",
                         in->name, in->line + 1, c->count, named);
    size_t extra = last[-1] == in->delimiter ? named : 0;
    memmove(c->roles + (extra ? 0 : 1), c->roles, named);
    c->roles[extra] = WEFT_CSV_SKIPPED;
    return WEFT_OK;
}

/* Notes what is not a header of label,pixel1,... */
static void note_columns(const struct weft_csv *in, const struct weft_csv_columns *c,
                         bool guessed, const char *name)
{
    size_t skipped = 0, first = 0;
    for (size_t i = c->count; i-- > 0;)
        if (c->roles[i] == WEFT_CSV_SKIPPED) {
            skipped++;
            first = i;
        }
    if (guessed)
        weft_reading_note(in->reading, "%s: column %zu has the labels, by its numbers",
                          in->name, c->label + 1);
    else if (c->label)
        weft_reading_note(in->reading, "%s: column %zu, \"%s\", has the labels", in->name,
                          c->label + 1, name);
    if (skipped)
        weft_reading_note(in->reading, "%s: %zu column%s skipped, from column %zu on",
                          in->name, skipped, skipped > 1 ? "s are" : " is", first + 1);
}

static enum weft_status guess_columns(const struct weft_csv *in,
                                      struct weft_csv_columns *c)
{
    size_t label, skipped;
    WEFT_TRY(weft_csv_columns_guess(in, c->count, &label, &skipped));
    for (size_t i = 0; i < c->count; i++)
        c->roles[i] = i < skipped  ? WEFT_CSV_SKIPPED
                      : i == label ? WEFT_CSV_LABEL
                                   : WEFT_CSV_PIXEL;
    return WEFT_OK;
}

/* The roles of the columns of rows like `row`; `header` of `named` columns or NULL. */
static enum weft_status find_roles(const struct weft_csv *in, const char *header,
                                   bool numbers_only, const char *row, size_t named,
                                   struct csv_header *h, struct weft_csv_columns *c,
                                   bool *guess)
{
    size_t count = c->count;
    long file = find_file(in, row);
    c->count = named;
    if (header && !numbers_only)
        read_header(in, h, c);
    c->count = count;
    if (file != NO_COLUMN && (header ? !h->numbered && !numbers_only : count < 5)) {
        *guess = false;
        return find_list(in, h, file, c);
    }
    if (header && !numbers_only)
        WEFT_TRY(check_header(in, h, guess));
    return header ? match_header(in, named, row, c) : WEFT_OK;
}

enum weft_status weft_csv_columns_find(struct weft_csv *in, struct weft_csv_columns *out)
{
    struct weft_csv_columns c = {0};
    struct csv_header h = {.label = NO_COLUMN};
    const char *header = NULL, *end = weft_csv_line_end(in, in->at), *row = in->at;
    bool numbers_only = false, guess = true;
    if (is_header(in, in->at, end, &numbers_only)) {
        header = in->at;
        row = end + 1;
        if (row >= in->end)
            return weft_csv_fail_no_rows(in);
    }
    c.count = weft_csv_field_count(in, row);
    size_t named = header ? weft_csv_field_count(in, header) : c.count;
    size_t most = named > c.count ? named : c.count;
    c.roles = calloc(most + 1, 1);
    if (!c.roles)
        return weft_out_of_memory(in->reading->ctx, in->name, most);
    enum weft_status status =
        find_roles(in, header, numbers_only, row, named, &h, &c, &guess);
    struct shown label = h.labels ? name_of(in, h.label) : (struct shown){""};
    if (header) {
        in->at = row;
        in->line++;
    }
    if (!status && guess)
        status = guess_columns(in, &c);
    for (size_t i = 0; i < c.count; i++) {
        c.pixels += c.roles[i] == WEFT_CSV_PIXEL;
        c.label = c.roles[i] == WEFT_CSV_LABEL ? i : c.label;
    }
    if (status) {
        free(c.roles);
        return status;
    }
    if (!c.lists_files)
        note_columns(in, &c, guess, label.text);
    *out = c;
    return WEFT_OK;
}
