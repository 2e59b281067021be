/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of results: aligned for people, Markdown, CSV, and rows for a JSON document. */
#ifndef WEFT_CMD_CORE_TABLE_H
#define WEFT_CMD_CORE_TABLE_H

#include "core/json.h"

enum table_format { TABLE_HUMAN, TABLE_MD, TABLE_CSV, TABLE_JSON };
#define TABLE_FORMATS "human|md|csv|json"

struct table_column {
    const char *key;   /* in CSV and JSON; NULL: only for people */
    const char *title; /* for people; NULL: only in CSV and JSON */
    bool left;         /* aligned to the left */
    int width;         /* at least so wide; a table that streams has only this */
    bool optional;     /* people see it only where some row has a number in it */
};

struct table_cell;

struct table {
    FILE *out;
    enum table_format format;
    const struct table_column *columns;
    int column_count;
    bool stream; /* each row is written when it is complete */
    struct table_cell *cells;
    int cell_count, written_rows;
};

void table_init(struct table *table, FILE *out, enum table_format format,
                const struct table_column *columns, int column_count, bool stream);
void table_free(struct table *table); /* frees */

/* The cells of a row, from left to right. `format` is how people see it. */
void table_text(struct table *table, const char *value);
void table_int(struct table *table, int64_t value); /* people see 12,345 */
void table_double(struct table *table, double value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_bool(struct table *table, bool value, const char *shown);

/* What people see in a cell, row -1 being the titles; NULL: not there, or not shown. */
const char *table_cell_text(const struct table *table, int row, int column);

/* Whether people see a column, and more in it than dashes. */
bool table_column_has_data(const struct table *table, int column);

/* How wide people's table is; and the same turned over, where that is too wide: each row
 * is a column below `letter`, which the first column explains. */
int table_width(const struct table *table);
void table_write_transposed(const struct table *table, const char *(*letter)(int row));

/* Writes the rows that are not written yet; nothing where the format is JSON. */
void table_write(struct table *table);

/* Writes the rows as a list of objects. */
void table_json(const struct table *table, struct json *json, const char *key);

/* "12,345" in a static buffer that lives for eight calls. */
const char *table_thousands(double value);

#endif
