/* SPDX-License-Identifier: Apache-2.0 */
/* CSV files in memory. */
#include "core/csv_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

struct reader {
    const struct app *app;
    struct csv_file *csv;
    char *at, separator;
    int line;
    size_t count, room; /* of cells */
};

static void add_cell(struct reader *r, const char *cell)
{
    struct csv_file *csv = r->csv;
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 256;
        csv->cells = term_realloc_or_exit(csv->cells, r->room * sizeof(*csv->cells));
    }
    bool marked = cell[0] == '\'' && cell[1] && strchr("=+-@", cell[1]);
    csv->cells[r->count++] = cell + marked;
}

/* Removes the quotes of a cell in place; at the end of it, or NULL. */
static char *read_quoted(struct reader *r, char *cell)
{
    char *to = cell, *from = cell + 1;
    for (; *from; from++) {
        r->line += *from == '\n';
        if (*from == '"' && *++from != '"') {
            *to = '\0';
            return from;
        }
        *to++ = *from;
    }
    return NULL;
}

static enum app_exit fail(const struct reader *r, const char *what)
{
    return app_error(r->app, APP_BAD_INPUT, "%s, line %d: %s", r->csv->path, r->line,
                     what);
}

/* A row, and the end of its line. */
static enum app_exit read_row(struct reader *r, size_t *cells)
{
    size_t before = r->count;
    for (bool more = true; more;) {
        char *cell = r->at, end;
        if (*cell == '"') {
            r->at = read_quoted(r, cell);
            if (!r->at)
                return fail(r, "a quote is not closed");
        } else {
            r->at += strcspn(r->at, (const char[]){r->separator, '\r', '\n', '\0'});
        }
        end = *r->at;
        more = end == r->separator;
        if (end && !more && end != '\r' && end != '\n')
            return fail(r, "text follows a closing quote");
        *r->at = '\0';
        r->at += end != '\0';
        if (end == '\r' && *r->at == '\n')
            r->at++;
        add_cell(r, cell);
    }
    r->line++;
    *cells = r->count - before;
    return APP_OK;
}

static enum app_exit read_rows(struct reader *r)
{
    struct csv_file *csv = r->csv;
    while (*r->at) {
        size_t cells = 0;
        if (*r->at == '\n' || *r->at == '\r') {
            r->line += *r->at == '\n';
            r->at++;
            continue;
        }
        enum app_exit code = read_row(r, &cells);
        if (code)
            return code;
        if (!csv->rows)
            csv->columns = cells < INT32_MAX ? (int)cells : 0;
        else if (cells != (size_t)csv->columns || csv->rows == INT32_MAX)
            return app_error(r->app, APP_BAD_INPUT,
                             "%s, line %d: %zu cells, but the first line has %d",
                             csv->path, r->line - 1, cells, csv->columns);
        csv->rows++;
    }
    return csv->rows ? APP_OK
                     : app_error(r->app, APP_BAD_INPUT, "%s: is empty", csv->path);
}

enum app_exit csv_file_read(const struct app *app, const char *path, struct csv_file *csv)
{
    const char *why = NULL;
    size_t size;
    *csv = (struct csv_file){.path = path};
    csv->text = paths_read_file(path, MOST_BYTES, &size, &why);
    if (!csv->text)
        return app_error(app, APP_BAD_INPUT, "%s: %s", path, why);
    if (strlen(csv->text) != size)
        return app_error(app, APP_BAD_INPUT, "%s: has a zero byte: not a CSV file", path);
    char *text = csv->text + (strncmp(csv->text, "\xef\xbb\xbf", 3) ? 0 : 3);
    size_t line = strcspn(text, "\r\n");
    char separator = memchr(text, ',', line)    ? ','
                     : memchr(text, ';', line)  ? ';'
                     : memchr(text, '\t', line) ? '\t'
                                                : ',';
    return read_rows(&(struct reader){
        .app = app, .csv = csv, .at = text, .separator = separator, .line = 1});
}

void csv_file_free(struct csv_file *csv)
{
    free(csv->text);
    free(csv->cells);
    *csv = (struct csv_file){0};
}

const char *csv_file_cell(const struct csv_file *csv, int row, int column)
{
    return csv->cells[(size_t)row * (size_t)csv->columns + (size_t)column];
}

int csv_file_column(const struct csv_file *csv, const char *name)
{
    for (int c = 0; c < csv->columns; c++)
        if (!strcmp(csv_file_cell(csv, 0, c), name))
            return c;
    return -1;
}

int csv_file_column_of(const struct csv_file *csv, const char *const *names)
{
    int column = -1;
    for (; *names && column < 0; names++)
        column = csv_file_column(csv, *names);
    return column;
}

enum app_exit csv_file_int(const struct app *app, const struct csv_file *csv, int row,
                           int column, int64_t min, int64_t max, int64_t *out)
{
    const char *cell = csv_file_cell(csv, row, column);
    char *end;
    errno = 0;
    long long value = strtoll(cell, &end, 10);
    if (errno || end == cell || *end || value < min || value > max)
        return app_error(app, APP_BAD_INPUT,
                         "%s, row %d: %s is '%s', but must be %" PRId64 " to %" PRId64,
                         csv->path, row, csv_file_cell(csv, 0, column), cell, min, max);
    *out = value;
    return APP_OK;
}

enum app_exit csv_file_double(const struct app *app, const struct csv_file *csv, int row,
                              int column, double *out)
{
    const char *cell = csv_file_cell(csv, row, column);
    char *end;
    *out = strtod(cell, &end);
    if (end == cell || *end || !isfinite(*out))
        return app_error(app, APP_BAD_INPUT,
                         "%s, row %d: %s is '%s', but must be a number", csv->path, row,
                         csv_file_cell(csv, 0, column), cell);
    return APP_OK;
}
