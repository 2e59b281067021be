/* SPDX-License-Identifier: Apache-2.0 */
/* Result tables. */
#include "core/table.h"

#include "core/plain_text.h"
#include "core/term.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 40 };
enum cell_kind { CELL_TEXT, CELL_INT, CELL_DOUBLE, CELL_BOOL };

struct table_cell {
    enum cell_kind kind;
    double real;
    int64_t whole;
    char *text;  /* in JSON */
    char *shown; /* elsewhere: without control characters; may be `text` */
};

void table_init(struct table *t, FILE *out, enum table_format format,
                const struct table_column *columns, int column_count, bool stream)
{
    *t =
        (struct table){out,          format,           columns,
                       column_count, .stream = stream, .keep_rows = format == TABLE_JSON};
}

static void free_cell(struct table_cell *cell)
{
    if (cell->shown != cell->text)
        free(cell->shown);
    free(cell->text);
}

void table_free(struct table *t)
{
    for (int i = 0; i < t->cell_count; i++)
        free_cell(&t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

const char *table_thousands(double value)
{
    static char buffers[8][40];
    static int turn;
    char *out = buffers[turn++ % 8], digits[32];
    if (!isfinite(value) || fabs(value) >= 1e18) {
        snprintf(out, sizeof(*buffers), "%g", value);
        return out;
    }
    int n = snprintf(digits, sizeof(digits), "%.0f", fabs(value)), at = 0;
    if (value <= -0.5)
        out[at++] = '-';
    for (int i = 0; i < n; i++) {
        out[at++] = digits[i];
        if ((n - 1 - i) % 3 == 0 && i + 1 < n)
            out[at++] = ',';
    }
    out[at] = '\0';
    return out;
}

static bool is_shown(const struct table *t, int column)
{
    if (!t->columns[column].optional)
        return t->columns[column].title;
    for (int i = column; i < t->cell_count; i += t->column_count)
        if (t->cells[i].kind == CELL_DOUBLE && isfinite(t->cells[i].real))
            return t->columns[column].title;
    return false;
}

const char *table_cell_text(const struct table *t, int row, int column)
{
    if (column >= t->column_count || row >= t->cell_count / t->column_count ||
        !is_shown(t, column))
        return NULL;
    return row < 0 ? t->columns[column].title
                   : t->cells[row * t->column_count + column].shown;
}

/* A spreadsheet takes a cell that begins with one of these for a formula, unless an
 * apostrophe precedes it. */
static bool is_formula(const char *text)
{
    return *text && strchr("=+-@", *text) && text[1];
}

static void csv_text(FILE *out, const char *text)
{
    if (!text[strcspn(text, ",\"")] && !is_formula(text)) {
        fputs(text, out);
        return;
    }
    fputs(is_formula(text) ? "\"'" : "\"", out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void csv_row(const struct table *t, const struct table_cell *row)
{
    const char *comma = "";
    for (int c = 0; c < t->column_count; c++) {
        if (!t->columns[c].key)
            continue;
        fputs(comma, t->out);
        comma = ",";
        if (!row)
            csv_text(t->out, t->columns[c].key);
        else if (row[c].kind == CELL_TEXT)
            csv_text(t->out, row[c].shown);
        else if (row[c].kind == CELL_INT)
            fprintf(t->out, "%" PRId64, row[c].whole);
        else if (row[c].kind == CELL_BOOL)
            fputs(row[c].whole ? "true" : "false", t->out);
        else if (isfinite(row[c].real))
            fprintf(t->out, "%.9g", row[c].real);
    }
    fputc('\n', t->out);
}

/* Escapes what Markdown or HTML would take for markup. An underscore within a word is
 * none. */
static void md_text(FILE *out, const char *text)
{
    for (const char *s = text; *s; s++) {
        bool inner =
            s > text && isalnum((unsigned char)s[-1]) && isalnum((unsigned char)s[1]);
        if (strchr("|\\<>&*`[]~", *s) || (*s == '_' && !inner))
            fputc('\\', out);
        fputc(*s, out);
    }
}

void table_line(FILE *out, enum table_format format, const char *text)
{
    text = plain_text(text);
    if (format == TABLE_MD)
        md_text(out, text);
    else
        term_wrap(out, text, 0, 0, term_limit(out));
    if (format == TABLE_MD)
        fputc('\n', out);
}

static void md_row(const struct table *t, const struct table_cell *row)
{
    fputc('|', t->out);
    for (int c = 0; c < t->column_count; c++)
        if (is_shown(t, c)) {
            fputc(' ', t->out);
            md_text(t->out, row ? row[c].shown : t->columns[c].title);
            fputs(" |", t->out);
        }
    fputc('\n', t->out);
    if (row)
        return;
    fputc('|', t->out);
    for (int c = 0; c < t->column_count; c++)
        if (is_shown(t, c))
            fputs(t->columns[c].left ? ":---|" : "---:|", t->out);
    fputc('\n', t->out);
}

static int width(const struct table *t, int column)
{
    const struct table_column *c = &t->columns[column];
    int widest = term_columns(c->title);
    if (c->width > widest)
        widest = c->width;
    for (int i = column; !t->stream && i < t->cell_count; i += t->column_count) {
        int w = term_columns(t->cells[i].shown);
        widest = w > widest ? w : widest;
    }
    return widest;
}

/* Columns of a human-readable row, each with its width; longer text ends in DOTS. */
enum { DOTS = 3 };
struct layout {
    int columns[MAX_COLUMNS], widths[MAX_COLUMNS], least[MAX_COLUMNS], count;
};

static void human_cells(const struct table *t, const struct table_cell *row,
                        const struct layout *layout)
{
    int pending = 0; /* spaces that are written only if something follows */
    if (!row)
        fputs(term_style_begin(t->out, TERM_BOLD), t->out);
    for (int i = 0; i < layout->count; i++) {
        int c = layout->columns[i], width = layout->widths[i];
        const char *text = row ? row[c].shown : t->columns[c].title;
        int columns = term_columns(text), fill = width > columns ? width - columns : 0;
        bool cut = row && columns > width && !t->stream;
        if (!t->columns[c].left)
            pending += fill;
        if (cut)
            fprintf(t->out, "%*s%.*s...", pending, "",
                    (int)plain_text_prefix(text, width - DOTS), text);
        else if (*text)
            fprintf(t->out, "%*s%s", pending, "", text);
        pending = *text ? 0 : pending;
        if (t->columns[c].left)
            pending += fill;
        pending += 2;
    }
    if (!row)
        fputs(term_style_end(t->out), t->out);
    fputc('\n', t->out);
}

/* Text may lose a quarter: rows that differ at the end should remain different. */
static int least_width(const struct table *t, int column, int width)
{
    enum { SHORT = 10 };
    int least = (3 * width + 3) / 4, title = term_columns(t->columns[column].title);
    if (!t->columns[column].left || width <= SHORT)
        return width;
    return least > title ? least : title;
}

static struct layout all_columns(const struct table *t)
{
    struct layout layout = {.count = 0};
    assert(t->column_count <= MAX_COLUMNS);
    for (int c = 0; c < t->column_count; c++)
        if (is_shown(t, c)) {
            layout.columns[layout.count] = c;
            layout.widths[layout.count] = width(t, c);
            layout.least[layout.count] = least_width(t, c, layout.widths[layout.count]);
            layout.count++;
        }
    return layout;
}

static int layout_width(const struct layout *layout, int count)
{
    int sum = -2;
    for (int i = 0; i < count; i++)
        sum += layout->widths[i] + 2;
    return sum;
}

/* Narrows the widest text among the first `count` columns until they fit `limit`. False:
 * they cannot. */
static bool narrow(struct layout *layout, int count, int limit)
{
    while (layout_width(layout, count) > limit) {
        int widest = -1;
        for (int i = 0; i < count; i++) {
            if (layout->widths[i] > layout->least[i] &&
                (widest < 0 || layout->widths[i] > layout->widths[widest]))
                widest = i;
        }
        if (widest < 0)
            return false;
        layout->widths[widest]--;
    }
    return true;
}

static void human_block(const struct table *t, const struct layout *layout)
{
    int rows = t->cell_count / t->column_count;
    human_cells(t, NULL, layout);
    for (int i = 0; i < rows; i++)
        human_cells(t, t->cells + (ptrdiff_t)i * t->column_count, layout);
}

/* A table that is wider than the terminal: text is cut; if that does not suffice, the
 * columns are written in blocks, each with the text columns on the left. */
static void human_table(const struct table *t, int limit)
{
    enum { VALUES = 30 }; /* columns of a block beside the text */
    struct layout all = all_columns(t), cut = all;
    if (narrow(&cut, cut.count, limit)) {
        human_block(t, &cut);
        return;
    }
    int keys = 0;
    while (keys < all.count - 1 && t->columns[all.columns[keys]].left)
        keys++;
    keys = !keys && all.count > 1 ? 1 : keys;
    if (!narrow(&all, keys, limit - VALUES)) {
        for (int i = 0; i < keys; i++) {
            int title = term_columns(t->columns[all.columns[i]].title);
            all.least[i] = title > DOTS ? title + 1 : DOTS + 1;
        }
        narrow(&all, keys, limit - VALUES);
    }
    int beside = limit - layout_width(&all, keys) - 2;
    for (int next = keys; next < all.count;) {
        struct layout block = all;
        if (next > keys)
            fputc('\n', t->out);
        block.count = keys;
        do {
            block.columns[block.count] = all.columns[next];
            block.widths[block.count++] =
                all.widths[next] > beside && beside > DOTS ? beside : all.widths[next];
            next++;
        } while (next < all.count &&
                 layout_width(&block, block.count) + 2 + all.widths[next] <= limit);
        human_block(t, &block);
    }
}

static void human_row(const struct table *t, const struct table_cell *row)
{
    const struct layout layout = all_columns(t);
    human_cells(t, row, &layout);
}

int table_width(const struct table *t)
{
    int sum = -2;
    for (int c = 0; c < t->column_count; c++)
        sum += is_shown(t, c) ? width(t, c) + 2 : 0;
    return sum;
}

bool table_column_has_data(const struct table *t, int column)
{
    const char *text = "-";
    for (int i = 0; text && !strcmp(text, "-"); i++)
        text = table_cell_text(t, i, column);
    return text;
}

/* The widest cell of a row that a transposed table shows. */
static int widest_cell(const struct table *t, int row)
{
    int widest = 0;
    for (int c = 1; c < t->column_count; c++) {
        int columns =
            table_column_has_data(t, c) ? term_columns(table_cell_text(t, row, c)) : 0;
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static void transposed_block(const struct table *t, const char *(*letter)(int row),
                             int titles, int first, int end)
{
    const char *bold = term_style_begin(t->out, TERM_BOLD), *off = term_style_end(t->out);
    for (int c = 0; c < t->column_count; c++) {
        const char *title = c ? table_cell_text(t, -1, c) : "";
        if (!table_column_has_data(t, c))
            continue;
        fprintf(t->out, "%s%s%s%s%*s", c ? "" : "\n", bold, title, off,
                titles - term_columns(title), "");
        for (int i = first; i < end; i++) {
            const char *text = c ? table_cell_text(t, i, c) : letter(i);
            fprintf(t->out, "%*s%s", 2 + widest_cell(t, i) - term_columns(text), "",
                    text);
        }
        fputc('\n', t->out);
    }
}

void table_write_transposed(const struct table *t, const char *(*letter)(int row))
{
    int rows = t->cell_count / t->column_count, titles = widest_cell(t, -1),
        limit = term_width(t->out);
    for (int i = 0; i < rows; i++) {
        const char *name = table_cell_text(t, i, 0);
        bool cut = term_columns(name) > limit - 3;
        fprintf(t->out, "%s%s%s  %.*s%s\n", term_style_begin(t->out, TERM_BOLD),
                letter(i), term_style_end(t->out),
                cut ? (int)plain_text_prefix(name, limit - 3 - DOTS) : (int)strlen(name),
                name, cut ? "..." : "");
    }
    for (int first = 0, end; first < rows; first = end) {
        int columns = titles;
        end = first;
        do
            columns += 2 + widest_cell(t, end++);
        while (end < rows && columns + 2 + widest_cell(t, end) <= limit);
        transposed_block(t, letter, titles, first, end);
    }
}

static void write_nothing(const struct table *t, const struct table_cell *row)
{
    (void)t, (void)row;
}

static void (*const writers[])(const struct table *, const struct table_cell *) = {
    [TABLE_HUMAN] = human_row,
    [TABLE_MD] = md_row,
    [TABLE_CSV] = csv_row,
    [TABLE_JSON] = write_nothing,
};

void table_write(struct table *t)
{
    int rows = t->cell_count / t->column_count;
    if (t->format != TABLE_JSON && t->written_rows < rows)
        term_progress_clear();
    if (t->format == TABLE_HUMAN && !t->stream && rows) {
        human_table(t, term_limit(t->out));
        t->written_rows = rows;
        return;
    }
    if (!t->titled && rows)
        writers[t->format](t, NULL);
    t->titled = t->titled || rows;
    for (; t->written_rows < rows; t->written_rows++)
        writers[t->format](t, t->cells + (ptrdiff_t)t->written_rows * t->column_count);
    if (!t->stream)
        return;
    term_flush_stdout();
    /* A table of a long run does not grow. */
    for (int i = 0; i < t->cell_count && !t->keep_rows; i++)
        free_cell(&t->cells[i]);
    if (!t->keep_rows)
        t->cell_count = t->written_rows = 0;
}

static void add(struct table *t, enum cell_kind kind, double real, int64_t whole,
                const char *text)
{
    if (t->cell_count == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 16;
        t->cells =
            term_realloc_or_exit(t->cells, (size_t)t->capacity * sizeof(*t->cells));
    }
    size_t size = strlen(text) + 1;
    char *copy = memcpy(term_realloc_or_exit(NULL, size), text, size);
    const char *plain = plain_text(copy);
    char *shown = copy;
    if (plain != copy) {
        size = strlen(plain) + 1;
        shown = memcpy(term_realloc_or_exit(NULL, size), plain, size);
    }
    t->cells[t->cell_count++] = (struct table_cell){kind, real, whole, copy, shown};
    if (t->stream && t->cell_count % t->column_count == 0)
        table_write(t);
}

void table_text(struct table *t, const char *value)
{
    add(t, CELL_TEXT, 0, 0, value);
}

void table_int(struct table *t, int64_t value)
{
    add(t, CELL_INT, 0, value, table_thousands((double)value));
}

void table_double(struct table *t, double value, const char *format, ...)
{
    char text[96];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(t, CELL_DOUBLE, value, 0, text);
}

void table_bool(struct table *t, bool value, const char *shown)
{
    add(t, CELL_BOOL, 0, value, shown);
}

void table_json(const struct table *t, struct json *j, const char *key)
{
    emit_list(j, key);
    for (int i = 0; i + t->column_count <= t->cell_count; i += t->column_count) {
        emit_object(j, NULL);
        for (int c = 0; c < t->column_count; c++) {
            const struct table_cell *cell = &t->cells[i + c];
            const char *name = t->columns[c].key;
            if (!name)
                continue;
            if (cell->kind == CELL_TEXT)
                emit_text(j, name, cell->text);
            else if (cell->kind == CELL_INT)
                emit_int(j, name, cell->whole);
            else if (cell->kind == CELL_BOOL)
                emit_bool(j, name, cell->whole);
            else
                emit_double(j, name, cell->real);
        }
        emit_end(j);
    }
    emit_end(j);
}
